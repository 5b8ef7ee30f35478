"""What two texts must agree on to say the same: numbers with their units, negations, sides.

Word shingles see a change of one word in a long answer as nearly nothing; in medicine it can be everything ("not", "left",
"10 mg" for "100 mg"). Cleaning must keep these, and near copies are dropped only when they agree on them.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from osler.text import NEGATIONS, hash64, words

_UNITS = (
    "mcg|µg|μg|ug|mg|kg|ng|pg|g|lbs?|pounds?|oz|ounces?|mmol|µmol|μmol|mol|meq|iu|units?|dl|ml|l|lit(?:er|re)s?|cc|mmhg|mm|cm|km|m|"
    "inch(?:es)?|feet|ft|%|percent|°\\s?[cf]|hours?|hrs?|h|minutes?|min|seconds?|s|days?|weeks?|months?|years?|yrs?|times|doses?|"
    "tablets?|pills?|drops?|bpm|calories|kcal"
)
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(rf"\d+(?:[.,/:]\d+)*(?:\s?(?:{_UNITS})(?![^\W\d_]))?")
_SIGNS = "<>≤≥±"
_STATED = NEGATIONS | frozenset(
    (
        "one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million half third "
        "quarter once twice double triple daily weekly monthly yearly hourly left right bilateral unilateral upper lower "
        "high higher low more less above below before after male males female females man men woman women boy boys girl "
        "girls dominant recessive"
    ).split()
)
_STATED_STEMS = ("increas", "decreas", "hyper", "hypo")


def numbers(text: str) -> list[str]:
    """Numbers in figures with their signs and units, in the order of the text; spaces between these do not count."""
    if text.isascii():
        folded = _SPACE.sub(" ", text.lower())
    else:
        folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", text).replace("μ", "µ").lower())
    return [_sign_before(folded, found.start()) + found.group().replace(" ", "") for found in _NUMBER.finditer(folded)]


def negations(text: str) -> list[str]:
    """Words of negation and prohibition, in the order of the text."""
    return [word for word in words(text) if word in NEGATIONS]


def fingerprint(texts: Sequence[str], tokens: Iterable[str]) -> int:
    """A hash that is equal for texts with the same multiset of numbers, number words, negations, sides and directions.

    Args:
        tokens: the words of `texts`, as `osler.text.words` gives them.
    """
    every = Counter(tokens)
    counts = Counter({word: n for word, n in every.items() if word in _STATED or word.startswith(_STATED_STEMS)})
    for text in texts:
        counts.update(numbers(text))
    return hash64("\n".join(f"{word}\t{count}" for word, count in sorted(counts.items())))


def _sign_before(text: str, start: int) -> str:
    before = text[max(0, start - 2) : start].rstrip()
    return before[-1] if before and before[-1] in _SIGNS else ""
