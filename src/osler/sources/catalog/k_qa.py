"""K-QA: questions that patients typed to an online service, with answers and the statements that an answer must make.

The gold answers (201, by doctors) are a benchmark; the silver ones come from GPT-4 by way of OLAPH's MedLFQA. A record is
question and answer. The statements stand in the rationale: they are what a reviewer, or a judge, holds an answer to.
Answers that only say that the question is vague are set aside, as an answer to a patient is not "Vague Question to
answer"; questions alone have no answer to learn.
"""

from dataclasses import replace
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, texts_of
from osler.sources.shape import one_record
from osler.sources.source import Place


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a question that has an answer."""
    row = as_object(row)
    question = filled_text(row, "Question", "empty_question")
    if "Free_form_answer" not in row:
        raise RowError("empty_answer", "the question is published without an answer", "Free_form_answer")
    answer = filled_text(row, "Free_form_answer", "empty_answer").strip()
    if answer.casefold().startswith("vague question"):
        raise RowError("vague_question", "says that the question is vague", "Free_form_answer")
    is_gold = "w_answers" in place.file or "golden" in place.file
    statements = "\n".join(f"- {text}" for text in texts_of(row, "Must_have") if text.strip())
    if is_gold:
        return one_record(replace(place, generator=""), question, answer, rationale=statements, split="test")
    return one_record(place, question, answer, rationale=statements, split="train")
