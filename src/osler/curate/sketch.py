"""Texts as sets of hashed word runs and as MinHash band keys, a batch at a time, in NumPy on the bytes of the batch.

The bytes go through a table of word characters to word boundaries; a word's hash is a difference of prefix sums of a
polynomial modulo 2**32; runs of words roll over the word hashes, spread over 64 bits; each permutation is one multiplication of 32-bit numbers by
an odd one, of which every row's least is kept. MinHash after Broder (1997); bands after Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", chapter 3. Every constant is made by hashing a fixed string, so equal texts give equal keys on
every machine, with every NumPy and for every size of batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from osler.text import hash64, words

Hashes = NDArray[np.uint64]
Ends = NDArray[np.int64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)
_ROWS = 256
"""Rows signed at a time: their runs of words and the permuted copy stay in a core's cache."""
_RECALL = 0.98
"""Share of the pairs right at the threshold that the bands must propose."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Arrays of hashes, one a row, end to end."""

    values: Hashes
    ends: Ends
    """Where each row's hashes end."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> Ends:
        """Where each row's hashes begin."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]]) if len(self.ends) else self.ends

    def row(self, number: int) -> Hashes:
        """The hashes of one row."""
        return self.values[self.ends[number - 1] if number else 0 : self.ends[number]]


def hash_words(texts: Sequence[str]) -> Ragged:
    """The hashes of the words of every text, in order: the words that `osler.text.words` gives.

    The bytes of plain texts are read as they stand; a text with other characters is folded into its words first, so that
    each Chinese, Japanese or Korean character is a word.
    """
    plain = [text if text.isascii() else " ".join(words(text)) for text in texts]
    encoded = "\n".join([*plain, ""]).encode("utf-8", "surrogatepass").translate(_letters())
    sizes = [len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in plain]
    return _hash_bytes(np.frombuffer(encoded, np.uint8), np.cumsum(np.array(sizes, np.int64) + 1))


def _hash_bytes(characters: NDArray[np.uint8], row_ends: Ends) -> Ragged:
    """The hashes of the words of rows of `_letters`, each of which ends in a byte that is of no word."""
    if not characters.size:
        return Ragged(np.zeros(0, np.uint64), np.zeros(len(row_ends), np.int64))
    powers, inverses = _powers(1 << int(characters.size).bit_length())
    is_word = characters != 0
    sums = characters.astype(np.uint32)
    edges = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1
    if is_word[0]:
        edges = np.concatenate([np.zeros(1, np.int64), edges])
    starts, stops = edges[::2], edges[1::2]
    sums *= powers[: characters.size]
    np.cumsum(sums, dtype=np.uint32, out=sums)
    before = np.where(starts > 0, sums[starts - 1], np.uint32(0))
    values = ((sums[stops - 1] - before) * inverses[starts]).astype(np.uint64)
    return Ragged(_mixed(values), np.searchsorted(starts, row_ends))


def word_runs(words_of: Ragged, n: int) -> Ragged:
    """Hashes of all runs of `n` words of every row, in order. Fewer words than `n` give one run, none give none."""
    values, ends, starts = words_of.values, words_of.ends, words_of.starts
    sizes = ends - starts
    runs = values.copy()
    short = {}
    for width in range(1, n + 1):
        if width > 1:
            last = max(values.size - width + 1, 0)
            runs[:last] *= _FACTOR
            runs[:last] += values[width - 1 :]
        rows = np.flatnonzero(sizes == width) if width < n else np.zeros(0, np.int64)
        short[width] = (rows, runs[starts[rows]])
    kept = np.ones(values.size, np.bool_)
    for back in range(1, n):
        kept[(ends - back)[sizes >= back]] = False
    for rows, found in short.values():
        kept[starts[rows]] = True
        runs[starts[rows]] = found
    return Ragged(_mixed(runs[kept]), np.cumsum(np.where(sizes > 0, np.maximum(sizes - n + 1, 1), 0)))


def distinct(runs: Ragged, row: int) -> Hashes:
    """The sorted distinct hashes of a row."""
    return np.unique(runs.row(row))


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut: `rows` permutations to a band."""

    count: int
    rows: int


def choose_bands(permutations: int, threshold: float) -> Bands:
    """The longest bands that still propose 98 % of the pairs right at `threshold`; longer bands propose fewer others."""
    for rows in range(min(16, permutations), 1, -1):
        count = permutations // rows
        if 1 - (1 - threshold**rows) ** count >= _RECALL:
            return Bands(count, rows)
    return Bands(permutations, 1)


def band_keys(runs: Ragged, bands: Bands) -> Hashes:
    """A key of every band of every row: two rows that agree in a band have equal keys there. Shape: bands, rows.

    A row without runs has keys of zero, which stand for nothing.
    """
    keys = np.zeros((bands.count, len(runs)), np.uint64)
    filled = np.flatnonzero(runs.ends > runs.starts)
    values = (runs.values >> _SHIFT).astype(np.uint32)
    starts, ends = runs.starts[filled], runs.ends[filled]
    for first in range(0, len(filled), _ROWS):
        block = slice(first, first + _ROWS)
        base = starts[block][0]
        least = _least(values[base : ends[block][-1]], starts[block] - base, bands.count * bands.rows)
        keys[:, filled[block]] = _folded(least, bands)
    return keys


def _least(values: NDArray[np.uint32], starts: Ends, permutations: int) -> NDArray[np.uint32]:
    """The least of every row under every permutation. Shape: permutations, rows."""
    factors = _factors(permutations)
    least = np.empty((permutations, len(starts)), np.uint32)
    permuted = np.empty_like(values)
    for number in range(permutations):
        np.multiply(values, factors[number], out=permuted)
        np.minimum.reduceat(permuted, starts, out=least[number])
    return least


def _folded(least: NDArray[np.uint32], bands: Bands) -> Hashes:
    """The permutations of each band as one number."""
    cut = least.reshape(bands.count, bands.rows, -1)
    keys = np.zeros((bands.count, cut.shape[2]), np.uint64)
    for row in range(bands.rows):
        keys *= _FACTOR
        keys += cut[:, row]
        keys ^= keys >> _SHIFT
    return _mixed(keys)


def _mixed(values: Hashes) -> Hashes:
    """In place: every bit depends on every other."""
    values ^= values >> _SHIFT
    values *= _MIX
    values ^= values >> _SHIFT
    values *= _MIX
    values ^= values >> _SHIFT
    return values


@cache
def _letters() -> bytes:
    """Each byte as a letter of a word, the same for both cases; zero where it is of no word."""
    lower = (byte if byte >= 0x80 else ord(chr(byte).lower()) for byte in range(256))
    return bytes(byte if byte >= 0x80 or chr(byte).isalnum() or byte == ord("_") else 0 for byte in lower)


@cache
def _powers(size: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Powers of an odd factor modulo 2**32, and of its inverse."""
    factor = int(_FACTOR) & 0xFFFFFFFF
    factors, inverses = np.full(size, factor, np.uint32), np.full(size, pow(factor, -1, 1 << 32), np.uint32)
    factors[0] = inverses[0] = 1
    return np.cumprod(factors, dtype=np.uint32), np.cumprod(inverses, dtype=np.uint32)


@cache
def _factors(count: int) -> NDArray[np.uint32]:
    return np.array([hash64(f"minhash factor {number}") & 0xFFFFFFFF | 1 for number in range(count)], np.uint32)
