"""Clinical notes of MIMIC-III (`NOTEEVENTS`) and MIMIC-IV-Note, from PhysioNet under a signed agreement.

A report with an impression gives a training record: the report without it is the passage, and the impression is asked for.
Every other note is one turn without an answer: it serves for measuring and searching, and curation drops it as
`empty_answer`, because asking a model to write a note from nothing teaches it to invent patients. The marks of removed
names (`[** **]`, `___`) stay as they are: filling them in, or taking them out, would change the note. All notes of one
patient share a leakage group.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, kind_of, optional_text
from osler.sources.read import read_csv
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile

_QUESTION = "Write the impression of this report."
_IMPRESSION = re.compile(
    r"^[ \t]*(?:IMPRESSION|Impression)S?[ \t]*:(?P<text>.*?)(?=^[ \t]*[A-Z][A-Z /]{3,}:|\Z)", re.M | re.S
)


def mimic_iii_records(row: Any, place: Place) -> list[Record]:
    """One record a note; notes that a clinician marked as an error (`ISERROR`) are set aside."""
    row = as_object(row)
    if _name(row.get("ISERROR")) in {"1", "1.0"}:
        raise RowError("note_in_error", "is 1: a clinician marked the note as an error", "ISERROR")
    return _note(filled_text(row, "TEXT", "empty_note"), _patient(row, "SUBJECT_ID"), place)


def mimic_iv_records(row: Any, place: Place) -> list[Record]:
    """One record a note."""
    row = as_object(row)
    return _note(filled_text(row, "text", "empty_note"), _patient(row, "subject_id"), place)


def mimic_iii_notes(row: Any) -> tuple[str, ...]:
    """The kind of note, as a code: `discharge_summary`."""
    return tuple(re.findall(r"[a-z_]+", re.sub(r"\W+", "_", optional_text(row, "CATEGORY").strip().casefold())))[:1]


def _note(text: str, patient: str, place: Place) -> list[Record]:
    found = list(_IMPRESSION.finditer(text))
    impression = found[-1]["text"].strip() if found else ""
    rest = f"{text[: found[-1].start()]}{text[found[-1].end() :]}".strip() if found else ""
    group = f"{place.source}:{patient}"
    if not (impression and rest):
        return one_record(place, text, "", split="", group=group)
    return one_record(place, _QUESTION, impression, context=(rest,), split="", group=group)


def _patient(row: dict[str, Any], field: str) -> str:
    patient = _name(row.get(field))
    if not patient:
        raise RowError("no_patient", f"is {kind_of(row.get(field))}; expected the patient's number", field)
    return patient


def _name(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _located_by(field: str) -> Callable[[SourceFile], Iterator[NativeRow]]:
    def read(file: SourceFile) -> Iterator[NativeRow]:
        for native in read_csv(file):
            own = _name(native.value.get(field)) if isinstance(native.value, dict) else ""
            yield NativeRow(native.file, own or native.row, native.value)

    return read


read_mimic_iii = _located_by("ROW_ID")
read_mimic_iv = _located_by("note_id")
