"""Counts of the second batch on the publishers' own files, where a local copy is there."""

import json
from collections import Counter

import pytest

from osler.records.io import read_records
from osler.runs.progress import silent
from osler.sources.collect import collect
from osler.sources.config import CollectConfig
from osler.text import sha1_key

NAMES = ("aci_bench", "bioasq_taskb", "counsel_chat", "first_aid_qa", "k_qa", "mqp", "mts_dialog")


@pytest.fixture(scope="module")
def collected(shared_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("collect")
    collect(CollectConfig(root=shared_data, sources=NAMES), NAMES, out, silent)
    return out


def records_of(collected, name):
    return list(read_records(collected / "records" / f"{name}.jsonl"))


def test_every_row_is_accounted_for(collected):
    rows = json.loads((collected / "counts.json").read_text())["sources"]
    assert {row["source"]: (row["read"], row["records"], row["set_aside"], row["notes"]) for row in rows} == {
        "aci_bench": (87, 87, {}, {}),
        "bioasq_taskb": (1497, 1497, {}, {}),
        "counsel_chat": (2129, 2129, {}, {"author_named": 123}),
        "first_aid_qa": (4957, 4957, {}, {}),
        "k_qa": (1895, 803, {"empty_answer": 1001, "vague_question": 91}, {}),
        "mqp": (1516, 1516, {}, {}),
        "mts_dialog": (1301, 1301, {}, {}),
    }


def test_splits_are_the_published_ones(collected):
    splits = {name: Counter(record.split for record in records_of(collected, name)) for name in NAMES}
    assert splits == {
        "aci_bench": {"train": 67, "validation": 20},
        "bioasq_taskb": {"": 1497},
        "counsel_chat": {"train": 1839, "validation": 173, "test": 117},
        "first_aid_qa": {"train": 4406, "validation": 551},
        "k_qa": {"train": 803},
        "mqp": {"": 1516},
        "mts_dialog": {"train": 1201, "validation": 100},
    }


def test_repeated_questions_share_a_group(collected):
    groups = {name: len({record.group for record in records_of(collected, name)}) for name in NAMES}
    assert groups == {
        "aci_bench": 87,
        "bioasq_taskb": 1490,
        "counsel_chat": 815,
        "first_aid_qa": 4942,
        "k_qa": 790,
        "mqp": 758,
        "mts_dialog": 1297,
    }


def test_bioasq_has_its_published_types_and_decisions(collected):
    records = records_of(collected, "bioasq_taskb")
    assert Counter(record.task for record in records) == {"yesno": 409, "summary": 352, "qa": 476 + 260}
    assert Counter(record.answer for record in records if record.task == "yesno") == {0: 265, 1: 144}
    assert all(record.context for record in records)


def test_pairs_are_half_alike(collected):
    assert Counter(record.choices[record.answer] for record in records_of(collected, "mqp")) == {
        "same": 758,
        "different": 758,
    }


def test_the_key_of_a_question_is_blind_to_case_and_signs():
    assert sha1_key("  What IS it?\n(Invented)") == sha1_key("what is it invented")
    assert len(sha1_key("x")) == 40
