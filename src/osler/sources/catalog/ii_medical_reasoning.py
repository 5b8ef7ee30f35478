"""II-Medical-Reasoning-SFT: 2.2 million answers of large models to medical, and some general, questions; read as a stream.

The assistant's text opens with `<think>`: that part goes to the rationale and what follows it is the answer, so that
whether a model is trained to think aloud stays a choice. A text whose reasoning never ends was cut off at the generator's
limit and has no answer: it is set aside. The 6 to 10 samples of one question share a leakage group.
"""

from dataclasses import replace
from typing import Any

from osler.errors import RowError
from osler.records.record import ROLES, Message, Record
from osler.sources.fields import as_object, kind_of, optional_text, shown, text_of
from osler.sources.shape import question_group, split_of
from osler.sources.source import Place

_OPEN, _CLOSE = "<think>", "</think>"


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an answer; its generator is the row's `model`."""
    row = as_object(row)
    messages = _messages(row)
    rationale, answer = _reasoning_and_answer(messages[-1].content)
    if not answer:
        raise RowError("empty_answer", "there is no answer, or nothing after the reasoning", "messages")
    asked = next((message.content for message in messages if message.role == "user"), "")
    if not asked.strip():
        raise RowError("empty_question", "no turn by the user has text", "messages")
    generator = optional_text(row, "model") or place.generator
    return [
        Record(
            id=place.id,
            task="qa",
            messages=(*messages[:-1], Message("assistant", answer)),
            origin=replace(place, generator=generator).origin(),
            rationale=rationale,
            split=split_of(place.file),
            group=question_group(asked),
        )
    ]


def _messages(row: dict[str, Any]) -> tuple[Message, ...]:
    listed = row.get("messages")
    if not isinstance(listed, list) or not listed:
        raise RowError("wrong_type", f"is {kind_of(listed)}; expected a list of turns", "messages")
    pairs = [as_object(turn) for turn in listed]
    found = []
    for index, turn in enumerate(pairs):
        role = turn.get("role")
        if role not in ROLES:
            raise RowError(
                "bad_role", f"is {shown(role)}; expected one of {', '.join(ROLES)}", f"messages[{index}].role"
            )
        found.append(Message(role, text_of(turn, "content")))
    if found[-1].role != "assistant":
        raise RowError("empty_answer", "the last turn is not by the assistant", "messages")
    return tuple(found)


def _reasoning_and_answer(text: str) -> tuple[str, str]:
    if _OPEN not in text and _CLOSE not in text:
        return "", text.strip()
    # Without an opening mark, which some templates write into the prompt, all before the closing one is reasoning.
    before, _, rest = text.partition(_OPEN) if _OPEN in text else ("", "", text)
    reasoning, closed, answer = rest.partition(_CLOSE)
    if not closed:
        raise RowError("reasoning_cut_off", f"the reasoning never ends: there is no {_CLOSE}", "messages")
    return reasoning.strip(), f"{before.strip()}\n{answer.strip()}".strip()
