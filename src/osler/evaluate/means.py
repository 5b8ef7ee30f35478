"""Intervals for the mean of bounded numbers, as ratings are.

Ratings pile up at one end of their scale, where Student's interval leaves the true mean outside too often on one side.
P. Hall, Journal of the Royal Statistical Society B 54 (1992) 221, removes the effect of the skewness by a monotone cubic.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from osler.evaluate.stats import Interval, beta_quantile, normal_quantile

_FEW = 50


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean and what the numbers still allow."""

    n: int
    mean: float | None
    """None without numbers."""
    ci95: Interval
    """The whole scale where fewer than two numbers are there."""
    lower95: float
    """One-sided: a true mean at this bound gives a mean as high in at most about 5 % of samples."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


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
        _lower(numbers, low, 0.95),
    )


def _lower(numbers: "np.ndarray[Any, np.dtype[np.float64]]", low: float, confidence: float) -> float:
    n, mean, spread = len(numbers), float(numbers.mean()), float(numbers.std(ddof=1))
    # What n numbers say about values below all of them that would have been missed; alone it decides when all are the same.
    unseen = float(numbers.min()) - (float(numbers.min()) - low) * (1 - math.pow(1 - confidence, 1 / n))
    if spread == 0:
        return max(low, unseen)
    skewness = float(((numbers - mean) ** 3).mean() / numbers.std() ** 3)
    student = _student_quantile(confidence, n - 1)
    # Below some thirty numbers the skewness is itself uncertain; the correction may then only lower the bound.
    reach = max(_hall(student, skewness / math.sqrt(n)), student if n < _FEW else 0.0)
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
