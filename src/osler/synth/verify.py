"""What a generated record must hold before it counts. Each check gives the reason for which the record is dropped."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from osler.synth.passage import Passage
from osler.text import NEGATIONS, shingles, words

Blocked = Callable[[str, str], str]
"""Question and answer to the guard's rule that blocks the answer, or empty."""

_NUMBER_WORDS = {
    name: str(number)
    for number, name in enumerate(
        (
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen twenty"
        ).split()
    )
} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "half": "0.5",
}
_UNITS = (
    r"(?:mg|µg|ug|mcg|g|kg|ng|ml|l|dl|cl|litres?|liters?|cm|mm|m|metres?|meters?|inch(?:es)?|feet|foot|iu|units?|mmol|mol|meq|mmhg|"
    r"kpa|kcal|kj|°\s?[cf]|degrees?|%|percent|per cent|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|"
    r"times?|drops?|tablets?|pills?|breaths?|compressions?|joules?)"
)
_NUMBER = re.compile(
    rf"(?<![\w.])(\d+(?:[.,]\d+)*)(?:\s|-(?=[a-z]))*({_UNITS}(?:/(?:kg|min|day|dl|l|h|hr|hour|ml))?)?(?![\w])",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(r"\b(?:" + "|".join(_NUMBER_WORDS) + r")\b")
_RANGE = re.compile(r"\s*(?:-|–|to|and|or)\s*\d")
_LIST_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_TEXT = r"(?:passages?|texts?|documents?|excerpts?|guidelines?|manuals?|pages?|tables?|figures?|box|appendix|annex|chapter|section|sources?)"
_LEANS_ON_PAGE = re.compile(
    rf"\b(?:according to|based on|(?:described|stated|mentioned|shown|listed|given|provided) (?:in|by)) (?:the|this|these) (?:\w+ ){{0,2}}{_TEXT}\b"
    rf"|\b(?:the|this|these) (?:given|above|following|provided|attached|quoted) {_TEXT}\b"
    r"|\b(?:this|these) (?:passages?|excerpts?|documents?|guidelines?|manual)\b|\bthe (?:excerpts?|passages?)\b(?! (?:of|through|into)\b)"
    r"|\[\d\]|\bfigure (?!8\b)\d|\b(?:table|box|page|section|chapter|annex) \d",
    re.IGNORECASE,
)
"""Words that only mean something to who has the page. `The table` alone may be furniture, `the passage of air` anatomy."""
_COPIED_SHARE = 0.95
_COPIED_WORDS = 20
_COPIED_RUN = 8


@dataclass(frozen=True, slots=True)
class Quote:
    """Where a quote stands."""

    passage: Passage
    start: int
    end: int
    """Offsets in the page's text."""
    similarity: float
    """1.0 when it stands there word for word."""


def find_quote(quote: str, passages: Sequence[Passage], at_least: float) -> Quote | None:
    """The place of a quote in the passages shown: word for word (case, marks and spaces aside), or aligned.

    An aligned quote has at least the share `at_least` of its words in order on one stretch of the passage, with the same numbers
    and the same negations.
    """
    wanted = words(quote)
    if not wanted:
        return None
    best: Quote | None = None
    for passage in passages:
        found = _align(wanted, passage, at_least)
        if found is not None and (best is None or found.similarity > best.similarity):
            best = found
    return best


def _align(wanted: list[str], passage: Passage, at_least: float) -> Quote | None:
    places = [(found[0], found.start(), found.end()) for found in re.finditer(r"\w+", passage.text)]
    have = [word for text, _, _ in places for word in [unicodedata.normalize("NFKC", text).casefold()]]
    for at in range(len(have) - len(wanted) + 1):
        if have[at : at + len(wanted)] == wanted:
            return _quote(passage, places, at, at + len(wanted), 1.0)
    matcher = difflib.SequenceMatcher(None, have, wanted, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    if not blocks:
        return None
    first, last = blocks[0].a, blocks[-1].a + blocks[-1].size
    similarity = sum(block.size for block in blocks) / max(len(wanted), last - first)
    same = _guarded_words(wanted) == _guarded_words(have[first:last])
    return _quote(passage, places, first, last, similarity) if similarity >= at_least and same else None


def _quote(passage: Passage, places: list[tuple[str, int, int]], first: int, last: int, similarity: float) -> Quote:
    return Quote(passage, passage.start + places[first][1], passage.start + places[last - 1][2], round(similarity, 4))


def _guarded_words(found: Sequence[str]) -> list[str]:
    """Words that may not differ: numbers and negations."""
    return [word for word in found if any(map(str.isdigit, word)) or word in NEGATIONS]


def foreign_numbers(answer: str, passage: str, allowed: Sequence[str]) -> list[str]:
    """Numbers of the answer, with their units, that the passage does not have. Numbers of list items do not count."""
    there = _numbers(passage)
    bare = {number for number, _ in there}
    foreign = []
    for number, unit in _numbers(_LIST_NUMBER.sub("", answer)):
        known = (number, unit) in there if unit else number in bare
        if not known and number not in allowed:
            foreign.append(f"{number} {unit}".strip())
    return foreign


def _numbers(text: str) -> list[tuple[str, str]]:
    """Numbers with their units in a plain form; of a range, both ends have its unit (`2 to 3 mg` is 2 mg and 3 mg)."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("μ", "µ")
    plain = _NUMBER_WORD.sub(lambda found: _NUMBER_WORDS[found[0]], plain)
    found = []
    open_ends: list[str] = []
    for match in _NUMBER.finditer(plain):
        number, unit = match[1].replace(",", ""), _unit(match[2] or "")
        if not unit and _RANGE.match(plain, match.end()):
            open_ends.append(number)
            continue
        found += [(end, unit) for end in (*open_ends, number)]
        open_ends = []
    return found


def _unit(unit: str) -> str:
    unit = unit.replace(" ", "")
    same = {
        "mcg": "µg",
        "ug": "µg",
        "percent": "%",
        "liter": "l",
        "litre": "l",
        "meter": "m",
        "metre": "m",
        "inche": "inch",
        "feet": "foot",
        "hr": "hour",
        "min": "minute",
        "sec": "second",
    }
    singular = unit.rstrip("s") if len(unit) > 2 else unit
    return same.get(singular, same.get(unit, singular))


def leans_on_page(text: str) -> bool:
    """Whether a text speaks of the passage, page or table it was made from."""
    return _LEANS_ON_PAGE.search(text) is not None


def is_copied(answer: str, passage: str) -> bool:
    """Whether a long answer is the passage's own text as a whole: nearly all of its runs of eight words stand there."""
    said = words(_LIST_NUMBER.sub("", answer))
    if len(said) < _COPIED_WORDS:
        return False
    runs = shingles(said, _COPIED_RUN)
    return len(runs & shingles(words(passage), _COPIED_RUN)) >= _COPIED_SHARE * len(runs)
