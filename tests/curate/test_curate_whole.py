"""Curation as a whole: the account balances, groups hold together, the same input gives the same bytes."""

import random
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.curate.config import MixConfig
from osler.curate.mix import mix
from osler.errors import InputError
from osler.text import hash64

_WORDS = [
    "fever",
    "cough",
    "gout",
    "pain",
    "not",
    "5",
    "mg",
    "10",
    "mg",
    "left",
    "heart",
    "rest",
    "water",
    "tablets",
    "doctor",
    "child",
    "never",
    "daily",
]


def _many(record, n: int = 300) -> list:
    rng = random.Random(11)
    return [
        record(
            str(i),
            f"What about topic {chr(97 + i % 26)}{chr(97 + i // 26)}?",
            " ".join(rng.choices(_WORDS, k=40)),
            source=("alpha", "beta", "gamma")[i % 3],
            group=f"topic:{i % 70}",
        )
        for i in range(n)
    ]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_files_of_the_stage_are_written_and_nothing_else(record, run, tmp_path):
    run(_many(record, 30), tmp_path)
    names = {"changes.jsonl", "counts.json", "dropped.jsonl", "test.jsonl", "train.jsonl", "validation.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_the_same_input_gives_the_same_bytes_in_any_order(record, run, tmp_path):
    records = _many(record)
    run(records, tmp_path / "a")
    run(random.Random(2).sample(records, len(records)), tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_a_killed_run_leaves_nothing_that_changes_the_next(record, run, tmp_path):
    records = _many(record, 60)
    run(records, tmp_path / "a")
    (tmp_path / "b" / "scratch").mkdir(parents=True)
    (tmp_path / "b" / "scratch" / "records").write_bytes(b"half a row")
    (tmp_path / "b" / "train.jsonl.partial").write_bytes(b"half a row")
    run(records, tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["alpha", "beta"]),
        st.lists(st.sampled_from(_WORDS), max_size=4).map(" ".join),
        st.lists(st.sampled_from([*_WORDS, "Dr. Example", "  ", "&amp;"]), max_size=14).map(" ".join),
        st.sampled_from(["", "", "topic:a", "topic:b", "page:1"]),
        st.sampled_from(["", "", "", "train", "validation", "test"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(_RECORDS, st.booleans())
def test_kept_and_dropped_are_what_was_read(record, run, rows, keep):
    records = [
        record(str(i), question, answer, source=source, group=group, split=split)
        for i, (source, question, answer, group, split) in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        result = run(records, Path(folder), {"filter": {"keep_published_splits": keep}})
    counts = result.counts
    assert counts["read"] == len(records) == counts["kept"] + counts["dropped"]
    assert set(result.kept) | set(result.dropped) == {r.id for r in records}
    assert not set(result.kept) & set(result.dropped)
    assert counts["kept"] == len(result.kept) == sum(counts["splits"].values()) == sum(counts["licenses"].values())
    assert all(row["read"] == row["kept"] + sum(row["dropped"].values()) for row in counts["sources"] + counts["steps"])
    assert [row["step"] for row in counts["steps"]] == [
        "clean",
        "deidentify",
        "filter",
        "dedupe",
        "decontaminate",
        "mix",
        "split",
    ]
    groups = [{r.group for r in kept} for kept in result.splits.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    originals = {r.id: r for r in records}
    assert all(originals[r.id].split not in {"test", "validation"} for r in result.splits["train"])
    assert all(r.split == name for name, kept in result.splits.items() for r in kept)


def test_records_of_one_source_group_or_one_question_stay_together(record, run, tmp_path):
    records = _many(record)
    result = run(records, tmp_path)
    originals = {r.id: r for r in records}
    by_source_group: dict[str, set[str]] = {}
    for name, kept in result.splits.items():
        for r in kept:
            by_source_group.setdefault(originals[r.id].group, set()).add(name)
    assert len(by_source_group) == 70
    assert all(len(names) == 1 for names in by_source_group.values())
    assert all(result.splits.values())


def test_more_records_do_not_move_those_that_were_there(record, run, tmp_path):
    records = _many(record)
    first = run(records[:200], tmp_path / "a")
    second = run(records, tmp_path / "b")
    place = {r.group: name for name, kept in first.splits.items() for r in kept}
    after = {r.group: name for name, kept in second.splits.items() for r in kept}
    assert sum(place[group] == after[group] for group in place) >= 0.95 * len(place)


def test_the_origin_of_a_record_stays(record, run, tmp_path):
    made = record("1", "What helps?", "Rest and time, mostly.", generator="some-model", license="MIT")
    (kept,) = run([made], tmp_path).kept.values()
    assert kept.origin == made.origin
    assert kept.group == made.id


def test_changes_hold_before_and_after(record, run, tmp_path):
    made = record("1", "What helps ?", "Ask Dr. Example  for 5mg.")
    result = run([made], tmp_path)
    assert [(c["step"], c["field"], c["before"], c["after"]) for c in result.changes] == [
        ("clean", "messages[0]", "What helps ?", "What helps?"),
        ("clean", "messages[1]", "Ask Dr. Example  for 5mg.", "Ask Dr. Example for 5 mg."),
        ("deidentify", "messages[1]", "Ask Dr. Example for 5 mg.", "Ask [DOCTOR] for 5 mg."),
    ]
    assert result.counts["identifiers"] == {"DOCTOR": 1}
    assert [row["changed"] for row in result.counts["steps"]] == [1, 1, 0, 0, 0, 0, 0]


def test_caps_hold_and_name_their_reason(record, run, tmp_path):
    result = run(_many(record), tmp_path, {"mix": {"caps": {"alpha": 7}, "max_records": 50}})
    kept = [r.origin.source for r in result.kept.values()]
    assert len(kept) == 50
    assert kept.count("alpha") <= 7
    assert {row["reason"] for row in result.dropped.values() if row["step"] == "mix"} == {"source_cap", "max_records"}


def test_a_larger_cap_keeps_all_that_a_smaller_one_kept(record, run, tmp_path):
    small = run(_many(record), tmp_path / "a", {"mix": {"caps": {"alpha": 5}}})
    large = run(_many(record), tmp_path / "b", {"mix": {"caps": {"alpha": 9}}})
    assert set(small.kept) < set(large.kept)
    assert all(large.kept[i].group == r.group for i, r in small.kept.items())


def test_the_seed_chooses_other_records(record, run, tmp_path):
    first = run(_many(record), tmp_path / "a", {"mix": {"caps": {"alpha": 20}}}, seed=1)
    second = run(_many(record), tmp_path / "b", {"mix": {"caps": {"alpha": 20}}}, seed=2)
    assert set(first.kept) != set(second.kept)


@pytest.mark.parametrize(
    "options", [{"mix": {"caps": {"nowhere": 3}}}, {"filter": {"max_answer_chars": {"nowhere": 300}}}]
)
def test_an_option_for_a_source_that_is_not_there_is_an_error(record, run, tmp_path, options):
    with pytest.raises(InputError, match="nowhere"):
        run(_many(record, 5), tmp_path, options)


def test_two_records_with_one_id_are_an_error(record, run, tmp_path):
    with pytest.raises(InputError, match="invented:"):
        run([record("1", "What helps?", "Rest."), record("1", "What else?", "Water.")], tmp_path)


def test_no_records_give_empty_files(run, tmp_path):
    result = run([], tmp_path)
    assert result.counts["read"] == 0
    assert (tmp_path / "train.jsonl").read_bytes() == b""


def test_counts_hold_no_time_and_no_path(record, run, tmp_path):
    run(_many(record, 20), tmp_path)
    assert str(tmp_path) not in (tmp_path / "counts.json").read_text("utf-8")
    assert set(orjson.loads((tmp_path / "counts.json").read_bytes())) == {
        "read", "kept", "dropped", "sources", "steps", "splits", "groups", "largest_group", "overlap", "identifiers", "mended",
        "outside_guide_lengths", "licenses",
        "contradictions", "mix",
    }  # fmt: skip


def test_mixing_nothing_drops_nothing():
    assert mix([], MixConfig(caps={"a": 1}, max_records=3), 0).drops == ()
    assert hash64("mix 0 a") != hash64("mix 1 a")
