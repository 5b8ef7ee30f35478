"""Features of the tagger: what it sees of a token and of the tokens beside it, as rows of one table of hashed weights.

A token alone is described once and remembered (`describe`); what joins tokens (`join`) is computed for a whole text at once.
The training script uses the same functions, so that the two cannot differ.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TOKEN = re.compile(r"[^\W\d_]+(?:['’-](?![sS]\b)[^\W\d_]+)*|\d+|\n|[^\w\s]|_+")
"""A word (with its hyphens and apostrophes, without a genitive), a run of digits, a line break or one mark."""
ASCII_TOKEN = re.compile(TOKEN.pattern.replace("[^\\W\\d_]", "[A-Za-z]").replace("\\d", "[0-9]"))
"""The same for a text in ASCII, twice as fast."""
REACH = 3
"""How many tokens to either side are seen."""
TABLE_BITS = 17
_K1, _K2, _K3 = (np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_SHIFT = np.uint64(64 - TABLE_BITS)
_MAX_SPELLED = 24
"""Letters of a word that are looked at; longer words are cut, so that a hostile one costs nothing."""

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What tokens say, each alone."""

    seen: Hashes
    """Four rows: hash of the lower-cased letters of each; of its shape and of the word lists that it stands in; `case_of`."""
    own: Rows
    """Rows of the table for the tokens themselves, one token after the other."""
    starts: npt.NDArray[np.int64]
    """Where in `own` each begins."""
    beside: Rows
    """Rows by token and distance: `beside[i, REACH + d]` for token `i` seen from `d` places to its left; shape (tokens, 2 * REACH + 1,
    features)."""


_SEEN_FROM = (np.arange(1, 2 * REACH + 2, dtype=np.uint64) * _K3)[:, None]


def describe(tokens: Sequence[str], lists: Sequence[int]) -> Descriptions:
    """Features of `tokens`, which stand in the word lists `lists` (bits of `osler.phi.tagger`)."""
    own: list[int] = []
    near: list[tuple[int, int, int, int]] = []
    starts: list[int] = []
    for token, bits in zip(tokens, lists, strict=True):
        starts.append(len(own))
        near.append(_add_token(token, bits, own))
    seen = np.array(near, np.uint64)
    beside = ((seen[:, None, :] * _K1 + _SEEN_FROM) * _K2) >> _SHIFT
    rows = (np.array(own, np.uint64) * _K1 * _K3) >> _SHIFT
    cases = np.array([case_of(token) for token in tokens], np.int64).view(np.uint64)
    channels = np.concatenate([seen[:, :2].T, cases.T])
    return Descriptions(channels, rows.astype(np.int64), np.array(starts, np.int64), beside.astype(np.int64))


def _add_token(token: str, lists: int, own: list[int]) -> tuple[int, int, int, int]:
    """Add the hashes of the token itself to `own`; those that its neighbours see are returned: word, kind, ending, shape."""
    spelled = token[:_MAX_SPELLED]
    lower = spelled.lower()
    shape = shape_of(token)
    word, kind, form = _hash("w", lower), _hash("k", f"{shape}{lists}"), _hash("c", shape)
    own += (word, kind, form)
    if spelled[0].isalpha():
        bounded = f"^{lower}$"
        own += [_hash("3", bounded[i : i + 3]) for i in range(len(bounded) - 2)]
        own += [_hash("e", f"{shape}{lower[-n:]}") for n in (2, 3, 4)]
        own += [_hash("b", f"{shape}{lower[:n]}") for n in (2, 3)]
        own += [_hash("l", f"{shape}{bit}") for bit in range(8) if lists >> bit & 1]
        own.append(_hash("n", f"{shape}{min(len(token), 12)}"))
    return word, kind, _hash("e", lower[-3:]), form


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


