"""MMLU, the six medical subjects.

Anatomy, clinical knowledge, college biology, college medicine, medical genetics and professional medicine. On the hub a row has `choices` and a number counted from 0, in the original files no header and a letter. `dev` holds the five
questions for prompts, `val` the validation set; both count as validation. Meant for tests: whoever trains on it cannot report
MMLU any more. Virology, which some reports add, is not part of it.
"""

from collections.abc import Iterator
from typing import Any

from osler.records.export import LETTERS
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, index_of, label_of, text_of, texts_of
from osler.sources.read import read_csv, read_rows
from osler.sources.shape import checked_choices, choice_target, question_group, split_of, turns
from osler.sources.source import NativeRow, Place, Source, SourceFile

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
    return [
        Record(
            id=place.id,
            task="choice",
            messages=turns(question, choice_target(choices, answer)),
            origin=place.origin(),
            choices=choices,
            answer=answer,
            split=split_of(place.file),
            group=question_group(question),
            subject=next((subject for subject in SUBJECTS if subject in place.file), ""),
        )
    ]


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file; an original one gets the names of its columns."""
    return read_csv(file, columns=_COLUMNS) if ".csv" in file.name else read_rows(file)


def _each_subject(*patterns: str) -> tuple[str, ...]:
    return tuple(pattern.format(subject) for subject in SUBJECTS for pattern in patterns)


MMLU_MED = Source(
    name="mmlu_med",
    home="https://huggingface.co/datasets/cais/mmlu",
    revision="Teddy-XiongGZ/MIRAGE@392943af99cd94cafd50a0de2e7fca24bbf65494",
    license="MIT",
    access="open",
    language="en",
    citation="Hendrycks D, Burns C, Basart S, Zou A, Mazeika M, Song D, Steinhardt J. Measuring massive multitask language "
    "understanding. ICLR 2021",
    known_problems=(
        "Six subjects with 1,089 test questions; some reports add virology: state the list.",
        "Questions are public since 2020 and stand in many training sets, medical_meadow_mmmlu among them.",
        "Some keys are wrong.",
    ),
    files=(
        _each_subject("**/{}_dev.csv*", "**/{}_val.csv*", "**/{}_test.csv*"),
        _each_subject("**/{}/dev*.parquet", "**/{}/validation*.parquet", "**/{}/test*.parquet"),
        _each_subject("**/{}*/*.jsonl*", "**/{}*.json*"),
    ),
    read=read,
    to_records=to_records,
    task="choice",
    rows={"test": 1_089},
    overlaps=("medical_meadow_mmmlu", "multimedqa_fewshots"),
    hub="cais/mmlu",
    hub_files=_each_subject("{}/*"),
)
