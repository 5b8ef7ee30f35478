# The few verbs of the project. Each makes the virtual environment it needs; nothing outside the checkout is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-all check format golden site packages bench clean install

demo: $(INSTALLED)          ## the whole way on the sample data, in two minutes
	$(BIN)/osler demo

test: $(INSTALLED)          ## the test suite on two cores, under five minutes
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-all: $(INSTALLED)      ## with the slow tests: every model family, whole runs, real data sets
	OMP_NUM_THREADS=2 $(BIN)/pytest -m "not gpu and not network"

check: $(INSTALLED)         ## format, lint, types, layers
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format src tests benchmarks tools
	$(BIN)/ruff check --fix src tests benchmarks tools

golden: $(INSTALLED)        ## rewrite the golden files; look at the difference before you commit it
	OSLER_GOLDEN=write $(BIN)/pytest -q tests -k golden

site: $(INSTALLED)          ## the documents as plain HTML in site/
	$(BIN)/python tools/site.py site

packages:                   ## wheel and sdist in dist/, and the core alone run from the wheel in an empty environment
	$(PYTHON) tools/packages.py $(PACKAGES)

# Those beside another tool, or of hours, are in benchmarks/README.md with their commands. DATA names a folder of real data sets.
bench: $(INSTALLED)         ## the figures of benchmarks/ that a laptop can make; more with DATA=FOLDER
	$(BIN)/python benchmarks/start_up.py
	PYTHONPATH=. $(BIN)/python benchmarks/export_agreement.py
	$(BIN)/python benchmarks/serve_state.py
	$(BIN)/python benchmarks/serve_load.py
ifdef DATA
	$(BIN)/python benchmarks/planted.py $(DATA)
	$(BIN)/python benchmarks/medquad_copies.py $(DATA)
	$(BIN)/python benchmarks/clean_keeps.py $(DATA)
	$(BIN)/python benchmarks/guard_sets.py $(DATA)
endif

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Osler needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all]"
	@touch $@

clean:
	rm -rf $(VENV) dist runs .mypy_cache .ruff_cache .pytest_cache
