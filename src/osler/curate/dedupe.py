"""Copies and near copies.

Exact copies: the same words, numbers and signs in question, answer, passages and options. Near copies: MinHash proposes pairs,
the true Jaccard similarity of their word shingles decides. A near copy is dropped only when the two are about the same thing
and agree on every number, unit, negation and side: on MedQuAD, nine of ten pairs at 0.8 are about different diseases that
share a template. All other near pairs are kept, and linked, so that they never stand in two splits.

Not found: paraphrases and translations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from osler.curate.config import Agreement
from osler.curate.key import Key
from osler.curate.pairs import Pairs, candidate_pairs, like_pairs
from osler.curate.sketch import Bands
from osler.curate.store import Store
from osler.records.drop import Drop

NAME = "dedupe"


@dataclass(frozen=True, slots=True)
class Copies:
    """What was found."""

    drops: tuple[Drop, ...]
    links: tuple[tuple[int, int], ...]
    """Pairs of rows that belong in one leakage group."""


def find_copies(
    keys: Sequence[Key], rows: NDArray[np.int64], store: Store, bands: Bands, threshold: float, agreement: Agreement
) -> Copies:
    """Exact and near copies among `keys`, which are sorted by id.

    Args:
        rows: the row of each key in the store.
        threshold: smallest Jaccard similarity of near copies.
    """
    exact, links = _exact_copies(keys)
    dropped = {
        row: Drop(keys[row].id, keys[row].source, NAME, "exact_copy", keys[kept].id) for row, kept in exact.items()
    }
    like = _near_pairs(np.delete(np.arange(len(keys)), list(exact)), rows, store, bands, threshold)
    linked = list(zip(like.first.tolist(), like.second.tolist(), strict=True))
    equal = [
        (left, right, likeness)
        for (left, right), likeness in zip(linked, like.similarity.tolist(), strict=True)
        if agreement == "text" or agree(keys[left], keys[right])
    ]
    for row, (kept, similarity) in _near_copies(keys, equal).items():
        detail = f"{keys[kept].id}, similarity {similarity:.2f}"
        dropped[row] = Drop(keys[row].id, keys[row].source, NAME, "near_copy", detail)
    return Copies(tuple(dropped[row] for row in sorted(dropped)), (*links, *linked))


def kept_for(detail: str) -> str:
    """The id of the record that was kept for a copy, from the detail of its drop."""
    return detail.partition(",")[0]


def agree(left: Key, right: Key) -> bool:
    """Whether two near copies are about the same thing and say the same of it."""
    return left.facts == right.facts and _same_focus(left, right)


def _same_focus(left: Key, right: Key) -> bool:
    """By the sources' groups where these can be compared ("medquad:gout"), else by the question."""
    if left.group and right.group and left.group.partition(":")[0] == right.group.partition(":")[0]:
        return left.group == right.group
    return left.question == right.question


def _exact_copies(keys: Sequence[Key]) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """For each row that is a copy, the row that is kept."""
    by_text: dict[bytes, list[int]] = {}
    for row, key in enumerate(keys):
        by_text.setdefault(key.exact, []).append(row)
    copies = {}
    for rows in by_text.values():
        kept = min(rows, key=lambda row: keys[row].preference)
        copies.update({row: kept for row in rows if row != kept})
    return copies, list(copies.items())


def _near_pairs(
    rest: NDArray[np.int64], rows: NDArray[np.int64], store: Store, bands: Bands, threshold: float
) -> Pairs:
    """Like pairs among the numbers in `rest`, whatever the order of the rows in the store."""
    first, second = candidate_pairs(keys[rows[rest]] for keys in store.bands(bands))
    first, second = rest[first], rest[second]
    low, high = np.minimum(rows[first], rows[second]), np.maximum(rows[first], rows[second])
    order = np.lexsort((high, low))
    like = like_pairs(low[order], high[order], store.run_sizes(), store.runs_of, threshold)
    number = np.zeros(len(store), np.int64)
    number[rows] = np.arange(len(rows))
    left, right = number[like.first], number[like.second]
    left, right = np.minimum(left, right), np.maximum(left, right)
    by_number = np.lexsort((right, left))
    return Pairs(left[by_number], right[by_number], like.similarity[by_number])


def _near_copies(keys: Sequence[Key], equal: list[tuple[int, int, float]]) -> dict[int, tuple[int, float]]:
    """For each row that is dropped, the row kept for it: taken in order of preference, each must be unlike all kept so far."""
    near: dict[int, dict[int, float]] = {}
    for left, right, similarity in equal:
        near.setdefault(left, {})[right] = similarity
        near.setdefault(right, {})[left] = similarity
    dropped: dict[int, tuple[int, float]] = {}
    for row in sorted(near, key=lambda row: keys[row].preference):
        better = [r for r in near[row] if r not in dropped and keys[r].preference < keys[row].preference]
        if better:
            kept = min(better, key=lambda r: keys[r].preference)
            dropped[row] = (kept, near[row][kept])
    return dropped
