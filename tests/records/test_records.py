"""Records: their promises, and that storing them loses nothing."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.errors import InputError, RowError
from osler.records.io import JsonlWriter, read_jsonl, read_records, write_records
from osler.records.record import TASKS, Message, Origin, Record, check_record, record_id
from osler.records.render import as_messages, render_question

_text = st.text(st.characters(codec="utf-8"), max_size=40)
_records = st.builds(
    Record,
    id=_text,
    task=st.sampled_from(TASKS),
    messages=st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), _text), max_size=4).map(tuple),
    origin=st.builds(Origin, _text, _text),
    context=st.lists(_text, max_size=3).map(tuple),
    choices=st.lists(_text, max_size=5).map(tuple),
    answer=st.none() | st.integers(0, 4),
    rationale=_text,
    split=st.sampled_from(["", "train", "test"]),
    group=_text,
)


def _record(**changes) -> Record:
    record = Record("s:1", "qa", (Message("user", "Question?"), Message("assistant", "Answer.")), Origin("s", "1"))
    return dataclasses.replace(record, **changes)


@given(st.lists(_records, max_size=5))
def test_writing_and_reading_gives_the_same_records(tmp_path_factory, records: list[Record]):
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    assert write_records(path, records) == len(records)
    assert list(read_records(path)) == records


def test_line_separators_inside_text_do_not_split_a_row(tmp_path):
    record = _record(messages=(Message("user", "a\u2028b\u2029c\x85d"), Message("assistant", "e\u000bf")))
    write_records(tmp_path / "r.jsonl", [record])
    assert list(read_records(tmp_path / "r.jsonl")) == [record]


def test_a_bad_line_is_named_and_its_text_is_not_shown(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1}\n{"secret patient text\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 2") as caught:
        list(read_jsonl(path))
    assert "secret" not in str(caught.value)


def test_nothing_appears_when_writing_fails(tmp_path):
    path = tmp_path / "r.jsonl"
    with pytest.raises(TypeError), JsonlWriter(path) as writer:
        writer.write({"a": 1, "b": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "poem"}, "bad_task"),
        ({"messages": ()}, "no_messages"),
        ({"messages": (Message("doctor", "x"),)}, "bad_role"),
        ({"messages": (Message("user", "x"), Message("assistant", "  "))}, "empty_answer"),
        ({"messages": (Message("assistant", "x"),)}, "empty_question"),
        ({"choices": ("a", "b"), "answer": 2}, "answer_outside_choices"),
        ({"choices": ("a", "b"), "answer": -1}, "answer_outside_choices"),
    ],
)
def test_a_record_that_breaks_a_promise_is_refused_without_its_text(changes, reason):
    with pytest.raises(RowError) as caught:
        check_record(_record(**changes))
    assert caught.value.reason == reason


def test_a_good_record_passes():
    check_record(_record(choices=("a", "b"), answer=1))


def test_ids_are_stable_and_content_free():
    assert record_id("medquad", "0000001-1") == record_id("medquad", "0000001-1")
    assert record_id("medquad", "0000001-1") != record_id("medqa", "0000001-1")
    assert record_id("medquad", "0000001-1").startswith("medquad:")


def test_options_and_passages_are_rendered_into_the_last_user_turn():
    record = _record(task="choice", context=("Passage.",), choices=("One", "Two"), answer=1)
    assert render_question(record) == "Passage.\n\nQuestion?\n\nA. One\nB. Two"
    turns = as_messages(record, "Be kind.")
    assert [turn.role for turn in turns] == ["system", "user", "assistant"]
    assert turns[0].content == "Be kind."


def test_a_system_prompt_replaces_the_records_own():
    record = _record(messages=(Message("system", "old"), Message("user", "q"), Message("assistant", "a")))
    assert [turn.content for turn in as_messages(record, "new")] == ["new", "q", "a"]
    assert [turn.content for turn in as_messages(record)] == ["old", "q", "a"]
