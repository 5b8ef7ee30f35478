"""A table as the template draws it: caption, columns, rows of finished text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

One = TypeVar("One")
Tone = Literal["", "good", "bad", "quiet", "code", "whole"]


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column."""

    title: str
    is_number: bool = False
    """Right-aligned, with digits of equal width."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `whole` is kept on one line; `good` and `bad` are also told apart by their words, never by colour alone."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its heading."""

    name: str
    """Unique on the page."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    has_total: bool = False
    """Whether the last row is a sum of those above."""
    is_narrow: bool = False
    """Whether the table is only as wide as it must be, for pairs of name and value."""


def make_table(
    name: str, caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], **looks: bool
) -> Table:
    """A table from plain text.

    Args:
        columns: titles; one that starts with "#" heads a column of numbers.
        looks: `has_total` and `is_narrow` of the table.
    """
    heads = tuple(Column(title.removeprefix("#"), is_number=title.startswith("#")) for title in columns)
    cells = tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return Table(name, caption, heads, cells, **looks)


def table_of(
    ones: Iterable[One], name: str, caption: str, columns: Mapping[str, Callable[[One], str | Cell]], **looks: bool
) -> Table:
    """A table with a row for each of `ones`.

    Args:
        columns: what stands in each column, by its title; titles and looks as for `make_table`.
    """
    rows = ([cell(one) for cell in columns.values()] for one in ones)
    return make_table(name, caption, tuple(columns), rows, **looks)
