"""Claims about two models, beyond one interval.

Bootstrap of paired answers, corrections for many claims, what a sample can show, and how far confidence can be believed.

Sources: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65; Y. Benjamini and Y. Hochberg, JRSS B 57 (1995) 289;
M. P. Naeini et al., AAAI 2015 (expected calibration error, equal-width bins).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from osler.evaluate.stats import Interval, PairedCounts, normal_quantile, wilson

N_BINS = 10


def paired_bootstrap(
    counts: PairedCounts, rng: np.random.Generator, confidence: float = 0.95, n_draws: int = 10_000
) -> Interval:
    """Percentile interval of the difference over samples of the items with replacement; (-1, 1) without items."""
    n = counts.n
    if n == 0:
        return (-1.0, 1.0)
    shares = [counts.only_first / n, counts.only_second / n, (counts.both_right + counts.both_wrong) / n]
    draws = rng.multinomial(n, shares, size=n_draws)
    differences = (draws[:, 1] - draws[:, 0]) / n
    tail = (1 - confidence) / 2
    return (float(np.quantile(differences, tail)), float(np.quantile(differences, 1 - tail)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p for a family of declared claims: the chance of one false claim among them stays below the level."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p for exploring: the expected share of false ones among those called differences stays below the level."""
    n = len(p_values)
    order = sorted(range(n), key=lambda i: p_values[i], reverse=True)
    adjusted, lowest = [0.0] * n, 1.0
    for rank, index in enumerate(order):
        lowest = min(lowest, p_values[index] * n / (n - rank))
        adjusted[index] = lowest
    return adjusted


def margin_shown(n: int, discordance: float = 0.2, power: float = 0.8, confidence: float = 0.95) -> float:
    """The smallest margin of non-inferiority that `n` paired items can show for two equal models.

    Args:
        discordance: share of items that one of the two models alone has right.
        power: chance to show it.

    Returns:
        1 without items.
    """
    if n == 0:
        return 1.0
    return min(1.0, (normal_quantile(confidence) + normal_quantile(power)) * math.sqrt(discordance / n))


def confidence_of(log_likelihoods: Sequence[float]) -> float:
    """The answer's share among the options."""
    top = max(log_likelihoods)
    return 1 / sum(math.exp(value - top) for value in log_likelihoods)


def calibration(confidences: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """Whether answers of confidence 0.7 are right in 70 % of cases, over ten bins of equal width.

    A confidence on a border belongs to the bin below, as in C. Guo et al., ICML 2017.

    Returns:
        `ece`, the mean distance of confidence from accuracy, weighed by answers; `reliability`, the bins that hold answers.
    """
    bins: list[list[int]] = [[] for _ in range(N_BINS)]
    for index, confidence in enumerate(confidences):
        bins[min(N_BINS - 1, max(0, math.ceil(confidence * N_BINS) - 1))].append(index)
    found = [
        _bin(number, [confidences[i] for i in own], [right[i] for i in own]) for number, own in enumerate(bins) if own
    ]
    n = max(1, len(confidences))
    return {"ece": sum(one["n"] / n * abs(one["confidence"] - one["accuracy"]) for one in found), "reliability": found}


def _bin(number: int, confidences: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    n, n_right = len(right), sum(right)
    return {
        "low": number / N_BINS,
        "high": (number + 1) / N_BINS,
        "n": n,
        "confidence": sum(confidences) / n,
        "accuracy": n_right / n,
        "ci95": list(wilson(n_right, n)),
    }
