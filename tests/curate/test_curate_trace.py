"""A row's whole way can be told from the run's files."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from osler.curate.trace import Trace, differences, trace
from osler.errors import InputError
from osler.records.drop import SetAside
from osler.records.io import JsonlWriter, read_records, write_records
from osler.records.record import record_id
from osler.runs.files import read_json, sha256_file, write_json

LONG = (
    "The liver makes bile, stores sugar, clears the blood of what is not needed and helps it to clot when one is hurt"
)
ITEM = "Which organ makes the bile that the small bowel needs in order to take up fat from food each day"


@pytest.fixture(scope="module")
def rows(record):
    liver = record("1", "What does the liver&nbsp;do ?", f"{LONG}.", license="CC0-1.0")
    return {
        "liver": liver,
        "copy": record("2", "What does the liver do?", f"{LONG}.", license="CC-BY-NC-4.0"),
        "near": record("3", "What does the liver do?", f"{LONG} somewhere.", license="CC-BY-NC-4.0"),
        "short": record("4", "Is the skin an organ?", "Yes"),
        "leak": record("5", f"{ITEM}, do you know?", "That would be the liver, as most people know."),
        "item": record("6", f"{ITEM}?", "The liver", source="exam"),
        "other": record("7", "Where is the heart?", "It lies in the chest, a little to the left."),
    }


@pytest.fixture(scope="module")
def folder(rows, run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a trained model."""
    out = tmp_path_factory.mktemp("runs") / "few"
    invented = [row for row in rows.values() if row.origin.source == "invented"]
    write_records(out / "collect/records/invented.jsonl", invented)
    write_records(out / "collect/records/exam.jsonl", [rows["item"]])
    with JsonlWriter(out / "collect/set_aside.jsonl") as writer:
        writer.write(
            asdict(SetAside("invented", "rows.csv", "rows.csv:8", "answer", "empty_answer", "the field is empty"))
        )
    run(invented, out / "curate", {"split": {"train": 1, "validation": 0, "test": 0}}, {"exam": [rows["item"]]})
    write_json(out / "curate/done", {"files": {"train.jsonl": sha256_file(out / "curate/train.jsonl")}})
    return out


@pytest.fixture
def of(rows, folder: Path):
    def find(name: str) -> Trace:
        return trace(folder, rows[name].id)

    return find


def test_a_kept_row_names_its_origin_its_changes_and_the_copies_it_beat(of, rows) -> None:
    found = of("liver")
    assert (found.fate, found.split, found.drop, found.lost_to) == ("kept", "train", None, "")
    assert (found.origin["source"], found.origin["row"], found.origin["license"]) == ("invented", "1", "CC0-1.0")
    assert [(change["step"], change["field"]) for change in found.changes] == [("clean", "messages[0]")]
    assert found.changes[0]["before"] == rows["liver"].question
    assert found.changes[0]["after"] == found.record["messages"][0]["content"] == "What does the liver do?"
    assert {row["id"]: row["reason"] for row in found.beat} == {
        rows["copy"].id: "exact_copy",
        rows["near"].id: "near_copy",
    }


@pytest.mark.parametrize(("name", "reason"), [("copy", "exact_copy"), ("near", "near_copy")])
def test_a_copy_names_the_row_that_was_kept(of, rows, name: str, reason: str) -> None:
    found = of(name)
    assert (found.fate, found.drop["reason"], found.lost_to) == ("dropped", reason, rows["liver"].id)
    assert found.training.trained_on is False


def test_a_dropped_row_tells_step_and_reason_and_keeps_its_text(of, rows) -> None:
    found = of("short")
    assert (found.drop["step"], found.drop["reason"]) == ("filter", "short_answer")
    assert found.record["messages"][1]["content"] == "Yes"
    assert found.lost_to == found.benchmark == ""


def test_a_row_that_holds_a_benchmark_item_names_it_and_the_item_names_the_row(of, rows) -> None:
    leak, item = of("leak"), of("item")
    assert leak.benchmark.startswith(f"exam {rows['item'].id}")
    assert leak.benchmarks_checked == ("exam",)
    assert item.fate == "examined_only"
    assert [row["id"] for row in item.held_by] == [rows["leak"].id]
    assert of("other").benchmark == ""


