"""MedMCQA: questions of Indian medical entrance examinations, four options.

`cop`, the number of the right option, counts from 1 in the original files and from 0 in the hub's copy. Which of the two a
file is cannot be seen in one row, and a wrong guess turns every key wrong without an error. So the whole file is looked at
before its rows are read: a 0 or -1 (hidden label) is only in copies that count from 0, a 4 only in those that count from 1.
"""

import re
from collections.abc import Iterator
from typing import Any

from osler.errors import InputError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, index_of, optional_text, text_of
from osler.sources.read import read_rows
from osler.sources.shape import checked_choices, choice_record
from osler.sources.source import NativeRow, Place, SourceFile

_FIRST = "cop_counts_from"
"""Field that `read` adds to each row: 0 or 1."""
_OPTIONS = ("opa", "opb", "opc", "opd")
_STATED_KEY = re.compile(r"\s*ans(?:wer)?\b[\s.:=-]*(?:is\b)?[\s'\"‘’“”(\[]*([a-d])\b", re.IGNORECASE)
"""The key that an explanation opens with: `Ans. is 'b'`, `Ans: A. Pregnant`, `Answer- (c)`; not `Ans. All of them`."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One choice record a question; an explanation that names another key than `cop` is left out."""
    row = as_object(row)
    question = filled_text(row, "question", "empty_question")
    choices = checked_choices([text_of(row, name) for name in _OPTIONS], "opa")
    answer = index_of(row, "cop", first=row[_FIRST], n_choices=len(choices))
    rationale = optional_text(row, "exp")
    return choice_record(
        place,
        question,
        choices,
        answer,
        rationale="" if _contradicts(rationale, answer) else rationale,
        subject=optional_text(row, "subject_name").strip(),
        group="",
    )


def notes(row: Any) -> tuple[str, ...]:
    """`repeated_options`, and `rationale_contradicts_answer` where the explanation was left out."""
    found = []
    if len({_plain(row[name]) for name in _OPTIONS}) < len(_OPTIONS):
        found.append("repeated_options")
    if _contradicts(optional_text(row, "exp"), row["cop"] - row[_FIRST]):
        found.append("rationale_contradicts_answer")
    return tuple(found)


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file, each told from what number its file counts."""
    first = counts_from(file)
    for native in read_rows(file):
        value = {**native.value, _FIRST: first} if isinstance(native.value, dict) else native.value
        yield NativeRow(native.file, native.row, value)


def counts_from(file: SourceFile) -> int:
    """0 or 1: what `cop` counts from in this file.

    Raises:
        InputError: the file has both a 0 and a 4, or labels and neither.
    """
    values = (native.value.get("cop") for native in read_rows(file) if isinstance(native.value, dict))
    seen = {value for value in values if isinstance(value, int) and not isinstance(value, bool)}
    from_zero = any(value <= 0 for value in seen)
    if (from_zero and 4 in seen) or (seen and not from_zero and 4 not in seen):
        listed = ", ".join(map(str, sorted(seen)))
        raise InputError(
            f'{file.path}: "cop" takes the values {listed}; expected 0 to 3 (the hub\'s copy, -1 for a hidden label) or 1 to 4 '
            "(the original files). From these values it cannot be told which option is right; use a whole file of one kind."
        )
    return 1 if 4 in seen else 0


def _plain(option: str) -> str:
    """Case and spaces aside. Signs stay: `+1` and `-1` are two options."""
    return " ".join(option.casefold().split())


def _contradicts(rationale: str, answer: int) -> bool:
    stated = _STATED_KEY.match(rationale)
    return stated is not None and "abcd".index(stated[1].lower()) != answer
