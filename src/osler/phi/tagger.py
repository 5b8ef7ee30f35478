"""A small trained tagger of names, places, hospitals, companies, addresses, professions, dates and numbers.

Two rounds of a linear model over hashed features: the second sees the first opinion on the neighbours, in the way of stacked
sequential learning (Cohen and Carvalho, "Stacked sequential learning", IJCAI 2005). Weights are one array of bytes
(`tagger.npz`), made by `tools/phi/train.py`; reading it runs no code. A token that was seen before costs one look-up.
"""

import re
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from osler.phi.features import ASCII_TOKEN, REACH, TOKEN, Rows, describe, join, join_labels, seen_of

LABELS = ("O", "NAME", "CITY", "HOSPITAL", "ORGANIZATION", "ADDRESS", "PROFESSION", "DATE", "ID")
GIVEN, SURNAME, TOWN, COUNTRY, STREET, LOWER, CAPITAL, OFTEN = (1 << bit for bit in range(8))
_MOST_REMEMBERED = 60_000
"""Tokens remembered at once; then the memory is emptied. 60,000 take about 20 MB."""
_PAD = "\n"
_PLACES = 2 * REACH + 1
_EACH_PLACE = np.arange(_PLACES)[:, None]
_SPLIT, _SPLIT_ASCII = (re.compile(f"({token.pattern})") for token in (TOKEN, ASCII_TOKEN))

Scores = npt.NDArray[np.float32]
Weights = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Tagged:
    """Tokens of a text with what the tagger makes of them."""

    parts: list[str]
    """The text cut up: every second part is a token, the others stand between them."""
    labels: npt.NDArray[np.int64]
    """The best label other than O, as an index into `LABELS`."""
    margins: Scores
    """Log-odds of the token being an identifier of any kind."""

    def places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where each token starts and ends; counted only when asked for, which most texts never are."""
        places = np.fromiter(map(len, self.parts), np.int64, len(self.parts)).cumsum()
        return places[:-1:2], places[1::2]


@dataclass(frozen=True, slots=True)
class Lists:
    """Word lists as hashes: sorted keys and, for each, the bits of the lists that it stands in."""

    keys: npt.NDArray[np.uint32]
    bits: npt.NDArray[np.uint8]

    def of(self, word: str) -> int:
        """Bits of the lists that hold `word`; a word with a hyphen that is in none has those of its parts."""
        found = self._of(word.lower())
        if not found and "-" in word[:40]:
            for part in word[:40].split("-"):
                found |= self._of(part.lower())
        return found

    def _of(self, word: str) -> int:
        key = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        place = int(np.searchsorted(self.keys, np.uint32(key)))
        return int(self.bits[place]) if place < len(self.keys) and self.keys[place] == key else 0


class Tagger:
    """The model with its memory of tokens. Safe to share between threads."""

    def __init__(self, weights: Weights, second: Weights, scale: float, lists: Lists) -> None:
        self.lists = lists
        # Bytes, not floats: what stays in the processor's cache decides the speed.
        self._weights = weights
        self._second = second
        self._scale = np.float32(scale)
        self._lock = threading.Lock()
        self._forget()

    def tag(self, text: str) -> Tagged:
        """Labels of all tokens of `text`."""
        # Tokens and what stands between them in turn: one call instead of a match object for each.
        parts = (_SPLIT_ASCII if text.isascii() else _SPLIT).split(text)
        tokens = parts[1::2]
        if not tokens:
            return Tagged(parts, np.zeros(0, np.int64), np.zeros(0, np.float32))
        scores = self._scores(tokens)
        odds = scores[:, 1:] - scores[:, :1]
        best = odds.argmax(axis=1) + 1
        # Log of the sum of odds; 80 keeps their sum within single precision.
        margins = np.log(np.exp(np.minimum(odds, 80)).sum(axis=1))
        return Tagged(parts, best, margins)

    def _scores(self, tokens: list[str]) -> Scores:
        n = len(tokens)
        with self._lock:
            if len(self._known) > _MOST_REMEMBERED:
                self._forget()
            known = list(map(self._known.get, tokens))
            if None in known:
                self._learn(tokens)
                known = [self._known[token] for token in tokens]
            ids = np.zeros(n + 2 * REACH, np.int64)  # row 0 is what stands before and after the text
            ids[REACH:-REACH] = np.array(known, np.int64)
            seen = seen_of(self._seen, ids)
            around = np.ndarray((_PLACES, n), np.int64, ids, strides=(8, 8)) * _PLACES + _EACH_PLACE
            scores = _added(self._alone, around)
        # Sums of at most 60 weights of 8 bits, so 16 bits hold them.
        scores += _added(self._weights, join(seen))
        scores += _added(self._second, join_labels(seen, scores.argmax(axis=1)))
        scaled: Scores = scores * self._scale
        return scaled

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._seen = np.zeros((4, 1024), np.uint64)
        self._alone = np.zeros((1024 * _PLACES, len(LABELS)), np.int16)
        self._learn([_PAD])

    def _learn(self, tokens: list[str]) -> None:
        new = [token for token in dict.fromkeys(tokens) if token not in self._known]
        first, last = len(self._known), len(self._known) + len(new)
        while last > self._seen.shape[1]:
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)], axis=1)
            self._alone = np.concatenate([self._alone, np.zeros_like(self._alone)])
        found = describe(new, [self.lists.of(token) if token[0].isalpha() else 0 for token in new])
        self._seen[:, first:last] = found.seen
        # Seen from a token d places to the left, this one is d places to the right: place 0 is the token REACH to the left.
        alone = self._alone[first * _PLACES : last * _PLACES].reshape(len(new), _PLACES, len(LABELS))
        np.add.reduce(self._weights[found.beside], axis=2, dtype=np.int16, out=alone)
        alone[:, REACH] = np.add.reduceat(self._weights[found.own], found.starts, axis=0, dtype=np.int16)
        self._known.update(zip(new, range(first, last), strict=True))


def _added(table: npt.NDArray[np.int8] | npt.NDArray[np.int16], rows: Rows) -> npt.NDArray[np.int16]:
    """For each token the sum of its rows, given as (features, tokens)."""
    total: npt.NDArray[np.int16] = np.add.reduce(table.take(rows, axis=0), axis=0, dtype=np.int16)
    return total


@cache
def load_tagger() -> Tagger:
    """The tagger that ships with the package."""
    with files("osler.phi").joinpath("tagger.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        scale = float(stored["scale"])
        lists = Lists(np.cumsum(stored["list_steps"], dtype=np.uint64).astype(np.uint32), stored["list_bits"])
        return Tagger(stored["weights"], stored["second"], scale, lists)
