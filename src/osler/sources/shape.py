"""Shapes that several sources share: the record of a row, a lettered answer, options, the split."""

import re
from collections.abc import Sequence
from typing import TypedDict, Unpack

from osler.errors import RowError
from osler.records.record import Message, Record, Task
from osler.records.render import LETTERS
from osler.sources.source import Place
from osler.text import hash_hex, match_key

SPLITS = {
    "train": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
}
"""The split that a publisher's word for it means."""
_NAME_WORD = re.compile(r"[a-z]+")
SEEK_CARE = (
    "See a clinician if they do not improve, get worse or come back, and call the local emergency number for trouble "
    "breathing, chest pain, confusion, fainting or heavy bleeding."
)
"""The end of an answer about symptoms ("they"): part of what a good answer says, not a disclaimer."""


class MoreParts(TypedDict, total=False):
    """What a record may have beside turns and options; as in `Record`."""

    task: Task
    context: tuple[str, ...]
    rationale: str
    split: str
    group: str
    subject: str


class Parts(MoreParts, total=False):
    """And the options."""

    choices: tuple[str, ...]
    answer: int | None


def one_record(place: Place, question: str, target: str, url: str = "", **parts: Unpack[Parts]) -> list[Record]:
    """The one record of a row.

    Args:
        target: what the assistant says; the record of a row without an answer is the question alone.
        url: of the page that the row was taken from.
        parts: left out, the task is the source's, the split is told by the file's name, and the group is the question.
    """
    told: Parts = {"task": place.task, "split": split_of(place.file), "group": question_group(question)}
    told.update(parts)
    turns = (Message("user", question), *([Message("assistant", target)] if target else []))
    return [Record(id=place.id, messages=turns, origin=place.origin(url), **told)]


def choice_record(
    place: Place, question: str, choices: tuple[str, ...], answer: int, **parts: Unpack[MoreParts]
) -> list[Record]:
    """The one record of a question with options; its target is the option, lettered as `records.render` does: `B. Pancreas`."""
    target = f"{LETTERS[answer]}. {choices[answer].strip()}"
    return one_record(place, question, target, choices=choices, answer=answer, **parts)


def checked_choices(choices: Sequence[str], field: str) -> tuple[str, ...]:
    """The options, held to what a choice record needs.

    Raises:
        RowError: fewer than two, more than there are letters, or an empty one.
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise RowError("bad_options", f"there are {len(choices)} options; expected 2 to {len(LETTERS)}", field)
    if any(not choice.strip() for choice in choices):
        raise RowError("bad_options", "an option is empty", field)
    return tuple(choices)


def split_of(file: str) -> str:
    """The published split that a file's name tells, or empty: `medqa_us_dev.jsonl.gz` is validation, `training.json` none.

    The last name word that is a split decides, so that a folder `test_release/` does not hide `train.jsonl`.
    """
    found = [SPLITS[word] for word in _NAME_WORD.findall(file.casefold()) if word in SPLITS]
    return found[-1] if found else ""


def question_group(question: str) -> str:
    """The leakage group of one question, whichever source or number of options it comes with; tells nothing of its text."""
    return f"question:{hash_hex(match_key(question))[:16]}"
