"""What became of the rows of each source: stacked horizontal bars, and bands that flow through the steps."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    swatch,
    text_width,
    with_title,
)

_BAR_PX = 20
_BAR_STEP_PX = 52
_LEAST_SEGMENT_PX = 1.5
"""A part too small to see is drawn this wide; its width is taken from the widest part of the bar."""
_PERCENT_TICKS = (0, 25, 50, 75, 100)
_FLOW_PX = 220
_COLUMN_PX = 9
_CLOSE_PX = 95
"""Columns nearer than this have their titles on two lines in turn."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar."""

    name: str
    value: int
    tone: str
    """Class of its colour (`p-kept`, `p-part-3`)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; its parts fill the whole width, whatever their sum."""

    label: str
    note: str
    """Written above the bar on the right."""
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """One source."""

    name: str
    tone: str
    """Class of its colour."""
    values: tuple[int, ...]
    """Records at each column."""


def stacked_bars(bars: Sequence[Bar], labels: Labels, width: float) -> str:
    """Bars under each other, each cut by shares of its own sum. Parts of value 0 are left out, of the legend as well."""
    shown = [bar for bar in bars if any(segment.value for segment in bar.segments)]
    if not shown:
        return nothing_to_draw(labels, width, "No rows were read.")
    entries = {
        segment.name: LegendEntry(segment.name, swatch(segment.tone))
        for bar in shown
        for segment in bar.segments
        if segment.value
    }
    order = [segment.name for segment in shown[0].segments if segment.name in entries]
    keys, legend_height = legend([entries[name] for name in dict.fromkeys([*order, *entries])], 0, 0, width)
    content = list(keys)
    right = width - 1
    y = legend_height + 14
    for bar in shown:
        content.extend(_bar(bar, y, right))
        y += _BAR_STEP_PX
    content.extend(percent_axis(Scale(0, 1, 0, right), _PERCENT_TICKS, y))
    return drawing(labels, width, y + 22, content)


def flow_bands(columns: Sequence[str], bands: Sequence[Band], labels: Labels, width: float) -> str:
    """Bands stacked from the bottom; the height of the first column is the sum of what came in."""
    total = sum(band.values[0] for band in bands)
    if not total:
        return nothing_to_draw(labels, width, "No records were read.")
    keys, legend_height = legend([LegendEntry(band.name, swatch(band.tone)) for band in bands], 0, 0, width)
    top = legend_height + LINE_HEIGHT_PX + 10
    gap = (width - _COLUMN_PX - 2) / (len(columns) - 1)
    lefts = [1 + gap * i for i in range(len(columns))]
    content = list(keys)
    floors = [float(top + _FLOW_PX)] * len(columns)
    for band in bands:
        heights = [_FLOW_PX * value / total for value in band.values]
        content.extend(_band(band, columns, lefts, floors, heights))
        floors = [floor - height for floor, height in zip(floors, heights, strict=True)]
    for i, (title, left, floor) in enumerate(zip(columns, lefts, floors, strict=True)):
        side = "p-start" if i == 0 else "p-end" if i == len(columns) - 1 else "p-middle"
        x = left if i == 0 else left + _COLUMN_PX if i == len(columns) - 1 else left + _COLUMN_PX / 2
        low = LINE_HEIGHT_PX * (i % 2) if gap < _CLOSE_PX else 0
        n = sum(band.values[i] for band in bands)
        content.append(element("text", f"{n:,}", x=x, y=floor - 6, class_=f"p-label {side}"))
        content.append(element("text", title, x=x, y=top + _FLOW_PX + 18 + low, class_=f"p-tick {side}"))
    return drawing(labels, width, top + _FLOW_PX + 26 + LINE_HEIGHT_PX, content)


def segment_widths(values: Sequence[int], width: float) -> list[float]:
    """Widths by share; no part with a value is narrower than can be seen, and the sum is `width`."""
    total = sum(values)
    wide = [max(_LEAST_SEGMENT_PX, width * value / total) if value else 0.0 for value in values]
    wide[wide.index(max(wide))] -= sum(wide) - width
    return wide


def _bar(bar: Bar, top: float, right: float) -> list[str]:
    label = shorten(bar.label, right - text_width(bar.note) - 12)
    base = top + LINE_HEIGHT_PX - 6
    drawn = [
        element("text", label, x=0, y=base, class_="p-text p-strong"),
        element("text", bar.note, x=right, y=base, class_="p-muted p-end"),
    ]
    total = sum(segment.value for segment in bar.segments)
    x = 0.0
    for segment, wide in zip(
        bar.segments, segment_widths([segment.value for segment in bar.segments], right), strict=True
    ):
        if segment.value:
            gap = 1.0 if wide > 4 else 0.0
            box = element(
                "rect", x=x, y=top + LINE_HEIGHT_PX, width=wide - gap, height=_BAR_PX, class_=f"p-fill {segment.tone}"
            )
            words = f"{bar.label}, {segment.name}: {segment.value:,} of {total:,}"
            drawn.append(with_title(box, words))
        x += wide
    return drawn


def _band(
    band: Band, columns: Sequence[str], lefts: Sequence[float], floors: Sequence[float], heights: Sequence[float]
) -> list[str]:
    drawn = []
    for i, (left, floor, height) in enumerate(zip(lefts, floors, heights, strict=True)):
        if i + 1 < len(lefts) and height:
            right = lefts[i + 1]
            corners = (
                (left + _COLUMN_PX, floor - height),
                (right, floors[i + 1] - heights[i + 1]),
                (right, floors[i + 1]),
                (left + _COLUMN_PX, floor),
            )
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
            drawn.append(element("polygon", points=points, class_=f"p-ribbon {band.tone}"))
        if height:
            box = element(
                "rect", x=left, y=floor - height, width=_COLUMN_PX, height=height, class_=f"p-fill {band.tone}"
            )
            drawn.append(with_title(box, f"{band.name}, {columns[i]}: {band.values[i]:,}"))
    return drawn
