"""MedMCQA: a file that counts options from 0 and one that counts from 1 give the same keys."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import InputError, RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.medmcqa import _STATED_KEY, counts_from, notes, read, to_records
from osler.sources.files import find_files
from osler.sources.source import Place, SourceFile, records_of

MEDMCQA = source_named("medmcqa")

PLACE = Place("medmcqa", "dev.json", "dev.json:1", task="choice")
ROW = {
    "question": "Invented item: which organ produces insulin?",
    "opa": "Liver",
    "opb": "Pancreas",
    "opc": "Spleen",
    "opd": "Thymus",
    "exp": "Invented: beta cells of the islets.",
    "cop_counts_from": 0,
    "cop": 1,
}


@pytest.fixture
def file(tmp_path):
    def write(*values, name="train.jsonl"):
        rows = [
            {key: value for key, value in {**ROW, "cop": cop}.items() if key != "cop_counts_from"} for cop in values
        ]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return SourceFile(tmp_path / name, name)

    return write


def answers(file):
    return [records_of(MEDMCQA, native)[0].answer for native in read(file)]


def test_the_whole_file_decides_what_cop_counts_from(file):
    assert answers(file(1, 2, 3, 0)) == [1, 2, 3, 0]
    assert answers(file(1, 2, 3, 4)) == [0, 1, 2, 3]
    assert answers(file(1, 4, name="dev.json")) == [0, 3]


def test_hidden_labels_are_set_aside_and_tell_that_counting_starts_at_0(file):
    hidden = file(-1, -1)
    assert counts_from(hidden) == 0
    for native in read(hidden):
        with pytest.raises(RowError) as caught:
            records_of(MEDMCQA, native)
        assert (caught.value.reason, str(caught.value)) == ("hidden_label", "cop: is -1: the label is not published")
    assert counts_from(file(-1, 2, 1)) == 0


@pytest.mark.parametrize("values", [(1, 2, 3), (0, 1, 4), (-1, 4)])
def test_a_file_that_does_not_tell_is_refused(file, values):
    listed = ", ".join(map(str, sorted(values)))
    with pytest.raises(
        InputError, match=f'"cop" takes the values {listed}; expected 0 to 3 .* it cannot be told which option'
    ):
        list(read(file(*values)))


def test_a_number_outside_the_options_is_a_bad_row(file):
    rows = list(read(file(1, 4, 9)))
    with pytest.raises(RowError, match=r"^cop: is 9; expected 1 to 4$"):
        records_of(MEDMCQA, rows[2])


def test_a_record_has_key_options_and_explanation():
    [record] = to_records(ROW, PLACE)
    assert (record.task, record.answer, record.target) == ("choice", 1, "B. Pancreas")
    assert record.choices == ("Liver", "Pancreas", "Spleen", "Thymus")
    assert record.rationale == "Invented: beta cells of the islets."
    assert record.split == "validation"
    assert to_records({**ROW, "exp": None}, PLACE)[0].rationale == ""
    assert notes(ROW) == ()


def test_an_explanation_of_another_key_is_left_out_and_noted():
    row = {**ROW, "exp": "Ans. is 'c' i.e., Spleen"}
    assert to_records(row, PLACE)[0].rationale == ""
    assert notes(row) == ("rationale_contradicts_answer",)
    agreeing = {**ROW, "exp": "Ans. is 'b' i.e., Pancreas"}
    assert to_records(agreeing, PLACE)[0].rationale
    assert notes(agreeing) == ()


def test_repeated_options_are_kept_and_noted():
    row = {**ROW, "opa": "Spleen "}
    assert to_records(row, PLACE)
    assert notes(row) == ("repeated_options",)
    assert notes({**ROW, "opa": "+1", "opc": "-1"}) == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Ans. is 'b' i.e., it", "b"),
        ("Ans: A. Pregnant woman", "A"),
        ("ANSWER- (C) Something", "C"),
        ("Answer: d", "d"),
        ("Ans.(b) Something", "b"),
        ("  Ans. ‘a’ – text", "a"),
    ],
)
def test_the_stated_key_is_found(text, key):
    found = _STATED_KEY.match(text)
    assert found is not None
    assert found[1] == key


@pytest.mark.parametrize(
    "text",
    [
        "Ans. All are true",
        "Answer Both",
        "Answers differ",
        "Answer DThyrotoxic",
        "The answer is b",
        "Ansa cervicalis",
        "",
    ],
)
def test_other_words_are_no_stated_key(text):
    assert _STATED_KEY.match(text) is None


def test_the_hubs_folder_is_found_and_its_hidden_test_set_gives_no_records(write_copy):
    row = {**{name: value for name, value in ROW.items() if name != "cop_counts_from"}, "topic_name": None}
    files = {}
    for split, keys in (("train", [0, 1, 3]), ("validation", [1, 0]), ("test", [-1])):
        table = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{**row, "cop": key} for key in keys]), table)
        files[f"data/{split}-00000-of-00001.parquet"] = table.getvalue()
    seen, hidden = [], 0
    for found in find_files(MEDMCQA, write_copy("medmcqa", files)):
        for native in MEDMCQA.read(found):
            try:
                seen += [(record.split, record.answer) for record in records_of(MEDMCQA, native)]
            except RowError as error:
                hidden += error.reason == "hidden_label"
    assert seen == [("train", 0), ("train", 1), ("train", 3), ("validation", 1), ("validation", 0)]
    assert hidden == 1
