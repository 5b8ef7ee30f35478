"""A fast classifier beside the rules: hashed words, word pairs and letter runs, and the meaning of the words, to intents.

Two parts whose logits are added: one linear layer over hashed features (letter runs keep most of a mistyped word's evidence),
and a small network over the mean of word vectors, which knows words that the training prompts lack. Trained by
tools/train_guard.py; the weights ship as `intents.npz` with a card beside it (`intents.md`), and numpy alone scores them. It
looks at one sentence at a time, and at overlapping windows of a long one, so that text around a question does not dilute it.

What it does not do: understand. It knows which words its intents were asked with; see the card for where it fails.
"""

import re
import threading
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
"""Words whose sums are kept beside those that have a vector, 7 MB; more than a text of the longest allowed can have."""
_MIN_KNOWN_SHARE = 0.5
"""Share of words that have a vector; below it a text is not language that the classifier knows, and it does not guess."""
_MIN_WORDS = 4
_BEFORE_SENTENCE = (0, 0)
"""Rows of no word: a pair looks two words back."""
_DIGIT = re.compile(r"\d")

N_PAIRS = 2
_BEFORE_FACTORS = (2_654_435, 40_503_169)
_WORD_FACTORS = (97, 193)
"""One for each kind of pair; they spread the pairs over the buckets."""

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """What words add to a sentence, whatever stands beside them; a row for each."""

    sums: Integers
    """To each label, before scaling: the weights of all hashes of the word."""
    counts: Integers
    """Number of those hashes."""
    hashes: Integers
    """That of the whole word, from which the buckets of its pairs follow."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Two dense layers: a window's vector to hidden units, and those to labels."""

    hidden: Floats
    hidden_bias: Floats
    last: Floats
    last_bias: Floats


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest intent of a text."""

    intent: str
    """Empty when the text is most likely harmless."""
    score: float
    """One minus the probability that the text is harmless, in its most suspicious window."""


_NOTHING = Guess("", 0.0)


class Classifier:
    """Weights and what words add that are in its file or were met before.

    Args:
        labels: the first one is the empty intent: harmless.
        weights: bucket by label, in eight bits: a megabyte stays near the processor, floats would not.
        scale: of each label's weights.
        words: those that have a vector.
        vectors: theirs, a row for each.
        added: what they add besides; known beforehand, because working it out takes a third of a second.
        layers: for the mean of the vectors.
    """

    def __init__(
        self,
        labels: Sequence[str],
        weights: NDArray[np.int8],
        scale: Floats,
        words: Sequence[str],
        vectors: Floats,
        added: Words,
        layers: Layers,
    ) -> None:
        self.labels = tuple(labels)
        self._weights = weights
        self._scale = scale
        self._layers = layers
        self._mask = len(weights) - 1
        self.words = frozenset(words)
        self._harmless = np.eye(1, len(labels), dtype=np.float32)[0]
        # What a word adds: to each label before scaling, to the number of features, to that of words, to the sum of vectors; and
        # to the buckets of its pairs. The first row stands before a sentence and adds nothing.
        n_rows = 1 + len(words) + _MAX_KNOWN
        self._table = np.zeros((n_rows, len(self.labels) + 2 + len(layers.hidden)), np.float32)
        self._parts = np.zeros((n_rows, 2 * N_PAIRS), np.int64)
        self._known: dict[str, int] = {}
        self._learn(words, added)
        self._table[1 : 1 + len(words), len(self.labels) + 2 :] = vectors
        # A server judges in several threads, and a row must not be given to another word while it is read.
        self._learning = threading.Lock()

    def guess(self, sentences: Sequence[Sequence[str]]) -> Guess:
        """The likeliest intent of a text's sentences (`normalize.View.sentences`); its most suspicious window decides."""
        return self._worst(self.scores(sentences))

    def guesses(
        self, sentences: Sequence[Sequence[str]], chosen: Sequence[int], label: str
    ) -> tuple[Guess, Guess, float]:
        """That of all sentences, that of the chosen ones alone, given by their places, and the best score of one label."""
        scores = self.scores(sentences)
        best = float(scores[:, self.labels.index(label)].max()) if len(scores) and label in self.labels else 0.0
        if not len(scores) or not chosen:
            return self._worst(scores), _NOTHING, best
        of_sentence = [place for place, words in enumerate(sentences) for _ in windows_of(len(words))]
        rows = [row for row, place in enumerate(of_sentence) if place in chosen]
        return self._worst(scores), self._worst(scores[rows]), best

    def _worst(self, scores: Floats) -> Guess:
        if not len(scores):
            return _NOTHING
        row = scores[int(scores[:, 0].argmin())]
        return Guess(self.labels[int(row[1:].argmax()) + 1], float(1 - row[0]))

    def scores(self, sentences: Sequence[Sequence[str]]) -> Floats:
        """Probability by window and label; no rows for a text whose words it does not know."""
        words = [word for sentence in sentences for word in sentence]
        n_labels = len(self.labels)
        if sum(map(self.words.__contains__, words)) < _MIN_KNOWN_SHARE * len(words) or not words:
            return np.zeros((0, n_labels), np.float32)
        # In a server each call of numpy costs several times what it costs here alone, so there are few.
        places, spans = list[int](), list[tuple[int, int]]()
        with self._learning:
            known = self._known
            if 1 + len(known) + len(words) > len(self._table):
                for word in list(known)[len(self.words) :]:
                    del known[word]
            if unmet := [word for word in dict.fromkeys(words) if word not in known]:
                self._learn(unmet, word_sums(unmet, self._weights))
            for sentence in sentences:
                spans += [(len(places) + start, len(places) + stop) for start, stop in windows_of(len(sentence))]
                places += _BEFORE_SENTENCE
                places += [known[word] for word in sentence]
            rows = np.array(places)
            added, parts = self._table.take(rows[2:], axis=0), self._parts.take(rows, axis=0)
        pairs = self._weights.take(pair_buckets(parts, self._mask), axis=0)
        added[:, :n_labels] += np.add.reduce(pairs, axis=0, dtype=np.float32)
        window = _sums(added, spans)
        roots = np.sqrt(window[:, n_labels : n_labels + 2])
        hidden = window[:, n_labels + 2 :] / roots[:, 1:] @ self._layers.hidden
        hidden += self._layers.hidden_bias
        np.maximum(hidden, 0, out=hidden)
        logits = hidden @ self._layers.last
        logits += window[:, :n_labels] * self._scale / roots[:, :1]
        logits += self._layers.last_bias
        logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
        found: Floats = np.exp(logits, out=logits)
        found /= np.add.reduce(found, axis=1, keepdims=True)
        # Two or three words say too little; the rules know the terse calls for help.
        short = [stop - start < _MIN_WORDS for start, stop in spans]
        if True in short:
            found[short] = self._harmless
        return found

    def _learn(self, words: Sequence[str], added: Words) -> None:
        """Fill the rows of words that have none yet."""
        n_labels, first = len(self.labels), 1 + len(self._known)
        rows = slice(first, first + len(words))
        self._table[rows, :n_labels] = added.sums
        self._table[rows, n_labels] = added.counts + N_PAIRS
        self._table[rows, n_labels + 1] = 1
        self._parts[rows] = pair_parts(added.hashes)
        self._known.update(zip(words, range(first, rows.stop), strict=True))


