"""From labels of tokens to spans: which of the tagger's opinions are taken, and how far each reaches."""

import re
from collections.abc import Iterator
from dataclasses import replace as with_fields

import numpy as np

from osler.phi.spans import Span, overlaps
from osler.phi.tagger import LABELS, Tagged

_LEAST = np.array([np.inf, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -1.5, -1.5], np.float32)
"""Least margin of each of `LABELS` in a text about somebody. Chosen on the tuned sets (benchmarks/phi_sets.py)."""
_LEAST_ALONE = np.array([np.inf, 0.0, 0.5, 4.5, 0.5, 0.0, 1.5, 3.0, -0.5], np.float32)
"""The same where nothing else in the text points to a person, for a text of `_FEW_TOKENS`; more in longer ones (`_chances`)."""
_FEW_TOKENS = 10
_MANY_TOKENS = 60
_NAME = LABELS.index("NAME")
_SLACK = 2.0
"""How much less is enough for a token beside one that is above its bound ("New" of "New York")."""
_SURE = np.array([np.inf, 2.0, 5.0, np.inf, np.inf, 5.0, np.inf, 5.0, 5.0], np.float32)
"""Margin of a name, or of what else points to one person, from which the text is about somebody, by label; a hospital, a company or a
profession points to nobody."""
_KIN = (0, 1, 2, 2, 2, 2, 3, 4, 4)
"""Labels that run into each other, as indices into `LABELS`: names; places, hospitals, companies, addresses; professions; numbers."""
_BETWEEN = re.compile(r"[ \t]{0,3}(?:[.,'’´/#&-][ \t]{0,2}){0,2}")
"""What may stand between two tokens of one identifier."""
_MARKS = " \t\n.,;:'’´/#&-"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_IS_DATE = re.compile(
    rf"(?i){_MONTH}[a-z]{{0,6}}\b.{{0,12}}\d|\d.{{0,9}}{_MONTH}|\d{{8}}|\d{{4}}[/.-]\d{{1,2}}"
    r"|(?<!\d)(?:0?[1-9]|1[0-2])[/.-](?:0?[1-9]|[12]\d|3[01])(?!\d)|(?<!\d)(?:0?[1-9]|[12]\d|3[01])[/.-](?:0?[1-9]|1[0-2])(?!\d)"
)
_ID_TYPE = re.compile(r"(?P<PHONE>[+(]?\d[\d ().-]{5,20}\d)")
_MIN_ID_DIGITS = 4
_PLACES = frozenset({"CITY", "HOSPITAL", "ORGANIZATION", "ADDRESS"})
_FIELDS = frozenset({"zip", "zip code", "postcode", "address", "city", "street", "town", "country", "apt", "suite"})
"""Names of form fields, which are no places themselves."""
_WORD = re.compile(r"[^\W\d_]{3}")
_SURE_OF_DIGITS = 5.0
"""Margin from which digits and abbreviations alone are a place: "92 Ca 9" is a laboratory's line."""


def names_somebody(tagged: Tagged) -> bool:
    """Whether the tagger is sure of a name, or surer still of anything else."""
    return bool((tagged.margins > _SURE[tagged.labels] + _chances(tagged)).any())


def has_name(tagged: Tagged) -> bool:
    """Whether the tagger is sure of a name."""
    return bool((tagged.margins[tagged.labels == _NAME] > _SURE[_NAME] + _chances(tagged)).any())


def _chances(tagged: Tagged) -> np.float32:
    """What is added to a bound where a text names nobody: of n tokens each can mislead, so the odds asked for grow with n.

    They grow faster in prose of many sentences, which would give other signs of a person.
    """
    n = len(tagged.margins)
    return np.float32(np.log(max(1.0, n / _FEW_TOKENS)) + 2 * np.log(max(1.0, n / _MANY_TOKENS)))


def has_likely(tagged: Tagged) -> bool:
    """Whether any token is likely enough to be an identifier for a text about somebody."""
    return bool((tagged.margins > _LEAST[tagged.labels]).any())


