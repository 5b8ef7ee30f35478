"""docs/sources.md and the catalog's examples are made from the catalog and from the invented rows: they cannot fall behind."""

import inspect
import os
import sys
from pathlib import Path

import orjson

from osler.errors import RowError
from osler.records.io import to_dict
from osler.records.record import Record
from osler.runs.local_only import local_only
from osler.sources import catalog
from osler.sources.catalog import SOURCE_NAMES, catalog_sources
from osler.sources.files import find_files
from osler.sources.here import EXAMPLES_FILE, example_record
from osler.sources.source import Source, records_of

WRITE = os.environ.get("OSLER_GOLDEN") == "write"
HEAD = """\
# Data sets

Made from the catalog (`src/osler/sources/catalog/`) by `make golden`; do not edit. `osler sources show NAME` shows one with an example,
`osler sources check NAME --from PATH` checks a local copy, `osler collect NAME` makes records of it.

Access: *open* and *unclear* (nobody states terms) may be downloaded; *application* and *credentialed* need your own copy and a stated
agreement, and their rows never leave the machine. A `~` stands before a number that is not exact.

"""


def test_the_page_of_sources_is_the_golden_one(repository: Path):
    path = repository / "docs" / "sources.md"
    if WRITE:
        path.write_text(page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == page(), "run `make golden` and look at the difference"


def test_the_examples_of_the_catalog_are_the_golden_ones(copies: Path):
    path = Path(catalog.__file__).parent / EXAMPLES_FILE
    made = {source.name: to_dict(first_record(source, copies)) for source in catalog_sources()}
    content = orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    if WRITE:
        path.write_bytes(content)
    assert path.read_bytes() == content, "run `make golden` and look at the difference"


def test_every_source_has_an_example_and_a_line_on_the_page():
    assert all(example_record(name) for name in SOURCE_NAMES)
    assert all(f"\n## {name}\n" in page() for name in SOURCE_NAMES)


def test_restricted_sources_are_never_offered_for_download():
    assert not [s.name for s in catalog_sources() if local_only(s.access) and (s.hub or s.downloads)]


def first_record(source: Source, copies: Path) -> Record:
    """The first record with an answer; where there is none, the first record."""
    first = None
    for file in find_files(source, copies):
        for native in list(source.read(file)):
            try:
                records = records_of(source, native)
            except RowError:
                continue
            first = first or records[0]
            answered = [record for record in records if record.target]
            if answered:
                return answered[0]
    assert first is not None, f"{source.name}: the invented rows give no record"
    return first


def page() -> str:
    rows = ["| name | task | rows | license | access | language |", "|---|---|---|---|---|---|"]
    rows += [
        f"| [{s.name}](#{s.name}) | {s.task} | {n_rows(s)} | {s.license} | {s.access} | {s.language} |"
        for s in catalog_sources()
    ]
    return HEAD + "\n".join(rows) + "\n" + "".join(section(source) for source in catalog_sources())


def n_rows(source: Source) -> str:
    return ("~" if "about" in source.rows else "") + f"{sum(source.rows.values()):,}" if source.rows else "not stated"


def section(source: Source) -> str:
    facts = [
        f"{n_rows(source)} rows",
        source.license,
        source.access,
        "synthetic" if source.synthetic else "by people",
    ]
    facts += [] if "train" in source.use else ["never for training"]
    lines = [f"\n## {source.name}\n", f"{', '.join(facts)}. Home: <{source.home}>\n", f"{what_a_record_is(source)}\n"]
    lines += [f"- {problem}" for problem in source.known_problems]
    if source.overlaps:
        lines.append(f"- Overlaps with {', '.join(source.overlaps)}.")
    return "\n".join([*lines, "", f"{source.citation}", ""])


def what_a_record_is(source: Source) -> str:
    """From the words of the mapping; where it is made for several sets, from those of its file."""
    mapping = getattr(source.to_records, "func", source.to_records)
    text = inspect.getdoc(mapping) or inspect.getdoc(sys.modules[mapping.__module__]) or ""
    return " ".join(text.split("\n\n")[0].split())
