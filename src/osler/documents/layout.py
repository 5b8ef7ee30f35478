"""From the lines of pages to blocks in reading order: columns, running heads, headings, lists, broken words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from osler.documents.page import Block, Kind, Line, Page

_RUNNING_SHARE = 0.3
"""Share of pages on which a line at the edge must stand to be a running head or foot (digits aside)."""
_EDGE_LINES = 4
_COLUMN_LINES = 6
_PROSE_CHARS = 25
_BULLET = re.compile(
    r"(?:[•◦▪■□◻◼●○‣›❑☐✓⁃∙·*–—-]|[\ue000-\uf8ff])\s+|(?:(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]|\((?:[a-z]|[ivx]{1,4})\))\s+(?=\S)"
)
_MARK = re.compile(r"^(?:[•◦▪■□◻◼●○‣›❑☐✓⁃∙·–—]|[\ue000-\uf8ff])\s*")
_BROKEN = re.compile(r"(\w+)(\u00ad|-)\n(\w+)")
_WORD = re.compile(r"\w+(?:-\w+)*")


def pages_of(read: Sequence[tuple[int, list[Line], str]]) -> list[Page]:
    """The pages of a document from the lines that were read, running heads and feet left out."""
    running = _running_lines([lines for _, lines, _ in read])
    kept = [[line for line in lines if not _is_running(line, lines, running)] for _, lines, _ in read]
    sizes = [round(line.size, 1) for lines in kept for line in lines for _ in range(len(line.text)) if line.size]
    body = median(sizes) if sizes else 0.0
    known = Counter(word.casefold() for lines in kept for line in lines for word in _WORD.findall(line.text))
    return [
        Page(
            number,
            tuple(_blocks(in_order(lines), body, known)),
            problem if not lines or problem == "recognised" else "",
        )
        for (number, _, problem), lines in zip(read, kept, strict=True)
    ]


def in_order(lines: list[Line]) -> list[Line]:
    """Lines in reading order. The order of the file stands, but where it goes back and forth between two columns of prose.

    Files are mostly written in reading order, tables and boxes too, and geometry knows less than their makers did.
    """
    gutter = _gutter(lines)
    if gutter is None:
        return lines
    ordered: list[Line] = []
    band: list[Line] = []
    for line in sorted(lines, key=lambda line: -line.box.top):
        if _side(line, gutter) == 0:
            ordered += [*_columns(band, gutter), line]
            band = []
        else:
            band.append(line)
    return ordered + _columns(band, gutter)


def _columns(lines: list[Line], gutter: float) -> list[Line]:
    return sorted(lines, key=lambda line: (_side(line, gutter), -line.box.top, line.box.left))


def _side(line: Line, gutter: float) -> int:
    """-1 left of the gutter, 1 right of it, 0 across."""
    return -1 if line.box.right <= gutter + 1 else 1 if line.box.left >= gutter - 1 else 0


def _gutter(lines: list[Line]) -> float | None:
    """The x between two columns that the lines alternate between; None where there are none, or the order is right."""
    prose = [line for line in lines if line.kind is None]
    if len(prose) < 2 * _COLUMN_LINES:
        return None
    left, right = min(line.box.left for line in prose), max(line.box.right for line in prose)
    middle = [line.box.left for line in prose if 0.3 < (line.box.left - left) / max(right - left, 1) < 0.7]
    if not middle:
        return None
    gutter = Counter(round(place) for place in middle).most_common(1)[0][0] - 1.0
    sides = [_side(line, gutter) for line in prose]
    turns = [side for side in sides if side]
    n_alternations = sum(one != other for one, other in pairwise(turns))
    for side in (-1, 1):
        lengths = [len(line.text) for line, at in zip(prose, sides, strict=True) if at == side]
        if len(lengths) < _COLUMN_LINES or median(lengths) < _PROSE_CHARS:
            return None
    few_across = sides.count(0) <= 0.3 * len(sides)
    return gutter if few_across and n_alternations > _COLUMN_LINES else None


def _running_lines(pages: list[list[Line]]) -> frozenset[str]:
    """Keys of the lines that stand at the top or bottom of many pages; digits count as one sign."""
    filled = [lines for lines in pages if lines]
    if len(filled) < 4:
        return frozenset()
    counts = Counter(key for lines in filled for key in {_key(line) for line in _edge(lines)})
    return frozenset(key for key, n in counts.items() if n >= max(3, _RUNNING_SHARE * len(filled)))


def _is_running(line: Line, lines: list[Line], running: frozenset[str]) -> bool:
    return _key(line) in running and line in _edge(lines)


def _edge(lines: list[Line]) -> list[Line]:
    placed = sorted((line for line in lines if line.kind is None), key=lambda line: -line.box.top)
    return placed[:_EDGE_LINES] + placed[-_EDGE_LINES:]


def _key(line: Line) -> str:
    return re.sub(r"\d+", "#", unicodedata.normalize("NFKC", line.text).casefold())


def _blocks(lines: Sequence[Line], body: float, known: Counter[str]) -> list[Block]:
    blocks: list[Block] = []
    group: list[Line] = []
    kind: Kind = "paragraph"
    for line in lines:
        line_kind = line.kind or _kind(line, body)
        starts_item = line_kind == "list"
        if line_kind == "paragraph" and kind == "list" and group and _goes_on(group[-1], line):
            line_kind = "list"
        if group and (line_kind != kind or (kind != "table" and not starts_item and not _goes_on(group[-1], line))):
            blocks += _block(kind, group, known)
            group = []
        group.append(line)
        kind = line_kind
    return blocks + _block(kind, group, known)


def _kind(line: Line, body: float) -> Kind:
    if _BULLET.match(line.text):
        return "list"
    text = line.text
    is_short = len(text) < 100 and not text.endswith((".", ";", ","))
    stands_out = line.size > 1.15 * body or line.is_bold or (text.isupper() and len(text) > 3)
    return "heading" if is_short and stands_out and any(map(str.isalpha, text)) else "paragraph"


def _goes_on(above: Line, line: Line) -> bool:
    """Whether a line is the next of the same paragraph: below, near, of one size, in the same column."""
    step = above.box.bottom - line.box.top
    height = max(above.size, line.size, 1.0)
    beside = line.box.left < above.box.right and above.box.left < line.box.right
    return -0.6 * height < step < 0.75 * height and abs(above.size - line.size) < 0.1 * height and beside


def _block(kind: Kind, lines: list[Line], known: Counter[str]) -> list[Block]:
    if not lines:
        return []
    if kind == "table":
        text = "\n".join(_mended(line.text, known) for line in lines)
    elif kind == "list":
        items: list[str] = []
        for line in lines:
            if not items or _BULLET.match(line.text):
                items.append(_MARK.sub("- ", line.text))
            else:
                items[-1] += "\n" + line.text
        text = "\n".join(_mended(item, known) for item in items)
    else:
        text = _mended("\n".join(line.text for line in lines), known)
    text = unicodedata.normalize("NFC", _ligatures(text)).strip()
    return [Block(kind, text)] if text else []


def _mended(text: str, known: Counter[str]) -> str:
    """Lines joined, words broken at a line's end put together again."""
    text = _BROKEN.sub(lambda found: _joined(found[1], found[3], found[2], known), text.replace("\u00ad ", "\u00ad\n"))
    return re.sub(r"\s+", " ", text.replace("\u00ad", ""))


def _joined(before: str, after: str, mark: str, known: Counter[str]) -> str:
    """One word or two with a hyphen: as the document writes it elsewhere; else by whether both halves are words of it."""
    whole, hyphened = (before + after).casefold(), f"{before}-{after}".casefold()
    if known[whole] or known[hyphened]:
        return before + after if known[whole] >= known[hyphened] else f"{before}-{after}"
    both = known[before.casefold()] > 1 and known[after.casefold()] > 1
    is_number = before[-1].isdigit() or after[0].isdigit() or after[0].isupper()
    keep = is_number or (both if mark == "\u00ad" else known[before.casefold()] > 1)
    return f"{before}-{after}" if keep else before + after


def _ligatures(text: str) -> str:
    return re.sub("[\ufb00-\ufb06]", lambda found: unicodedata.normalize("NFKC", found[0]), text)
