"""First-aid intents: ways of asking about one emergency, and what to do.

Flat rows on the hub, nested under `intents` in the Kaggle original. All questions of one tag share a leakage group, because
they share their answer.
"""

from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, kind_of, texts_of
from osler.sources.read import load_json, read_rows
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile
from osler.text import match_key


def to_records(row: Any, place: Place) -> list[Record]:
    """One record for each way of asking, answered with all responses of the tag."""
    row = as_object(row)
    tag = filled_text(row, "tag", "empty_tag")
    answer = "\n".join(text.strip() for text in texts_of(row, "responses") if text.strip())
    if not answer:
        raise RowError("empty_answer", "no response has text", "responses")
    asked = [(index, text) for index, text in enumerate(texts_of(row, "patterns")) if text.strip()]
    if not asked:
        raise RowError("empty_question", "no pattern has text", "patterns")
    group = f"first_aid:{match_key(tag)}"
    return [
        record
        for index, question in asked
        for record in one_record(place.part(f"patterns[{index}]"), question, answer, split="", group=group)
    ]


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The tags of a file, nested or flat."""
    if ".jsonl" in file.name:
        yield from read_rows(file)
        return
    value = load_json(file)
    where, tags = ("intents", value.get("intents")) if isinstance(value, dict) else ("", value)
    if not isinstance(tags, list):
        problem = RowError("wrong_type", f"is {kind_of(tags)}; expected a list of tags", "intents")
        yield NativeRow(file.name, file.name, problem)
        return
    for index, tag in enumerate(tags):
        yield NativeRow(file.name, f"{file.name}:{where}[{index}]", tag)
