"""A user's own files: a mapping in the recipe, mistakes told with the columns there are, plug-ins beside the catalog."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from osler.errors import InputError, RecipeError
from osler.recipe import parse_recipe
from osler.records.io import read_records, to_dict
from osler.records.record import Record
from osler.runs.files import read_json
from osler.runs.progress import silent
from osler.sources.catalog import SOURCE_NAMES, all_sources, source_named
from osler.sources.collect import collect, copies_of, input_digests
from osler.sources.config import CollectConfig
from osler.sources.plugins import plugins

ROWS = [
    {"Frage": "Invented: is water wet?", "Antwort": "Yes.", "patient": "7", "Text": "A passage.", "Teil": "Test"},
    {"Frage": "Invented: is fire cold?", "Antwort": "No.", "patient": "", "Text": "", "Teil": ""},
]
MAPPING = {"name": "my-clinic", "question": "Frage", "answer": "Antwort"}


def as_csv(rows: list[dict]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_csv_of_a_german_spreadsheet(rows: list[dict]) -> bytes:
    return b"\xef\xbb\xbf" + as_csv(rows).replace(b",", b";")


def as_parquet(rows: list[dict]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def as_jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def config(tmp_path: Path):
    def make(name: str, content: bytes, /, **mapping) -> CollectConfig:
        (tmp_path / name).write_bytes(content)
        options = {"own": [{**MAPPING, "file": f"./{name}", **mapping}], "sources": []}
        return CollectConfig.model_validate(options, context={"folder": tmp_path})

    return make


@pytest.fixture
def records(config, tmp_path: Path):
    def run(name: str, content: bytes, /, **mapping) -> list[Record]:
        collect(config(name, content, **mapping), ["my-clinic"], tmp_path / "out", silent)
        return list(read_records(tmp_path / "out" / "records" / "my-clinic.jsonl"))

    return run


def aside(tmp_path: Path) -> list[dict]:
    return [json.loads(line) for line in (tmp_path / "out" / "set_aside.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("qa.csv", as_csv),
        ("qa.csv", as_csv_of_a_german_spreadsheet),
        ("qa.jsonl", as_jsonl),
        ("qa[1].jsonl", as_jsonl),
        ("qa.json", lambda rows: json.dumps(rows).encode()),
        ("qa.parquet", as_parquet),
    ],
)
def test_a_file_becomes_records_by_its_columns(records, name, write):
    first, second = records(name, write(ROWS), context="Text", group="patient", split="Teil")
    assert (first.question, first.target, first.task) == ("Invented: is water wet?", "Yes.", "qa")
    assert (first.context, first.split) == (("A passage.",), "test")
    assert (second.context, second.group, second.split) == ((), "", "")
    assert first.id.startswith("my-clinic:")
    assert (first.origin.license, first.origin.access) == ("LicenseRef-own", "unclear")
    assert first.origin.revision.startswith("sha256:")


def test_a_patients_number_makes_a_group_and_stands_in_no_record(records):
    rows = [
        {"Frage": f"Invented: is it {n}?", "Antwort": "Yes.", "patient": number}
        for n, number in enumerate(("4711-08", "4711-08", "4711-09"))
    ]
    first, again, other = records("qa.csv", as_csv(rows), group="patient")
    assert first.group == again.group != other.group
    assert first.group.startswith("my-clinic:")
    assert all("4711" not in json.dumps(to_dict(one)) for one in (first, again, other))


def test_a_spreadsheet_becomes_records(records):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("Frage", "Antwort"), ("Invented: how many?", 3), ("Invented: which?", "This one.")):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    assert [record.target for record in records("qa.xlsx", out.getvalue())] == ["3", "This one."]


@pytest.mark.parametrize(
    ("answer", "index"), [("Two", 1), (" b ", 1), ("C", 2), ("1", 0), ("3", 2), ("0", None), ("D", None), ("two", None)]
)
@pytest.mark.parametrize("form", ["columns", "list", "text"])
def test_options_are_columns_or_a_list_and_the_answer_is_text_letter_or_number(records, tmp_path, answer, index, form):
    row: dict = {"Frage": "Invented?", "Antwort": answer}
    good = {**row, "Antwort": "One"}
    texts = ["One", "Two", "Three"]
    options: dict = {"list": {"o": texts}, "text": {"o": json.dumps(texts)}}.get(form, {})
    options = options or dict(zip("xyz", texts, strict=True))
    choices = ["x", "y", "z"] if form == "columns" else "o"
    found = records("qa.jsonl", as_jsonl([{**good, **options}, {**row, **options}]), choices=choices, count_from=1)
    assert found[0].target == "A. One"
    if index is None:
        assert [one["reason"] for one in aside(tmp_path)] == ["answer_not_an_option"]
        assert "a letter from A to C, or a number from 1" in aside(tmp_path)[0]["detail"]
    else:
        assert (found[1].answer, found[1].choices, found[1].task) == (index, tuple(texts), "choice")


def test_a_number_is_an_answer_only_when_the_recipe_says_what_it_counts_from(records, tmp_path):
    rows = [{"Frage": "?", "Antwort": answer, "x": "One", "y": "Two", "z": ""} for answer in ("1", "B")]
    (found,) = records("qa.csv", as_csv(rows), choices=["x", "y", "z"])
    assert (found.answer, found.choices) == (1, ("One", "Two"))
    assert aside(tmp_path)[0]["reason"] == "answer_not_an_option"


def test_a_wrong_column_is_named_with_the_nearest_and_those_there_are(config, tmp_path):
    wrong = config("qa.csv", as_csv(ROWS), question="frage", group="ward")
    with pytest.raises(InputError) as caught:
        collect(wrong, ["my-clinic"], tmp_path / "out", silent)
    assert str(caught.value) == (
        f"my-clinic: {tmp_path}/qa.csv has no column question: 'frage' (did you mean 'Frage'?); no column group: 'ward'. "
        "The columns are: Frage, Antwort, patient, Text, Teil. Correct the mapping in collect.own."
    )


def test_a_row_without_a_column_is_set_aside_with_those_it_has_and_its_neighbours_stay(records, tmp_path):
    rows = [ROWS[0], {"Frage": "Invented?", "Antwrt": "x"}, {"Frage": "Invented?", "Antwort": None}, ROWS[1]]
    assert len(records("qa.jsonl", as_jsonl(rows))) == 2
    assert [(one["row"], one["field"], one["reason"]) for one in aside(tmp_path)] == [
        ("qa.jsonl:2", "Antwort", "missing_field"),
        ("qa.jsonl:3", "Antwort", "empty_answer"),
    ]
    assert "the row has Frage, Antwrt" in aside(tmp_path)[0]["detail"]


def test_an_empty_cell_is_empty_however_the_table_writes_it(records, tmp_path):
    rows = [{"Frage": "Invented?", "Antwort": answer} for answer in (1.0, None, float("nan"), 2.5)]
    assert [one.target for one in records("qa.parquet", as_parquet(rows))] == ["1", "2.5"]
    assert [one["reason"] for one in aside(tmp_path)] == ["empty_answer", "empty_answer"]


def test_an_unknown_split_is_set_aside(records, tmp_path):
    rows = [{**ROWS[0], "Teil": part} for part in ("dev", "holdout")]
    assert [one.split for one in records("qa.jsonl", as_jsonl(rows), split="Teil")] == ["validation"]
    assert (
        aside(tmp_path)[0]["detail"]
        == 'is "holdout"; expected one of train, dev, val, valid, validate, validation, test'
    )


def test_its_text_is_never_in_what_is_set_aside(records, tmp_path):
    rows = [ROWS[0], {**ROWS[0], "Antwort": ["secret words of a patient"]}]
    records("qa.jsonl", as_jsonl(rows))
    assert "secret" not in (tmp_path / "out" / "set_aside.jsonl").read_text()


def test_the_digest_covers_the_file_and_not_its_place(config, tmp_path):
    before = input_digests(copies_of(config("qa.csv", as_csv(ROWS)), ["my-clinic"]))
    assert list(before) == ["my-clinic/qa.csv", "sample"]
    assert input_digests(copies_of(config("qa.csv", as_csv(ROWS[:1])), ["my-clinic"])) != before


def test_a_link_is_read_under_its_own_name(config, tmp_path):
    (tmp_path / "0123abcd").write_bytes(as_csv(ROWS))
    (tmp_path / "qa.csv").symlink_to("0123abcd")
    collect(config("qa.csv", as_csv(ROWS)), ["my-clinic"], tmp_path / "out", silent)
    assert read_json(tmp_path / "out" / "counts.json")["sources"][0]["files"][0]["name"] == "qa.csv"


def test_it_is_read_from_its_own_place_also_when_the_root_has_a_folder_of_its_name(config, tmp_path):
    (tmp_path / "root" / "my-clinic").mkdir(parents=True)
    (tmp_path / "root" / "my-clinic" / "qa.csv").write_bytes(as_csv(ROWS[:1]))
    own = config("qa.csv", as_csv(ROWS)).model_copy(update={"root": tmp_path / "root"})
    collect(own, ["my-clinic"], tmp_path / "out", silent)
    assert read_json(tmp_path / "out" / "counts.json")["sources"][0]["read"] == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"file": "gone.csv"}, r"there is no file .*gone\.csv' \(from 'gone\.csv'\)"),
        ({"file": "."}, r"there is a folder, not a file, .* \(from '\.'\)"),
        ({"name": "medqa"}, "'medqa' is the name of a source in the catalog"),
        ({"name": "My Clinic"}, "should match pattern"),
        ({"choices": ["one"]}, "at least 2 items"),
        ({"count_from": 2}, "Input should be 0 or 1"),
        ({"access": "secret"}, "Input should be 'open', 'unclear', 'application' or 'credentialed'"),
        ({"qestion": "x"}, "Extra inputs are not permitted"),
        ({"question": ""}, "at least 1 character"),
    ],
)
def test_a_wrong_mapping_is_a_mistake_of_the_recipe(config, change, told):
    with pytest.raises(ValidationError, match=told):
        config("qa.csv", as_csv(ROWS), **change)


def test_what_is_trained_on_beside_it_must_be_said(tmp_path):
    (tmp_path / "qa.csv").write_bytes(as_csv(ROWS))
    own = [{**MAPPING, "file": str(tmp_path / "qa.csv")}]
    with pytest.raises(ValidationError, match=r"say in sources what to train on beside it"):
        CollectConfig(own=own)
    with pytest.raises(ValidationError, match=r"own has my-clinic more than once"):
        CollectConfig(own=own * 2, sources=())
    assert CollectConfig(own=own, sources=("medqa",)).trained_on == ("medqa", "my-clinic")


def test_in_a_recipe_that_mistake_is_told_in_plain_words(tmp_path):
    (tmp_path / "qa.csv").write_bytes(as_csv(ROWS))
    text = b"{name: a, collect: {own: [{name: clinic, file: qa.csv, question: Frage, answer: Antwort}]}}"
    with pytest.raises(RecipeError, match=r"collect \(line 1\): own is given; say in sources what to train on"):
        parse_recipe(text, "recipe.yaml", tmp_path)


PLUGIN = """
from dataclasses import replace
from osler.sources.catalog import source_named
SOURCE = replace(source_named("medqa"), name="{name}")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts fake distributions with entry points on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    plugins.cache_clear()

    def put(module: str, text: str, point: str, value: str) -> None:
        (site / f"{module}.py").write_text(text)
        info = site / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[osler.sources]\n{point} = {value}\n")

    yield put
    plugins.cache_clear()
    for module in ("osler_invented_a", "osler_invented_b", "osler_invented_c"):
        sys.modules.pop(module, None)


