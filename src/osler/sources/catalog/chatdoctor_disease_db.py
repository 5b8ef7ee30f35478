"""The disease database of ChatDoctor: what a disease is, its symptoms, tests and drugs.

Only the description and the symptoms are used. Tests and drugs are lists in the order of a statistic, not of sense: flumazenil
and carboprost for a broken arm, a papillomavirus test for Guillain-Barre. Two kinds of filler are left out: descriptions that
are the name of a drug (`flumazenil,`), and a symptom list that the file repeats for many diseases.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, list_of, optional_text, texts_of
from osler.sources.read import read_rows
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile
from osler.text import match_key

_FILLER = "symptoms_are_filler"
"""Field that `read` adds to each row."""
_NO_DESCRIPTION = re.compile(r"(?:\S+\s+){0,12}(?:\S*,|refer to:?)")
"""The name of a drug and a comma, or the start of a list of pages."""
_MAX_SAME = 2
"""Diseases that may have one symptom list; the filler stands at 14."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a disease."""
    row = as_object(row)
    disease = filled_text(row, "disease", "empty_question").strip()
    description = _description(row)
    symptoms = [] if row.get(_FILLER) else _symptoms(row)
    listed = f"It can cause: {', '.join(symptom.lower() for symptom in symptoms)}." if symptoms else ""
    target = "\n\n".join(part for part in (description, listed) if part)
    if not target:
        raise RowError("empty_answer", "neither the description nor the symptoms are more than filler", "reason")
    asked = [
        *([f"What is {disease}?"] if description else []),
        *([f"What symptoms can {disease} cause?"] if symptoms else []),
    ]
    return one_record(place, " ".join(asked), target, split="", group=f"chatdoctor_disease_db:{match_key(disease)}")


def notes(row: Any) -> tuple[str, ...]:
    """`no_description` and `filler_symptoms` where they were left out."""
    return (*(() if _description(row) else ("no_description",)), *(("filler_symptoms",) if row.get(_FILLER) else ()))


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file, each told whether its symptom list is the file's filler."""
    natives = list(read_rows(file))
    seen = Counter(str(native.value.get("Symptom")) for native in natives if isinstance(native.value, dict))
    for native in natives:
        value = native.value
        if isinstance(value, dict):
            value = {**value, _FILLER: seen[str(value.get("Symptom"))] > _MAX_SAME}
        yield NativeRow(native.file, native.row, value)


def _description(row: dict[str, Any]) -> str:
    """The description, or empty where it is none."""
    text = optional_text(row, "reason").strip()
    return "" if _NO_DESCRIPTION.fullmatch(text) else text.replace("\\'", "'").rstrip(" ,:")


def _symptoms(row: dict[str, Any]) -> list[str]:
    listed = {"Symptom": list_of(row, "Symptom") if row.get("Symptom") is not None else []}
    return [symptom.strip() for symptom in texts_of(listed, "Symptom") if symptom.strip()]
