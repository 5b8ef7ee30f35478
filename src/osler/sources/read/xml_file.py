"""XML documents, alone or many in an archive. Entities are refused, not expanded (defusedxml)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from osler.errors import RowError
from osler.sources.read.limits import MAX_ROW_BYTES
from osler.sources.read.opening import Part, each_row
from osler.sources.source import NativeRow, SourceFile


def read_xml(file: SourceFile, tag: str | tuple[str, ...]) -> Iterator[NativeRow]:
    """Every outermost element of that tag, complete, located as `name#number` counted from 1; it is emptied after use.

    An archive gives the elements of all its members that match, located as `member#number`, in the archive's order.
    A document that is not well formed gives one `RowError` in place of the rest of it, one without such an element one too.

    Args:
        tag: with its namespace in braces, where it has one; `{*}article` for any. Several where the root has several names.

    Raises:
        InputError: the file or archive cannot be opened.
    """
    return each_row(file, partial(_elements, tags=(tag,) if isinstance(tag, str) else tag), ("*.xml", "*.nxml"))


def _elements(part: Part, tags: tuple[str, ...]) -> Iterator[NativeRow]:
    open_elements: list[Element] = []
    inside = number = 0
    text = _Text(part.stream)
    try:
        for event, element in iterparse(text, events=("start", "end")):
            wanted = element.tag in tags or "{*}" + element.tag.rpartition("}")[2] in tags
            if event == "start":
                open_elements.append(element)
                inside += wanted
                continue
            open_elements.pop()
            inside -= wanted
            if inside:
                continue
            if wanted:
                number += 1
                yield NativeRow(part.file, f"{part.name}#{number}", element)
            if open_elements:  # what was read is let go, so that memory stays flat
                open_elements[-1].clear()
                text.n_held = 0
        if not number:
            problem = RowError("no_element", f"the document has no element {' or '.join(tags)}")
            yield NativeRow(part.file, part.name, problem)
    except (ParseError, LookupError, ValueError, RowError) as error:
        yield NativeRow(part.file, part.name, _problem(error))


@dataclass(slots=True)
class _Text:
    """The text of a document, of which no more is held than a row may have."""

    stream: IO[bytes]
    n_held: int = 0
    """Bytes read since an element was let go."""

    def read(self, n_bytes: int = -1) -> bytes:
        piece = self.stream.read(n_bytes)
        self.n_held += len(piece)
        if self.n_held > MAX_ROW_BYTES:
            raise RowError("row_too_long", f"an element is longer than {MAX_ROW_BYTES:,} bytes")
        return piece


def _problem(error: Exception) -> RowError:
    if isinstance(error, RowError):
        return error
    if isinstance(error, ParseError):
        line, column = error.position
        return RowError("bad_xml", f"line {line}, column {column + 1}: not well-formed XML")
    if isinstance(error, DefusedXmlException):
        return RowError("bad_xml", f"{type(error).__name__}: documents that define entities are not read")
    return RowError("bad_xml", "the encoding that it states is not known")
