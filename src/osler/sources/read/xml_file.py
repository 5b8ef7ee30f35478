"""XML documents, alone or many in an archive. Entities are refused, not expanded (defusedxml)."""

from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from osler.errors import RowError
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
    inside = 0
    number = 0
    try:
        for event, element in iterparse(part.stream, events=("start", "end")):
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
        if not number:
            problem = RowError("no_element", f"the document has no element {' or '.join(tags)}")
            yield NativeRow(part.file, part.name, problem)
    except ParseError as error:
        line, column = error.position
        problem = RowError("bad_xml", f"line {line}, column {column + 1}: not well-formed XML")
        yield NativeRow(part.file, part.name, problem)
    except DefusedXmlException as error:
        problem = RowError("bad_xml", f"{type(error).__name__}: documents that define entities are not read")
        yield NativeRow(part.file, part.name, problem)
    except (LookupError, ValueError):
        yield NativeRow(part.file, part.name, RowError("bad_xml", "the encoding that it states is not known"))
