"""How numbers are written on the page: one place, so that the same number reads the same in a table, a plot and a sentence.

A share of zero is never written alone. "0 of 120, at most 3.0 %" says what was seen and what that cannot exclude.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

Number = TypeVar("Number", int, float)

NO_BREAK = "\u00a0"
"""Keeps a number and its unit on one line."""
MINUS = "\u2212"

_SIGNIFICANT_DIGITS = 4
_SMALLEST_P = 0.001
_LAST_BIT = 1e-9
"""Keeps 3.0 from becoming 3.1 by the last bit of a binary fraction."""
_SHORT_NAME_CHARS = 20


def count(n: int) -> str:
    """A count with commas between thousands."""
    return f"{n:,}"


def percent(share: float) -> str:
    """A share (0 to 1) in percent with one decimal. Shares that one decimal would round to nothing or all are bounded."""
    if 0 < share < 0.0005:
        return f"<{NO_BREAK}0.1{NO_BREAK}%"
    if 0.9995 <= share < 1:
        return f">{NO_BREAK}99.9{NO_BREAK}%"
    return f"{_fixed(share * 100, 1)}{NO_BREAK}%"


def part(n: int, of: int) -> str:
    """A count with its share of a whole: "120 (3.4 %)". A whole of zero gives the count alone."""
    return f"{count(n)} ({percent(n / of)})" if of else count(n)


def percent_interval(low: float, high: float) -> str:
    """An interval of shares: "38.0 to 44.5 %"."""
    return f"{_fixed(low * 100, 1)} to {_fixed(high * 100, 1)}{NO_BREAK}%"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, always with its sign."""
    return signed(_fixed(difference * 100, 1))


def points_interval(low: float, high: float) -> str:
    """An interval of differences in percentage points."""
    return f"{points(low)} to {points(high)}"


def rate(k: int, n: int, low: float, high: float) -> str:
    """How often something happened, with n and the interval; nothing seen is given as a bound.

    Returns:
        "0 of 120, at most 3.0 %"; "120 of 120, at least 97.0 %"; "12 of 120: 10.0 % (5.8 to 16.7 %)"; for n of zero, "not
        measured (n = 0)".
    """
    if n == 0:
        return "not measured (n = 0)"
    seen = f"{count(k)} of {count(n)}"
    if k == 0:
        return f"{seen}, {at_most(high)}"
    if k == n:
        return f"{seen}, {at_least(low)}"
    return f"{seen}: {percent(k / n)} ({percent_interval(low, high)})"


def at_most(share: float) -> str:
    """An upper bound in percent, rounded up: it never states less than was shown."""
    return f"at most {_fixed(math.ceil(share * 1000 - _LAST_BIT) / 10, 1)}{NO_BREAK}%"


def at_least(share: float) -> str:
    """A lower bound in percent, rounded down."""
    return f"at least {_fixed(math.floor(share * 1000 + _LAST_BIT) / 10, 1)}{NO_BREAK}%"


def number(value: float) -> str:
    """Any other number: whole ones with commas, others with four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return signed(f"{int(value):,}", plus=False)
    digits = max(0, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))
    if digits > 8:
        return signed(f"{value:.3g}", plus=False)
    text = f"{value:,.{digits}f}"
    return signed(text.rstrip("0").rstrip(".") if "." in text else text, plus=False)


def maybe(write: Callable[[Number], str], value: Number | None) -> str:
    """What `write` makes of a number, or "not recorded"."""
    return "not recorded" if value is None else write(value)


def interval(low: float, high: float) -> str:
    """An interval of plain numbers: "0.38 to 0.445"."""
    return f"{number(low)} to {number(high)}"


def p_value(p: float) -> str:
    """A p-value with three decimals; below 0.001 only that bound is given."""
    return f"<{NO_BREAK}{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def signed(text: str, *, plus: bool = True) -> str:
    """The text of a number with a real minus sign and, where asked, a plus sign; zero has none."""
    if text.startswith("-"):
        return MINUS + text[1:]
    return f"+{text}" if plus and any(digit in text for digit in "123456789") else text


def moment(stamp: str) -> str:
    """An ISO 8601 time for reading: "2026-03-01 12:30 UTC". Text that is no time with a zone is given back as it is."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if time.tzinfo else stamp


def words(code: str) -> str:
    """A reason or intent code for reading: "near_duplicate" gives "near duplicate"."""
    return code.replace("_", " ")


def sentence(words_of: str) -> str:
    """Words as a sentence of their own."""
    return f"{words_of[0].upper()}{words_of[1:]}."


def many(n: int, one: str, more: str) -> str:
    """A count with its noun in the right number."""
    return f"{count(n)} {one if n == 1 else more}"


def listed(counts: Mapping[str, int]) -> str:
    """Names with their counts in one line, those of 0 left out; a name stays beside its number, a short one in one piece."""
    kept = {_whole(name): n for name, n in counts.items() if n}
    return f"{NO_BREAK}· ".join(f"{name}{NO_BREAK}{count(n)}" for name, n in kept.items())


def _whole(name: str) -> str:
    return name.replace(" ", NO_BREAK) if len(name) <= _SHORT_NAME_CHARS else name


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and not any(digit in text for digit in "123456789") else text
