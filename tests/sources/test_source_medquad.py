"""MedQuAD: documents, their archive and the copies in rows read alike."""

import gzip
import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.medquad import to_records
from osler.sources.files import find_files
from osler.sources.source import Place, records_of

MEDQUAD = source_named("medquad")

PLACE = Place("medquad", "x.jsonl", "x.jsonl:1")
ROW = {
    "document_id": "0000001_0",
    "url": "https://example.org/topic",
    "focus": "Invented  Topic",
    "question": "What is (are) Invented topic ?",
    "answer": "Invented topic is a placeholder used in tests.",
}


def read_all(root):
    return [native for file in find_files(MEDQUAD, root) for native in MEDQUAD.read(file)]


def test_a_document_gives_its_pairs(copies):
    rows = read_all(copies)
    name = "1_Invented_QA/0000001_0.xml"
    assert [row.row for row in rows] == [f"{name}#0000001_0-1", f"{name}#0000001_0-2", f"{name}#0000001_0-1.2"]
    assert rows[0].value == ROW
    [record] = records_of(MEDQUAD, rows[0])
    assert [(m.role, m.content) for m in record.messages] == [("user", ROW["question"]), ("assistant", ROW["answer"])]
    assert record.origin.url == "https://example.org/topic"
    assert record.group == "medquad:invented topic"


def test_a_removed_answer_is_set_aside():
    for answer in (None, "", " \n"):
        with pytest.raises(RowError, match=r"^answer: is empty$") as caught:
            to_records({**ROW, "answer": answer}, PLACE)
        assert caught.value.reason == "empty_answer"


def test_the_lines_copy_is_preferred_and_its_answered_part_comes_first(write_copy):
    line = json.dumps(ROW).encode() + b"\n"
    no_answer = json.dumps({**ROW, "answer": None}).encode() + b"\n"
    files = {"medquad_with_answers.jsonl": line, "medquad_no_answers.jsonl": no_answer, "1_x/1.xml": b"<Document/>"}
    root = write_copy("medquad", files)
    assert [row.row for row in read_all(root)] == ["medquad_with_answers.jsonl:1", "medquad_no_answers.jsonl:1"]


def test_an_archive_gives_the_same_records_as_its_documents(copies, write_copy, tmp_path):
    document = copies / "medquad" / "1_Invented_QA" / "0000001_0.xml"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(document, "1_Invented_QA/0000001_0.xml")
    by_documents = [(row.row, row.value) for row in read_all(copies)]
    document.unlink()
    root = write_copy("medquad", {"raw.tar.gz": packed.getvalue()})
    assert [(row.row, row.value) for row in read_all(root)] == by_documents


def test_one_focus_is_one_group_however_it_is_written():
    groups = {
        to_records({**ROW, "focus": focus}, PLACE)[0].group
        for focus in ("Invented topic", "INVENTED topic ", "invented-topic")
    }
    assert groups == {"medquad:invented topic"}
    assert to_records({**ROW, "focus": None}, PLACE)[0].group == "medquad:0000001_0"


def test_a_broken_document_is_set_aside_alone(write_copy, copies):
    root = write_copy("medquad", {"1_Invented_QA/0000002.xml": b"<Document><QAPairs>"})
    rows = read_all(root)
    assert [isinstance(row.value, RowError) for row in rows] == [False, False, False, True]
    assert str(rows[3].value) == "line 1, column 20: not well-formed XML"


LAVITA = {
    "document_id": "0000001_0",
    "document_source": "InventedNIH",
    "document_url": "https://example.org/topic",
    "question_focus": "Invented Topic",
    "question_type": "information",
    "question": ROW["question"],
    "answer": ROW["answer"],
}
VISHARXD = {"context": "information", "question": ROW["question"], "answer": ROW["answer"]}
KAGGLE = f"qtype,Question,Answer\ninformation,{ROW['question']},{ROW['answer']}\n".encode()


def parquet(row):
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), table)
    return table.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "url"),
    [
        ("train.csv", KAGGLE, ""),
        ("medDataset_processed.csv.gz", gzip.compress(KAGGLE, mtime=0), ""),
        ("data/train-00000-of-00001.parquet", parquet(LAVITA), ROW["url"]),
        ("medical-qna.jsonl", json.dumps(VISHARXD).encode(), ""),
        ("train.json", json.dumps([LAVITA]).encode(), ROW["url"]),
    ],
)
def test_every_copy_in_rows_gives_the_pair_and_the_group_of_its_document(write_copy, name, content, url):
    [native] = read_all(write_copy("medquad", {name: content}))
    [record] = records_of(MEDQUAD, native)
    assert [(m.role, m.content) for m in record.messages] == [("user", ROW["question"]), ("assistant", ROW["answer"])]
    assert (record.group, record.origin.url, record.context) == ("medquad:invented topic", url, ())


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("What are the treatments for Invented topic ?", "invented topic"),
        ("what research (or clinical trials) is being done for Invented topic ?", "invented topic"),
        ("Who is at risk for Invented topic? ?", "invented topic"),
        ("Do you have information about Invented topic", "invented topic"),
        ("Is Invented topic inherited ?", "invented topic"),
        ("Is Invented topic real ?", "is invented topic real"),
        ("What is (are)  ?", "what is are"),
    ],
)
def test_the_focus_is_taken_out_of_a_question_made_by_a_template(question, topic):
    assert to_records({**VISHARXD, "question": question}, PLACE)[0].group == f"medquad:{topic}"


def test_a_bad_row_of_a_copy_names_its_own_field(write_copy):
    content = b"qtype,Question,Answer\ninformation,What is (are) Invented topic ?,\ninformation,,Yes.\nsymptoms,Q?\n"
    messages = []
    for native in read_all(write_copy("medquad", {"train.csv": content})):
        with pytest.raises(RowError) as caught:
            records_of(MEDQUAD, native)
        messages.append((caught.value.reason, str(caught.value)))
    assert messages == [
        ("empty_answer", "Answer: is empty"),
        ("empty_question", "Question: is empty"),
        ("wrong_columns", "line 4 has 2 columns; expected 3"),
    ]
    with pytest.raises(RowError, match=r"^question: the field is missing; check that the file is the publisher's own$"):
        to_records({"qtype": "information", "answer": "Yes."}, PLACE)


def test_real_questions_tell_their_focus(shared_data):
    """All but 35, of documents that ask in their own words: a copy without the focus groups alike."""
    [answered] = [file for file in find_files(MEDQUAD, shared_data) if "with_answers" in file.name]
    rows = [native.value for native in MEDQUAD.read(answered)]
    alike = 0
    for row in rows:
        kaggle = {"qtype": row["question_type"], "Question": row["question"], "Answer": row["answer"]}
        alike += to_records(kaggle, PLACE)[0].group == to_records(row, PLACE)[0].group
    assert (len(rows), alike) == (14_974, 14_939)
