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
REACH = 3
"""How many tokens to either side are seen."""
TABLE_BITS = 17
_K1, _K2, _K3 = (np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_SHIFT = np.uint64(64 - TABLE_BITS)
_FOLD = np.uint64(29)
_MAX_SPELLED = 24
"""Letters of a word that are looked at; longer words are cut, so that a hostile one costs nothing."""

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What tokens say, each alone."""

    words: Hashes
    """Hash of the lower-cased letters of each."""
    kinds: Hashes
    """Hash of the shape of each and of the word lists that it stands in."""
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
    return Descriptions(seen[:, 0], seen[:, 1], rows.astype(np.int64), np.array(starts, np.int64), beside.astype(np.int64))


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


_WORD, _KIND, _CAPITALS, _LABEL, _NOTHING = range(5)
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
    """Joined features as arrays: for each feature and each of its three parts, a channel and an offset."""

    channels: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    salts: Hashes

    def rows(self, seen: Hashes) -> Rows:
        """Rows of the table, shape (features, tokens), for channels padded by `REACH` on both sides."""
        n = seen.shape[1] - 2 * REACH
        # Channel, offset, token: each token's neighbours without a copy, so that whole rows are gathered.
        windows = np.ndarray((5, 2 * REACH + 1, n), np.uint64, seen, strides=(seen.strides[0], 8, 8))
        parts = windows[self.channels, self.offsets]
        mixed = (self.salts ^ parts[0]) * _K1
        for part in parts[1:]:
            mixed ^= mixed >> _FOLD
            mixed ^= part
            mixed *= _K1
        mixed ^= mixed >> _FOLD
        mixed *= _K2
        mixed >>= _SHIFT
        rows: Rows = mixed.view(np.int64)
        return rows


def _plan(features: tuple[tuple[tuple[int, int], ...], ...], first_salt: int) -> _Plan:
    full = [(*feature, *[(_NOTHING, 0)] * (3 - len(feature))) for feature in features]
    parts = np.array(full, dtype=np.int64).transpose(1, 0, 2)
    salts = (np.arange(first_salt, first_salt + len(features), dtype=np.uint64) * _K3)[:, None]
    return _Plan(parts[:, :, 0], parts[:, :, 1] + REACH, salts)


_PLAN = _plan(_JOINED, 1)
_PLAN_WITH_LABELS = _plan(_JOINED_WITH_LABELS, 101)


def seen_of(words: Hashes, kinds: Hashes, cases: npt.NDArray[np.int64]) -> Hashes:
    """The channels that joined features look at; labels are still 0.

    Args:
        words: hashes padded by `REACH` on both sides, as are `kinds`.
        cases: without padding, as for `capitals_around`.
    """
    seen = np.zeros((5, len(words)), np.uint64)
    seen[_WORD], seen[_KIND] = words, kinds
    seen[_CAPITALS, REACH:-REACH] = capitals_around(cases)
    return seen


def join(seen: Hashes) -> Rows:
    """Rows of the features that join neighbours, shape (features, tokens)."""
    return _PLAN.rows(seen)


def join_labels(seen: Hashes, labels: npt.NDArray[np.int64]) -> Rows:
    """Rows of the features that see the first opinion on the neighbours."""
    seen[_LABEL] = 1
    seen[_LABEL, REACH:-REACH] += labels.astype(np.uint64)
    return _PLAN_WITH_LABELS.rows(seen)


_CASES = {"x": 1, "xx": 1, "Xx": 1 | 1 << 16, "xX": 1 | 1 << 16, "X": 1 | 1 << 16, "XX": 1 | 1 << 16 | 1 << 32}


def case_of(token: str) -> int:
    """How a token is written, as three counts of 16 bits: a word, a word with a capital, a word in capitals throughout."""
    return _CASES.get(shape_of(token), 0)


def capitals_around(cases: npt.NDArray[np.int64]) -> Hashes:
    """How the words around each token are written: 0 nearly all without a capital, 1 mixed, 2 nearly all in capitals.

    Args:
        cases: of the tokens, as `case_of` packs them; 25 tokens are added up, which 16 bits hold.
    """
    span = 12
    total = np.zeros(len(cases) + 2 * span + 1, np.int64)
    cases.cumsum(out=total[span + 1 : -span])
    total[-span:] = total[-span - 1]
    around = total[2 * span + 1 :] - total[: -2 * span - 1]
    words, capitalised, upper = around & 0xFFFF, around >> 16 & 0xFFFF, around >> 32
    # Words in capitals have a capital, too: where the second holds, so does the first.
    return (capitalised * 12 > words) + (upper * 2 > words).astype(np.uint64)


def _hash(kind: str, value: str) -> int:
    return zlib.crc32(f"{kind}{value}".encode("utf-8", "surrogatepass")) | (ord(kind) << 32)
