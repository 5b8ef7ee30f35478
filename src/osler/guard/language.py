"""The gate for texts in a language in which the policy has no full rules.

Crises and emergencies are looked for in every language that the policy lists. A text in one of those languages that shows
neither gets a fixed reply in it, with the emergency number, because the rules could not have judged it.

Not covered: languages outside the policy's list that are written in Latin letters; they pass as English.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from osler.guard.policy import Language, Policy
from osler.models.action import Action, Verdict

UNREADABLE = "guard_error"
"""Rule of a text in a script that the policy does not list; it gets the safe reply."""
_LAST_LATIN = "\u024f"
UNSUPPORTED = "unsupported_language"
"""Intent of a text in a language without rules."""

_ENGLISH = frozenset(
    "a about after and are as at be but can do does for from have he how i if in is it my of on or she should that the there "
    "they this to was what when which with you your".split()
)
_LETTER_RUN = re.compile(r"[^\W\d_]+")
_MIN_STOP_WORDS = 3
_MIN_ENGLISH = 0.25
"""Share of common English words below which a text may be in another language; nearly half is usual."""
_MIN_SHARE = 0.25
"""Share of a text's words that must be another language's stop words; 0.4 is usual in running text."""


def check_language(policy: Policy, text: str) -> Verdict:
    """Crisis or emergency in a listed language, redirect when the text is in one, else allow."""
    lowered = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()
    words = _LETTER_RUN.findall(lowered)
    n_english = sum(map(_ENGLISH.__contains__, words))
    for language in policy.languages:
        # English shares words with its neighbours ("convulsions"); a text that is more English than that is left to the rules.
        if language.letters is None and n_english > sum(map(language.stop_words.__contains__, words)):
            continue
        found = _urgent(language, lowered)
        if found is not None:
            return found
    for language in policy.languages:
        if _is_in(language, text, words):
            return Verdict("redirect", UNSUPPORTED, f"language.{language.code}.other", None, 1.0)
    if not text.isascii() and sum(len(word) for word in words if min(word) > _LAST_LATIN) > sum(map(len, words)) / 2:
        return Verdict("redirect", UNSUPPORTED, UNREADABLE, None, 1.0)
    return Verdict("allow")


def is_foreign(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether hardly any word is a common English one."""
    words = [word for sentence in sentences for word in sentence]
    return sum(map(_ENGLISH.__contains__, words)) < _MIN_ENGLISH * len(words)


def _urgent(language: Language, lowered: str) -> Verdict | None:
    kinds: tuple[tuple[Action, str, re.Pattern[str] | None], ...] = (
        ("crisis", "self_harm_suicide", language.crisis),
        ("emergency", "emergency_symptoms", language.emergency),
    )
    for action, intent, pattern in kinds:
        match = pattern.search(lowered) if pattern is not None else None
        if match is not None:
            return Verdict(action, intent, f"language.{language.code}.{action}", None, 1.0)
    return None


def _is_in(language: Language, text: str, words: list[str]) -> bool:
    """Whether most letters are of its script, or enough words are its stop words, three of them none of English too."""
    if language.letters is not None:
        n_letters = sum(len(word) for word in words)
        return n_letters > 0 and len(language.letters.findall(text)) > n_letters / 2
    hits = [word for word in words if word in language.stop_words]
    return len(set(hits) - _ENGLISH) >= _MIN_STOP_WORDS and len(hits) >= _MIN_SHARE * len(words)
