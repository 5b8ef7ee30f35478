"""Which tokens of a row are learned."""

from pathlib import Path

import pytest

from osler.errors import InputError
from osler.models.local import load_tokenizer
from osler.records.record import Message, Origin, Record
from osler.runs.progress import silent
from osler.train.tokens import BAD_ROWS, MASKED, Limits, Tokens, tokenize


def record(*turns: Message, name: str = "a") -> Record:
    return Record(id=f"invented:{name}", task="dialogue", messages=turns, origin=Origin("invented", name))


DROP = dict.fromkeys(BAD_ROWS, "drop")


def tokens_of(base: Path, *records: Record, max_length: int | None = 500, template: str = "") -> Tokens:
    tokenizer = load_tokenizer(base)
    if template:
        tokenizer.chat_template = template
    return tokenize(tokenizer, records, "Be kind.", Limits(max_length, 2048), DROP, silent)


DIALOGUE = record(
    Message("user", "Does it hurt?"),
    Message("assistant", "Yes."),
    Message("user", "For long?"),
    Message("assistant", "24 hours."),
)


def test_the_labels_of_two_turns_worked_by_hand(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    parts = [
        ("<|system|>\nBe kind.<|end|>\n<|user|>\nDoes it hurt?<|end|>\n<|assistant|>\n", False),
        ("Yes.<|end|>", True),
        ("\n<|user|>\nFor long?<|end|>\n<|assistant|>\n", False),
        ("24 hours.<|end|>", True),
        ("\n", False),
    ]
    ids: list[int] = []
    labels: list[int] = []
    for text, learned in parts:
        part = tokenizer.encode(text, add_special_tokens=False)
        ids += part
        labels += part if learned else [MASKED] * len(part)
    (row,) = tokens_of(tiny_base, DIALOGUE).rows
    assert list(row.ids) == ids
    assert row.labels == labels
    assert row.n_trained == sum(label != MASKED for label in labels)


def test_each_answer_teaches_the_end_token(tiny_base: Path) -> None:
    end = load_tokenizer(tiny_base).eos_token_id
    (row,) = tokens_of(tiny_base, DIALOGUE).rows
    assert row.labels.count(end) == 2
    assert row.ids.count(end) == 5


def test_rows_that_are_too_long_are_set_aside_and_never_cut(tiny_base: Path) -> None:
    long = record(Message("user", "Why?"), Message("assistant", "pain " * 100), name="long")
    tokens = tokens_of(tiny_base, DIALOGUE, long, max_length=80)
    assert [row.id for row in tokens.rows] == ["invented:a"]
    assert [(row.id, row.reason) for row in tokens.set_aside] == [("invented:long", "long_answer")]
    assert tokens.n_read == 2


def test_a_row_without_an_answer_is_set_aside(tiny_base: Path) -> None:
    question = record(Message("user", "Why?"), name="question")
    empty = record(Message("user", "Why?"), Message("assistant", " "), name="empty")
    tokens = tokens_of(tiny_base, question, empty, DIALOGUE)
    assert [(row.id, row.reason) for row in tokens.set_aside] == [
        ("invented:question", "empty_answer"),
        ("invented:empty", "empty_answer"),
    ]


def test_a_template_that_rewrites_the_prompt_when_answered_is_noticed(tiny_base: Path) -> None:
    template = (
        "{%- for m in messages -%}({{ messages | length }}){{ m['content'] }}{{ eos_token }}{%- endfor -%}"
        "{%- if add_generation_prompt -%}:{%- endif -%}"
    )
    tokens = tokens_of(tiny_base, DIALOGUE, template=template)
    assert [row.reason for row in tokens.set_aside] == ["no_end"]


def test_the_longest_half_percent_is_set_aside_by_default(tiny_base: Path) -> None:
    rows = [
        record(
            Message("user", f"Why {number}?"),
            Message("assistant", "pain " * (1 if number < 398 else number)),
            name=str(number),
        )
        for number in range(400)
    ]
    tokens = tokens_of(tiny_base, *rows, max_length=None)
    assert [row.reason for row in tokens.set_aside] == ["longest", "longest"]
    assert tokens.max_length == max(len(row.ids) for row in tokens.rows)


@pytest.mark.parametrize("max_length", [None, 10_000])
def test_no_row_exceeds_what_the_model_reads(tiny_base: Path, max_length: int | None) -> None:
    tokenizer = load_tokenizer(tiny_base)
    tokens = tokenize(tokenizer, [DIALOGUE], "", Limits(max_length, 10), DROP, silent)
    assert tokens.max_length == 10
    assert [row.reason for row in tokens.set_aside] == ["long_prompt"]


def test_each_class_of_bad_rows_waits_for_a_decision_and_all_are_named_at_once(tiny_base: Path) -> None:
    bad = [
        record(Message("user", "Why?"), Message("assistant", "pain " * 100), name="long answer"),
        record(Message("user", "why " * 100), Message("assistant", "Yes."), name="long prompt"),
        record(Message("user", "Which?"), Message("assistant", " "), name="empty answer"),
        record(Message("user", ""), Message("assistant", "Yes."), name="empty question"),
        record(Message("user", "May I?"), Message("assistant", "Yes."), name="yes"),
        record(Message("user", "may  i?"), Message("assistant", "No."), name="no"),
    ]
    tokenizer = load_tokenizer(tiny_base)
    with pytest.raises(InputError) as error:
        tokenize(tokenizer, [DIALOGUE, *bad], "", Limits(60, 2048), dict.fromkeys(BAD_ROWS), silent)
    for name, n in (
        ("long_answer", 1),
        ("long_prompt", 1),
        ("empty_answer", 1),
        ("empty_question", 1),
        ("contradictory", 2),
    ):
        assert f"{name}: {n} rows" in str(error.value)
    assert "pain" not in str(error.value)
    kept = tokenize(
        tokenizer,
        [DIALOGUE, *bad],
        "",
        Limits(60, 2048),
        {**DROP, "contradictory": "keep", "empty_question": "keep"},
        silent,
    )
    assert [row.id.partition(":")[2] for row in kept.rows] == ["a", "empty question", "yes", "no"]
    assert kept.kept_in_spite == {"contradictory": 2, "empty_question": 1}
    assert [row.reason for row in kept.set_aside] == ["long_answer", "long_prompt", "empty_answer"]


def test_rows_that_say_the_same_to_one_question_are_no_contradiction(tiny_base: Path) -> None:
    twice = [record(Message("user", "May I?"), Message("assistant", "Yes."), name=name) for name in ("one", "two")]
    tokens = tokenize(load_tokenizer(tiny_base), twice, "", Limits(60, 2048), dict.fromkeys(BAD_ROWS), silent)
    assert len(tokens.rows) == 2
