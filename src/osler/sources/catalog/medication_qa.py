"""MedicationQA: what people ask about drugs, answered with excerpts of MedlinePlus and DailyMed pages.

Questions keep their typing errors: that is how people write. Answers that only say that there is none ("No answers",
"Unanswerable", "n/a") are set aside: a model must not learn to refuse a fair question with two words. Rows of one drug share a
leakage group, because they quote the same pages. The same folder may hold the MedLFQA file, 666 of these questions with the
answer and statements that a good answer must have: it is a test of its own, `medication_qa_medlfqa`.
"""

import re
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.shape import one_record, question_group
from osler.sources.source import Place
from osler.text import match_key

_NO_ANSWER = re.compile(r"\s*(?:no answers?|unanswerable|n/?a)\.?\s*", re.IGNORECASE)


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a question."""
    row = as_object(row)
    question = filled_text(row, "Question", "empty_question").strip()
    drug = match_key(optional_text(row, "Focus (Drug)"))
    group = f"medication_qa:{drug}" if drug else question_group(question)
    return one_record(place, question, _answer(row, "Answer"), optional_text(row, "URL").strip(), split="", group=group)


def medlfqa_records(row: Any, place: Place) -> list[Record]:
    """One record a question, with the published answer; the statements by GPT-4 are not part of it."""
    row = as_object(row)
    question = filled_text(row, "Question", "empty_question").strip()
    return one_record(place, question, _answer(row, "Free_form_answer"), split="test")


def _answer(row: dict[str, Any], field: str) -> str:
    answer = filled_text(row, field, "empty_answer").strip()
    if _NO_ANSWER.fullmatch(answer):
        raise RowError("empty_answer", "says that there is no answer", field)
    return answer
