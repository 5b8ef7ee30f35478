"""A wrong fact in a source's YAML file is told by file and name."""

from pathlib import Path

import pytest

from osler.errors import InputError
from osler.sources.load import load_source, spelled_out

FACTS = """\
home: https://example.org
revision: "1"
license: MIT
access: open
language: en
citation: Doe J. A data set that does not exist. 2026
rows: {all: 2}
known_problems: [None is known.]
files: [['*.jsonl']]
columns: {question: [asked]}
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("home:", "hoem:"), r"there is no fact 'hoem'\. Did you mean 'home'\?"),
        (("license: MIT\n", ""), r"license: "),
        (("access: open", "access: public"), r"access: Input should be 'open'"),
        (("{all: 2}", "{all: many}"), r"rows\.all: "),
        (("{question: [asked]}", "{question: [asked], anser: [told]}"), r"anser: "),
        (("columns: {question: [asked]}\n", ""), r"to_records: "),
        (("columns: {question: [asked]}", "to_records: medqa.no_such"), r"names a function that is not there"),
        (("columns: {question: [asked]}", "to_records: no_module.to_records"), r"names a function that is not there"),
        (("home: ", "home: [}"), r"is not YAML"),
    ],
)
def test_a_wrong_fact_is_told(tmp_path: Path, change, told):
    (tmp_path / "invented.yaml").write_text(FACTS.replace(*change))
    with pytest.raises(InputError, match=rf"invented\.yaml.*{told}"):
        load_source(tmp_path / "invented.yaml", "osler.sources.catalog")


def test_the_file_names_the_source(tmp_path: Path):
    (tmp_path / "invented.yaml").write_text(FACTS)
    source = load_source(tmp_path / "invented.yaml", "osler.sources.catalog")
    assert (source.name, source.rows, source.files, source.use) == (
        "invented", {"all": 2}, (("*.jsonl",),), ("train", "test")
    )  # fmt: skip


def test_braces_stand_for_each_of_their_words_and_the_first_changes_slowest():
    assert spelled_out(["{a,b}/x{1,2}.csv", "c"]) == ["a/x1.csv", "a/x2.csv", "b/x1.csv", "b/x2.csv", "c"]
