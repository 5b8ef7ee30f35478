"""BioASQ task B: questions of biomedical experts with the passages of PubMed that answer them.

A record has the snippets as passages. The target is the exact answer on a line of its own and then the ideal answer, the
experts' paragraph, as PubMedQA's has the decision and then the conclusion; a question that wants a summary has the
paragraph alone. Yes/no questions are yesno records. Of several ideal answers or synonyms the first counts. The same
question of several years shares a leakage group.
"""

import re
from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record, Task
from osler.sources.fields import as_object, filled_text, kind_of, optional_text, shown
from osler.sources.read import read_json
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile

_DECISIONS = ("yes", "no")
_TYPES: dict[str, Task] = {"yesno": "yesno", "factoid": "qa", "list": "qa", "summary": "summary"}


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a question."""
    row = as_object(row)
    question = filled_text(row, "body", "empty_question")
    kind = row.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise RowError("unknown_type", f"is {shown(kind)}; expected one of {', '.join(_TYPES)}", "type")
    answer = _decision(row) if kind == "yesno" else None
    ideal = next(iter(_texts(row.get("ideal_answer"), "ideal_answer")), "")
    if answer is not None:
        target = _decided(_DECISIONS[answer], ideal)
    else:
        target = f"{_exact(row) if kind != 'summary' else ''}\n\n{ideal}".strip()
    if not target:
        raise RowError("hidden_label", "the answer is not published", "ideal_answer")
    return one_record(
        place,
        question,
        target,
        task=_TYPES[kind],
        context=_snippets(row),
        choices=_DECISIONS if kind == "yesno" else (),
        answer=answer,
        split="",
    )


def _decision(row: dict[str, Any]) -> int:
    decision = next(iter(_texts(row.get("exact_answer"), "exact_answer")), None)
    if decision is None:
        raise RowError("hidden_label", "the answer is not published", "exact_answer")
    if decision.casefold() not in _DECISIONS:
        raise RowError("answer_not_an_option", f"is {shown(decision)}; expected yes or no", "exact_answer")
    return _DECISIONS.index(decision.casefold())


def _decided(decision: str, ideal: str) -> str:
    """The paragraph, after the decision unless it opens with it itself."""
    opens = re.match(rf"{decision}\b", ideal, re.IGNORECASE)
    return ideal if opens else f"{decision.capitalize()}. {ideal}".strip()


def _exact(row: dict[str, Any]) -> str:
    """The first name of a factoid, or of each item of a list, one a line."""
    items = row.get("exact_answer") or []
    found = [_texts(item, "exact_answer") for item in (items if isinstance(items, list) else [items])]
    names = [synonyms[0] for synonyms in found if synonyms]
    return "\n".join(f"- {name}" for name in names) if row["type"] == "list" else "".join(names[:1])


def _texts(value: Any, field: str) -> list[str]:
    """The filled texts of a field that is a text or a list of texts."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) for one in values):
        raise RowError("wrong_type", f"is {kind_of(value)}; expected text or a list of texts", field)
    return [one.strip() for one in values if one.strip()]


def _snippets(row: dict[str, Any]) -> tuple[str, ...]:
    snippets = row.get("snippets") or []
    if not isinstance(snippets, list):
        raise RowError("wrong_type", f"is {kind_of(snippets)}; expected a list of snippets", "snippets")
    texts = (optional_text(as_object(snippet), "text").strip() for snippet in snippets)
    return tuple(dict.fromkeys(text for text in texts if text))


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The questions of a file, located by their id."""
    for native in read_json(file, inside="questions"):
        own = native.value.get("id") if isinstance(native.value, dict) else None
        yield NativeRow(native.file, own if isinstance(own, str) and own else native.row, native.value)
