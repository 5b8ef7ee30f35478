"""The finished set of 84,325 rows in `input`, `context`, `output`, `source`, compiled from ten others.

A record is question, passage and answer as they stand; its origin keeps the row's own `source` behind the place. The
reasoning that the set writes into the output between `<reasoning>` marks goes to the rationale. Rows that answer a list of
symptoms with "you may have" and a treatment teach to diagnose: they are set aside as `teaches_diagnosis`, and
`diseases_symptoms` itself gives them in another wording. For text that is not a model's, take the sources it was made of.
"""

import re
from dataclasses import replace
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.shape import one_record
from osler.sources.source import Place

_DIAGNOSES = re.compile(r"[^.!?]{0,80}\byou(?: (?:may|might|could|probably|likely))* have\b", re.IGNORECASE)
_SYMPTOM_PARTS = frozenset({"diseases_symptoms", "symptom_to_diagnosis"})
_REASONING = re.compile(r"\s*<reasoning>(.*?)</reasoning>(.*)", re.DOTALL)
_GENERATORS = {
    "extreme_firstaid_qa_dataset": "gemma-3n",
    "medical_o1_reasoning_sft": "gpt-4o",
    "medqa": "gemma-3n",
    "symptom_to_diagnosis": "gemma-3n",
    "wiki_medical_terms": "gemma-3n",
}
"""What wrote the text of a part, as far as its scripts tell."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a row."""
    row = as_object(row)
    question = filled_text(row, "input", "empty_question")
    part = filled_text(row, "source", "no_source").strip()
    output = filled_text(row, "output", "empty_answer")
    if part in _SYMPTOM_PARTS and _DIAGNOSES.match(output):
        raise RowError("teaches_diagnosis", "answers a list of symptoms with a diagnosis", "output")
    reasoned = _REASONING.fullmatch(output)
    rationale, answer = reasoned.groups() if reasoned else ("", output)
    if not answer.strip():
        raise RowError("empty_answer", "there is nothing after the reasoning", "output")
    context = optional_text(row, "context").strip()
    origin = replace(place, generator=_GENERATORS.get(part, "")).part(part).origin()
    found = one_record(
        place, question, answer.strip(), context=(context,) if context else (), rationale=rationale.strip()
    )
    return [replace(record, origin=origin) for record in found]
