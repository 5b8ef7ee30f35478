"""LiveQA-Med: questions that people sent to the US National Library of Medicine, each with reference answers.

Subject and message together are the question, as it was written. A question may have several reference answers: each is a
record, and all of a question share a leakage group. Three of the 167 answers stand in `RefAnswer` instead of
`ReferenceAnswer`; a reader of one of the two loses answers without a word. The file's own indentation and the line breaks of
its wrapping are taken out of the answers; line breaks that their writers made stay.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.read import read_rows, read_xml
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile

_ANSWERS = ("ReferenceAnswer", "RefAnswer")
_WRAPPED_CHARS = 240
"""A line of at least this length that ends within a sentence was wrapped by the publisher's XML editor."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a reference answer."""
    row = as_object(row)
    parts = [optional_text(row, name).strip() for name in ("subject", "message")]
    question = "\n\n".join(part for part in parts if part)
    if not question:
        raise RowError("empty_question", "neither subject nor message has text", "message")
    return one_record(
        place, question, filled_text(row, "answer", "empty_answer").strip(), optional_text(row, "url").strip()
    )


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The reference answers of a file, each with its question under the names that the hub's copy uses."""
    if ".xml" not in file.name:
        yield from read_rows(file)
        return
    for native in read_xml(file, "NLM-QUESTION"):
        if isinstance(native.value, RowError):
            yield native
            continue
        element: Element = native.value
        name = f"{native.row.rpartition('#')[0]}#{element.get('qid', '')}"
        original = {
            "subject": _text(element, "Original-Question/SUBJECT"),
            "message": _text(element, "Original-Question/MESSAGE"),
        }
        answers = [answer for answer in element.iter() if answer.tag in _ANSWERS]
        for number, answer in enumerate(answers, start=1):
            value = {**original, "answer": _text(answer, "ANSWER"), "url": _text(answer, "AnswerURL")}
            yield NativeRow(native.file, f"{name}/{number}", value)
        if not answers:
            yield NativeRow(native.file, name, {**original, "answer": ""})


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else _unwrapped("".join(found.itertext()))


def _unwrapped(text: str) -> str:
    lines = [line.strip() for line in text.strip().split("\n")]
    joined = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        wrapped = len(line) >= _WRAPPED_CHARS and following and line[-1] not in ".:!?"
        joined += line + (" " if wrapped else "\n")
    return joined.strip()
