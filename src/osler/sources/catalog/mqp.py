"""MQP: pairs of patients' questions that doctors wrote to be alike in meaning or only in words.

A classify record: do both ask the same? It is a test for finding near copies more than a text to train on. Pairs that
rewrite the same question share a leakage group.
"""

from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, shown
from osler.sources.read import read_csv, read_rows
from osler.sources.read.opening import opened
from osler.sources.shape import one_record, question_group
from osler.sources.source import NativeRow, Place, SourceFile

_QUESTION = "Do these two questions ask the same?\n\n1. {}\n2. {}"
_CHOICES = ("different", "same")
_COLUMNS = ("dr_id", "question_1", "question_2", "label")
_TARGETS = ("They ask different things.", "They ask the same.")


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a pair."""
    row = as_object(row)
    first, second = (filled_text(row, f"question_{number}", "empty_question").strip() for number in (1, 2))
    label = str(row.get("label")).strip()
    if label not in {"0", "1"}:
        raise RowError("answer_not_an_option", f"is {shown(row.get('label'))}; expected 0 or 1", "label")
    return one_record(
        place,
        _QUESTION.format(first, second),
        _TARGETS[int(label)],
        choices=_CHOICES,
        answer=int(label),
        split="",
        group=question_group(first),
    )


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The pairs of a file; the publisher's own has no header, and its columns are known by their place."""
    with opened(file) as stream:
        start = stream.read(len(b"\xef\xbb\xbfdr_id"))
        has_header = ".csv" not in file.name or b"dr_id" in start
    yield from read_rows(file) if has_header else read_csv(file, columns=_COLUMNS)
