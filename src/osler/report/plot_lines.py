"""Lines over steps: the loss curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from osler.report.plot import (
    Labels,
    LegendEntry,
    Scale,
    drawing,
    element,
    legend,
    nice_ticks,
    nothing_to_draw,
    pixels,
    text_width,
    tick_texts,
    with_title,
)

Points = Sequence[tuple[float, float]]
Look = Literal["line", "dots"]

_ASPECT = 0.42
_LEAST_HEIGHT_PX = 250
_NEAR_ZERO = 0.1
"""Steps that begin before this share of the last one are drawn from 0."""
_LABEL_PX = 24
"""Room above and below the curves, for the labels of the highest and the lowest point."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve. Points are in rising order of x; all numbers are finite."""

    name: str
    points: Points
    look: Look
    """`dots` joins its points by a dashed line and marks each, for values that are seldom measured."""


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes count, with units."""

    x: str
    y: str


def line_plot(series: Sequence[Series], axes: Axes, labels: Labels, width: float) -> str:
    """Curves in one frame, with the highest and lowest value of the first curve written at their points."""
    shown = [one for one in series if one.points]
    if not shown:
        return nothing_to_draw(labels, width, "No points were recorded.")
    xs = [x for one in shown for x, _ in one.points]
    ys = [y for one in shown for _, y in one.points]
    keys, legend_height = legend([LegendEntry(one.name, _glyph(one.look)) for one in shown], 0, 0, width)
    top = legend_height + 28
    height = top + max(_LEAST_HEIGHT_PX, width * _ASPECT)
    bottom = height - 46

    pad = (max(ys) - min(ys)) * _LABEL_PX / (bottom - top - 2 * _LABEL_PX)
    first = 0.0 if min(xs) < max(xs) * _NEAR_ZERO else min(xs)
    x_low, x_high, x_ticks = _ticks_within(first, max(xs), max(3, int(width / 80)), whole=True)
    y_low, y_high, y_ticks = _ticks_within(min(ys) - pad, max(ys) + pad, 6, whole=False)
    left = max(text_width(text) for text in tick_texts(y_ticks)) + 10
    right = width - max(12.0, text_width(tick_texts(x_ticks)[-1]) / 2)
    x_scale = Scale(x_low, x_high, left, right)
    y_scale = Scale(y_low, y_high, bottom, top)

    content = [*keys, *_frame(x_scale, y_scale, x_ticks, y_ticks), *_axis_names(axes, x_scale, y_scale, height)]
    for one in shown:
        content.extend(_curve(one, axes, x_scale, y_scale))
    content.extend(_extremes(shown[0].points, x_scale, y_scale))
    return drawing(labels, width, height, content)


def thin(points: Points, limit: int) -> list[tuple[float, float]]:
    """At most about `limit` points: of each run of neighbours the lowest and the highest, so that no peak is lost.

    The first and the last point always stay.
    """
    if len(points) <= limit:
        return list(points)
    size = -(-2 * len(points) // limit)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        run = range(start, min(start + size, len(points)))
        kept.add(min(run, key=lambda i: points[i][1]))
        kept.add(max(run, key=lambda i: points[i][1]))
    return [points[i] for i in sorted(kept)]


def _ticks_within(low: float, high: float, about: int, *, whole: bool) -> tuple[float, float, list[float]]:
    """The range to draw, and the ticks inside it; a range of one value is widened to its ticks."""
    ticks = nice_ticks(low, high, about, whole=whole)
    inside = [tick for tick in ticks if low <= tick <= high]
    return (low, high, inside) if len(inside) > 1 else (ticks[0], ticks[-1], ticks)


def _frame(x_scale: Scale, y_scale: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[str]:
    drawn = []
    for tick, text in zip(y_ticks, tick_texts(y_ticks), strict=True):
        y = y_scale(tick)
        drawn.append(element("line", x1=x_scale.start_px, x2=x_scale.end_px, y1=y, y2=y, class_="p-grid"))
        drawn.append(element("text", text, x=x_scale.start_px - 7, y=y + 4, class_="p-tick p-end"))
    base = y_scale.start_px
    drawn.append(element("line", x1=x_scale.start_px, x2=x_scale.end_px, y1=base, y2=base, class_="p-axis"))
    for tick, text in zip(x_ticks, tick_texts(x_ticks), strict=True):
        x = x_scale(tick)
        drawn.append(element("line", x1=x, x2=x, y1=base, y2=base + 5, class_="p-axis"))
        drawn.append(element("text", text, x=x, y=base + 18, class_="p-tick p-middle"))
    return drawn


def _axis_names(axes: Axes, x_scale: Scale, y_scale: Scale, height: float) -> list[str]:
    middle = (x_scale.start_px + x_scale.end_px) / 2
    return [
        element("text", axes.x, x=middle, y=height - 6, class_="p-text p-middle"),
        element("text", axes.y, x=0, y=y_scale.end_px - 12, class_="p-text"),
    ]


def _curve(one: Series, axes: Axes, x_scale: Scale, y_scale: Scale) -> list[str]:
    corners = [(x_scale(x), y_scale(y)) for x, y in one.points]
    path = " ".join(f"{pixels(x)},{pixels(y)}" for x, y in corners)
    drawn = []
    if len(corners) > 1:
        drawn.append(element("polyline", points=path, class_=f"p-curve p-curve-{one.look}"))
    if one.look == "dots" or len(corners) == 1:
        for (x, y), (step, value) in zip(corners, one.points, strict=True):
            dot = element("circle", cx=x, cy=y, r=3.5, class_=f"p-dot p-dot-{one.look}")
            drawn.append(with_title(dot, f"{one.name}: {value:.3f} at {axes.x} {step:,.0f}"))
    return drawn


def _extremes(points: Points, x_scale: Scale, y_scale: Scale) -> list[str]:
    highest = max(points, key=lambda point: point[1])
    lowest = min(points, key=lambda point: point[1])
    drawn = [_mark(highest, "max", -9, x_scale, y_scale)]
    if lowest[1] < highest[1]:
        drawn.append(_mark(lowest, "min", 18, x_scale, y_scale))
    return drawn


def _mark(point: tuple[float, float], word: str, down_px: float, x_scale: Scale, y_scale: Scale) -> str:
    x, y = x_scale(point[0]), y_scale(point[1])
    in_left_half = x < (x_scale.start_px + x_scale.end_px) / 2
    side, shift = ("p-start", 5) if in_left_half else ("p-end", -5)
    dot = element("circle", cx=x, cy=y, r=2.5, class_="p-dot p-dot-line")
    text = element("text", f"{word} {point[1]:.3f}", x=x + shift, y=y + down_px, class_=f"p-label {side}")
    return dot + text


def _glyph(look: Look) -> str:
    line = element("line", x1=0, x2=16, y1=9, y2=9, class_=f"p-curve p-curve-{look}")
    return line + (element("circle", cx=8, cy=9, r=3.5, class_="p-dot p-dot-dots") if look == "dots" else "")
