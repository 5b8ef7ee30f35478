"""MedQA: four shapes become the same record, and a key that does not fit its options is never guessed."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.medqa import to_records
from osler.sources.files import find_files
from osler.sources.source import Place, records_of

MEDQA = source_named("medqa")

PLACE = Place("medqa", "train.jsonl", "train.jsonl:1", task="choice")
STEM = "Invented stem: which vitamin deficiency classically causes night blindness?"
TEXTS = ["Vitamin A", "Vitamin B1", "Vitamin C", "Vitamin D"]
BY_LETTER = {
    "question": STEM,
    "answer": "Vitamin C",
    "options": dict(zip("ABCD", TEXTS, strict=True)),
    "answer_idx": "C",
    "meta_info": "step1",
}
SHAPES = {
    "by letter": BY_LETTER,
    "padded with null": {**BY_LETTER, "options": {**BY_LETTER["options"], "E": None}},
    "in another order": {**BY_LETTER, "options": dict(reversed(BY_LETTER["options"].items()))},
    "key and value": {**BY_LETTER, "options": [{"key": k, "value": v} for k, v in BY_LETTER["options"].items()]},
    "hf": {"sent1": STEM, "sent2": "", "label": 2, **{f"ending{i}": text for i, text in enumerate(TEXTS)}},
    "mediq": {
        **BY_LETTER,
        "context": ["Invented stem: which vitamin", "deficiency classically"],
        "question": "causes night blindness?",
        "explanation": "",
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_record(shape):
    [record] = to_records(SHAPES[shape], PLACE)
    assert record.question == STEM
    assert record.choices == tuple(TEXTS)
    assert record.answer == 2
    assert record.target == "C. Vitamin C"
    assert record.task == "choice"
    assert record.rationale == ""


def test_five_options_stay_five():
    [record] = to_records({**BY_LETTER, "options": {**BY_LETTER["options"], "E": "Vitamin K"}}, PLACE)
    assert record.choices[4] == "Vitamin K"


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"answer_idx": "E"}, "answer_not_an_option", 'answer_idx: is "E"; expected one of A, B, C, D'),
        ({"answer_idx": None}, "answer_not_an_option", "answer_idx: is null; expected one of A, B, C, D"),
        ({"answer_idx": ["C"]}, "answer_not_an_option", "answer_idx: is a list of 1; expected one of A, B, C, D"),
        (
            {"answer_idx": "A" * 40},
            "answer_not_an_option",
            "answer_idx: is text of 40 characters; expected one of A, B, C, D",
        ),
        ({"answer": "Vitamin D"}, "answer_differs", 'answer: is not the text of option C, which "answer_idx" names'),
        ({"question": " "}, "empty_question", "question: is empty"),
        ({"question": 4}, "wrong_type", "question: is a number; expected text"),
        ({"options": {"A": "one"}}, "bad_options", "options: there are 1 options; expected 2 to 10"),
        ({"options": {"A": "one", "B": ""}}, "bad_options", "options: an option is empty"),
        ({"options": "A or B"}, "bad_options", "options: is text of 6 characters; expected options by letter"),
    ],
)
def test_a_bad_row_says_which_field_and_why(change, reason, message):
    with pytest.raises(RowError) as caught:
        to_records({**BY_LETTER, **change}, PLACE)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


@pytest.mark.parametrize(
    ("label", "reason", "message"),
    [
        (4, "answer_not_an_option", "label: is 4; expected 0 to 3"),
        (-1, "hidden_label", "label: is -1: the label is not published"),
        (True, "wrong_type", "label: is true or false; expected a whole number"),
    ],
)
def test_a_bad_number_of_an_option_is_not_guessed(label, reason, message):
    with pytest.raises(RowError) as caught:
        to_records({**SHAPES["hf"], "label": label}, PLACE)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_a_missing_field_is_named():
    row = {name: value for name, value in BY_LETTER.items() if name != "question"}
    with pytest.raises(RowError, match=r"^question: the field is missing; check that the file is the publisher's own$"):
        to_records(row, PLACE)
    with pytest.raises(RowError, match=r"^the row is a list of 0; expected an object with named fields$"):
        to_records([], PLACE)


def lines(row):
    return json.dumps(row).encode() + b"\n"


def parquet(row):
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), table)
    return table.getvalue()


FIVE = {**BY_LETTER, "options": {**BY_LETTER["options"], "E": "Vitamin K"}}
FOUR_PHRASES = {**BY_LETTER, "metamap_phrases": ["night blindness"]}
COPIES = {
    "original, four options": {
        "data_clean/questions/US/4_options/phrases_no_exclude_test.jsonl": lines(FOUR_PHRASES),
        "data_clean/questions/US/test.jsonl": lines(FIVE),
    },
    "original, five options": {"questions/US/test.jsonl": lines(FIVE)},
    "bigbio": {"test.jsonl": lines(SHAPES["key and value"])},
    "GBaker": {"phrases_no_exclude_test.jsonl": lines(FOUR_PHRASES)},
    "augtoma": {"data/test-00000-of-00001-0123456789abcdef.parquet": parquet(FOUR_PHRASES)},
    "hub's rows of four and five options in one table": {
        "data/test-00000-of-00001.parquet": parquet(SHAPES["padded with null"])
    },
    "-hf, lines under the name of JSON": {"test.json": lines(SHAPES["hf"]) * 2},
    "truehealth": {"test.jsonl": lines(FIVE)},
}


@pytest.mark.parametrize("copy", COPIES)
def test_every_copy_in_circulation_is_found_and_read_alike(copy, write_copy):
    root = write_copy("medqa", COPIES[copy])
    record, *_ = [
        record
        for file in find_files(MEDQA, root)
        for native in MEDQA.read(file)
        for record in records_of(MEDQA, native)
    ]
    assert (record.question, record.target, record.split) == (STEM, "C. Vitamin C", "test")
    five = copy in {"original, five options", "truehealth"}
    assert record.choices == (*TEXTS, *(["Vitamin K"] if five else []))
