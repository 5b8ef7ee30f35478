"""The profile of a training set says what its files say."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.curate import profile
from osler.curate.profile import grade, named, write_profile
from osler.evaluate.stats import wilson
from osler.runs.files import digest_folder, read_json

_ANSWER = (
    "Gout is a kind of arthritis. It comes from crystals of uric acid. Rest and cold packs ease the pain for most."
)


def _rows(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def profiled(run, record, tmp_path):
    """Records of two sources, with copies, a cap and short answers, curated and profiled."""
    records = [record(f"a{i}", f"What is condition {i}?", f"{_ANSWER} Case {i}.", source="first") for i in range(30)]
    records += [
        record(f"b{i}", f"What is condition {i}?", f"{_ANSWER} Case {i}.", source="second", license="CC-BY-NC-4.0")
        for i in range(10)
    ]
    records += [record("c", "What is gout, Dr. Haddad asked?", "Gout", source="second", license="CC-BY-NC-4.0")]
    records += [record("d", "Is she in pain?", "Call 202-555-0142", source="closed", access="credentialed")]
    records += [record("e", "Who?", "Short", source="closed", access="credentialed")]
    done = run(records, tmp_path, {"mix": {"caps": {"first": 20}}})
    write_profile(iter(records), tmp_path)
    return done, records, read_json(tmp_path / "profile.json"), _rows(tmp_path / "examples.jsonl")


def test_the_flow_ends_with_what_is_kept_and_falls_by_what_is_dropped(profiled):
    done, records, found, _ = profiled
    read = Counter(r.origin.source for r in records)
    kept = Counter(r.origin.source for r in done.kept.values())
    for row in found["flow"]["sources"]:
        assert row["read"] == read[row["source"]]
        assert row["after"][-1] == kept[row["source"]]
        gone = [a - b for a, b in zip([row["read"], *row["after"]], row["after"], strict=False)]
        dropped = Counter(d["step"] for d in done.dropped.values() if d["source"] == row["source"])
        assert gone == [dropped[step] for step in found["flow"]["steps"]]


def test_copies_licenses_and_groups_add_up(profiled):
    done, _, found, _ = profiled
    kinds = {row["reason"]: row for row in found["clusters"]["kinds"]}
    assert (kinds["exact_copy"]["clusters"], kinds["exact_copy"]["dropped"], kinds["exact_copy"]["largest"]) == (
        10,
        10,
        2,
    )
    assert found["clusters"]["between"] == [{"dropped_from": "second", "kept_in": "first", "records": 10}]
    assert sum(row["records"] for row in found["groups"]) == len(done.kept)
    assert sum(row["records"] for row in found["licenses"]) == len(done.kept)
    assert found["whole"]["commercial_records"] == len(done.kept)
    lengths = {row["source"]: row for row in found["answer_chars"]}
    assert lengths["first"]["before"]["n"] == 30
    assert lengths["first"]["after"]["n"] == 20
    assert lengths["second"]["before"]["p5"] == len("Gout")


def test_examples_hold_no_identifier_and_no_text_under_an_agreement(profiled):
    _, _, _, examples = profiled
    text = json.dumps(examples)
    assert "Haddad" not in text
    assert "0142" not in text
    closed = [row for row in examples if row["id"].startswith("closed:")]
    assert closed
    assert not any({"question", "before"} & row.keys() for row in closed)
    assert {row["reason"] for row in examples} >= {"exact_copy", "short_answer"}
    assert "source_cap" not in {row["reason"] for row in examples}


def test_examples_of_cleaning_hold_no_identifier_nor_text_of_a_restricted_source_of_which_nothing_is_left(
    run, record, tmp_path
):
    records = [record("1", "Who can help ?", "Ask Dr. Haddad  about it, who knows what to do.")]
    records += [record("2", "What is  this?", "Short", source="closed", access="credentialed")]
    done = run(records, tmp_path)
    write_profile(iter(records), tmp_path)
    assert {change["id"] for change in done.changes} == {one.id for one in records}
    text = (tmp_path / "examples.jsonl").read_text("utf-8")
    assert "[DOCTOR]  about it" in text
    assert "Haddad" not in text
    assert "What is" not in text


def test_the_order_of_the_records_changes_no_byte(profiled, tmp_path):
    _, records, _, _ = profiled
    before = {
        name: digest for name, digest in digest_folder(tmp_path).items() if name in {"profile.json", "examples.jsonl"}
    }
    write_profile(reversed(records), tmp_path)
    assert before == {name: digest for name, digest in digest_folder(tmp_path).items() if name in before}
    assert len(before) == 2


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_those_of_the_evaluation(counts):
    k, n = counts
    assert profile._wilson(k, n) == pytest.approx(wilson(k, n), abs=1e-6)


def test_the_grade_is_the_published_formula():
    # 60 words of four letters in six sentences: L = 400, S = 10.
    text = " ".join(["word " * 9 + "word."] * 6)
    assert grade(text) == pytest.approx(0.0588 * 400 - 0.296 * 10 - 15.8)
    assert grade("word " * 49) is None


@pytest.mark.parametrize(
    ("text", "dimension", "names"),
    [
        ("A 67-year-old woman", "sex", ["female"]),
        ("A 67-year-old woman", "age", ["older (65 and over)"]),
        ("a 6 month old girl", "age", ["baby (under 2 years)"]),
        ("The woman and her husband", "sex", ["female", "male"]),
        ("human, other, then, manage, black stool, white blood cells", "sex", []),
        ("black stool, white blood cells, Caucasus", "ethnicity", []),
        ("more common in African Americans and Ashkenazi Jews", "ethnicity", ["African American or Black", "Jewish"]),
        ("What is a heart attack?", "topics", ["heart and vessels"]),
    ],
)  # fmt: skip
def test_words_are_found_whole(text, dimension, names):
    assert named(text, dimension) == names


def test_repeats_are_counted_as_rows(run, record, tmp_path):
    records = [record(f"{i}", f"What is item {i}?", f"{_ANSWER} Case {i}.", source="few") for i in range(3)]
    records += [replace(record(f"m{i}", f"Who is {i}?", f"{_ANSWER} Number {i}."), group=f"g{i}") for i in range(20)]
    done = run(records, tmp_path, {"mix": {"shares": {"few": 0.5}, "max_records": 20, "upsample": True}})
    write_profile(iter(records), tmp_path)
    n_rows = sum(len(rows) for rows in done.splits.values())
    assert sum(row["records"] for row in read_json(tmp_path / "profile.json")["licenses"]) == n_rows