def _sums(added: Floats, spans: Sequence[tuple[int, int]]) -> Floats:
    """What the words of each window add up to."""
    if len(spans) == 1:  # all of them
        alone: Floats = np.add.reduce(added, axis=0, keepdims=True)
        return alone
    # Few windows and few words: a product with ones where a window has its words is the quickest sum.
    inside = np.zeros((len(spans), len(added)), np.float32)
    for row, (start, stop) in zip(inside, spans, strict=True):
        row[start:stop] = 1
    return inside @ added


@cache
def load_classifier(path: Path = WEIGHTS) -> Classifier:
    """The weights that ship, or those of a file.

    Raises:
        InputError: the file is absent or is not one of ours.
    """
    try:
        with np.load(path) as file:
            words, vectors = str(file["words"]).split(" "), file["vectors"] * file["vectors_scale"]
            added = Words(*(file[name].astype(np.int64) for name in ("sums", "counts", "hashes")))
            layers = Layers(*(file[n].astype(np.float32) for n in ("hidden", "hidden_bias", "last", "last_bias")))
            labels = [str(label) for label in file["labels"]]
            return Classifier(labels, file["weights"], file["weights_scale"], words, vectors, added, layers)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} holds no weights of the guard's classifier; make them with tools/train_guard.py"
        ) from error


def word_hashes(word: str) -> list[int]:
    """Hashes of a word and of its runs of letters; its first and last letters are marked.

    Every digit is read as 0, so that doses and ages look alike.
    """
    if not word.isalpha():
        word = _DIGIT.sub("0", word)
    hashes = [zlib.crc32(f"w{word}".encode())]
    if len(word) > 2:
        edged = f"<{word[:_MAX_LETTERS]}>"
        if edged.isascii():
            letters = edged.encode()
            hashes += [zlib.crc32(letters[i : i + n]) for n in _GRAMS for i in range(len(letters) - n + 1)]
        else:
            hashes += [zlib.crc32(edged[i : i + n].encode()) for n in _GRAMS for i in range(len(edged) - n + 1)]
    return hashes


def word_sums(words: Sequence[str], weights: NDArray[np.int8]) -> Words:
    """What the words add by these weights."""
    hashes = [word_hashes(word) for word in words]
    counts = np.array([len(run) for run in hashes])
    buckets = np.array([one for run in hashes for one in run]) & (len(weights) - 1)
    sums = np.add.reduceat(weights.take(buckets, axis=0), counts.cumsum() - counts, axis=0, dtype=np.int64)
    return Words(sums, counts, np.array([run[0] for run in hashes]))


def pair_parts(hashes: Integers) -> Integers:
    """What each word adds to the buckets of its pairs (words, 4): of each kind as their second word, then of each as their first."""
    (near, far), (near_first, far_first) = _WORD_FACTORS, _BEFORE_FACTORS
    return np.stack([hashes * near + 1, hashes * far + 2, hashes * near_first, hashes * far_first], axis=1)


def pair_buckets(parts: Integers, mask: int) -> Integers:
    """Two buckets for each word (2, words): of the pair with the word before it, and with the one before that.

    Args:
        parts: (2 + words, 4), of the two words before the first one and of each word (`pair_parts`); zeros for none, so that pairs
            do not reach over the beginning of a sentence.
    """
    mixed = np.empty((N_PAIRS, len(parts) - 2), np.int64)
    np.add(parts[2:, 0], parts[1:-1, 2], out=mixed[0])
    np.add(parts[2:, 1], parts[:-2, 3], out=mixed[1])
    found: Integers = ((mixed >> 9) ^ mixed) & mask
    return found


def windows_of(n_words: int) -> list[tuple[int, int]]:
    """Start and end of the windows over a sentence: one when it is short, else overlapping ones that reach its end."""
    if n_words <= WINDOW:
        return [(0, n_words)]
    starts = [*range(0, n_words - WINDOW, _STRIDE), n_words - WINDOW]
    return [(start, start + WINDOW) for start in starts]
