"""Pairs of like rows: proposed band by band, decided by the true Jaccard similarity of their word runs.

Memory holds the keys of one band, the pairs, and the runs of one block of pairs. Runs are compared as 32-bit hashes: that two
sets of n runs seem to share one they do not has a chance of about n * n / 2**32, a similarity wrong by n / 2**32 on average.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from osler.curate.sketch import Hashes

Rows = NDArray[np.int64]
_Number = TypeVar("_Number", np.int64, np.uint64)
_Given = TypeVar("_Given")
_Found = TypeVar("_Found")

_LARGE_BUCKET = 512
_NEIGHBOURS = 64
_BLOCK_RUNS = 1_000_000
"""Runs of words compared at a time by a thread: 8 MB of 8 bytes."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Hashes of word runs, one set a row, end to end; a set may hold a hash twice."""

    values: NDArray[np.uint32]
    sizes: Rows


@dataclass(frozen=True, slots=True)
class Pairs:
    """Like rows, by first row and second; first < second."""

    first: Rows
    second: Rows
    similarity: NDArray[np.float64]


def candidate_pairs(bands: Iterable[Hashes]) -> tuple[Rows, Rows]:
    """Pairs of rows that agree in at least one band, each once, in order. A key of zero agrees with none.

    In a bucket of more than 512 members, boilerplate of which every pair would be millions, each is paired with its 64 next.

    Args:
        bands: the keys of all rows, one array a band.
    """
    n = 0
    codes = np.zeros(0, np.int64)
    for n, first, second in _threaded(_agreeing, bands):
        codes = _unique(np.concatenate([codes, first * n + second]))
    return codes // max(n, 1), codes % max(n, 1)


def like_pairs(first: Rows, second: Rows, sizes: Rows, runs_of: Callable[[Rows], Runs], threshold: float) -> Pairs:
    """Those of the pairs whose sets have a similarity of `threshold` or more.

    Args:
        sizes: runs of every row, which says how many pairs are compared at a time.
        runs_of: the runs of some rows, which are given in ascending order.
    """
    likeness = np.zeros(len(first))
    weight = np.cumsum(sizes[first] + sizes[second])
    blocks = []
    start = 0
    while start < len(first):
        reached = weight[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(weight, reached + _BLOCK_RUNS)))
        blocks.append(slice(start, stop))
        start = stop
    found = _threaded(lambda block: _similarities(first[block], second[block], runs_of), blocks)
    for block, part in zip(blocks, found, strict=True):
        likeness[block] = part
    alike = likeness >= threshold
    return Pairs(first[alike], second[alike], likeness[alike])


def _threaded(function: Callable[[_Given], _Found], given: Iterable[_Given]) -> Iterator[_Found]:
    """What the function makes of each, in order, on all cores: NumPy sorts without holding the others up."""
    ahead = iter(given)
    n_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(n_threads) as pool:
        # No more at a time than are worked on: what is given may be large.
        while group := tuple(islice(ahead, n_threads)):
            yield from pool.map(function, group)


def _agreeing(keys: Hashes) -> tuple[int, Rows, Rows]:
    """How many rows there are, and the pairs of rows with equal keys. Rows take the lowest bits of what is sorted, which saves a sort by index."""
    bits = np.uint64(max(1, len(keys).bit_length()))
    mask = (np.uint64(1) << bits) - np.uint64(1)
    rows = np.flatnonzero(keys).astype(np.uint64)
    ordered = np.sort((keys[rows] & ~mask) | rows)
    numbers, buckets = (ordered & mask).astype(np.int64), ordered >> bits
    begins = (
        np.flatnonzero(np.concatenate([np.ones(1, np.bool_), buckets[1:] != buckets[:-1]])) if len(buckets) else numbers
    )
    sizes = np.diff(np.append(begins, len(buckets)))
    reach = np.repeat(np.where(sizes > _LARGE_BUCKET, _NEIGHBOURS, sizes), sizes)
    left_after = np.repeat(begins + sizes, sizes) - np.arange(len(buckets)) - 1
    reach = np.minimum(reach, left_after)
    firsts, seconds = [numbers[:0]], [numbers[:0]]
    places = np.flatnonzero(reach > 0)
    gap = 1
    while len(places):
        firsts.append(numbers[places])
        seconds.append(numbers[places + gap])
        gap += 1
        places = places[reach[places] >= gap]
    return len(keys), np.concatenate(firsts), np.concatenate(seconds)


def _similarities(first: Rows, second: Rows, runs_of: Callable[[Rows], Runs]) -> NDArray[np.float64]:
    rows = _unique(np.concatenate([first, second]))
    found = runs_of(rows)
    values, sizes = _distinct(found.values, found.sizes)
    starts = np.cumsum(sizes) - sizes
    left, right = np.searchsorted(rows, first), np.searchsorted(rows, second)
    members = np.concatenate([_taken(starts[left], sizes[left]), _taken(starts[right], sizes[right])])
    pairs = np.arange(len(first))
    owners = np.concatenate([np.repeat(pairs, sizes[left]), np.repeat(pairs, sizes[right])])
    # Two sorted halves, which a stable sort merges in one pass.
    keyed = np.sort(owners.astype(np.uint64) << np.uint64(32) | values[members], kind="stable")
    shared = keyed[1:][keyed[1:] == keyed[:-1]] >> np.uint64(32)
    common = np.bincount(shared.astype(np.int64), minlength=len(first))
    union = sizes[left] + sizes[right] - common
    similarity: NDArray[np.float64] = common / np.maximum(union, 1)
    return similarity


def _distinct(values: NDArray[np.uint32], sizes: Rows) -> tuple[NDArray[np.uint32], Rows]:
    owners = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    keyed = _unique(owners << np.uint64(32) | values)
    counts = np.bincount((keyed >> np.uint64(32)).astype(np.int64), minlength=len(sizes))
    return (keyed & np.uint64(0xFFFFFFFF)).astype(np.uint32), counts


def _unique(values: NDArray[_Number]) -> NDArray[_Number]:
    """Sorted, each once; several times as fast as NumPy's own, which goes by a hash table."""
    values.sort()
    is_new = np.ones(len(values), np.bool_)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]


def _taken(starts: Rows, sizes: Rows) -> Rows:
    """The places from each start on, one after another."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))
