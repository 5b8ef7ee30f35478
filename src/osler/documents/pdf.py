"""PDF with a text layer: the lines of each page with their places, tables as rows, read with PDFium."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import IO, Any

from osler.documents.grid import Grid, Rule, grids
from osler.documents.page import Box, Line
from osler.documents.scan import Recognizer
from osler.errors import InputError, missing_package

_GAP_EMS = 2.0
"""A wider gap between two words, in heights of the line, parts columns or cells. Justified text stays below."""
_RULE_POINTS = 2.0
_BOLD_WEIGHT = 600
_SOFT_HYPHEN = "\u00ad"


def pdf_pages(
    document: Path | IO[bytes], name: str, recognize: Recognizer | None = None
) -> Iterator[tuple[int, list[Line], str]]:
    """Number, lines in the order of the file, and what is wrong of each page: `Page.problem`.

    A hyphen that PDFium marks as breaking a word at a line's end comes as U+00AD.

    Args:
        name: of the file, for messages.
        recognize: reads pages that are pictures; without it they are `scanned` and empty.

    Raises:
        InputError: not a readable PDF, or one that needs a password.
        EnvironmentLacks: pypdfium2 is not installed.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise missing_package("pypdfium2", "Reading PDF files", "synth") from error
    try:
        opened = pypdfium2.PdfDocument(document)
    except pypdfium2.PdfiumError as error:
        raise InputError(f"{name}: not a readable PDF ({error})") from error
    try:
        for index in range(len(opened)):
            yield (index + 1, *_page(opened, index, recognize))
    finally:
        opened.close()


def _page(document: Any, index: int, recognize: Recognizer | None) -> tuple[list[Line], str]:
    import pypdfium2

    try:
        page = document[index]
        words = _words(page.get_textpage())
        if not words:
            if not _has_picture(page):
                return [], "blank"
            lines = recognize(page) if recognize is not None else []
            return lines, "recognised" if lines else "scanned"
        return _lines(words, grids(_rules(page))), ""
    except pypdfium2.PdfiumError:
        return [], "unreadable"


class _Word:
    """A word being put together: text, box, font size, weight, and whether a line ended before it."""

    __slots__ = ("bold", "box", "first", "size", "text")

    def __init__(self, text: str, box: Box, size: float, bold: bool, first: bool) -> None:
        self.text, self.box, self.size, self.bold, self.first = text, box, size, bold, first


def _words(textpage: Any) -> list[_Word]:
    from pypdfium2 import raw

    n_chars = textpage.count_chars()
    text = textpage.get_text_range(0, n_chars) if n_chars else ""
    if len(text) != n_chars:  # characters beyond the basic plane count twice in one of the two
        text = "".join(chr(raw.FPDFText_GetUnicode(textpage, at) or 0xFFFD) for at in range(n_chars))
    sides = [ctypes.c_double() for _ in range(4)]
    loose = raw.FS_RECTF()
    references = [ctypes.byref(side) for side in sides]
    words: list[_Word] = []
    inside, first = False, True
    for at, char in enumerate(text):
        if char.isspace() or char == "\0":
            first = first or char in "\r\n"
            inside = False
            continue
        raw.FPDFText_GetCharBox(textpage, at, *references)
        left, right, bottom, top = (side.value for side in sides)
        box = Box(left, bottom, right, top)
        shown = _SOFT_HYPHEN if char in "\ufffe\uffff\x02" else char
        if inside:
            words[-1].text += shown
            words[-1].box = words[-1].box.around(box)
        else:
            # The font size itself may be 1 with the scale in the matrix; the character cell is in points.
            raw.FPDFText_GetLooseCharBox(textpage, at, ctypes.byref(loose))
            size = max(loose.top - loose.bottom, 1.0)
            bold = raw.FPDFText_GetFontWeight(textpage, at) >= _BOLD_WEIGHT
            words.append(_Word(shown, box, size, bold, first))
        # After a word that is broken at a line's end PDFium goes on without a space or a new line.
        inside, first = shown != _SOFT_HYPHEN, shown == _SOFT_HYPHEN
    return words


def _lines(words: list[_Word], tables: list[Grid]) -> list[Line]:
    """Words to lines; those in a ruled table become its rows, at the place of the table's first word."""
    lines: list[Line | None] = []
    cells: dict[int, list[tuple[int, str]]] = {}
    places: dict[int, int] = {}
    line: list[_Word] = []

    def end_line() -> None:
        if line:
            lines.append(_line(line))
            line.clear()

    for word in words:
        found = next(
            ((n, cell) for n, table in enumerate(tables) if (cell := table.cell(*word.box.middle)) is not None), None
        )
        if found is not None:
            end_line()
            number, cell = found
            if number not in places:
                places[number] = len(lines)
                lines.append(None)
            cells.setdefault(number, []).append((cell, word.text))
            continue
        if line and (word.first or word.box.left - line[-1].box.right > _GAP_EMS * word.size):
            end_line()
        line.append(word)
    end_line()
    result: list[Line] = []
    at_place = {place: number for number, place in places.items()}
    for place, made in enumerate(lines):
        if made is not None:
            result.append(made)
        else:
            table = tables[at_place[place]]
            result += [Line(row, table.box, 0.0, kind="table") for row in table.rows(cells[at_place[place]])]
    return result


def _line(words: list[_Word]) -> Line:
    box = words[0].box
    for word in words[1:]:
        box = box.around(word.box)
    n_bold = sum(len(word.text) for word in words if word.bold)
    text = " ".join(word.text for word in words)
    size = median(word.size for word in words for _ in word.text)  # a bullet of another font says nothing of the line
    return Line(text, box, size, n_bold * 2 > len(text))


def _rules(page: Any) -> list[Rule]:
    """The thin straight strokes of a page: what tables are ruled with."""
    from pypdfium2 import raw

    rules = []
    for drawn in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=4):
        left, bottom, right, top = drawn.get_bounds()
        if top - bottom < _RULE_POINTS and right - left > 8:
            rules.append(Rule(True, (top + bottom) / 2, left, right))
        elif right - left < _RULE_POINTS and top - bottom > 6:
            rules.append(Rule(False, (left + right) / 2, bottom, top))
    return rules


def _has_picture(page: Any) -> bool:
    from pypdfium2 import raw

    return next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=4)), None) is not None
