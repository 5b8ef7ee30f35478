"""Diseases_Symptoms: 400 diseases with symptoms and treatments.

A guide turns a row into "It seems you may have X. The usual treatment is Y.": diagnosis and prescription from a list of
symptoms. Here the symptoms are asked about as such and the answer is education: several conditions that share them (the row's
own and up to three whose symptoms overlap most, found when the file is read), what treatments of the row's condition a
clinician may choose from, and when to seek care. It never says what the asker has.
"""

import re
from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text, texts_of
from osler.sources.read import read_rows
from osler.sources.shape import SEEK_CARE, one_record
from osler.sources.source import NativeRow, Place, SourceFile
from osler.text import match_key

_ALIKE = "conditions_alike"
"""Field that `read` adds to each row."""
_MAX_ALIKE = 3
_WRONG_TREATMENT = frozenset({"obesity"})
"""Conditions that have the treatments of the row before them: amphotericin B, from cryptococcosis."""
_ONLY_EXAMINED = "The symptoms alone do not show which one it is; that takes an examination."
_COMMA = re.compile(r",\s*(?![^()]*\))")
"""A comma outside brackets: `Fever, rash (red, itchy)` are two symptoms."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a disease."""
    row = as_object(row)
    name = filled_text(row, _name_field(row), "empty_answer").strip()
    symptoms = ", ".join(_symptoms(filled_text(row, "Symptoms", "empty_question")))
    treatments = _treatments(row)
    alike = texts_of(row, _ALIKE) if _ALIKE in row else []
    named = [name, *alike]
    several = f"{', '.join(named[:-1])} and {named[-1]}" if alike else name
    parts = [f"Several conditions can cause symptoms like these, among them {several}. {_ONLY_EXAMINED}"]
    if treatments:
        parts.append(f"If it is {name}, a clinician may choose among these treatments: {treatments}.")
    return one_record(
        place,
        f"Which conditions can cause these symptoms, and what can be done? {symptoms}.",
        " ".join((*parts, SEEK_CARE)),
        split="",
        group=f"diseases_symptoms:{match_key(name)}",
    )


def notes(row: Any) -> tuple[str, ...]:
    """`no_treatment` where the publisher gives none, or those of another condition."""
    return () if _treatments(row) else ("no_treatment",)


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file, each told which other conditions of the file share most of its symptoms."""
    natives = list(read_rows(file))
    known: dict[str, tuple[str, set[str]]] = {}
    for native in natives:
        if (parts := _parts(native.value)) is not None:
            known.setdefault(match_key(parts[0]), parts)
    for native in natives:
        parts = _parts(native.value)
        value = native.value if parts is None else {**native.value, _ALIKE: _alike(parts, known)}
        yield NativeRow(native.file, native.row, value)


def _treatments(row: dict[str, Any]) -> str:
    wrong = match_key(filled_text(row, _name_field(row), "empty_answer")) in _WRONG_TREATMENT
    return "" if wrong else optional_text(row, "Treatments").strip().rstrip(".")


def _alike(own: tuple[str, set[str]], known: dict[str, tuple[str, set[str]]]) -> list[str]:
    """Conditions that share two symptoms with this one, or half of its symptoms; those that share most come first."""
    shared = [(-len(own[1] & symptoms), name) for key, (name, symptoms) in known.items() if key != match_key(own[0])]
    n_least = min(2.0, len(own[1]) / 2)
    return [name for n_shared, name in sorted(shared)[:_MAX_ALIKE] if -n_shared >= n_least]


def _parts(row: Any) -> tuple[str, set[str]] | None:
    """Name and symptoms of a sound row."""
    try:
        row = as_object(row)
        name = filled_text(row, _name_field(row), "empty_answer").strip()
        return name, {match_key(symptom) for symptom in _symptoms(filled_text(row, "Symptoms", "empty_question"))}
    except RowError:
        return None


def _symptoms(text: str) -> list[str]:
    return [symptom.strip().rstrip(".") for symptom in _COMMA.split(text) if symptom.strip()]


def _name_field(row: dict[str, Any]) -> str:
    return "Name" if "Name" in row else "Diseases"