def without_words(tagged: Tagged, words: set[str]) -> Tagged:
    """The same with every token that is one of `words`, a word of an eponym, taken for no identifier."""
    if not words:
        return tagged
    margins = tagged.margins.copy()
    tokens = tagged.parts[1::2]
    for i in np.flatnonzero(margins > -_SLACK + _LEAST[1]).tolist():
        if tokens[i] in words:
            margins[i] = -np.inf
    return with_fields(tagged, margins=margins)


def tagged_spans(text: str, tagged: Tagged, taken: list[tuple[int, int]], *, is_about_someone: bool) -> list[Span]:
    """The spans that the tagger is sure enough of, outside the places `taken`; in a text about somebody, less is enough."""
    if is_about_someone:
        above = tagged.margins - _LEAST[tagged.labels]
    else:
        above = tagged.margins - _LEAST_ALONE[tagged.labels] - _chances(tagged)
    chosen = np.flatnonzero(above > -_SLACK).tolist()
    if not chosen:
        return []
    starts, ends = tagged.places()
    if taken:
        for first, last in zip(
            ends.searchsorted([start for start, _ in taken], "right").tolist(),
            starts.searchsorted([end for _, end in taken]).tolist(),
            strict=True,
        ):
            above[first:last] = -np.inf
        chosen = np.flatnonzero(above > -_SLACK).tolist()
    found = []
    for first, last in _runs(tagged, chosen):
        best = first + int(above[first : last + 1].argmax())
        if above[best] <= 0:
            continue
        span = _span(
            text, int(starts[first]), int(ends[last]), LABELS[tagged.labels[best]], float(tagged.margins[best])
        )
        if span is not None:
            found.append(span)
    return found


def risk_of(text: str, tagged: Tagged, protected: list[tuple[int, int]]) -> float:
    """The chance that one of the tokens left is an identifier, taken as independent."""
    likely = np.flatnonzero(tagged.margins > -4.0)
    log_none = 0.0
    starts, ends = tagged.places()
    for i in likely.tolist():
        start, end = int(starts[i]), int(ends[i])
        if not overlaps(start, end, protected) and text[start].isalnum():
            log_none -= float(np.logaddexp(0.0, tagged.margins[i]))
    return round(1.0 - float(np.exp(log_none)), 4)


def _runs(tagged: Tagged, chosen: list[int]) -> Iterator[tuple[int, int]]:
    """First and last token of each run of chosen tokens of kindred labels with nothing but marks between them."""
    position = 0
    while position < len(chosen):
        first = last = chosen[position]
        position += 1
        kin = _KIN[tagged.labels[first]]
        while position < len(chosen) and _KIN[tagged.labels[chosen[position]]] == kin:
            between = "".join(tagged.parts[2 * last + 2 : 2 * chosen[position] + 1])
            if len(between) > 8 or not _BETWEEN.fullmatch(between):
                break
            last = chosen[position]
            position += 1
        yield first, last


def _span(text: str, start: int, end: int, label: str, margin: float) -> Span | None:
    value = text[start:end].rstrip(_MARKS)
    end = start + len(value)
    value = value.lstrip(_MARKS)
    start = end - len(value)
    if not any(c.isalnum() for c in value):
        return None
    if label in _PLACES and (value.lower() in _FIELDS or (margin < _SURE_OF_DIGITS and not _WORD.search(value))):
        return None
    if label == "DATE" and not _IS_DATE.search(value):
        return None
    if label == "ID":
        if sum(c.isdigit() for c in value) < _MIN_ID_DIGITS:
            return None
        label = "PHONE" if _ID_TYPE.fullmatch(value) else "ID"
    # Rules have 0.7 and more; they know the kind of a number better.
    return Span(start, end, label, round(0.35 + 0.3 / (1.0 + float(np.exp(-margin))), 3), "tagger")
