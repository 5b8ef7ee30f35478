"""Dots with whiskers: measured shares with their intervals, beside values to hold them against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from osler.report.format import percent
from osler.report.plot import (
    LINE_HEIGHT_PX,
    Labels,
    LegendEntry,
    Scale,
    drawing,
    element,
    legend,
    nothing_to_draw,
    percent_axis,
    shorten,
    text_width,
    with_title,
)

_ROW_PX = 20
_GROUP_GAP_PX = 16
_PERCENT_TICKS = (0, 20, 40, 60, 80, 100)

MarkLook = Literal["dotted", "dashed", "solid", "diamond"]
DotLook = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class Whisker:
    """One measured share, 0 to 1, with its interval."""

    label: str
    value: float
    low: float
    high: float
    look: DotLook
    words: str
    """The value, n and interval as read on hover and by screen readers."""
    target: float | None = None
    """A share that this one should be, drawn as a diamond in its row."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A share to hold the measured ones against: a baseline, a person's result."""

    name: str
    value: float
    look: MarkLook


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together."""

    label: str
    note: str
    rows: tuple[Whisker, ...]
    marks: tuple[Mark, ...] = ()


def whiskers(groups: Sequence[Group], labels: Labels, width: float) -> str:
    """Groups under each other on one axis from 0 to 100 %; marks are lines through their group's rows."""
    shown = [group for group in groups if group.rows]
    if not shown:
        return nothing_to_draw(labels, width, "Nothing was measured.")
    left = max(text_width(row.label) for group in shown for row in group.rows) + 12
    scale = Scale(0, 1, min(left, width * 0.35), width - 18)
    marks = {mark.name: mark.look for group in shown for mark in group.marks}
    entries = [LegendEntry(name, _mark(look, 8, 2, 16)) for name, look in marks.items()]
    keys, legend_height = legend(entries, 0, 0, width)
    content, top = list(keys), legend_height + 10
    y = top
    bodies: list[str] = []
    for group in shown:
        bodies.extend(_group(group, y, scale, width))
        y += LINE_HEIGHT_PX + len(group.rows) * _ROW_PX + _GROUP_GAP_PX
    content.extend(percent_axis(scale, _PERCENT_TICKS, y, grid_top=top + LINE_HEIGHT_PX))
    return drawing(labels, width, y + 24, [*content, *bodies])


def _group(group: Group, top: float, scale: Scale, width: float) -> list[str]:
    base = top + LINE_HEIGHT_PX - 5
    label = shorten(group.label, width - text_width(group.note) - 12)
    drawn = [
        element("text", label, x=0, y=base, class_="p-label p-strong"),
        element("text", group.note, x=width - 1, y=base, class_="p-label p-quiet p-end"),
    ]
    first, last = top + LINE_HEIGHT_PX, top + LINE_HEIGHT_PX + len(group.rows) * _ROW_PX
    drawn.extend(
        with_title(_mark(mark.look, scale(mark.value), first, last), f"{mark.name}: {percent(mark.value)}")
        for mark in group.marks
    )
    for i, row in enumerate(group.rows):
        middle = first + (i + 0.5) * _ROW_PX
        drawn.append(element("text", shorten(row.label, scale.start_px), x=0, y=middle + 4, class_="p-text"))
        drawn.append(with_title(_whisker(row, middle, scale), row.words))
    return drawn


def _whisker(row: Whisker, y: float, scale: Scale) -> str:
    low, high = scale(row.low), scale(row.high)
    look = f"p-{row.look}"
    return (
        element("line", x1=low, x2=high, y1=y, y2=y, class_=f"p-whisker {look}")
        + element("line", x1=low, x2=low, y1=y - 4, y2=y + 4, class_=f"p-whisker {look}")
        + element("line", x1=high, x2=high, y1=y - 4, y2=y + 4, class_=f"p-whisker {look}")
        + element("circle", cx=scale(row.value), cy=y, r=4.5, class_=f"p-point {look}")
        + (_diamond(scale(row.target), y) if row.target is not None else "")
    )


def _mark(look: MarkLook, x: float, top: float, bottom: float) -> str:
    if look == "diamond":
        return _diamond(x, (top + bottom) / 2)
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_=f"p-mark p-{look}")


def _diamond(x: float, y: float) -> str:
    return element("path", d=f"M{x:.2f} {y - 6:.2f}l6 6l-6 6l-6 -6z", class_="p-diamond")
