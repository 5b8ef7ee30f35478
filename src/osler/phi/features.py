"""Features of the tagger: what it sees of a token and of the tokens beside it, as rows of one table of hashed weights.

A token alone is described once and remembered (`describe`); what joins tokens (`join`) is computed for a whole text at once.
The training script uses the same functions, so that the two cannot differ.
"""

import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TOKEN = re.compile(r"[^\W\d_]+(?:['’-](?![sS]\b)[^\W\d_]+)*|\d+|\n|[^\w\s]|_+")
"""A word (with its hyphens and apostrophes, without a genitive), a run of digits, a line break or one mark."""
REACH = 3
"""How many tokens to either side are seen."""
TABLE_BITS = 17
_PAD = "\n"
_K1, _K2, _K3 = (np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_SHIFT = np.uint64(64 - TABLE_BITS)
_MAX_SPELLED = 24
"""Letters of a word that are looked at; longer words are cut, so that a hostile one costs nothing."""

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Description:
    """What one token alone says."""

    word: int
    """Hash of its lower-cased letters."""
    kind: int
    """Hash of its shape and of the word lists that it stands in."""
    own: Rows
    """Rows of the table for the token itself."""
    beside: Rows
    """Rows by distance: `beside[REACH + d]` for the token `d` places to the right; shape (2 * REACH + 1, features)."""


def describe(token: str, lists: int) -> Description:
    """Features of `token`, which stands in the word lists `lists` (bits of `osler.phi.lists`)."""
    spelled = token[:_MAX_SPELLED]
    lower = spelled.lower()
    shape = shape_of(token)
    word, kind = _hash("w", lower), _hash("k", f"{shape}{lists}")
    own = [word, kind, _hash("c", shape)]
    if spelled[0].isalpha():
        bounded = f"^{lower}$"
        own += [_hash("3", bounded[i : i + 3]) for i in range(len(bounded) - 2)]
        own += [_hash("e", f"{shape}{lower[-n:]}") for n in (2, 3, 4)]
        own += [_hash("b", f"{shape}{lower[:n]}") for n in (2, 3)]
        own += [_hash("l", f"{shape}{bit}") for bit in range(8) if lists >> bit & 1]
        own.append(_hash("n", f"{shape}{min(len(token), 12)}"))
    near = np.array([word, kind, _hash("e", lower[-3:]), _hash("c", shape)], dtype=np.uint64)
    places = np.arange(1, 2 * REACH + 2, dtype=np.uint64)[:, None]
    beside = ((near[None, :] * _K1 + places * _K3) * _K2) >> _SHIFT
    rows = (np.array(own, dtype=np.uint64) * _K1 * _K3) >> _SHIFT
    return Description(word, kind, rows.astype(np.int64), beside.astype(np.int64))


def shape_of(token: str) -> str:
    """Letters by their case (`Xx`, `XX`, `x`), digits by their number, marks as they are."""
    first = token[0]
    if first.isdigit():
        return f"9{min(len(token), 10)}"
    if not first.isalpha():
        return first
    if len(token) == 1:
        return "X" if first.isupper() else "x"
    if token.isupper():
        return "XX"
    if token.islower():
        return "xx"
    if first.isupper():
        return "Xx"
    return "xX"


def join(words: Hashes, kinds: Hashes, capitals: Hashes) -> list[Rows]:
    """Rows of the features that join neighbours, for tokens padded by `REACH` on both sides.

    Args:
        capitals: of each token that is not padding, how the words around it are capitalised (0, 1 or 2).
    """
    n = len(words) - 2 * REACH
    w = [words[REACH + d : REACH + d + n] for d in range(-REACH, REACH + 1)]
    k = [kinds[REACH + d : REACH + d + n] for d in range(-REACH, REACH + 1)]
    o = REACH
    return [
        _rows(1, w[o - 1], k[o]),
        _rows(2, k[o - 1], k[o]),
        _rows(3, k[o], k[o + 1]),
        _rows(4, k[o], w[o + 1]),
        _rows(5, w[o - 2], w[o - 1], k[o]),
        _rows(6, w[o + 1], w[o + 2]),
        _rows(7, k[o - 1], k[o], k[o + 1]),
        _rows(8, k[o - 2], k[o - 1], k[o]),
        _rows(9, w[o - 1], w[o + 1]),
        _rows(10, w[o - 2], k[o]),
        _rows(11, capitals, k[o]),
        _rows(12, w[o - 3], w[o - 2], w[o - 1]),
        _rows(13, capitals, w[o]),
    ]


def join_labels(labels: npt.NDArray[np.int64], words: Hashes, kinds: Hashes) -> list[Rows]:
    """Rows of the features that see the first opinion on the neighbours; `labels` are padded as `words` are."""
    n = len(words) - 2 * REACH
    y = [labels[REACH + d : REACH + d + n].astype(np.uint64) + np.uint64(1) for d in range(-2, 3)]
    k = kinds[REACH : REACH + n]
    w = words[REACH : REACH + n]
    return [
        _rows(31, y[1], y[2], y[3]),
        _rows(32, y[0], y[1], y[2]),
        _rows(33, y[2], y[3], y[4]),
        _rows(34, y[1], k),
        _rows(35, y[3], k),
        _rows(36, y[1], w, y[3]),
        _rows(37, y[0], y[1], y[3], y[4]),
    ]


def capitals_around(shapes: npt.NDArray[np.int64]) -> Hashes:
    """How the words around each token are written: 0 nearly all without a capital, 1 mixed, 2 nearly all in capitals.

    Args:
        shapes: 0 no word, 1 a word without capital, 2 with a capital, 3 in capitals throughout.
    """
    span = 12
    padded = np.concatenate([np.zeros(span + 1, np.int64), shapes, np.zeros(span, np.int64)])

    def near(wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        total = np.cumsum(wanted)
        return np.asarray(total[2 * span + 1 :] - total[: -2 * span - 1])

    words, capitalised, upper = near(padded > 0), near(padded >= 2), near(padded == 3)
    return np.where(upper * 2 > words, 2, np.where(capitalised * 12 > words, 1, 0)).astype(np.uint64)


def _hash(kind: str, value: str) -> int:
    return zlib.crc32(f"{kind}{value}".encode("utf-8", "surrogatepass")) | (ord(kind) << 32)


def _rows(salt: int, *parts: Hashes) -> Rows:
    mixed = np.full(len(parts[0]), salt * 0x9E3779B1, dtype=np.uint64)
    for part in parts:
        mixed = (mixed ^ part) * _K1
        mixed ^= mixed >> np.uint64(29)
    return ((mixed * _K2) >> _SHIFT).astype(np.int64)
