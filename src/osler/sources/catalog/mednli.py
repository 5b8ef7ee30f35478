"""MedNLI: does a sentence of a clinical note entail a statement, contradict it, or neither?

The note's sentence is the passage and the label names stand in the question, so that the record can be answered as it is. The
three statements that were written about one sentence share a leakage group, by a hash: nothing of the note leaves the record.
"""

from typing import Any

from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, label_of
from osler.sources.shape import one_record, question_group
from osler.sources.source import Place

_LABELS = ("entailment", "neutral", "contradiction")
_QUESTION = (
    "Statement: {statement}\n\nDoes the text entail the statement, contradict it, or neither? "
    f"Answer with one word: {', '.join(_LABELS)}."
)


def to_records(row: Any, place: Place) -> list[Record]:
    """One classify record a pair of sentences."""
    row = as_object(row)
    premise = filled_text(row, "sentence1", "empty_context").strip()
    statement = filled_text(row, "sentence2", "empty_question").strip()
    answer = label_of(row, "gold_label", _LABELS)
    return one_record(
        place,
        _QUESTION.format(statement=statement),
        _LABELS[answer].capitalize(),
        context=(premise,),
        choices=_LABELS,
        answer=answer,
        group=question_group(premise),
    )
