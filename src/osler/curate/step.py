"""What a step over single records is: a pure function from a record to what it makes of it, kept or dropped with a reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from osler.records.drop import Change, Drop
from osler.records.record import Message, Record


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step made of one record."""

    record: Record
    drop: Drop | None = None
    changes: tuple[Change, ...] = ()
    tallies: Mapping[str, int] = field(default_factory=dict)
    """What the step counted besides: identifiers replaced, by type."""


class Step(Protocol):
    """A step that looks at one record at a time. Pure: the same record gives the same outcome, in any process."""

    @property
    def name(self) -> str:
        """Name in `dropped.jsonl`, `changes.jsonl` and `counts.json`."""

    def __call__(self, record: Record) -> Outcome:
        """Take in a record."""


def rewritten(
    record: Record, step: str, rewrite: Callable[[str, str], tuple[str, str]]
) -> tuple[Record, tuple[Change, ...]]:
    """The record with its texts rewritten, and the fields that changed.

    Fields are named `messages[0]`, `context[0]`, `choices[0]` and `rationale`. System turns are instructions, not data, and
    stay as they are. An unchanged record is returned as the same object.

    Args:
        rewrite: a field's name and text to its new text and, where that is another, the reason.
    """
    changes: list[Change] = []

    def apply(field: str, text: str) -> str:
        after, reason = rewrite(field, text)
        if after != text:
            changes.append(Change(record.id, step, field, reason, text, after))
        return after

    messages = tuple(
        message if message.role == "system" else Message(message.role, apply(f"messages[{index}]", message.content))
        for index, message in enumerate(record.messages)
    )
    context = tuple(apply(f"context[{index}]", text) for index, text in enumerate(record.context))
    choices = tuple(apply(f"choices[{index}]", text) for index, text in enumerate(record.choices))
    rationale = apply("rationale", record.rationale)
    if not changes:
        return record, ()
    changed = replace(record, messages=messages, context=context, choices=choices, rationale=rationale)
    return changed, tuple(changes)
