"""The span: one identifier of a patient, as a place in a text; and what is done with spans."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One identifier. Offsets count characters of the text that was searched."""

    start: int
    end: int
    """First character after the identifier."""
    type: str
    """Kind of identifier (`NAME`, `PHONE`), as in `docs/deidentification.md`."""
    score: float
    """How sure its finder is, 0 to 1; a property of the pattern or, for the tagger, of this place."""
    by: str = field(default="", compare=False)
    """What found it: the name of a pattern of `patterns.yaml`, `tagger`, `mention` or another finder."""

    def at(self, start: int, end: int) -> "Span":
        """The same at another place."""
        return Span(start, end, self.type, self.score, self.by)


_IN_ORDER = attrgetter("start", "end", "type", "score")
"""As spans compare, at a third of the time."""


def replace(text: str, spans: Iterable[Span], replacements: Iterable[str] | None = None) -> str:
    """`text` with every span replaced by its typed tag (`[NAME]`), or by the one of `replacements` in its place.

    Args:
        spans: sorted and without overlap, as `find` returns them.
        replacements: as many as spans, such as `osler.phi.surrogates` makes.
    """
    spans = list(spans)
    parts: list[str] = []
    position = 0
    for span, value in zip(spans, replacements or (f"[{span.type}]" for span in spans), strict=True):
        parts.extend((text[position : span.start], value))
        position = span.end
    parts.append(text[position:])
    return "".join(parts)


def merged(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places sorted, with those that touch made one."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def overlaps(start: int, end: int, places: list[tuple[int, int]]) -> bool:
    """Whether the range shares a character with one of the merged `places`."""
    index = bisect_left(places, (end, 0))
    return index > 0 and places[index - 1][1] > start


def without_overlap(spans: Iterable[Span]) -> list[Span]:
    """Of spans that overlap, the one with the higher score, then the longer, then the earlier; what is left of another stays."""
    chosen: list[Span] = []
    together: list[Span] = []
    end = 0
    for span in sorted(spans, key=_IN_ORDER):
        if together and span.start >= end:
            chosen.extend(_settled(together))
            together = []
        together.append(span)
        end = max(end, span.end)
    chosen.extend(_settled(together))
    return chosen


def _settled(together: list[Span]) -> list[Span]:
    if len(together) < 2:
        return together
    chosen: list[Span] = []
    for span in sorted(together, key=lambda span: (-span.score, span.start - span.end, span.start, span.type)):
        for piece in _uncovered(span, chosen):
            chosen.insert(bisect_left(chosen, piece), piece)
    return chosen


def _uncovered(span: Span, chosen: list[Span]) -> list[Span]:
    """The parts of the span that no chosen one covers."""
    pieces: list[Span] = []
    start = span.start
    index = bisect_left(chosen, start, key=lambda other: other.end)
    while index < len(chosen) and chosen[index].start < span.end:
        other = chosen[index]
        if other.start > start:
            pieces.append(span.at(start, other.start))
        start = max(start, other.end)
        index += 1
    if start == span.start:
        return [span]
    if start < span.end:
        pieces.append(span.at(start, span.end))
    return pieces