def test_a_native_row_that_was_set_aside_is_found_by_the_id_it_would_have_had(folder: Path) -> None:
    found = trace(folder, record_id("invented", "rows.csv:8"))
    assert (found.fate, found.drop["step"], found.drop["reason"]) == ("set_aside", "collect", "empty_answer")
    assert (found.origin["row"], found.record) == ("rows.csv:8", None)


def test_repeats_and_contradicting_answers_are_told(folder: Path, rows, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "collect").symlink_to(folder / "collect")
    shutil.copytree(folder / "curate", run / "curate")
    kept = list(read_records(run / "curate/train.jsonl"))
    liver, other = rows["liver"].id, rows["other"].id
    write_records(run / "curate/train.jsonl", [*kept, replace(next(r for r in kept if r.id == liver), id=f"{liver}~2")])
    counts = read_json(run / "curate/counts.json")
    write_json(run / "curate/counts.json", {**counts, "contradictions": {"first": [{"ids": [liver, other]}]}})
    assert trace(run, liver) == trace(run, f"{liver}~2")
    assert (trace(run, liver).times, trace(run, other).times) == (2, 1)
    assert (trace(run, liver).contradicts, trace(run, other).contradicts) == ((other,), (liver,))
    assert trace(folder, liver).contradicts == ()


def test_an_unknown_id_names_the_nearest(folder: Path, rows) -> None:
    for slip in (rows["other"].id[:-1], rows["other"].id.replace(":", ":0", 1), rows["other"].id[:-2] + "zz"):
        with pytest.raises(InputError, match=f"nearest are {rows['other'].id}"):
            trace(folder, slip)
    with pytest.raises(InputError, match="has no row"):
        trace(folder, "../curate/train")


def test_a_run_that_is_not_curated_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="osler curate"):
        trace(tmp_path, "invented:0")


@pytest.mark.parametrize(
    ("trained", "ledger", "expected", "why"),
    [
        (True, {"epochs": 2.0}, True, "2 passes"),
        (True, {"epochs": 0.25}, None, "25%"),
        (False, {"epochs": 2.0}, None, "earlier training set"),
    ],
)
def test_whether_it_was_trained_on_is_said_or_said_to_be_unknown(
    folder: Path, rows, tmp_path: Path, trained: bool, ledger: dict, expected: bool | None, why: str
) -> None:
    run = tmp_path / "run"
    for name in ("collect", "curate"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).symlink_to(folder / name)
    digest = sha256_file(run / "curate/train.jsonl") if trained else "another"
    write_json(run / "train/run.json", {"inputs": {"curate/train.jsonl": digest}})
    write_json(run / "train/ledger.json", ledger)
    with JsonlWriter(run / "train/set_aside.jsonl") as writer:
        writer.write(
            {"id": rows["liver"].id, "source": "invented", "reason": "too_long", "detail": "9 tokens, at most 8"}
        )
    assert trace(run, rows["other"].id).training.trained_on is None  # no `done`: no model yet
    write_json(run / "train/done", {})
    found = trace(run, rows["other"].id).training
    assert found.trained_on is expected
    assert why in found.why
    if trained:
        assert trace(run, rows["liver"].id).training.why == "set aside in training: too_long, 9 tokens, at most 8"


def test_differences_put_back_give_the_other_text() -> None:
    before, after = "Take  5 mg<br>daily ?", "Take 5 mg\ndaily?"
    pieces = differences(before, after)
    for old, new in pieces:
        before = before.replace(old, new, 1)
    assert before == after
    assert differences("the same", "the same") == []


def test_nothing_in_a_trace_depends_on_where_the_run_lies(folder: Path, rows, tmp_path: Path) -> None:
    (tmp_path / "moved").symlink_to(folder)
    assert trace(tmp_path / "moved", rows["liver"].id) == trace(folder, rows["liver"].id)