_WORD, _KIND, _CAPITAL, _UPPER, _CAPITALS, _LABEL, _ONE = range(7)
"""Channels of `join`: two hashes; how a token is written (`case_of`) and, of that, what stands around it; the first opinion; a 1."""
_JOINED = (
    ((_WORD, -1), (_KIND, 0)),
    ((_KIND, -1), (_KIND, 0)),
    ((_KIND, 0), (_KIND, 1)),
    ((_KIND, 0), (_WORD, 1)),
    ((_WORD, -2), (_WORD, -1), (_KIND, 0)),
    ((_WORD, 1), (_WORD, 2)),
    ((_KIND, -1), (_KIND, 0), (_KIND, 1)),
    ((_KIND, -2), (_KIND, -1), (_KIND, 0)),
    ((_WORD, -1), (_WORD, 1)),
    ((_WORD, -2), (_KIND, 0)),
    ((_CAPITALS, 0), (_KIND, 0)),
    ((_WORD, -3), (_WORD, -2), (_WORD, -1)),
    ((_CAPITALS, 0), (_WORD, 0)),
)
"""What is seen together: (channel, how many tokens to the right)."""
_JOINED_WITH_LABELS = (
    ((_LABEL, -1), (_LABEL, 0), (_LABEL, 1)),
    ((_LABEL, -2), (_LABEL, -1), (_LABEL, 0)),
    ((_LABEL, 0), (_LABEL, 1), (_LABEL, 2)),
    ((_LABEL, -1), (_KIND, 0)),
    ((_LABEL, 1), (_KIND, 0)),
    ((_LABEL, -1), (_WORD, 0), (_LABEL, 1)),
    ((_LABEL, -2), (_LABEL, -1), (_LABEL, 1)),
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Joined features as arrays: for each feature and each of its parts, a channel and an offset."""

    channels: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    factors: Hashes
    """Odd, and another for each part: the sum of products is a universal hash of the parts (Dietzfelbinger et al., 1997)."""
    salts: Hashes

    def rows(self, seen: Hashes) -> Rows:
        """Rows of the table, shape (features, tokens), for channels padded by `REACH` on both sides."""
        n = seen.shape[1] - 2 * REACH
        # Channel, offset, token: each token's neighbours without a copy, so that whole rows are gathered.
        windows = np.ndarray((len(seen), 2 * REACH + 1, n), np.uint64, seen, strides=(seen.strides[0], 8, 8))
        mixed = windows[self.channels, self.offsets]
        mixed *= self.factors
        total = np.add.reduce(mixed, axis=0)
        total += self.salts
        total >>= _SHIFT
        rows: Rows = total.view(np.int64)
        return rows


def _plan(features: tuple[tuple[tuple[int, int], ...], ...], first_salt: int) -> _Plan:
    full = [(*feature, *[(_ONE, 0)] * (3 - len(feature))) for feature in features]
    parts = np.array(full, dtype=np.int64).transpose(1, 0, 2)
    salts = np.arange(first_salt, first_salt + len(features), dtype=np.uint64)
    factors = np.stack([salts * k | np.uint64(1) for k in (_K1, _K2, _K3)])
    return _Plan(parts[:, :, 0], parts[:, :, 1] + REACH, factors[:, :, None], (salts * (_K1 ^ _K2))[:, None])


_PLAN = _plan(_JOINED, 1)
_PLAN_WITH_LABELS = _plan(_JOINED_WITH_LABELS, 101)


def seen_of(table: Hashes, ids: Rows) -> Hashes:
    """The channels that joined features look at; labels are not yet set.

    Args:
        table: words, kinds and the two numbers of `case_of` of all tokens, shape (4, tokens).
        ids: columns of the table, padded by `REACH` on both sides.
    """
    seen = np.ones((7, len(ids)), np.uint64)
    table.take(ids, axis=1, out=seen[:_CAPITALS], mode="clip")
    seen[_CAPITALS, REACH:-REACH] = capitals_around(seen[_CAPITAL : _UPPER + 1, REACH:-REACH].view(np.int64))
    return seen


def join(seen: Hashes) -> Rows:
    """Rows of the features that join neighbours, shape (features, tokens)."""
    return _PLAN.rows(seen)


def join_labels(seen: Hashes, labels: npt.NDArray[np.int64]) -> Rows:
    """Rows of the features that see the first opinion on the neighbours."""
    seen[_LABEL, REACH:-REACH] = labels + 1
    return _PLAN_WITH_LABELS.rows(seen)


_CASES = {"x": (-1, -1), "xx": (-1, -1), "Xx": (11, -1), "xX": (11, -1), "X": (11, -1), "XX": (11, 1)}


def case_of(token: str) -> tuple[int, int]:
    """How a token is written, as two numbers.

    Their sums over tokens are above 0 where more than one word of twelve has a capital, and where more than half of the words are in
    capitals throughout.
    """
    return _CASES.get(shape_of(token), (0, 0))


def capitals_around(cases: npt.NDArray[np.int64]) -> Hashes:
    """How the 25 words around each token are written: 0 nearly all without a capital, 1 mixed, 2 mostly in capitals.

    Args:
        cases: of the tokens, as `case_of` has them; shape (2, tokens).
    """
    span = 12
    total = np.zeros((2, cases.shape[1] + 2 * span + 1), np.int64)
    cases.cumsum(axis=1, out=total[:, span + 1 : -span])
    total[:, -span:] = total[:, -span - 1 : -span]
    holds = total[:, 2 * span + 1 :] > total[:, : -2 * span - 1]
    counts: Hashes = np.add(holds[0], holds[1], dtype=np.uint64)
    return counts


def _hash(kind: str, value: str) -> int:
    return zlib.crc32(f"{kind}{value}".encode("utf-8", "surrogatepass")) | (ord(kind) << 32)
