"""A fast classifier beside the rules: hashed words, word pairs and letter runs, one linear layer, a softmax over intents.

Trained by tools/train_guard.py; the weights ship as `intents.npz` with a card beside it (`intents.md`). It looks at one
sentence at a time, and at overlapping windows of a long one, so that text around a question does not dilute it. The letters
of a word count once, whatever their case, so mistyped words keep most of their evidence.

What it does not do: understand. It knows which words its intents were asked with; see the card for where it fails.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from osler.errors import InputError

WEIGHTS = Path(__file__).with_name("intents.npz")

WINDOW = 28
"""Words that are judged together; a longer sentence is judged in windows."""
_STRIDE = 9
_GRAMS = (3, 4, 5)
_MAX_LETTERS = 24
_MAX_KNOWN = 20_000
"""Words whose sums are kept; about 2 MB."""
_DIGIT = re.compile(r"\d")
_MARK = re.compile("[\ue000-\uf8ff]+")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest intent of a text."""

    intent: str
    """Empty when the text is most likely harmless."""
    score: float
    """One minus the probability that the text is harmless, in its most suspicious window."""


class Classifier:
    """Weights and the sums of words met before.

    Args:
        labels: the first one is the empty intent: harmless.
        weights: bucket by label.
    """

    def __init__(self, labels: Sequence[str], weights: Floats, bias: Floats) -> None:
        self.labels = tuple(labels)
        self._weights = weights
        self._bias = bias
        self._mask = len(weights) - 1
        self._known: dict[str, tuple[Floats, int]] = {}

    def guess(self, canonical: str) -> Guess:
        """The likeliest intent of a text in canonical form (`normalize.View.text`); its most suspicious window decides."""
        scores = self.scores(canonical)
        if not len(scores):
            return Guess("", 0.0)
        row = scores[int(np.argmin(scores[:, 0]))]
        best = int(np.argmax(row[1:])) + 1
        return Guess(self.labels[best], float(1 - row[0]))

    def scores(self, canonical: str) -> Floats:
        """Probability by window and label."""
        sentences = [words for line in canonical.split("\n") if (words := plain_words(line))]
        if not sentences:
            return np.zeros((0, len(self.labels)), np.float32)
        sums = np.concatenate([self._sums(words) for words in sentences])
        totals = np.concatenate([np.zeros((1, sums.shape[1]), np.float32), np.cumsum(sums, axis=0, dtype=np.float32)])
        starts, ends = [], []
        at = 0
        for words in sentences:
            for start, end in windows_of(len(words)):
                starts.append(at + start)
                ends.append(at + end)
            at += len(words)
        window = totals[ends] - totals[starts]
        logits = window[:, :-1] / np.sqrt(np.maximum(window[:, -1:], 1)) + self._bias
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        return found

    def _sums(self, words: list[str]) -> Floats:
        """For each word what it and its pairs add to each label, and in the last column the number of its features."""
        known = [self._word(word) for word in words]
        pairs = np.fromiter(pair_hashes(words), np.int64, count=2 * len(words)) & self._mask
        sums = np.empty((len(words), len(self.labels) + 1), np.float32)
        sums[:, :-1] = [weights for weights, _ in known]
        sums[:, :-1] += self._weights[pairs].reshape(len(words), 2, -1).sum(axis=1)
        sums[:, -1] = [2 + count for _, count in known]
        return sums

    def _word(self, word: str) -> tuple[Floats, int]:
        found = self._known.get(word)
        if found is None:
            hashes = word_hashes(word)
            places = np.fromiter(hashes, np.int64, count=len(hashes)) & self._mask
            found = (self._weights[places].sum(axis=0), len(hashes))
            if len(self._known) < _MAX_KNOWN:
                self._known[word] = found
        return found


@cache
def load_classifier(path: Path = WEIGHTS) -> Classifier:
    """The weights that ship, or those of a file.

    Raises:
        InputError: the file is absent or is not one of ours.
    """
    try:
        with np.load(path) as file:
            weights = file["weights"].astype(np.float32) * file["scale"].astype(np.float32)
            return Classifier([str(label) for label in file["labels"]], weights, file["bias"].astype(np.float32))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} holds no weights of the guard's classifier; make them with tools/train_guard.py"
        ) from error


def plain_words(line: str) -> list[str]:
    """The words of one canonical sentence without marks; every digit is a 0, so that doses and ages look alike."""
    return _DIGIT.sub("0", _MARK.sub("", line)).split()


def word_hashes(word: str) -> list[int]:
    """Hashes of a word and of its runs of letters; its first and last letters are marked."""
    hashes = [zlib.crc32(f"w{word}".encode())]
    if len(word) > 2:
        edged = f"<{word[:_MAX_LETTERS]}>"
        hashes += [zlib.crc32(edged[i : i + n].encode()) for n in _GRAMS for i in range(len(edged) - n + 1)]
    return hashes


def pair_hashes(words: Sequence[str]) -> list[int]:
    """Two hashes for each word: with the one before it, and with the one before that."""
    hashes = []
    for i, word in enumerate(words):
        hashes.append(zlib.crc32(f"b{words[i - 1] if i else '^'} {word}".encode()))
        hashes.append(zlib.crc32(f"s{words[i - 2] if i > 1 else '^'} {word}".encode()))
    return hashes


def windows_of(n_words: int) -> list[tuple[int, int]]:
    """Start and end of the windows over a sentence: one when it is short, else overlapping ones that reach its end."""
    if n_words <= WINDOW:
        return [(0, n_words)]
    starts = [*range(0, n_words - WINDOW, _STRIDE), n_words - WINDOW]
    return [(start, start + WINDOW) for start in starts]
