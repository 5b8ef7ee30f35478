"""Faults of single answers: refused, cut off, going round in circles, or at odds with their own key.

Each test is made to be right when it speaks, and misses much.
"""

import re

from osler.records.record import Record
from osler.records.render import LETTERS
from osler.text import match_key, words

_REFUSAL = re.compile(
    r"(?:(?:i'?m|i am|we are|we're) (?:very |so |really )?sorry,? but|sorry,? but|i apologi[sz]e,? but|i (?:cannot|can't|can not|am unable to|am not able to|won't|will not) "
    r"(?:provide|help|assist|answer|give|fulfil|comply|offer|support|create|engage|generate|discuss)|as an ai\b[^.]{0,60}\b(?:cannot|can't|can not|unable|not able|don't have))"
)
_REFUSAL_CHARS = 400
"""A longer reply that opens so goes on to help: "As an AI I cannot examine you. However, ..."."""
_HELPS_AFTER_ALL = re.compile(r"\b(?:however|that said|typically|generally|in general|symptoms? (?:of|include))\b")
_CUT = re.compile(
    r"(?:(?<!\w)(?:and|or|the|The|a|an|of|with|to|by|for|from|is|are|was|were|that|which|because|such as|including|than|when|but|may|can|"
    r"should|will|your|their|its)|\w,|\()$"
)
_NEAR_LIMIT = 0.98
_RUN_WORDS = 8
_MIN_WORDS = 50
"""Shorter answers repeat by chance, as lists do."""
_NAMED_OPTION = re.compile(
    r"(?:(?:the )?(?:correct |right )?(?:answer|option|choice)(?: is)?[\s:]*)?\(?([A-Ja-j])(?:[.):]|$)(?!\w)",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether the reply says that it will not answer, and nothing else."""
    plain = text.strip().replace("’", "'").lower()
    return len(plain) <= _REFUSAL_CHARS and _REFUSAL.match(plain) is not None and not _HELPS_AFTER_ALL.search(plain)


def is_cut(text: str, limit: int | None) -> bool:
    """Whether the text stops in the middle of a sentence.

    That a list ends without a mark proves nothing. So a text is cut when it ends in a word after which no sentence ends, or
    ends without a mark and is within 2 % of `limit`, the length at which its source is known to cut.
    """
    text = text.rstrip()
    if _CUT.search(text):
        return True
    return limit is not None and _NEAR_LIMIT * limit <= len(text) <= limit and text[-1:].isalnum()


def repeated_share(text: str) -> float:
    """Share of the runs of eight words that stood in the text before, 0 to 1."""
    tokens = words(text)
    if len(tokens) < _MIN_WORDS:
        return 0.0
    runs = [tuple(tokens[i : i + _RUN_WORDS]) for i in range(len(tokens) - _RUN_WORDS + 1)]
    return 1 - len(set(runs)) / len(runs)


def contradicts_key(record: Record) -> bool:
    """Whether the last turn gives another option than `answer` says: by its letter, or by its text."""
    if record.answer is None or not record.target.strip():
        return False
    right = match_key(record.choices[record.answer])
    options = [match_key(choice) for choice in record.choices]
    said = match_key(record.target)
    if record.task == "yesno":
        first = said.partition(" ")[0]
        return first in options and first != right
    if said in options:
        return said != right
    letter = _NAMED_OPTION.match(record.target.strip()) if record.task == "choice" else None
    if letter is None:
        return False
    named = LETTERS.index(letter[1].upper())
    return named < len(options) and options[named] != right
