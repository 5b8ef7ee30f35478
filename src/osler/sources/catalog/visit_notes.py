"""Conversations of a visit and what a clinician wrote down: MTS-Dialog (one section of a note) and ACI-Bench (a whole note).

The conversation is the passage, and the section or the note is asked for: everything the target says was said before.
Encounters are role-played or built from notes, so names and dates in them are invented; they stay, because a note has them.
"""

from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, shown, text_of
from osler.sources.read import read_csv
from osler.sources.shape import one_record, split_of
from osler.sources.source import NativeRow, Place, SourceFile
from osler.text import hash_hex, match_key

_SECTIONS = {
    "ALLERGY": "allergies",
    "ASSESSMENT": "assessment",
    "CC": "chief complaint",
    "DIAGNOSIS": "diagnosis",
    "DISPOSITION": "disposition",
    "EDCOURSE": "emergency department course",
    "EXAM": "physical examination",
    "FAM/SOCHX": "family and social history",
    "GENHX": "history of present illness",
    "GYNHX": "gynaecological history",
    "IMAGING": "imaging",
    "IMMUNIZATIONS": "immunisations",
    "LABS": "laboratory results",
    "MEDICATIONS": "medications",
    "OTHER_HISTORY": "other history",
    "PASTMEDICALHX": "past medical history",
    "PASTSURGICAL": "past surgical history",
    "PLAN": "plan",
    "PROCEDURES": "procedures",
    "ROS": "review of systems",
}
_SECTION_QUESTION = "Summarise this conversation as the section of a clinical note: {section}."
_NOTE_QUESTION = "Write the clinical note of this visit."


def mts_dialog_records(row: Any, place: Place) -> list[Record]:
    """One record a section."""
    row = as_object(row)
    code = text_of(row, "section_header").strip().upper()
    if code not in _SECTIONS:
        raise RowError("unknown_section", f"is {shown(code)}; expected one of {', '.join(_SECTIONS)}", "section_header")
    question = _SECTION_QUESTION.format(section=_SECTIONS[code])
    return _records(question, filled_text(row, "section_text", "empty_answer"), row, place)


def aci_bench_records(row: Any, place: Place) -> list[Record]:
    """One record a visit."""
    row = as_object(row)
    return _records(_NOTE_QUESTION, filled_text(row, "note", "empty_answer"), row, place)


def _records(question: str, target: str, row: dict[str, Any], place: Place) -> list[Record]:
    dialogue = filled_text(row, "dialogue", "empty_question")
    split = split_of(place.file.casefold().replace("trainingset", "train").replace("set", " "))
    group = f"{place.source}:{hash_hex(match_key(dialogue))[:16]}"
    return one_record(place, question, target, context=(dialogue,), split=split, group=group)


def read_aci_bench(file: SourceFile) -> Iterator[NativeRow]:
    """The visits of a file, located by their encounter."""
    for native in read_csv(file):
        own = native.value.get("encounter_id") if isinstance(native.value, dict) else None
        yield NativeRow(native.file, f"{file.name}#{own}" if own else native.row, native.value)
