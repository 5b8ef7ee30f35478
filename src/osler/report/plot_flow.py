"""Records by source through the steps: a column of stacked parts for each step, joined by ribbons."""

from collections.abc import Sequence
from dataclasses import dataclass

from osler.report.plot import (
    LINE_HEIGHT_PX,
    Labels,
    LegendEntry,
    drawing,
    element,
    legend,
    nothing_to_draw,
    with_title,
)
from osler.report.plot_bars import swatch

_HEIGHT_PX = 220
_COLUMN_PX = 9
_CLOSE_PX = 95
"""Columns nearer than this have their titles on two lines in turn."""


@dataclass(frozen=True, slots=True)
class Band:
    """One source."""

    name: str
    tone: str
    """Class of its colour."""
    values: tuple[int, ...]
    """Records at each column."""


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
    floors = [float(top + _HEIGHT_PX)] * len(columns)
    for band in bands:
        heights = [_HEIGHT_PX * value / total for value in band.values]
        content.extend(_band(band, columns, lefts, floors, heights))
        floors = [floor - height for floor, height in zip(floors, heights, strict=True)]
    for i, (title, left, floor) in enumerate(zip(columns, lefts, floors, strict=True)):
        side = "p-start" if i == 0 else "p-end" if i == len(columns) - 1 else "p-middle"
        x = left if i == 0 else left + _COLUMN_PX if i == len(columns) - 1 else left + _COLUMN_PX / 2
        low = LINE_HEIGHT_PX * (i % 2) if gap < _CLOSE_PX else 0
        n = sum(band.values[i] for band in bands)
        content.append(element("text", f"{n:,}", x=x, y=floor - 6, class_=f"p-label {side}"))
        content.append(element("text", title, x=x, y=top + _HEIGHT_PX + 18 + low, class_=f"p-tick {side}"))
    return drawing(labels, width, top + _HEIGHT_PX + 26 + LINE_HEIGHT_PX, content)


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
