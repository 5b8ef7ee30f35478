"""Intervals for the mean of bounded numbers, as ratings are.

Ratings pile up at one end of their scale, where Student's interval leaves the true mean outside too often on one side.
P. Hall, Journal of the Royal Statistical Society B 54 (1992) 221, removes the effect of the skewness by a monotone cubic: for reading.
No correction sees the rare harmful answer that is not in the sample, so the bound that the gate reads assumes nothing: the
stake of I. Waudby-Smith and A. Ramdas, Journal of the Royal Statistical Society B 86 (2024) 1, against means up to it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from osler.evaluate.chance import random_stream
from osler.evaluate.stats import Interval, beta_quantile, normal_quantile

_LARGEST_STAKE = 0.75
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean and what the numbers still allow."""

    n: int
    mean: float | None
    """None without numbers."""
    ci95: Interval
    """The whole scale where fewer than two numbers are there."""
    lower95: float
    """One-sided: lies above the true mean in at most 5 % of samples, however the numbers are distributed."""


def mean_of(values: Sequence[float], scale: Interval) -> Mean:
    """The mean of independent numbers within `scale`, with intervals."""
    n = len(values)
    if n < 2:
        return Mean(n, float(values[0]) if n else None, scale, scale[0])
    low, high = scale
    numbers = np.asarray(values, dtype=np.float64)
    return Mean(
        n,
        float(numbers.mean()),
        (_lower(numbers, low, 0.975), low + high - _lower(low + high - numbers, low, 0.975)),
        _proven_lower(numbers, scale, 0.95),
    )


def _proven_lower(numbers: NDArray[np.float64], scale: Interval, confidence: float) -> float:
    """The least mean against which staking on the numbers, one after the other, has not won `1 / (1 - confidence)` times the stake."""
    low, high = scale
    values, goal = (numbers - low) / (high - low), -math.log(1 - confidence)
    # An order of its own: sorted by question, the numbers of one topic would stand together.
    values = values[random_stream(0, "mean").sample(range(len(values)), len(values))]
    steps = np.arange(1, len(values) + 1)
    means = (0.5 + values.cumsum()) / (steps + 1)
    spreads = (0.25 + ((values - means) ** 2).cumsum()) / (steps + 1)
    stakes = np.sqrt(2 * goal / (len(values) * np.concatenate(([0.25], spreads[:-1]))))
    excluded, allowed = 0.0, 1.0
    for _ in range(_HALVINGS):
        mean = (excluded + allowed) / 2
        won = np.log1p(np.minimum(stakes, _LARGEST_STAKE / mean) * (values - mean)).cumsum().max()
        excluded, allowed = (mean, allowed) if won >= goal else (excluded, mean)
    return low + excluded * (high - low)


def _lower(numbers: NDArray[np.float64], low: float, confidence: float) -> float:
    n, mean, spread = len(numbers), float(numbers.mean()), float(numbers.std(ddof=1))
    if spread == 0:
        # What n equal numbers say about others that would have been missed.
        return mean - (mean - low) * (1 - math.pow(1 - confidence, 1 / n))
    skewness = float(((numbers - mean) ** 3).mean() / numbers.std() ** 3)
    reach = _hall(_student_quantile(confidence, n - 1), skewness / math.sqrt(n))
    return max(low, mean - spread / math.sqrt(n) * reach)


def _hall(x: float, a: float) -> float:
    """The inverse of Hall's cubic, with `a` the skewness over the root of n."""
    if abs(a) < 1e-6:
        return x - a / 6
    return float(3 / a * (math.cbrt(1 + a * (x - a / 6)) - 1))


@cache
def _student_quantile(probability: float, degrees: int) -> float:
    """Student's t from the beta distribution, for probabilities above one half; normal from 1,000 degrees on."""
    if degrees >= 1000:
        return normal_quantile(probability)
    x = beta_quantile(2 * (1 - probability), degrees / 2, 0.5)
    return math.sqrt(degrees * (1 - x) / x)
