"""MedXpertQA, the questions in text: ten options each, by specialists' examinations.

On the hub options are an object by letter, in the authors' own repository a list of letter and content with the key in a list.
Both repeat the options at the end of the question, which is taken off. The part with images is not read.
"""

from typing import Any

from osler.records.record import Record
from osler.records.render import LETTERS
from osler.sources.fields import as_object, filled_text, label_of, optional_text, text_of
from osler.sources.shape import checked_choices, choice_record, split_of
from osler.sources.source import Place

_OPTIONS_FOLLOW = "\nAnswer Choices:"


def to_records(row: Any, place: Place) -> list[Record]:
    """One choice record a question."""
    row = as_object(row)
    question = filled_text(row, "question", "empty_question").partition(_OPTIONS_FOLLOW)[0]
    if isinstance(row.get("options"), list):
        pairs = [as_object(pair) for pair in row["options"]]
        row = {**row, "options": {text_of(pair, "letter"): text_of(pair, "content") for pair in pairs}}
    by_letter = as_object(row.get("options"))
    letters = sorted(by_letter)
    choices = checked_choices([text_of(by_letter, letter) for letter in letters], "options")
    if isinstance(row.get("label"), list):
        row = {**row, "label": "".join(map(str, row["label"]))}
    answer = label_of(row, "label", LETTERS[: len(letters)].lower())
    return choice_record(
        place,
        question,
        choices,
        answer,
        subject=optional_text(row, "medical_task").strip(),
        split=split_of(place.file) or "test",
    )
