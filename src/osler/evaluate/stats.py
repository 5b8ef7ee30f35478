"""Intervals and tests for proportions, paired answers and macro-F1, in plain arithmetic.

Counts come in, numbers between 0 and 1 go out. Sources: E. B. Wilson, JASA 22 (1927) 209; C. J. Clopper and E. S. Pearson,
Biometrika 26 (1934) 404; R. G. Newcombe, Statistics in Medicine 17 (1998) 2635 (paired difference, method 10);
T. Tango, Statistics in Medicine 17 (1998) 891 (paired difference, score); Q. McNemar, Psychometrika 12 (1947) 153, exact form.
The incomplete beta function is the continued fraction of Numerical Recipes, section 6.4.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

_TINY = 1e-300
_FRACTION_STEPS = 10_000
_BISECTIONS = 100


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How two models answered the same items."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int

    @property
    def n(self) -> int:
        """Items in all."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    @property
    def difference(self) -> float:
        """Share right of the second model less that of the first."""
        return (self.only_second - self.only_first) / self.n


def count_pairs(right: Iterable[tuple[bool, bool]]) -> PairedCounts:
    """Counts of items by whether the first and the second model had them right."""
    cells = Counter((bool(first), bool(second)) for first, second in right)
    return PairedCounts(cells[True, True], cells[True, False], cells[False, True], cells[False, False])


def normal_quantile(probability: float) -> float:
    """The standard normal value below which this share lies."""
    return NormalDist().inv_cdf(probability)


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Two-sided score interval for `k` of `n`; (0, 1) when `n` is 0."""
    return _wilson(k, n, normal_quantile((1 + confidence) / 2))


def rate(k: int, n: int) -> dict[str, Any]:
    """A share with its counts and interval, as files hold it; the share of nothing is null, with the interval (0, 1)."""
    return {"k": k, "n": n, "rate": k / n if n else None, "ci95": list(wilson(k, n))}


def wilson_lower(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided lower score bound for `k` of `n`; 0 when `n` is 0."""
    return _wilson(k, n, normal_quantile(confidence))[0]


def clopper_pearson_upper(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided exact upper bound: the rate at which `k` or fewer of `n` still happens in 1 - confidence of runs."""
    _check_counts(k, n)
    if k == n:
        return 1.0
    return beta_quantile(confidence, k + 1, n - k)


def clopper_pearson_lower(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided exact lower bound; a rate at this bound gives `k` or more of `n` in at most 1 - confidence of runs."""
    _check_counts(k, n)
    if k == 0:
        return 0.0
    return beta_quantile(1 - confidence, k, n - k + 1)


def lower_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """The lower of Wilson's and the exact one-sided bound.

    Wilson's bound alone is passed up to half a point too often at some sample sizes; with the exact bound beside it a model
    whose true rate is at the bound passes in at most 1 - confidence of runs, at every sample size.
    """
    return min(wilson_lower(k, n, confidence), clopper_pearson_lower(k, n, confidence))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p of the items that one model alone got right; 1 when there are none."""
    n = only_first + only_second
    tail: int = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail / 2**n))


def paired_difference(counts: PairedCounts, confidence: float = 0.95) -> Interval:
    """Newcombe's interval for the second model's share right less the first's; (-1, 1) without items."""
    if counts.n == 0:
        return (-1.0, 1.0)
    n_first = counts.both_right + counts.only_first
    n_second = counts.both_right + counts.only_second
    low_first, high_first = wilson(n_first, counts.n, confidence)
    low_second, high_second = wilson(n_second, counts.n, confidence)
    first, second = n_first / counts.n, n_second / counts.n
    phi = _phi(counts)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    low = counts.difference - reach(second - low_second, high_first - first)
    high = counts.difference + reach(high_second - second, first - low_first)
    return (max(-1.0, low), min(1.0, high))


def non_inferiority_lower(counts: PairedCounts, confidence: float = 0.95) -> float:
    """One-sided lower bound of the paired difference by Tango's score test, with a continuity correction of half an item.

    The second model is not inferior by a margin when this is above minus the margin. Without the correction a model exactly
    at the margin would pass in up to 5.8 % of runs of a hundred items.

    Returns:
        -1 without items.
    """
    if counts.n == 0:
        return -1.0
    z = normal_quantile(confidence)
    return _bisect(-1.0, counts.difference, lambda at: tango_score(counts, at) > z)[0]


def tango_score(counts: PairedCounts, difference: float) -> float:
    """How many standard errors the observed difference, less half an item, lies above `difference`.

    The standard error is that of the likeliest pair of rates whose difference is `difference`.
    """
    n = counts.n
    gain = counts.only_second - counts.only_first - 0.5 - n * difference
    a = 2 * n
    b = -counts.only_second - counts.only_first + (2 * n - counts.only_second + counts.only_first) * difference
    c = -counts.only_first * difference * (1 - difference)
    rate = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * rate + difference * (1 - difference))
    if variance <= 0:
        return math.copysign(math.inf, gain) if gain else 0.0
    return gain / math.sqrt(variance)


