"""First-aid intents and symptom classes."""

import json

import pytest

from osler.errors import RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.first_aid import to_records as first_aid_records
from osler.sources.catalog.symptom_to_diagnosis import to_records as symptom_records
from osler.sources.files import find_files
from osler.sources.source import Place, records_of

FIRST_AID = source_named("first_aid")
SYMPTOM_TO_DIAGNOSIS = source_named("symptom_to_diagnosis")

PLACE = Place("first_aid", "first_aid1.json", "first_aid1.json:[0]")
TAG = {
    "tag": "Invented Cut",
    "patterns": ["What to do?", " ", "How to treat it?"],
    "responses": [" Wash the cut.", "", "Cover it."],
}


def records_in(source, root):
    return [
        record
        for file in find_files(source, root)
        for native in source.read(file)
        for record in records_of(source, native)
    ]


def test_each_way_of_asking_is_a_record_of_one_group():
    records = first_aid_records(TAG, PLACE)
    assert [(record.question, record.target) for record in records] == [
        ("What to do?", "Wash the cut.\nCover it."),
        ("How to treat it?", "Wash the cut.\nCover it."),
    ]
    assert [record.origin.row for record in records] == [
        "first_aid1.json:[0]#patterns[0]",
        "first_aid1.json:[0]#patterns[2]",
    ]
    assert {record.group for record in records} == {"first_aid:invented cut"}
    assert len({record.id for record in records}) == 2


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"responses": [""]}, "empty_answer", "responses: no response has text"),
        ({"responses": []}, "empty_answer", "responses: no response has text"),
        ({"patterns": [" "]}, "empty_question", "patterns: no pattern has text"),
        ({"tag": ""}, "empty_tag", "tag: is empty"),
    ],
)
def test_a_tag_without_text_is_set_aside(change, reason, message):
    with pytest.raises(RowError) as caught:
        first_aid_records({**TAG, **change}, PLACE)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_nested_flat_and_lines_give_the_same_texts(write_copy):
    texts = []
    for name, value in (
        ("first_aid1.json", {"intents": [{**TAG, "context_set": ""}]}),
        ("first_aid1.json", [TAG]),
    ):
        root = write_copy("first_aid", {name: json.dumps(value).encode()})
        texts.append([(record.question, record.target) for record in records_in(FIRST_AID, root)])
    (root / "first_aid" / "first_aid1.json").unlink()
    root = write_copy("first_aid", {"train.jsonl": json.dumps(TAG).encode()})
    texts.append([(record.question, record.target) for record in records_in(FIRST_AID, root)])
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) == 2


def test_an_object_without_intents_is_a_bad_row(write_copy):
    root = write_copy("first_aid", {"first_aid1.json": b'{"tags": []}'})
    [native] = [native for file in find_files(FIRST_AID, root) for native in FIRST_AID.read(file)]
    assert str(native.value) == "intents: is null; expected a list of tags"


def test_symptoms_are_never_answered_with_a_diagnosis(write_copy):
    place = Place("symptom_to_diagnosis", "test.jsonl", "test.jsonl:1", task="classify")
    [record] = symptom_records({"output_text": "Common Cold", "input_text": "Invented: I keep sneezing. "}, place)
    assert record.task == "classify"
    assert record.split == "test"
    assert record.question.startswith("Invented: I keep sneezing.\n\nWhat condition can cause")
    assert record.target.startswith("These symptoms can occur with common cold. Other conditions can look alike")
    assert "you have" not in record.target.casefold()
    assert "See a clinician" in record.target


def test_the_csv_form_reads_alike_and_has_no_split(write_copy):
    root = write_copy(
        "symptom2disease", {"Symptom2Disease.csv": b"index,label,text\n0,Common Cold,Invented: I keep sneezing.\n"}
    )
    [record] = records_in(SYMPTOM_TO_DIAGNOSIS, root)
    place = Place("symptom_to_diagnosis", "train.jsonl", "train.jsonl:1", task="classify")
    [hub] = symptom_records({"output_text": "common cold", "input_text": "Invented: I keep sneezing."}, place)
    assert record.messages == hub.messages
    assert record.split == ""
