"""The words that a policy knows, for reading mistyped and spelled-out ones.

A mistyped word is mended to a known word one slip away: two letters that changed places, one lost, one too many, one wrong. Its
first letter must be right, and words that the policy knows are left alone. A word that the policy has never seen and that
happens to be one slip from a known one is mended too; rules then look at a word that nobody wrote. That is why mended text is
only a second reading, after the text as given gave nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_WORD = re.compile(r"[a-z]+")
_MIN_MENDED = 5
_MIN_WRONG_LETTER = 7
"""In shorter words one wrong letter gives another word too often (pills and bills, motion and motrin)."""
_MAX_WORD_CHARS = 20
_MAX_MET = 20_000
"""Words whose mending is kept."""
_UNMET = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Known words."""

    words: frozenset[str]
    _slips: dict[str, str]
    """Known word by what is left of it without one letter; ambiguous ones are absent."""
    more: frozenset[str] = frozenset()
    """Further words, left alone as they are; nothing is mended to them."""
    _met: dict[str, str | None] = field(default_factory=dict, compare=False)

    def mend_all(self, words: Iterable[str]) -> dict[str, str]:
        """Those words that are one slip from one word of the policy, with that; known and short ones are not among them."""
        met = self._met
        if len(met) >= _MAX_MET:
            met.clear()
        found = {}
        for word in words:
            right = met.get(word, _UNMET)  # another thread may clear it at any moment
            if right is _UNMET:
                right = met[word] = self._mended(word)
            if right is not None:
                found[word] = right
        return found

    def _mended(self, word: str) -> str | None:
        is_known = word in self.words or word in self.more
        if is_known or not _MIN_MENDED <= len(word) <= _MAX_WORD_CHARS or not word.isalpha():
            return None
        found = self._slips.get(word)
        if found is not None and len(found) == len(word) + 1:
            return found
        for left in _without_one(word):
            if left in self.words and len(left) >= _MIN_MENDED - 1:
                return left
            found = self._slips.get(left)
            if (
                found is not None
                and len(found) == len(word)
                and (sorted(found) == sorted(word) or len(word) >= _MIN_WRONG_LETTER)
            ):
                return found
        return None

    def part(self, letters: str) -> list[str]:
        """The letters as known words, the fewest possible; what is in no known word stays in pieces of its own."""
        # best[i]: cost and last cut for letters[:i]. An unknown letter costs more than a word.
        best: list[tuple[int, int]] = [(0, 0)]
        for end in range(1, len(letters) + 1):
            options = [
                (best[start][0] + (2 if end - start > 1 or letters[start] in "ai" else 5), start)
                for start in range(max(0, end - _MAX_WORD_CHARS), end)
                if end - start == 1 or letters[start:end] in self.words or letters[start:end] in self.more
            ]
            best.append(min(options))
        words: list[str] = []
        end = len(letters)
        while end:
            words.append(letters[best[end][1] : end])
            end = best[end][1]
        return words[::-1]


def vocabulary_of(texts: Iterable[str]) -> Vocabulary:
    """The words of the texts, and where one slip leads."""
    words = frozenset(word for text in texts for word in _WORD.findall(text.lower()) if len(word) > 1)
    slips: dict[str, str] = {}
    twice: set[str] = set()
    for word in sorted(words):
        if not _MIN_MENDED <= len(word) <= _MAX_WORD_CHARS:
            continue
        for left in _without_one(word):
            if slips.setdefault(left, word) != word:
                twice.add(left)
    return Vocabulary(words, {left: word for left, word in slips.items() if left not in twice})


def _without_one(word: str) -> list[str]:
    """The word without one of its letters, the first one kept."""
    return [word[:i] + word[i + 1 :] for i in range(1, len(word))]
