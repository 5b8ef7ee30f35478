"""i2b2 2014 de-identification: clinical notes with invented identifiers and their exact places, from the n2c2 portal.

The measure for a scrubber of identifiers, not a text to train on: a note is one turn without an answer, and `tags_of` gives
the tags of the same row. A row whose tags do not point at their own text is set aside, because every measurement on it
would be wrong. The notes of one patient share a leakage group.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, kind_of, text_of
from osler.sources.read import read_xml
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile


@dataclass(frozen=True, slots=True)
class Tag:
    """An identifier in a note."""

    kind: str
    """Main category (`NAME`)."""
    type: str
    """Sub-category (`PATIENT`)."""
    start: int
    """Offset in characters of the note."""
    end: int


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a note."""
    row = as_object(row)
    tags_of(row)
    note = PurePosixPath(place.row.partition("#")[0]).name
    folders = place.row.casefold()
    split = next((split for split in ("test", "train") if split in folders), "")
    group = f"i2b2_2014:{note.partition('-')[0]}"
    return one_record(place, filled_text(row, "text", "empty_note"), "", split=split, group=group)


def tags_of(row: Any) -> list[Tag]:
    """The tags of a native row, in the order of their places.

    Raises:
        RowError: a tag does not point at its own text.
    """
    return tags_in(as_object(row), "text", "tags", _tag)


def tags_in(
    row: dict[str, Any], text: str, tags: str, read_tag: Callable[[dict[str, Any], str, str], Tag]
) -> list[Tag]:
    """The tags in a list of a row, each read with the text and its own place in the list."""
    listed, tagged = row.get(tags), text_of(row, text)
    if not isinstance(listed, list):
        raise RowError("wrong_type", f"is {kind_of(listed)}; expected a list of tags", tags)
    found = [read_tag(as_object(tag), tagged, f"{tags}[{index}]") for index, tag in enumerate(listed)]
    return sorted(found, key=lambda tag: (tag.start, tag.end))


def _tag(tag: dict[str, Any], text: str, field: str) -> Tag:
    start, end = (text_of(tag, side) for side in ("start", "end"))
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end) <= len(text)):
        raise RowError("tag_outside_text", "its offsets are not in the note", field)
    found = Tag(text_of(tag, "kind"), text_of(tag, "TYPE"), int(start), int(end))
    if text[found.start : found.end].split() != text_of(tag, "text").split():
        raise RowError("tag_outside_text", "does not point at its own text", field)
    return found


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The note of each document, with its tags."""
    for native in read_xml(file, "deIdi2b2"):
        value = native.value if isinstance(native.value, RowError) else _from_xml(native.value)
        yield NativeRow(native.file, native.row, value)


def _from_xml(document: Element) -> dict[str, Any]:
    tags = document.find("TAGS")
    listed = [] if tags is None else [{**tag.attrib, "kind": tag.tag} for tag in tags]
    return {"text": document.findtext("TEXT") or "", "tags": listed}
