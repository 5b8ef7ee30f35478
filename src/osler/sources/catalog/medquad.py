"""MedQuAD: questions and answers from twelve websites of the US National Institutes of Health.

Read as the publisher's XML documents, the same packed in an archive, or a copy in rows (JSON Lines, CSV, Parquet). Three kinds
of rows are in circulation: with the documents' own fields, with `question_focus` and `document_url` (lavita), and with a question
type, a question and an answer alone (`qtype`, `Question`, `Answer` on Kaggle and keivalya's; `context`, `question`, `answer` at
visharxd's, where the type is no passage).

Questions of one focus (a disease, a drug) share a leakage group: without it, five of six random test rows would have their
web page in the training set. Where a copy lost the focus, it is taken out of the question, which was made of it by a template.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.read import read_rows, read_xml
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile
from osler.text import match_key

_DOCUMENTS = ("Document", "doc", "DiseaseFile")
"""Names of the root. Almost all documents have the first; a few of NINDS and CDC have the shapes of earlier drafts."""
_PAIRS = ("QAPair", "pair")
_DOCUMENT_FILES = (".xml", ".xml.gz", ".tar.gz")
_TEMPLATE = re.compile(
    r"(?:what (?:is \(are\)|causes|to do for|is the outlook for|research \(or clinical trials\) is being done for)"
    r"|what are the (?:symptoms of|treatments for|genetic changes related to|stages of|complications of)"
    r"|how to (?:diagnose|prevent)|how many people are affected by|who is at risk for|do you have information about"
    r"|is(?=.* inherited\b)) (.+?)(?: inherited)?[ ?]*",
    re.IGNORECASE | re.DOTALL,
)
"""The sixteen templates that all but a few questions with an answer are made by."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a pair; a pair whose answer was removed for copyright is set aside as `empty_answer`."""
    row = as_object(row)
    upper = "Question" in row
    question = filled_text(row, "Question" if upper else "question", "empty_question")
    answer = filled_text(row, "Answer" if upper else "answer", "empty_answer")
    return one_record(
        place,
        question,
        answer,
        optional_text(row, "document_url" if "document_url" in row else "url"),
        split="",
        group=f"medquad:{_topic(row, question, place)}",
    )


def _topic(row: dict[str, Any], question: str, place: Place) -> str:
    """The focus; else the document; where the copy has neither, the focus by the question's words, or all of them."""
    for name in ("focus", "question_focus"):
        if name in row:
            return match_key(optional_text(row, name)) or optional_text(row, "document_id") or place.file
    template = _TEMPLATE.fullmatch(question.strip())
    return (match_key(template[1]) if template else "") or match_key(question)


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The pairs of a file, in whichever of the forms it is."""
    if not file.name.endswith(_DOCUMENT_FILES):
        yield from read_rows(file)
        return
    for native in read_xml(file, _DOCUMENTS):
        if isinstance(native.value, RowError):
            yield native
        else:
            yield from pairs_of(native)


def pairs_of(native: NativeRow) -> Iterator[NativeRow]:
    """The pairs of a document under the names that the JSON-lines copy uses."""
    document: Element = native.value
    name = native.row.rpartition("#")[0]
    seen: Counter[str] = Counter()
    for pair in (element for element in document.iter() if element.tag in _PAIRS):
        question = _child(pair, "Question", "question")
        qid = question.get("qid", "") if question is not None else ""
        seen[qid] += 1  # a few documents of CancerGov number several pairs alike
        value = {
            "document_id": next(
                (document.get(name, "") for name in ("id", "docid", "fid") if name in document.attrib), ""
            ),
            "url": document.get("url", ""),
            "focus": _text(_child(document, "Focus", "doctitle-focus")),
            "question": _text(question),
            "answer": _text(_child(pair, "Answer", "answer")),
        }
        repeat = f".{seen[qid]}" if seen[qid] > 1 else ""
        yield NativeRow(native.file, f"{name}#{qid}{repeat}", value)


def _child(element: Element, *names: str) -> Element | None:
    """The child that has one of the names."""
    return next((child for child in element if child.tag in names), None)


def _text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()
