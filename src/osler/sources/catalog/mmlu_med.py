"""MMLU, the six medical subjects; virology, which some reports add, is not part of it.

On the hub a row has `choices` and a number counted from 0, in the original files no header and a letter. `dev` holds the five
questions for prompts, `val` the validation set; both count as validation. Meant for tests: whoever trains on it cannot report
MMLU any more.
"""

from collections.abc import Iterator
from typing import Any

from osler.records.record import Record
from osler.records.render import LETTERS
from osler.sources.fields import as_object, filled_text, index_of, label_of, text_of, texts_of
from osler.sources.read import read_csv, read_rows
from osler.sources.shape import checked_choices, choice_record
from osler.sources.source import NativeRow, Place, SourceFile

SUBJECTS = (
    "anatomy",
    "clinical_knowledge",
    "college_biology",
    "college_medicine",
    "medical_genetics",
    "professional_medicine",
)
_COLUMNS = ("question", "A", "B", "C", "D", "letter")
"""Names for the columns of the original files, which have none."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One choice record a question."""
    row = as_object(row)
    question = filled_text(row, "question", "empty_question")
    if "letter" in row:
        choices = checked_choices([text_of(row, letter) for letter in LETTERS[:4]], "A")
        answer = label_of(row, "letter", LETTERS[:4].lower())
    else:
        choices = checked_choices(texts_of(row, "choices"), "choices")
        answer = index_of(row, "answer", first=0, n_choices=len(choices))
    subject = next((subject for subject in SUBJECTS if subject in place.file), "")
    return choice_record(place, question, choices, answer, subject=subject)


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file; an original one gets the names of its columns."""
    return read_csv(file, columns=_COLUMNS) if ".csv" in file.name else read_rows(file)
