"""How far an identifier reaches: the initial after a name, the title of a doctor, the rest of an address, the town of a hospital."""

import re

from osler.phi.spans import Span, overlaps

_DOCTOR = re.compile(r"\b(?:[Dd]r|DR|Doctor|DOCTOR|Prof|Professor)\b\.? {1,2}\Z")
_INITIALS_BEFORE = re.compile(r"(?<![\w.])(?:[A-ZÀ-Þ]\. ?){1,2}\Z")
_WEEKDAY_BEFORE = re.compile(r"\b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? \Z", re.IGNORECASE)
_INITIAL = re.compile(r" {1,2}[A-ZÀ-Þ]\b\.?(?! ?[\d(])(?!['’-]\w)")
_PLACE_TYPES = frozenset({"ADDRESS", "CITY", "HOSPITAL", "ZIP", "ORGANIZATION"})
_JOINT = re.compile(r"(?:,? {0,2}|,? ?\n ?| (?:in|of|at|and|&) | ?, ?\n? ?|[ ,\n]{1,4}[A-Z]{2,3}[ ,\n]{1,4})")
"""What may stand between two parts of one address."""
_HOUSE_BEFORE = re.compile(r"(?<![\w.,/-])\d{1,6}[ ,]{1,2}\Z")
_TIME = re.compile(r",? {1,2}(?:at )?\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm]\b)?(?![\d:])")
_CORNER_BEFORE = re.compile(r"(?:\b[Tt]he )?\b[Cc]orner of \Z")
_REST = re.compile(
    r"(?:[ ,]{0,2}\n? ?(?:"
    r"(?i:apt|apartment|suite|ste|unit|flat|floor|room)\b\.? ?#?\w{1,6}"
    r"|(?:[A-ZÀ-Þ][\w'’.-]{1,24}[ ,]{0,2}\n? ?){1,4}(?:, ?\w{1,3}\n? ?)?[A-Z]{0,3} ?(?:[A-ZÀ-Þ][a-zà-þ]{2,24} ){0,2}\d{4,6}(?:-\d{4})?(?![\w-])"
    r"|[A-Z]{2,3},?\n? \d{4,6}(?:-\d{4})?(?![\w-])"
    r"|\d{1,5}[a-zA-Z]?(?![\w/%.:-])"
    r")){1,3}"
)
"""Unit, town with postcode, state with postcode, or house number, after a street."""
_FACILITY = re.compile(
    r"(?:['’]s)?(?: (?:General|Memorial|Regional|Community|University|Medical|Health|Cancer|Heart|Children['’]s|Women['’]s|Family|Care))"
    r"{0,3} (?:Hospital|Clinic|Center|Centre|Infirmary|Hospice|Institute|Healthcare|Health|Medicine|Care|Med Ctr|hospital|clinic|office)\b"
)


def grown(text: str, spans: list[Span], protected: list[tuple[int, int]]) -> list[Span]:
    """The spans with what belongs to each taken in; still sorted and without overlap, and outside `protected`."""
    result: list[Span] = []
    for index, span in enumerate(spans):
        before = result[-1].end if result else 0
        after = spans[index + 1].start if index + 1 < len(spans) else len(text)
        wider = _wider(text, span, before, after)
        if overlaps(wider.start, wider.end, protected):
            wider = span
        if result and _is_one_place(text, result[-1], wider) and not overlaps(result[-1].end, wider.start, protected):
            wider = max(result[-1], wider, key=_breadth).at(result.pop().start, wider.end)
        result.append(wider)
    return result


def _breadth(span: Span) -> tuple[bool, bool, int]:
    return span.type == "ADDRESS", span.type == "HOSPITAL", span.end - span.start


def _wider(text: str, span: Span, before: int, after: int) -> Span:
    if span.type == "NAME":
        start, end, kind = _wider_name(text, span, before, after)
    elif span.type == "DATE":
        start, end, kind = _wider_date(text, span, before, after)
    elif span.type in _PLACE_TYPES:
        start, end, kind = _wider_place(text, span, before, after)
    else:
        return span
    is_same = start == span.start and end == span.end and kind == span.type
    return span if is_same else Span(start, end, kind, span.score, span.by)


def _wider_name(text: str, span: Span, before: int, after: int) -> tuple[int, int, str]:
    start, end, kind = span.start, span.end, span.type
    if text[end - 1].isalnum() and end - start > 1 and (found := _INITIAL.match(text, end, after)):
        end = found.end()
    if found := _INITIALS_BEFORE.search(text, max(before, start - 6), start):
        start = found.start()
    if found := _DOCTOR.search(text, max(before, start - 12), start):
        start, kind = found.start(), "DOCTOR"
    return start, end, kind


def _wider_date(text: str, span: Span, before: int, after: int) -> tuple[int, int, str]:
    day = _WEEKDAY_BEFORE.search(text, max(before, span.start - 12), span.start)
    clock = _TIME.match(text, span.end, after)
    return day.start() if day else span.start, clock.end() if clock else span.end, span.type


def _wider_place(text: str, span: Span, before: int, after: int) -> tuple[int, int, str]:
    start, end, kind = span.start, span.end, span.type
    if found := _FACILITY.match(text, end, after):
        return start, found.end(), "HOSPITAL"
    if kind == "ADDRESS":
        if found := _REST.match(text, end, after):
            end = found.end()
        for pattern, n_chars in ((_HOUSE_BEFORE, 8), (_CORNER_BEFORE, 16)):
            if found := pattern.search(text, max(before, start - n_chars), start):
                start = found.start()
    return start, end, kind


def _is_one_place(text: str, left: Span, right: Span) -> bool:
    if left.type not in _PLACE_TYPES or right.type not in _PLACE_TYPES or right.start - left.end > 9:
        return False
    if left.type == right.type == "ORGANIZATION":
        return False
    is_wide = not {"ADDRESS", "HOSPITAL"}.isdisjoint({left.type, right.type})
    return is_wide and _JOINT.fullmatch(text, left.end, right.start) is not None
