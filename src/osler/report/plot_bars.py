"""Stacked horizontal bars: what became of the rows of each source."""

from collections.abc import Callable, Sequence
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
    shorten,
    text_width,
    with_title,
)

_BAR_PX = 20
_BAR_STEP_PX = 52
_LEAST_SEGMENT_PX = 1.5
"""A part too small to see is drawn this wide; its width is taken from the widest part of the bar."""
_PERCENT_TICKS = (0, 25, 50, 75, 100)


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
    return drawing(labels, width, y + 22, [*content, *_axis(y, right)])


def segment_widths(values: Sequence[int], width: float) -> list[float]:
    """Widths by share; no part with a value is narrower than can be seen, and the sum is `width`."""
    total = sum(values)
    wide = [max(_LEAST_SEGMENT_PX, width * value / total) if value else 0.0 for value in values]
    wide[wide.index(max(wide))] -= sum(wide) - width
    return wide


def _bar(bar: Bar, top: float, right: float) -> list[str]:
    note_x = right
    label = shorten(bar.label, right - text_width(bar.note) - 12)
    base = top + LINE_HEIGHT_PX - 6
    drawn = [
        element("text", label, x=0, y=base, class_="p-text p-strong"),
        element("text", bar.note, x=note_x, y=base, class_="p-muted p-end"),
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


def _axis(top: float, right: float) -> list[str]:
    scale = Scale(0, 100, 0, right)
    drawn = [element("line", x1=0, x2=right, y1=top, y2=top, class_="p-axis")]
    for tick in _PERCENT_TICKS:
        x = scale(tick)
        side = "p-start" if tick == 0 else "p-end" if tick == _PERCENT_TICKS[-1] else "p-middle"
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=top + 5, class_="p-axis"))
        drawn.append(element("text", f"{tick}\u00a0%", x=x, y=top + 18, class_=f"p-tick {side}"))
    return drawn


def swatch(tone: str) -> Callable[[float, float], str]:
    """A box of a colour, for a legend."""

    def draw(x: float, y: float) -> str:
        return element("rect", x=x, y=y - 6, width=16, height=12, class_=f"p-fill {tone}")

    return draw
