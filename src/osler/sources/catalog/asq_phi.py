"""ASQ-PHI: questions that a clinician types into a search, with invented identifiers and their tags.

The measure for a scrubber of identifiers in short questions, not a text to train on: a record is the question alone, and
`tags_of` gives the tags of the same row. One question in five has no identifier, which shows what is scrubbed in vain.
The publisher's text has no offsets; a tag is then the first place where its value stands.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.catalog.i2b2_2014 import Tag, tags_in
from osler.sources.fields import as_object, filled_text
from osler.sources.read import read_rows
from osler.sources.read.opening import Part, each_row
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile

_QUERY = b"===QUERY==="
_TAGS = b"===PHI_TAGS==="


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a question."""
    row = as_object(row)
    tags_of(row)
    query = filled_text(row, "query", "empty_question")
    return one_record(place, query, "", split="")


def tags_of(row: Any) -> list[Tag]:
    """The tags of a native row, in the order of their places.

    Raises:
        RowError: a tag does not point at its own text.
    """
    return tags_in(as_object(row), "query", "phi", _tag)


def _tag(tag: dict[str, Any], query: str, field: str) -> Tag:
    kind, value = (filled_text(tag, name, "empty_tag") for name in ("identifier_type", "value"))
    start = tag.get("start", query.find(value))
    if not isinstance(start, int) or start < 0 or not query.startswith(value, start):
        raise RowError("tag_outside_text", "does not point at its own text", field)
    return Tag(kind, kind, start, start + len(value))


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The questions of a file, each with its tags."""
    return each_row(file, _blocks) if ".txt" in file.name else read_rows(file)


def _blocks(part: Part) -> Iterator[NativeRow]:
    """The blocks of the publisher's text, located by the line where they start."""
    block: list[bytes] = []
    first = 1
    for number, line in enumerate(part.stream, start=1):
        if line.strip() == _QUERY and block:
            yield NativeRow(part.file, f"{part.name}:{first}", _from_block(block))
            block = []
        first = first if block else number
        if block or line.strip():
            block.append(line)
    if block:
        yield NativeRow(part.file, f"{part.name}:{first}", _from_block(block))


def _from_block(block: list[bytes]) -> dict[str, Any] | RowError:
    query, mark, tags = b"".join(block).partition(_TAGS)
    if not query.startswith(_QUERY) or not mark:
        return RowError("not_a_block", f"expected {_QUERY.decode()}, a question, {_TAGS.decode()} and tags")
    try:
        listed = [orjson.loads(tag) for tag in tags.splitlines() if tag.strip()]
        return {"query": query.removeprefix(_QUERY).decode().strip(), "phi": listed}
    except orjson.JSONDecodeError:
        return RowError("not_json", "a line of the tags is not JSON", "phi")
    except UnicodeDecodeError:
        return RowError("bad_encoding", "a byte is not UTF-8", "query")
