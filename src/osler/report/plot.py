"""What the plots share: SVG elements, nice ticks, scales, legends. Pure functions that return SVG as text.

Colours and fonts come from the page's style sheet by class (`p-...`), so that one drawing serves light, dark and print.
Widths of text are estimates: a browser's fonts are not known here, so room is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from osler.text import shortened

LINE_HEIGHT_PX = 18
_CHAR_PX = 6.6
"""Width of an average character at 12 px; on the wide side of common sans-serif fonts."""
_GLYPH_PX = 22
_LEGEND_GAP_PX = 18


@dataclass(frozen=True, slots=True)
class Labels:
    """The words of a plot for those who cannot see it."""

    name: str
    """Unique on the page; starts the ids of title and description."""
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from numbers to pixels."""

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """Pixel of a value; `low` and `high` must differ."""
        share = (value - self.low) / (self.high - self.low)
        return self.start_px + share * (self.end_px - self.start_px)


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of a legend."""

    name: str
    glyph: str
    """The sign, drawn in a box 16 px wide and `LINE_HEIGHT_PX` high."""


def element(name: str, text: str | None = None, /, **attributes: str | float) -> str:
    """One SVG element. `class_` gives `class`, other underscores give hyphens; numbers are cut to two decimals."""
    parts = [name]
    for key, value in attributes.items():
        shown = value if isinstance(value, str) else pixels(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    opening = " ".join(parts)
    return f"<{opening}/>" if text is None else f"<{opening}>{escape(text)}</{name}>"


def with_title(drawn: str, title: str) -> str:
    """A group around an element with words shown on hover and read by screen readers."""
    return f"<g>{element('title', title)}{drawn}</g>"


def drawing(labels: Labels, width: float, height: float, content: Sequence[str]) -> str:
    """A whole SVG picture with its title and description."""
    title_id, text_id = f"{labels.name}-title", f"{labels.name}-text"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {pixels(width)} {pixels(height)}" '
        f'role="img" aria-labelledby="{escape(title_id)} {escape(text_id)}">'
    )
    words = element("title", labels.title, id=title_id) + element("desc", labels.description, id=text_id)
    return "\n".join([opening, words, *content, "</svg>"])


def pixels(value: float) -> str:
    """A coordinate as text with at most two decimals.

    Raises:
        ValueError: the value is not finite; a plot must not be handed a hole.
    """
    if not math.isfinite(value):
        raise ValueError(f"a coordinate is {value}")
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def text_width(text: str) -> float:
    """Estimated width of 12 px text in pixels."""
    return len(text) * _CHAR_PX


def shorten(text: str, width: float) -> str:
    """The text, cut with an ellipsis where it would be wider than `width` pixels."""
    return shortened(text, int(width / _CHAR_PX))


def nice_ticks(low: float, high: float, about: int, *, whole: bool = False) -> list[float]:
    """Rising ticks at multiples of 1, 2 or 5 times a power of ten that enclose `low` and `high`.

    Args:
        about: how many ticks are wanted; the result has at most twice as many, and at least two.
        whole: never less than 1 between ticks, for counts.
    """
    # Figures this near to each other are one: their ticks would need more decimals than have room.
    if high - low < 1e-12:
        spread = max(abs(low) * 0.1, 1.0 if whole else 0.1)
        low, high = (low, high + spread) if whole else (low - spread, high + spread)
    step = _nice_step((high - low) / max(1, about - 1))
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = tick_digits(step)
    return [round(i * step, digits) for i in range(first, max(last, first + 1) + 1)]


def tick_digits(step: float) -> int:
    """Decimals that ticks with this step need."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """The ticks as text, all with the same number of decimals."""
    digits = tick_digits(ticks[1] - ticks[0])
    return [f"{tick:,.{digits}f}".replace("-", "\u2212") for tick in ticks]


def legend(entries: Sequence[LegendEntry], left: float, top: float, width: float) -> tuple[list[str], float]:
    """Entries side by side, wrapped into rows.

    Returns:
        The elements, and the height they take in pixels (0 for no entries).
    """
    drawn: list[str] = []
    x, y = left, top
    for entry in entries:
        wide = _GLYPH_PX + text_width(entry.name)
        if x > left and x + wide > left + width:
            x, y = left, y + LINE_HEIGHT_PX
        drawn.append(f'<g transform="translate({pixels(x)} {pixels(y)})">{entry.glyph}</g>')
        words = shorten(entry.name, left + width - x - _GLYPH_PX)
        drawn.append(element("text", words, x=x + _GLYPH_PX, y=y + LINE_HEIGHT_PX / 2 + 4, class_="p-text"))
        x += wide + _LEGEND_GAP_PX
    return drawn, (y + LINE_HEIGHT_PX - top) if entries else 0.0


def swatch(tone: str) -> str:
    """A box of a colour, for a legend."""
    return element("rect", x=0, y=3, width=16, height=12, class_=f"p-fill {tone}")


def percent_axis(scale: Scale, ticks: Sequence[int], bottom: float, grid_top: float | None = None) -> list[str]:
    """A line below the plot with ticks in percent, and where `grid_top` is given lines through the plot at each.

    Args:
        scale: from shares, 0 to 1. The words of a tick at an edge of the picture stay inside it.
    """
    drawn = [element("line", x1=scale.start_px, x2=scale.end_px, y1=bottom, y2=bottom, class_="p-axis")]
    for tick in ticks:
        x = scale(tick / 100)
        side = "middle" if grid_top is not None else {0: "start", 100: "end"}.get(tick, "middle")
        top, end, look = (bottom, bottom + 5, "p-axis") if grid_top is None else (grid_top, bottom, "p-grid")
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=end, class_=look))
        drawn.append(element("text", f"{tick}\u00a0%", x=x, y=bottom + 18, class_=f"p-tick p-{side}"))
    return drawn


def nothing_to_draw(labels: Labels, width: float, words: str) -> str:
    """A picture that says why it is empty."""
    return drawing(labels, width, 48, [element("text", words, x=0, y=28, class_="p-muted")])


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9)))