def confusion(gold: list[int], answered: list[int], n_labels: int) -> NDArray[np.int64]:
    """Counts by gold label (row) and answer (column); the last column counts answers that are no label (-1)."""
    table = np.zeros((n_labels, n_labels + 1), dtype=np.int64)
    for right, given in zip(gold, answered, strict=True):
        table[right, given if 0 <= given < n_labels else n_labels] += 1
    return table


def macro_f1(table: NDArray[np.int64]) -> float:
    """Mean F1 over the labels that occur as gold or as answer; 0 for an empty table.

    Args:
        table: from `confusion`.
    """
    used = _labels_used(table)
    return float(_macro_f1(table[None, :, :], used)[0]) if used.any() else 0.0


def macro_f1_draws(table: NDArray[np.int64], rng: np.random.Generator, n_draws: int = 10_000) -> NDArray[np.float64]:
    """Macro-F1 of `n_draws` samples of the items with replacement, sorted; empty for an empty table.

    The labels that count are those of the whole table, so that a sample without a rare label is scored 0 on it.
    """
    n = int(table.sum())
    if n == 0:
        return np.zeros(0)
    samples = rng.multinomial(n, table.ravel() / n, size=n_draws).reshape(n_draws, *table.shape)
    return np.sort(_macro_f1(samples, _labels_used(table)))


def quantile(ordered: NDArray[np.float64], probability: float) -> float:
    """The value of sorted draws below which this share lies; 0 without draws."""
    return float(np.quantile(ordered, probability)) if len(ordered) else 0.0


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for positive `a` and `b`."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # The fraction converges fast on this side of the mean only.
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1 - math.exp(log_front) * _beta_fraction(1 - x, b, a) / b


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = probability, by bisection to the last bit."""
    return sum(_bisect(0.0, 1.0, lambda at: incomplete_beta(at, a, b) < probability)) / 2


def _bisect(low: float, high: float, is_low: Callable[[float], bool]) -> tuple[float, float]:
    """The two neighbours between which `is_low` ends to hold."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_low(middle) else (low, middle)
    return low, high


def _wilson(k: int, n: int, z: float) -> Interval:
    if n == 0:
        return (0.0, 1.0)
    _check_counts(k, n)
    share = k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (0.0 if k == 0 else max(0.0, centre - half), 1.0 if k == n else min(1.0, centre + half))


def _check_counts(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a count of a whole")


def _phi(counts: PairedCounts) -> float:
    """Newcombe's correlation of the two columns, with his correction of n/2 where it is positive."""
    a, b, c, d = counts.both_right, counts.only_first, counts.only_second, counts.both_wrong
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    cross = a * d - b * c
    if cross > 0:
        cross_corrected = max(cross - counts.n / 2, 0.0)
        return cross_corrected / math.sqrt(product)
    return cross / math.sqrt(product)


def _labels_used(table: NDArray[np.int64]) -> NDArray[np.bool_]:
    n_labels = table.shape[0]
    used: NDArray[np.bool_] = (table.sum(axis=1) + table[:, :n_labels].sum(axis=0)) > 0
    return used


def _macro_f1(tables: NDArray[np.int64], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    n_labels = tables.shape[1]
    square = tables[:, :, :n_labels]
    hits = np.einsum("sii->si", square).astype(np.float64)
    total = tables.sum(axis=2) + square.sum(axis=1)
    scores = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    means: NDArray[np.float64] = scores[:, used].mean(axis=1)
    return means


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction for the incomplete beta function."""
    c = 1.0
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for step in range(1, _FRACTION_STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            result *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
