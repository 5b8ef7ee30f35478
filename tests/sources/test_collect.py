"""Collecting: every row read is a record or is set aside with a reason, and the same files give the same bytes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from osler.errors import InputError
from osler.records.io import JsonlWriter, read_records
from osler.records.record import SAMPLE_REVISION
from osler.runs.files import digest_folder
from osler.runs.local_only import local_only
from osler.runs.progress import silent
from osler.sources.catalog import SOURCE_NAMES, catalog_sources, source_named
from osler.sources.collect import SAMPLE_LICENSE, Copy, as_sample, collect, collect_source, copies_of, input_digests
from osler.sources.config import SAMPLE_SOURCES, CollectConfig
from osler.sources.files import find_files, sample_root
from osler.sources.seen import Seen
from osler.sources.shape import split_of
from osler.sources.source import NativeRow, Place


def counts(out: Path) -> dict[str, dict]:
    return {row["source"]: row for row in json.loads((out / "counts.json").read_text())["sources"]}


def set_aside(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "set_aside.jsonl").read_bytes().splitlines()]


def agreed(root: Path) -> CollectConfig:
    """With an invented agreement for every source that needs one."""
    restricted = [source.name for source in catalog_sources() if local_only(source.access)]
    return CollectConfig(root=root, agreements=dict.fromkeys(restricted, "an invented agreement, signed 2026-01-02"))


def medqa_lines(n_good: int, n_bad: int) -> bytes:
    row = {"question": "Invented?", "options": {"A": "x", "B": "y"}, "answer": "x", "answer_idx": "A"}
    rows = [row] * n_good + [{**row, "answer_idx": "E"}] * n_bad
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


def test_rows_read_are_records_or_set_aside(copies, tmp_path):
    collect(agreed(copies), SOURCE_NAMES, tmp_path / "out", silent)
    by_source = counts(tmp_path / "out")
    aside = Counter(row["source"] for row in set_aside(tmp_path / "out"))
    assert list(by_source) == list(SOURCE_NAMES)
    for name, row in by_source.items():
        records = list(read_records(tmp_path / "out" / "records" / f"{name}.jsonl"))
        assert row["read"] + row["multiplied"] == row["records"] + sum(row["set_aside"].values())
        assert row["records"] == len(records)
        assert aside[name] == sum(row["set_aside"].values())
        assert row["license"] == source_named(name).license
        assert row["revision"].startswith("sha256:")
        assert {record.origin.revision for record in records} == {row["revision"]}
        assert all(len(file["sha256"]) == 64 and file["bytes"] for file in row["files"])
    assert by_source["medquad"]["set_aside"] == {"empty_answer": 1}
    assert by_source["medmcqa"]["set_aside"] == {"hidden_label": 1}
    assert by_source["first_aid"]["multiplied"] == 1


def test_a_row_set_aside_is_named_with_file_row_field_and_reason(copies, tmp_path):
    collect(CollectConfig(root=copies), ["medquad"], tmp_path / "out", silent)
    assert set_aside(tmp_path / "out") == [
        {
            "source": "medquad",
            "file": "1_Invented_QA/0000001_0.xml",
            "row": "1_Invented_QA/0000001_0.xml#0000001_0-2",
            "field": "answer",
            "reason": "empty_answer",
            "detail": "is empty",
        }
    ]


def test_two_runs_give_the_same_bytes(copies, tmp_path):
    for name in ("one", "two"):
        collect(agreed(copies), SOURCE_NAMES, tmp_path / name, silent)
    assert digest_folder(tmp_path / "one") == digest_folder(tmp_path / "two")
    assert not list(tmp_path.rglob("*.partial"))


def test_ids_do_not_depend_on_where_the_copy_lies(copies, tmp_path):
    moved = copies.rename(tmp_path / "elsewhere")
    collect(agreed(moved), SOURCE_NAMES, tmp_path / "one", silent)
    moved.rename(copies)
    collect(agreed(copies), SOURCE_NAMES, tmp_path / "two", silent)
    assert digest_folder(tmp_path / "one") == digest_folder(tmp_path / "two")


def test_a_repeated_native_id_is_set_aside(copies, tmp_path):
    row = {"pubid": 90000001, "question": "Invented?", "context": {"contexts": []}, "final_decision": "no"}
    (copies / "pubmedqa" / "ori_pqal.json").unlink()
    (copies / "pubmedqa" / "pqa_labeled.jsonl").write_text((json.dumps(row) + "\n") * 2)
    collect(CollectConfig(root=copies), ["pubmedqa"], tmp_path / "out", silent)
    assert counts(tmp_path / "out")["pubmedqa"]["set_aside"] == {"repeated_row": 1}


def test_a_row_that_comes_twice_is_told_without_remembering_every_row(tmp_path):
    place = Place("medqa", "train.jsonl", "train.jsonl:1")
    (record,) = source_named("medqa").to_records(json.loads(medqa_lines(1, 0)), place)
    seen = Seen()
    for number in range(1, 2000):
        assert seen.is_new(NativeRow("a.zip/train.jsonl", f"train.jsonl:{number}", None), [record])
    assert not seen.is_new(NativeRow("b.zip/train.jsonl", "train.jsonl:7", None), [record])
    assert seen.is_new(NativeRow("c.jsonl", "pmid:7", None), [record])
    assert not seen.is_new(NativeRow("c.jsonl", "pmid:7", None), [record])
    assert len(seen.ids) == 1
    assert not seen.is_new(NativeRow("d.jsonl", "d.jsonl:1", None), [record, record])


def test_max_rows_holds_for_each_published_split(write_copy, tmp_path):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(30, 0), "test.jsonl": medqa_lines(30, 0)})
    collect(CollectConfig(root=root, max_rows=7), ["medqa"], tmp_path / "out", silent)
    splits = Counter(record.split for record in read_records(tmp_path / "out" / "records" / "medqa.jsonl"))
    assert splits == {"train": 7, "test": 7}


def test_too_many_bad_rows_stop_the_run_and_are_named(write_copy, tmp_path):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(94, 6)})
    with pytest.raises(InputError) as caught:
        collect(CollectConfig(root=root), ["medqa"], tmp_path / "out", silent)
    where = '\n  train.jsonl, row train.jsonl:{}: "answer_idx" is "E"; expected one of A, B'
    assert str(caught.value) == (
        "medqa: 6 of 100 rows (6.0%) cannot be used; at most 5.0% may be (collect.max_malformed_share). "
        f"Reasons: answer_not_an_option 6.{where.format(95)}{where.format(96)}{where.format(97)}\n"
        "Check that these are the publisher's own files (https://github.com/jind11/MedQA)."
    )
    assert not (tmp_path / "out" / "counts.json").exists()
    collect(CollectConfig(root=root, max_malformed_share=0.06), ["medqa"], tmp_path / "out", silent)


def test_few_rows_and_removed_answers_do_not_stop_the_run(write_copy, tmp_path):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(50, 20)})
    answered, removed = ({"question": "Invented?", "answer": answer, "focus": "x"} for answer in ("Yes.", None))
    rows = "".join(json.dumps(row) + "\n" for row in [answered] + [removed] * 200)
    write_copy("medquad", {"medquad_no_answers.jsonl": rows.encode()})
    collect(CollectConfig(root=root), ["medqa", "medquad"], tmp_path / "out", silent)
    assert counts(tmp_path / "out")["medquad"]["set_aside"] == {"empty_answer": 200}


def test_a_source_without_any_record_is_an_error(write_copy, tmp_path):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(0, 2)})
    with pytest.raises(
        InputError, match=r"medqa: 2 rows read and none of them gives a record. Reasons: answer_not_an_option 2"
    ):
        collect(CollectConfig(root=root), ["medqa"], tmp_path / "out", silent)
    (root / "medqa" / "train.jsonl").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"medqa: 0 rows read and none of them gives a record. Reasons: there are no rows"
    ):
        collect(CollectConfig(root=root), ["medqa"], tmp_path / "out", silent)


def test_a_missing_folder_says_what_is_expected_and_where_to_get_it(tmp_path):
    with pytest.raises(InputError) as caught:
        find_files(source_named("symptom_to_diagnosis"), tmp_path)
    assert str(caught.value) == (
        f"symptom_to_diagnosis: no folder {tmp_path}/symptom_to_diagnosis (or symptom2disease).\n"
        "Expected one of these sets of files in it:\n"
        "  train*.json* and test*.json*\n"
        "  **/train*.parquet and **/test*.parquet\n"
        "  Symptom2Disease.csv*\n"
        "Fetch them from https://huggingface.co/datasets/gretelai/symptom_to_diagnosis "
        "or with `osler collect symptom_to_diagnosis`, or take symptom_to_diagnosis out of the recipe (collect.sources, evaluate.benchmarks)."
    )
    (tmp_path / "medqa").mkdir()
    with pytest.raises(InputError, match=r"medqa: .*medqa holds none of the files that are expected\."):
        find_files(source_named("medqa"), tmp_path)


def test_a_file_beside_its_packed_form_is_read_once(write_copy):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(1, 0), "train.jsonl.gz": b"", "test.jsonl.gz": b""})
    assert [file.name for file in find_files(source_named("medqa"), root)] == ["train.jsonl", "test.jsonl.gz"]


def test_digests_cover_every_file_and_change_with_it(copies):
    config = agreed(copies)
    (copies / "pubmedqa" / "test_ground_truth.json").write_text("{}")
    before = input_digests(copies_of(config, SOURCE_NAMES))
    assert {name.partition("/")[0] for name in before} == set(SOURCE_NAMES)
    assert {name for name in before if name.partition("/")[0] in SAMPLE_SOURCES} == {
        "first_aid/first_aid1.json",
        "medmcqa/train.jsonl",
        "medqa/train.jsonl",
        "medqa/test.jsonl.gz",
        "medquad/1_Invented_QA/0000001_0.xml",
        "pubmedqa/ori_pqal.json",
        "pubmedqa/test_ground_truth.json",
        "symptom_to_diagnosis/train.jsonl",
    }
    (copies / "pubmedqa" / "test_ground_truth.json").write_text('{"90000001": "yes"}')
    after = input_digests(copies_of(config, SOURCE_NAMES))
    assert {name for name in before if before[name] != after[name]} == {"pubmedqa/test_ground_truth.json"}


def test_progress_tells_the_rows_read(write_copy, tmp_path):
    root = write_copy("medqa", {"train.jsonl": medqa_lines(2500, 0)})
    told = []
    collect(CollectConfig(root=root), ["medqa"], tmp_path / "out", lambda *report: told.append(report))
    assert told == [("collect medqa", 1000, None), ("collect medqa", 2000, None), ("collect medqa", 2500, 2500)]


def test_the_sample_is_stated_as_the_projects_own(copies, tmp_path):
    """Its text is not the publisher's, so neither are the licence and the revision."""
    source = as_sample(source_named("first_aid"))
    with JsonlWriter(tmp_path / "out" / "set_aside.jsonl") as writer:
        row = collect_source(Copy(source, copies, ()), tmp_path / "out", writer, silent)
    assert (row.license, row.access, row.revision) == (SAMPLE_LICENSE, "open", SAMPLE_REVISION)
    for record in read_records(tmp_path / "out" / "records" / "first_aid.jsonl"):
        assert (record.origin.license, record.origin.access) == (SAMPLE_LICENSE, "open")


@pytest.mark.skipif(not sample_root().is_dir(), reason="the sample is not there")
def test_the_sample_has_every_source_that_the_tutorial_reads(tmp_path):
    names = [source.name for source in catalog_sources() if (sample_root() / source.name).is_dir()]
    collect(CollectConfig(), names, tmp_path / "out", silent)
    assert all(row["records"] for row in counts(tmp_path / "out").values())
    assert {row["revision"] for row in counts(tmp_path / "out").values()} == {SAMPLE_REVISION}


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("train.jsonl", "train"),
        ("medqa_us_dev_mediq.jsonl.gz", "validation"),
        ("data/validation-00000-of-00001.parquet", "validation"),
        ("phrases_no_exclude_test.jsonl", "test"),
        ("test_release/train.jsonl", "train"),
        ("training.json", ""),
        ("latest.json", ""),
        ("Symptom2Disease.csv", ""),
    ],
)
def test_the_published_split_is_told_by_a_whole_word_of_the_name(file, split):
    assert split_of(file) == split
