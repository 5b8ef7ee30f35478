"""Synthetic disaster reports: responders' notes with type, severity and what is needed. Logistics, not medicine.

The note is the passage and the columns are put into one sentence, as a summary of it. It teaches no medicine and the guides
list it among medical data all the same; leave it out unless emergency logistics is what you want.
"""

from typing import Any

from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, list_of, texts_of
from osler.sources.shape import one_record
from osler.sources.source import Place

_QUESTION = "Summarize this field report: the type of disaster, how severe it is, and what is needed."


def to_records(row: Any, place: Place) -> list[Record]:
    """One summary record a report."""
    row = as_object(row)
    notes = filled_text(row, "responder_notes", "empty_context").strip()
    kind = filled_text(row, "disaster_type", "empty_answer").strip()
    severity = filled_text(row, "severity_level", "empty_answer").strip()
    listed = {"resource_needs": list_of(row, "resource_needs")}  # a spreadsheet holds the text of a list
    needed = ", ".join(text.strip() for text in texts_of(listed, "resource_needs") if text.strip())
    target = f"{kind}, severity: {severity.lower()}. Needed: {needed or 'nothing is named'}."
    return one_record(place, _QUESTION, target, context=(notes,), group="")
