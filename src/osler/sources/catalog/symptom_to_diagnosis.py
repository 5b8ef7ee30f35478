"""Symptom to diagnosis: short complaints with the name of a disease, on the hub and as `Symptom2Disease.csv`.

It is a classification set. The target is worded as education: a model that learns "you have malaria" from one sentence of
symptoms has learned to diagnose, which it must not.
"""

from typing import Any

from osler.records.record import Record
from osler.sources.fields import as_object, filled_text
from osler.sources.shape import SEEK_CARE, one_record
from osler.sources.source import Place

_QUESTION = "{complaint}\n\nWhat condition can cause symptoms like these?"
_TARGET = (
    "These symptoms can occur with {condition}. Other conditions can look alike, so the symptoms alone do not show what is "
    f"wrong; it takes an examination to tell them apart. {SEEK_CARE}"
)


def to_records(row: Any, place: Place) -> list[Record]:
    """One classify record a complaint."""
    row = as_object(row)
    complaint, label = ("input_text", "output_text") if "input_text" in row else ("text", "label")
    question = _QUESTION.format(complaint=filled_text(row, complaint, "empty_question").strip())
    condition = filled_text(row, label, "empty_answer").strip().lower()
    return one_record(place, question, _TARGET.format(condition=condition), group="")
