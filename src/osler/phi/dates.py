"""Dates moved by days, in the form in which they were written."""

import re
from datetime import date, timedelta

_MONTHS = "january february march april may june july august september october november december".split()
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_ORDINAL = re.compile(r"(?i)(?<=\d)(?:st|nd|rd|th)\b")
_PART = re.compile(r"\d+|[^\W\d_]+")
_CLOCK = re.compile(r"\d{1,2}:\d{2}.*", re.DOTALL)
_LEAP_YEAR = 2004
"""Stands for a year that is not written, so that 29 February exists."""
_PIVOT = 30
"""Two digits below are of this century."""


def moved(value: str, days: int) -> str | None:
    """`value` as the date `days` later, written in the same way; None where it is no date that can be read.

    A date without a day is taken as its fifteenth, one without a year stays without. 3/4 is taken as March 4th, 13/4 as April 13th.
    """
    clock = _CLOCK.search(value)
    head, tail = (value[: clock.start()], value[clock.start() :]) if clock else (value, "")
    head = _ORDINAL.sub("", head)
    parts = list(_PART.finditer(head))
    roles = _roles([part.group() for part in parts])
    if roles is None:
        return None
    if roles == ["ymd"]:
        (only,) = parts
        found = _date(int(only.group()[:4]), int(only.group()[4:6]), int(only.group()[6:]))
        if found is None:
            return None
        return f"{head[: only.start()]}{_shifted(found, days):%Y%m%d}{head[only.end() :]}{tail}"
    words = {role: part.group() for role, part in zip(roles, parts, strict=True)}
    found = _date(_year(words.get("year")), _month(words["month"]), int(words.get("day", "15")))
    if found is None:
        return None
    later = _shifted(found, days)
    written = []
    position = 0
    for role, part in zip(roles, parts, strict=True):
        written += [head[position : part.start()], _written(role, part.group(), later, days)]
        position = part.end()
    return "".join([*written, head[position:], tail])


def _roles(parts: list[str]) -> list[str] | None:
    """What each part of a date is, or None where they are no date."""
    if len(parts) == 1 and len(parts[0]) == 8 and parts[0].isdecimal():
        return ["ymd"]
    roles: list[str] = []
    has_name = any(_month_name(part) is not None for part in parts)
    for part in parts:
        if part.isdecimal():
            roles.append(_role_of_number(part, roles, has_name=has_name))
        elif _month_name(part) is not None and "month" not in roles:
            roles.append("month")
        elif _weekday(part) is not None:
            roles.append("weekday")
        else:
            roles.append("word")
    if roles.count("day") == 1 and roles.count("month") == 1 and not has_name:
        month, day = roles.index("month"), roles.index("day")
        if int(parts[month]) > 12 >= int(parts[day]):
            roles[month], roles[day] = "day", "month"
    is_date = roles.count("month") == 1 and roles.count("day") <= 1 and roles.count("year") <= 1 and "?" not in roles
    return roles if is_date and ("day" in roles or "year" in roles) else None


def _role_of_number(part: str, before: list[str], *, has_name: bool) -> str:
    if len(part) == 4:
        return "year"
    if len(part) > 2:
        return "?"
    if has_name:
        return "year" if "day" in before else "day"
    if "month" not in before:
        return "month"
    return "day" if "day" not in before else "year"


def _month_name(word: str) -> int | None:
    folded = word.lower()
    return next((i for i, name in enumerate(_MONTHS, 1) if len(folded) >= 3 and (name.startswith(folded) or (folded == "sept" and i == 9))), None)  # fmt: skip


def _weekday(word: str) -> int | None:
    folded = word.lower()
    return next((i for i, name in enumerate(_WEEKDAYS) if len(folded) >= 3 and name.startswith(folded)), None)


def _month(word: str) -> int:
    return _month_name(word) or (int(word) if word.isdecimal() else 0)


def _year(word: str | None) -> int:
    if word is None:
        return _LEAP_YEAR
    number = int(word)
    return number if len(word) == 4 else number + (2000 if number < _PIVOT else 1900)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _shifted(found: date, days: int) -> date:
    return found + timedelta(days=days) if found.year < date.max.year - 1 else found - timedelta(days=days)


def _written(role: str, before: str, later: date, days: int) -> str:
    if role == "day":
        return f"{later.day:0{len(before)}d}"
    if role == "year":
        return f"{later.year % 100:02d}" if len(before) == 2 else str(later.year)
    if role == "month" and before.isdecimal():
        return f"{later.month:0{len(before)}d}"
    if role == "month":
        name = _MONTHS[later.month - 1]
        return _cased(name if before.lower() in _MONTHS else name[:3], before)
    if role == "weekday":
        name = _WEEKDAYS[((_weekday(before) or 0) + days) % 7]
        return _cased(name if before.lower() in _WEEKDAYS else name[:3], before)
    return before


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word if like.islower() else word.capitalize()
