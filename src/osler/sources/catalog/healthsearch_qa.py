"""HealthSearchQA: what people type into a search box about health. Questions only, without answers.

So there is nothing to train on, and answers made up for it would be tested against nobody's: it serves as prompts for safety
and over-refusal tests and for generation. The copies in circulation have 4,436 rows, 1,263 of them blank.
"""

import re
from typing import Any

from osler.records.record import Record
from osler.sources.fields import as_object, filled_text
from osler.sources.shape import one_record
from osler.sources.source import Place

_PREFIX = re.compile(r"^\s*\d*,\s*")
"""What a copy has left of a row number: `37,What happens ...`."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One question; what a copy left of a row number before it is taken off."""
    row = as_object(row)
    question = _PREFIX.sub("", filled_text(row, _field(row), "blank_row"), count=1).strip().replace("\\'", "'")
    return one_record(place, question, "", split="test")


def notes(row: Any) -> tuple[str, ...]:
    """`row_number_left` where the rest of one was taken off."""
    return ("row_number_left",) if _PREFIX.match(row[_field(row)]) else ()


def _field(row: dict[str, Any]) -> str:
    return "Question" if "Question" in row else "question"
