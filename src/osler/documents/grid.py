"""Ruled tables: from the strokes on a page to cells, merged where no stroke parts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from osler.documents.page import Box

_NEAR = 4.0
"""Points within which two strokes meet or are one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight stroke."""

    is_horizontal: bool
    at: float
    """y of a horizontal stroke, x of a vertical one."""
    start: float
    end: float

    def covers(self, at: float, place: float) -> bool:
        """Whether it runs along `at` and passes `place`."""
        return abs(self.at - at) <= _NEAR and self.start - _NEAR <= place <= self.end + _NEAR

    def meets(self, other: "Rule") -> bool:
        """Whether two strokes cross or touch."""
        if self.is_horizontal == other.is_horizontal:
            return (
                abs(self.at - other.at) <= _NEAR and self.start <= other.end + _NEAR and other.start <= self.end + _NEAR
            )
        return other.covers(other.at, self.at) and self.covers(self.at, other.at)


@dataclass(frozen=True, slots=True)
class Grid:
    """One table."""

    box: Box
    columns: tuple[float, ...]
    """x of the edges, left to right; one more than there are columns."""
    lines: tuple[float, ...]
    """y of the edges, top to bottom; one more than there are rows."""
    first: tuple[int, ...]
    """For each cell of the grid, row by row, the first cell of the merged one it belongs to."""

    def cell(self, x: float, y: float) -> int | None:
        """The cell that holds a point; None outside the table."""
        column = sum(x >= edge for edge in self.columns) - 1
        row = sum(y <= edge for edge in self.lines) - 1
        width, height = len(self.columns) - 1, len(self.lines) - 1
        if not (0 <= column < width and 0 <= row < height):
            return None
        return self.first[row * width + column]

    def rows(self, words: Sequence[tuple[int, str]]) -> list[str]:
        """One text a row, its cells between bars, from the words of each cell in order; empty rows are left out."""
        width = len(self.columns) - 1
        texts: dict[int, list[str]] = {}
        for cell, word in words:
            texts.setdefault(cell, []).append(word)
        rows: dict[int, list[str]] = {}
        for cell in sorted(texts):
            rows.setdefault(cell // width, []).append(" ".join(texts[cell]))
        return [" | ".join(cells) for _, cells in sorted(rows.items())]


def grids(rules: Sequence[Rule]) -> list[Grid]:
    """The tables that the strokes draw: at least two rows and two columns of strokes that touch."""
    found = [_grid(group) for group in _touching(rules)]
    return [grid for grid in found if grid is not None]


def _touching(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The strokes in groups of those that touch, by the first of each."""
    groups: list[list[int]] = []
    for at, rule in enumerate(rules):
        near = [group for group in groups if any(rule.meets(rules[other]) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append(sorted([at, *chain.from_iterable(near)]))
    return [[rules[at] for at in group] for group in sorted(groups)]


def _grid(rules: list[Rule]) -> Grid | None:
    flat = [rule for rule in rules if rule.is_horizontal]
    upright = [rule for rule in rules if not rule.is_horizontal]
    if len(flat) < 2 or not upright:
        return None
    left, right = min(rule.start for rule in flat), max(rule.end for rule in flat)
    columns = _edges([*(rule.at for rule in upright), left, right])
    lines = _edges([*(rule.at for rule in flat), *(max(r.end for r in upright),), min(r.start for r in upright)])[::-1]
    if len(columns) < 3 or len(lines) < 3:
        return None
    box = Box(columns[0], lines[-1], columns[-1], lines[0])
    return Grid(box, tuple(columns), tuple(lines), _merged(columns, lines, flat, upright))


def _edges(places: list[float]) -> list[float]:
    edges: list[float] = []
    for place in sorted(places):
        if not edges or place - edges[-1] > _NEAR:
            edges.append(place)
    return edges


def _merged(columns: list[float], lines: list[float], flat: list[Rule], upright: list[Rule]) -> tuple[int, ...]:
    """Cells with no stroke between them are one."""
    width, height = len(columns) - 1, len(lines) - 1
    first = list(range(width * height))

    def join(one: int, other: int) -> None:
        low, high = sorted((first[one], first[other]))
        for at, value in enumerate(first):
            if value == high:
                first[at] = low

    for row in range(height):
        y = (lines[row] + lines[row + 1]) / 2
        for column in range(width):
            x = (columns[column] + columns[column + 1]) / 2
            here = row * width + column
            if column + 1 < width and not any(rule.covers(columns[column + 1], y) for rule in upright):
                join(here, here + 1)
            if row + 1 < height and not any(rule.covers(lines[row + 1], x) for rule in flat):
                join(here, here + width)
    return tuple(first)
