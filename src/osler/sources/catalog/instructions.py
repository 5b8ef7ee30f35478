"""Rows in `instruction`, `input`, `output`: parts of Medical Meadow, safety demonstrations, mirrors of MedDialog."""

import re
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.shape import one_record
from osler.sources.source import Place

_EMPTY_WORDS = re.compile(
    r"(?:please )?answer (?:this|the|these) (?:medical )?questions? (?:truthfully|correctly)", re.I
)


def records(row: Any, place: Place) -> list[Record]:
    """One record a row: a question and its answer, or a text with its label, whose names stand in the instruction."""
    return one_record(place, *instruction_row(as_object(row)))


def instruction_row(row: dict[str, Any], use_instruction: bool = True) -> tuple[str, str]:
    """Question and target of a row in `instruction`, `input`, `output`.

    An instruction that only says "answer this question truthfully" is left out: it tells nothing, and a model that learned
    under it would miss it in use.

    Args:
        use_instruction: False where the instruction is one constant that the source's own words replace.

    Raises:
        RowError: no question or no answer.
    """
    instruction = optional_text(row, "instruction").strip() if use_instruction else ""
    asked = optional_text(row, "input").strip()
    if asked and _EMPTY_WORDS.match(instruction):
        instruction = ""
    question = "\n\n".join(part for part in (instruction, asked) if part)
    if not question:
        raise RowError("empty_question", "is empty", "input")
    return question, filled_text(row, "output", "empty_answer").strip()
