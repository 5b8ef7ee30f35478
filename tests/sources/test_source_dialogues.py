"""MedDialog in its shapes, and the mirrors that share one of them."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.meddialog import notes, to_records
from osler.sources.files import find_files
from osler.sources.source import Place, records_of

CHATDOCTOR_5K = source_named("chatdoctor5k")
MEDDIALOG = source_named("meddialog")
MEDDIALOG_ZH = source_named("meddialog_zh")

TEXT = """id=1
https://example.org/q/1
Description
Invented description.

Dialogue
Patient:
Invented: my knee aches.
It clicks: is that bad?

Doctor:
Invented: rest it.

id=2
https://example.org/q/2
Description
Invented.
Dialogue
Patient:
Invented: thanks?
Doctor:
Invented: welcome.
"""


def mapped(row, file="english-train.json"):
    return to_records(row, Place("meddialog", file, f"{file}[0]"))


def said(record):
    return [(message.role, message.content) for message in record.messages]


def read(source, root):
    return [
        record
        for file in find_files(source, root)
        for native in source.read(file)
        for record in records_of(source, native)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"utterances": ["patient: Q: one?", "doctor: A."]},
        {"utterances": ["病人： Q: one?", "医生： A."]},
        {"utterances": {"speaker": ["Patient", "Doctor"], "utterance": ["Q: one?", "A."]}},
        {
            "dialogue_turns": {"speaker": [0, 1], "utterance": ["Q: one?", "A."]},
            "dialogue_url": "https://example.org/q",
        },
        {"instruction": "If you are a doctor, answer.", "input": "Q: one?", "output": "A."},
        {"input": "Q: one?", "answer_icliniq": "A.", "answer_chatgpt": "Other."},
        {"instruction": "Q: one?", "input": "", "output": "A."},
    ],
)
def test_every_shape_gives_the_same_turns(row):
    [record] = mapped(row)
    assert said(record) == [("user", "Q: one?"), ("assistant", "A.")]
    assert (record.task, record.split) == ("dialogue", "train")
    assert record.origin.url == row.get("dialogue_url", "")


def test_a_long_conversation_stays_whole_and_ends_with_the_doctor():
    row = {
        "utterances": [
            "doctor: hello",
            "patient: one?",
            "patient: and two?",
            "doctor: A.",
            "patient: three?",
            "doctor: B.",
            "doctor: ",
            "patient: thank you",
        ]
    }
    [record] = mapped(row)
    assert said(record) == [("user", "one?\nand two?"), ("assistant", "A."), ("user", "three?"), ("assistant", "B.")]
    assert notes(row) == ("leading_doctor_turn", "trailing_patient_turn", "multi_turn")
    assert notes({"utterances": ["patient: one?", "doctor: A."]}) == ()


def test_turns_glued_into_an_answer_are_turns():
    row = {"input": "one?", "output": "A.Patient: two?Doctor: B.Patient: thanks"}
    assert said(mapped(row)[0]) == [("user", "one?"), ("assistant", "A."), ("user", "two?"), ("assistant", "B.")]


def test_the_publishers_text_keeps_line_breaks_and_urls(write_copy):
    root = write_copy("meddialog", {"healthcaremagic_dialogue_1.txt": TEXT.encode()})
    first, second = read(MEDDIALOG, root)
    assert said(first) == [
        ("user", "Invented: my knee aches.\nIt clicks: is that bad?"),
        ("assistant", "Invented: rest it."),
    ]
    assert first.origin.url == "https://example.org/q/1"
    assert second.origin.row == "healthcaremagic_dialogue_1.txt:14"


def test_a_bad_byte_in_the_text_spoils_one_conversation_and_not_the_next(write_copy):
    root = write_copy("meddialog", {"icliniq_dialogue.txt": TEXT.encode().replace(b"rest it", b"rest \xff it")})
    first, second = [native for file in find_files(MEDDIALOG, root) for native in MEDDIALOG.read(file)]
    assert str(first.value) == "line 12: a byte is not UTF-8"
    assert records_of(MEDDIALOG, second)


def test_the_chinese_set_has_its_own_files(write_copy):
    rows = json.dumps([{"utterances": ["病人：一？", "医生：二。"]}], ensure_ascii=False).encode()
    root = write_copy("meddialog_zh", {"validate_data.json": rows})
    [record] = read(MEDDIALOG_ZH, root)
    assert (record.split, record.target) == ("validation", "二。")


def test_made_up_talks_are_marked_so_and_never_train():
    assert (CHATDOCTOR_5K.synthetic, CHATDOCTOR_5K.use) == (True, ("test",))
    assert (MEDDIALOG.access, MEDDIALOG.synthetic) == ("unclear", False)


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        (
            {"utterances": ["patient: one?", "no speaker here"]},
            "no_speaker",
            "utterances[1]: does not begin with a speaker and a colon",
        ),
        (
            {"utterances": ["nurse: hello"]},
            "no_speaker",
            'utterances[0]: the speaker is "nurse"; expected patient or doctor',
        ),
        (
            {"dialogue_turns": {"speaker": [0], "utterance": ["one?", "A."]}},
            "bad_turns",
            "speaker: is a list of 1; expected a speaker for each of 2",
        ),
        (
            {"dialogue_turns": {"speaker": [2], "utterance": ["one?"]}},
            "no_speaker",
            "speaker: the speaker is 2; expected patient or doctor",
        ),
        ({"utterances": ["patient: anyone?"]}, "empty_answer", "utterances: the doctor answers nothing"),
        ({"input": "one?", "output": None}, "empty_answer", "output: is empty"),
        ({"instruction": "be a doctor", "input": None, "output": ""}, "empty_answer", "output: is empty"),
    ],
)
def test_a_malformed_conversation_is_set_aside_with_field_and_reason(row, reason, message):
    with pytest.raises(RowError) as caught:
        mapped(row)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def parquet(row):
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), table)
    return table.getvalue()


MIRROR = {"instruction": "If you are a doctor, answer.", "input": "Q: one?", "output": "A."}
ICLINIQ = {"input": "Q: one?", "answer_icliniq": "A.", "answer_chatgpt": "Other.", "answer_chatdoctor": "Third."}
RAW = {
    "file_name": "invented_2020.txt",
    "dialogue_id": 1,
    "dialogue_url": "https://example.org/q/1",
    "dialogue_turns": {"speaker": [0, 1], "utterance": ["Q: one?", "A."]},
}
SHORT_TEXT = b"id=1\nhttps://example.org/q/1\nDescription\nx\nDialogue\nPatient:\nQ: one?\nDoctor:\nA.\n"
PROCESSED = {"description": "Invented.", "utterances": ["patient: Q: one?", "doctor: A."]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("english-dev.json", json.dumps([PROCESSED]).encode()),
        ("dev.json", json.dumps([RAW]).encode()),
        ("English/healthcaremagic_dialogue_1.txt", SHORT_TEXT),
        ("chatdoctor_healthcaremagic/train-00000-of-00001-5e7cb295b9cff0bf.parquet", parquet(MIRROR)),
        ("chatdoctor-icliniq/test-00000-of-00001-e85a5978cd03c7b2.parquet", parquet(ICLINIQ)),
        ("data/train-00000-of-00001.parquet", parquet(MIRROR)),
        ("HealthCareMagic-100k.json", json.dumps([MIRROR]).encode()),
        ("iCliniq.json", json.dumps([ICLINIQ]).encode()),
    ],
)
def test_every_copy_in_circulation_is_found_and_read_alike(name, content, write_copy):
    [record] = read(MEDDIALOG, write_copy("meddialog", {name: content}))
    assert said(record) == [("user", "Q: one?"), ("assistant", "A.")]
