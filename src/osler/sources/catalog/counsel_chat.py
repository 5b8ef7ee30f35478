"""CounselChat: questions on mental health and what therapists answered, several answers to one question.

A record is one question with one answer. The columns with the therapist's name and address are left out; some sign their
answers, which is counted as `author_named`, and curation masks names. All answers to one question share a leakage group.
"""

import re
from typing import Any

from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.shape import one_record, question_group, split_of
from osler.sources.source import Place

_NAME = re.compile(r"[^\W\d_]{3,}")


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an answer."""
    row = as_object(row)
    title = filled_text(row, "questionTitle", "empty_question").strip()
    text = optional_text(row, "questionText").strip()
    question = text if title in text else f"{title}\n\n{text}".strip()
    return one_record(
        place,
        question,
        filled_text(row, "answerText", "empty_answer"),
        optional_text(row, "questionLink"),
        split=split_of(optional_text(row, "split")),
        group=f"counsel_chat:{optional_text(row, 'questionID')}" if row.get("questionID") else question_group(question),
    )


def notes(row: Any) -> tuple[str, ...]:
    """`author_named` where the therapist's surname or first name stands in the answer."""
    names = _NAME.findall(optional_text(row, "therapistInfo"))[:2]
    told = set(_NAME.findall(row["answerText"]))
    return ("author_named",) if not told.isdisjoint(names) else ()