def test_a_plugin_adds_a_source(install, copies, tmp_path):
    install("osler_invented_a", PLUGIN.format(name="invented_exam"), "invented_exam", "osler_invented_a:SOURCE")
    assert source_named("invented_exam").name == "invented_exam"
    assert [source.name for source in all_sources()] == [*SOURCE_NAMES, "invented_exam"]
    (copies / "medqa").rename(copies / "invented_exam")
    config = CollectConfig(root=copies, sources=("invented_exam",))
    collect(config, config.trained_on, tmp_path / "out", silent)
    assert read_json(tmp_path / "out" / "counts.json")["sources"][0]["records"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise ZeroDivisionError('oh')", r"cannot be loaded, ZeroDivisionError: oh"),
        ("import no_such_module_xyz", r"cannot be loaded, ModuleNotFoundError"),
        ("SOURCE = 3", r"is of the type int; expected an osler\.sources\.source\.Source"),
        ("other = 3", r"cannot be loaded, AttributeError"),
        (PLUGIN.format(name="medquad"), r"its source is named 'medquad', and there is another of that name"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_no_other(install, text, told):
    install("osler_invented_b", text, "broken_set", "osler_invented_b:SOURCE")
    install("osler_invented_c", PLUGIN.format(name="sound_set"), "sound_set", "osler_invented_c:SOURCE")
    assert source_named("sound_set").name == "sound_set"
    assert source_named("medqa").name == "medqa"
    with pytest.raises(InputError, match=rf"the plug-in 'broken_set' of osler_invented_b 1\.2 .*{told}"):
        source_named("broken_set")
