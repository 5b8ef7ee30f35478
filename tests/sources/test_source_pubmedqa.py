"""PubMedQA: both shapes give the same record, and the official test items never become training records."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import InputError, RowError
from osler.sources.catalog import source_named
from osler.sources.catalog.pubmedqa import (
    official_test_pmids,
    to_records,
    unlabeled_records,
)
from osler.sources.files import all_files, find_files
from osler.sources.source import Place, records_of

PUBMEDQA = source_named("pubmedqa")
PUBMEDQA_ARTIFICIAL = source_named("pubmedqa_artificial")
PUBMEDQA_UNLABELED = source_named("pubmedqa_unlabeled")

PLACE = Place("pubmedqa", "ori_pqal.json", "90000001", task="yesno")
QUESTION = "Does an invented walking programme reduce fatigue?"
CONTEXTS = ["We tested an invented programme.", "Scores fell from 6.1 to 4.2."]
ORIGINAL = {
    "QUESTION": QUESTION,
    "CONTEXTS": CONTEXTS,
    "LABELS": ["BACKGROUND"],
    "MESHES": [],
    "YEAR": None,
    "final_decision": "maybe",
    "LONG_ANSWER": "The programme was associated with lower scores.",
}
HUB = {
    "pubid": 90000001,
    "question": QUESTION,
    "context": {"contexts": CONTEXTS, "labels": ["A"], "meshes": [], "reasoning_required_pred": ["y", "e", "s"]},
    "long_answer": "The programme was associated with lower scores.",
    "final_decision": "maybe",
}


def read_all(root, source=PUBMEDQA):
    return [native for file in find_files(source, root) for native in source.read(file)]


def test_both_shapes_give_the_same_record():
    [original] = to_records({**ORIGINAL, "in_official_test_set": False}, PLACE)
    [hub] = to_records({**HUB, "in_official_test_set": False}, PLACE)
    assert original == hub
    assert original.task == "yesno"
    assert original.context == tuple(CONTEXTS)
    assert original.choices == ("yes", "no", "maybe")
    assert original.answer == 2
    assert original.target == "Maybe. The programme was associated with lower scores."
    assert original.group == "pmid:90000001"


def test_the_official_list_has_500_pmids_and_decides_the_split(write_copy):
    test = official_test_pmids()
    assert len(test) == 500
    assert all(pmid.isdecimal() for pmid in test)
    official = min(test)
    root = write_copy("pubmedqa", {"ori_pqal.json": json.dumps({"90000001": ORIGINAL, official: ORIGINAL}).encode()})
    records = [records_of(PUBMEDQA, native)[0] for native in read_all(root)]
    assert [(record.origin.row, record.split) for record in records] == [("90000001", "train"), (official, "test")]


def test_the_hub_shape_is_located_by_pmid_too(write_copy):
    official = int(min(official_test_pmids()))
    rows = [HUB, {**HUB, "pubid": official}, {**HUB, "pubid": None}]
    root = write_copy("pubmedqa", {"pqa_labeled.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()})
    first, second, bad = read_all(root)
    assert (first.row, first.value["in_official_test_set"]) == ("90000001", False)
    assert (second.row, second.value["in_official_test_set"]) == (str(official), True)
    assert str(bad.value) == "pubid: is null; expected a PMID"
    assert bad.row == "pqa_labeled.jsonl:3"


def test_a_ground_truth_file_beside_the_rows_counts_too(write_copy):
    files = {
        "ori_pqal.json": json.dumps({"90000001": ORIGINAL, "90000002": ORIGINAL}).encode(),
        "test_ground_truth.json": b'{"90000002": "yes"}',
    }
    root = write_copy("pubmedqa", files)
    assert [records_of(PUBMEDQA, native)[0].split for native in read_all(root)] == ["train", "test"]
    assert [file.name for file in all_files(PUBMEDQA, root)] == ["ori_pqal.json", "test_ground_truth.json"]
    write_copy("pubmedqa", {"test_ground_truth.json": b"[]"})
    with pytest.raises(InputError, match="expected an object of labels by PMID, found a list of 0"):
        read_all(root)


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        (
            {"final_decision": "perhaps"},
            "answer_not_an_option",
            'final_decision: is "perhaps"; expected one of yes, no, maybe',
        ),
        ({"final_decision": None}, "hidden_label", "final_decision: the label is not published"),
        ({"CONTEXTS": "text"}, "wrong_type", "CONTEXTS: is text of 4 characters; expected a list of texts"),
        ({"CONTEXTS": ["x", 3]}, "wrong_type", "CONTEXTS[1]: is a number; expected text"),
        ({"QUESTION": ""}, "empty_question", "QUESTION: is empty"),
    ],
)
def test_a_bad_row_says_which_field_and_why(change, reason, message):
    with pytest.raises(RowError) as caught:
        to_records({**ORIGINAL, **change, "in_official_test_set": False}, PLACE)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_no_conclusion_leaves_the_decision():
    [record] = to_records({**ORIGINAL, "LONG_ANSWER": None, "in_official_test_set": True}, PLACE)
    assert record.target == "Maybe."


def hub_files(rows, name):
    """The hub's rows as JSON Lines and as Parquet in the hub's folder."""
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), table)
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return {f"{name}.jsonl": lines}, {f"{name}/train-00000-of-00001.parquet": table.getvalue()}


@pytest.mark.parametrize("shape", ["original", "lines", "parquet"])
@pytest.mark.parametrize("source", [PUBMEDQA_UNLABELED, PUBMEDQA_ARTIFICIAL], ids=lambda source: source.name)
def test_every_shape_of_the_other_parts_gives_the_same_records_and_test_items_stay_test(source, shape, write_copy):
    official = min(official_test_pmids())
    hidden = {"final_decision"} if source is PUBMEDQA_UNLABELED else set()
    change = {} if hidden else {"final_decision": "yes"}
    original = {name: value for name, value in {**ORIGINAL, **change}.items() if name not in hidden}
    hub = {name: value for name, value in {**HUB, **change}.items() if name not in hidden}
    part = source.name.rpartition("_")[2]
    lines, parquet = hub_files([hub, {**hub, "pubid": int(official)}], f"pqa_{part}")
    first = json.dumps({"90000001": original, official: original}).encode()
    files = {"original": {f"ori_pqa{part[0]}.json": first}, "lines": lines, "parquet": parquet}[shape]
    # One folder may hold all parts: each source takes its own files.
    root = write_copy("pubmedqa", {**files, "ori_pqal.json": json.dumps({"90000009": ORIGINAL}).encode()})
    records = [record for native in read_all(root, source) for record in records_of(source, native)]
    assert [(r.origin.row, r.split, r.group) for r in records] == [
        ("90000001", "train", "pmid:90000001"),
        (official, "test", f"pmid:{official}"),
    ]
    assert {record.context for record in records} == {tuple(CONTEXTS)}
    conclusion = "The programme was associated with lower scores."
    assert {record.target for record in records} == {conclusion if hidden else f"Yes. {conclusion}"}
    assert {record.task for record in records} == {"qa" if hidden else "yesno"}
    assert {record.origin.generator for record in records} == {"" if hidden else "rules on titles (PQA-A)"}


def test_an_unlabelled_abstract_without_a_conclusion_is_set_aside():
    with pytest.raises(RowError, match=r"^long_answer: is empty$") as caught:
        unlabeled_records({**HUB, "long_answer": " ", "in_official_test_set": False}, PLACE)
    assert caught.value.reason == "empty_answer"
    with pytest.raises(RowError, match=r"^context: is null; expected an object with contexts$"):
        unlabeled_records({**HUB, "context": None, "in_official_test_set": False}, PLACE)
