"""How far raters agree: Krippendorff's alpha and Gwet's AC1 and AC2, with bootstrap intervals over the rated units.

Ratings are a table of units by raters; NaN stands where a rater did not rate. Sources: K. Krippendorff, Computing
Krippendorff's Alpha-Reliability (2011); K. L. Gwet, British Journal of Mathematical and Statistical Psychology 61 (2008) 29, and
Handbook of Inter-Rater Reliability, 4th ed. (AC2, quadratic weights). Where nearly all ratings are alike (safety), alpha is low
although raters agree; AC is not. Show both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from osler.evaluate.stats import Interval

Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One coefficient."""

    value: float
    """1 is perfect, 0 is what chance gives; NaN when nothing can be said (no unit with two ratings; for alpha, no two values)."""
    ci95: Interval
    n_units: int
    """Units with two ratings or more."""


def krippendorff_alpha(ratings: Floats, level: Level, rng: np.random.Generator, n_draws: int = 1000) -> Agreement:
    """Krippendorff's alpha.

    Args:
        ratings: units by raters, NaN for none.
        level: how far apart two values are: all alike (nominal), by rank (ordinal), by value (interval).
    """
    values, counts = _counts(ratings)
    per_unit = counts.sum(axis=1)
    counts = counts[per_unit >= 2]
    per_unit = per_unit[per_unit >= 2]
    pairs = (counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))) / (
        per_unit[:, None, None] - 1
    )

    def alpha(sums: Floats) -> Floats:
        totals = sums.sum(axis=-1)  # S K
        n = totals.sum(axis=-1)  # S
        distance = _distances(values, totals, level)
        seen = (sums * distance).sum(axis=(-2, -1))
        chance = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(-2, -1)) / (n - 1)
        result: Floats = 1 - np.divide(seen, chance, out=np.full_like(seen, np.nan), where=chance > 0)
        return result

    return _with_interval(lambda weights: alpha(np.einsum("su,ukl->skl", weights, pairs)), len(counts), rng, n_draws)


def gwet_ac(ratings: Floats, rng: np.random.Generator, *, ordered: bool = False, n_draws: int = 1000) -> Agreement:
    """Gwet's AC1, or AC2 with quadratic weights over the values that occur when the ratings are `ordered`."""
    values, counts = _counts(ratings)
    per_unit = counts.sum(axis=1)
    counts, per_unit = counts[per_unit >= 1], per_unit[per_unit >= 1]
    n_values = len(values)
    span = values[-1] - values[0] if n_values else 0.0
    weights = 1 - ((values[:, None] - values[None, :]) / span) ** 2 if ordered and span else np.eye(n_values)
    is_pair = per_unit >= 2
    agreed = np.where(
        is_pair,
        (counts * (counts @ weights - 1)).sum(axis=1) / np.maximum(per_unit * (per_unit - 1), 1),
        0.0,
    )
    shares = counts / per_unit[:, None]
    by_chance = weights.sum() / (n_values * (n_values - 1)) if n_values > 1 else 0.0

    def coefficient(drawn: Floats) -> Floats:
        n_pairs = drawn @ is_pair
        seen = np.divide(drawn @ agreed, n_pairs, out=np.full(len(drawn), np.nan), where=n_pairs > 0)
        share = drawn @ shares / drawn.sum(axis=1, keepdims=True)
        chance = by_chance * (share * (1 - share)).sum(axis=1)
        result: Floats = (seen - chance) / (1 - chance)
        return result

    found = _with_interval(coefficient, len(counts), rng, n_draws)
    return Agreement(found.value, found.ci95, int(is_pair.sum()))


def raw_agreement(ratings: Floats) -> float:
    """Share of pairs of ratings of one unit that are alike, each unit weighing the same; NaN without a pair."""
    _, counts = _counts(ratings)
    per_unit = counts.sum(axis=1)
    counts, per_unit = counts[per_unit >= 2], per_unit[per_unit >= 2]
    if not len(counts):
        return float("nan")
    return float(((counts * (counts - 1)).sum(axis=1) / (per_unit * (per_unit - 1))).mean())


def _counts(ratings: Floats) -> tuple[Floats, Floats]:
    """The values that occur, in order, and how often each unit got each."""
    values = np.unique(ratings[~np.isnan(ratings)])
    return values, (ratings[:, :, None] == values).sum(axis=1).astype(np.float64)


def _distances(values: Floats, totals: Floats, level: Level) -> Floats:
    """Squared distance of each two values; S K K, as ranks depend on how often each value occurs."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(values)), (len(totals), len(values), len(values)))
    if level == "interval":
        return np.broadcast_to((values[:, None] - values[None, :]) ** 2, (len(totals), len(values), len(values)))
    ranks = np.cumsum(totals, axis=1) - totals / 2
    squared: Floats = (ranks[:, :, None] - ranks[:, None, :]) ** 2
    return squared


def _with_interval(
    coefficient: Callable[[Floats], Floats], n_units: int, rng: np.random.Generator, n_draws: int
) -> Agreement:
    """The coefficient with every unit weighing 1, and its spread over samples of the units with replacement."""
    if n_units == 0:
        return Agreement(float("nan"), (float("nan"), float("nan")), 0)
    value = float(coefficient(np.ones((1, n_units)))[0])
    draws = coefficient(rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_draws).astype(np.float64))
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return Agreement(value, (float("nan"), float("nan")), n_units)
    return Agreement(value, (float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))), n_units)
