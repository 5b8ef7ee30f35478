"""The row steps and the options: de-identification, filtering, configuration."""

from dataclasses import replace

import pytest
from pydantic import BaseModel, ValidationError

from osler.curate.config import CurateConfig, DeidentifyConfig, FilterConfig
from osler.curate.deidentify import Deidentify
from osler.curate.filter import Filter
from osler.records.record import Message

_LONG = "Rest, fluids and time are what most colds need."


def test_identifiers_are_replaced_in_every_field_and_counted(record):
    made = replace(
        record("1", "I am Mr. Kowalsky. What now?", "Call 202-555-0143, Mr. Kowalsky."),
        context=("MRN 1234567",),
        choices=("Dr. Example", "none"),
        rationale="Write to jane@example.org.",
    )
    result = Deidentify(DeidentifyConfig())(made)
    kept = result.record
    assert kept.question == "I am Mr. [NAME]. What now?"
    assert kept.target == "Call [PHONE], Mr. [NAME]."
    assert kept.context == ("MRN [MRN]",)
    assert kept.choices == ("[DOCTOR]", "none")
    assert kept.rationale == "Write to [EMAIL]."
    assert result.tallies == {"NAME": 2, "DOCTOR": 1, "PHONE": 1, "MRN": 1, "EMAIL": 1}
    assert {change.field for change in result.changes} == {
        "messages[0]",
        "messages[1]",
        "context[0]",
        "choices[0]",
        "rationale",
    }


def test_system_turns_stay(record):
    made = record("1", "q", "a")
    made = replace(made, messages=(Message("system", "You are Dr. Example."), *made.messages))
    assert Deidentify(DeidentifyConfig())(made).record is made


def _drops(records, **options):
    return [outcome.drop for outcome in map(Filter(FilterConfig(**options)), records) if outcome.drop is not None]


def _reasons(records, **options):
    return [drop.reason for drop in _drops(records, **options)]


def test_filter_names_its_reasons(record):
    records = [
        record("1", "What helps?", _LONG),
        record("2", "What helps?", "Rest."),
        record("3", "What helps?", "  "),
        record("4", "", _LONG),
        record("5", "?", _LONG),
        record("6", "What helps?", _LONG, split="test"),
        record("7", "What helps?", _LONG, split="validation"),
        record("8", "What helps?", _LONG, split="train"),
    ]
    assert _reasons(records) == [
        "short_answer",
        "empty_answer",
        "empty_question",
        "short_question",
        "published_test_split",
        "published_validation_split",
    ]


def test_published_splits_are_kept_when_asked(record):
    assert _reasons([record("6", "What helps?", _LONG, split="test")], keep_published_splits=True) == []


def test_a_short_option_is_an_answer(record):
    assert _reasons([record("1", "Which?", "Zinc", task="choice", choices=("Zinc", "Iron"), answer=0)]) == []


def test_the_longest_answer_is_a_matter_of_the_source(record):
    records = [record("1", "What helps?", _LONG, source="a"), record("1", "What helps?", _LONG, source="b")]
    drops = _drops(records, max_answer_chars={"a": 20})
    assert [(drop.source, drop.reason) for drop in drops] == [("a", "long_answer")]


def test_no_detail_of_a_drop_holds_text(record):
    (drop,) = _drops([record("1", "What helps?", _LONG)], max_answer_chars={"invented": 20})
    assert "fluids" not in drop.detail


@pytest.mark.parametrize(
    "options",
    [
        {"clean": {"enabled": 1}},
        {"clean": {"enable": True}},
        {"filter": {"min_answer_chars": -1}},
        {"filter": {"min_answer_chars": True}},
        {"filter": {"max_answer_chars": {"medquad": 0}}},
        {"filter": {"max_answer_chars": 1500}},
        {"dedupe": {"near_threshold": 1.2}},
        {"dedupe": {"permutations": 100}},
        {"decontaminate": {"coverage": 0}},
        {"mix": {"caps": {"medquad": 0}}},
        {"mix": {"max_records": -5}},
        {"split": {"train": 0.8, "validation": 0.3}},
        {"split": {"train": 1.2, "validation": -0.1, "test": -0.1}},
        {"split": {"train": float("nan")}},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        CurateConfig.model_validate(options)


def test_every_option_is_described_and_has_a_default():
    config = CurateConfig()
    for name, field in CurateConfig.model_fields.items():
        group = type(getattr(config, name))
        assert field.description
        if not issubclass(group, BaseModel):
            continue
        assert len(group.model_fields) <= 15
        assert all(inner.description for inner in group.model_fields.values()), name
