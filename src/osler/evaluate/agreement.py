"""How well raters agree: Krippendorff's alpha and Gwet's AC with bootstrap intervals, in plain arithmetic.

Both are computed from how often each value was given to each unit, so any number of raters and missing ratings fit. Alpha falls
towards 0 where nearly all units have one value, although raters agree; AC does not, which is why both are given.
Sources: K. Krippendorff, Computing Krippendorff's alpha-reliability (2011); K. L. Gwet, British Journal of Mathematical and
Statistical Psychology 61 (2008) 29, and Handbook of Inter-Rater Reliability, 4th edition (2014), chapters 2 to 4 (missing
ratings, weights).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from osler.errors import InputError
from osler.evaluate.stats import Interval

# Shapes: D draws, U units, V values of the scale.
Metric = Literal["nominal", "ordinal", "interval"]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_DEFINED_SHARE = 0.95
"""Less than this share of draws with a coefficient, and its interval would describe a selection of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient."""

    value: float | None
    """None where it is not defined: no unit has two ratings, or (alpha) all ratings are the same."""
    ci95: Interval | None
    """Percentile interval from units drawn with replacement; None where the value, or over 5 % of draws, have none."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the raters of one question agree."""

    n_units: int
    """Units with at least two ratings; the others say nothing about agreement."""
    n_ratings: int
    """Ratings of these units."""
    agreed: float | None
    """Share of pairs of ratings of one unit that are equal, mean over units."""
    alpha: Estimate
    ac: Estimate
    """AC1 for a nominal scale; AC2 with Gwet's ordinal, or quadratic, weights for the others."""


def count_values(units: Iterable[Iterable[float]], values: Sequence[float]) -> Counts:
    """How often each value was given to each unit, [U, V].

    Args:
        units: the ratings of each unit; raters who gave none are left out.
        values: the whole scale in order, also what nobody gave.

    Raises:
        InputError: a rating is not on the scale.
    """
    places = {value: place for place, value in enumerate(values)}
    rows = []
    for number, ratings in enumerate(units, start=1):
        row = [0] * len(values)
        for rating in ratings:
            if rating not in places:
                allowed = ", ".join(map(str, values))
                raise InputError(f"unit {number} has the rating {rating!r}; expected one of {allowed}")
            row[places[rating]] += 1
        rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(values))


def krippendorff_alpha(counts: Counts, values: Sequence[float], metric: Metric) -> float | None:
    """Alpha of ratings counted by `count_values`, or None where it is not defined."""
    return _number(_alpha(_coincidences(counts).sum(axis=0)[None], values, metric))


def gwet_ac(counts: Counts, values: Sequence[float], metric: Metric) -> float | None:
    """AC1 (nominal) or AC2 of ratings counted by `count_values`, or None where it is not defined."""
    return _number(_ac(counts, np.ones((1, len(counts))), _weights(values, metric)))


def agreement(
    counts: Counts, values: Sequence[float], metric: Metric, rng: np.random.Generator, n_draws: int = 2_000
) -> Agreement:
    """Both coefficients with intervals.

    Args:
        counts: from `count_values`, with the same `values`.
    """
    shared = counts[counts.sum(axis=1) >= 2]
    n_units = len(counts)
    n_values = len(values)
    coincidences = _coincidences(counts).reshape(n_units, n_values**2)
    drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_draws) if n_units else np.zeros((n_draws, 0))
    alphas = _alpha((drawn @ coincidences).reshape(n_draws, n_values, n_values), values, metric)
    return Agreement(
        n_units=len(shared),
        n_ratings=int(shared.sum()),
        agreed=_number(_observed(counts, np.ones((1, n_units)), np.eye(n_values))),
        alpha=_estimate(krippendorff_alpha(counts, values, metric), alphas),
        ac=_estimate(gwet_ac(counts, values, metric), _ac(counts, drawn, _weights(values, metric))),
    )


def _coincidences(counts: Counts) -> Floats:
    """Pairs of values within each unit, each weighted by 1 / (ratings - 1), [U, V, V]; zeros for units with one rating."""
    n_ratings = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1], dtype=np.int64)
    divisor = np.where(n_ratings >= 2, n_ratings - 1, 1)
    weighted: Floats = np.where(n_ratings >= 2, 1.0, 0.0)[:, None, None] * pairs / divisor[:, None, None]
    return weighted


def _alpha(coincidences: Floats, values: Sequence[float], metric: Metric) -> Floats:
    """1 - observed / expected disagreement for each of [D, V, V]; not a number where nothing else than agreement is possible."""
    totals = coincidences.sum(axis=2)
    n_pairable = totals.sum(axis=1)
    distances = _distances(totals, values, metric)
    observed = (coincidences * distances).sum(axis=(1, 2))
    expected = (totals[:, :, None] * totals[:, None, :] * distances).sum(axis=(1, 2))
    nothing = np.full_like(expected, np.nan)
    ratio: Floats = np.divide((n_pairable - 1) * observed, expected, out=nothing, where=expected > 0)
    return 1 - ratio


def _distances(totals: Floats, values: Sequence[float], metric: Metric) -> Floats:
    n_draws, n_values = totals.shape
    if metric == "nominal":
        return np.broadcast_to(1 - np.eye(n_values), (n_draws, n_values, n_values))
    if metric == "interval":
        points = np.asarray(values, dtype=np.float64)
        return np.broadcast_to((points[:, None] - points[None, :]) ** 2, (n_draws, n_values, n_values))
    # Ordinal: how many ratings lie between two values, the ends counted half.
    middles = np.cumsum(totals, axis=1) - totals / 2
    squares: Floats = (middles[:, :, None] - middles[:, None, :]) ** 2
    return squares


def _weights(values: Sequence[float], metric: Metric) -> Floats:
    """Credit from 0 to 1 for each pair of values, [V, V]."""
    n_values = len(values)
    if metric == "nominal" or n_values < 2:
        return np.eye(n_values)
    points = np.arange(n_values, dtype=np.float64) if metric == "ordinal" else np.asarray(values, dtype=np.float64)
    apart = np.abs(points[:, None] - points[None, :])
    lost = apart * (apart + 1) / 2 if metric == "ordinal" else apart**2
    weights: Floats = 1 - lost / lost.max()
    return weights


def _observed(counts: Counts, drawn: Floats | Counts, weights: Floats) -> Floats:
    """Weighted share of agreeing pairs, mean over the units with at least two ratings, for each draw of units."""
    n_ratings = counts.sum(axis=1)
    is_shared = n_ratings >= 2
    pairs = np.where(is_shared, n_ratings * (n_ratings - 1), 1)
    per_unit = np.where(is_shared, (counts * (counts @ weights - 1)).sum(axis=1) / pairs, 0.0)
    n_shared = drawn @ is_shared.astype(np.float64)
    nothing = np.full_like(n_shared, np.nan, dtype=np.float64)
    shares: Floats = np.divide(drawn @ per_unit, n_shared, out=nothing, where=n_shared > 0)
    return shares


def _ac(counts: Counts, drawn: Floats | Counts, weights: Floats) -> Floats:
    n_values = counts.shape[1]
    n_ratings = counts.sum(axis=1)
    has_any = n_ratings >= 1
    shares = np.where(has_any[:, None], counts / np.where(has_any, n_ratings, 1)[:, None], 0.0)
    n_rated = np.maximum(drawn @ has_any.astype(np.float64), 1)
    prevalence = (drawn @ shares) / n_rated[:, None]
    by_chance = weights.sum() / max(n_values * (n_values - 1), 1) * (prevalence * (1 - prevalence)).sum(axis=1)
    observed = _observed(counts, drawn, weights)
    coefficients: Floats = np.divide(
        observed - by_chance, 1 - by_chance, out=np.full_like(observed, np.nan), where=by_chance < 1
    )
    return coefficients


def _number(coefficients: Floats) -> float | None:
    """The single coefficient of one draw."""
    return float(coefficients[0]) if np.isfinite(coefficients[0]) else None


def _estimate(value: float | None, draws: Floats) -> Estimate:
    defined = draws[np.isfinite(draws)]
    if value is None or len(defined) < _DEFINED_SHARE * len(draws):
        return Estimate(value, None)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Estimate(value, (float(low), float(high)))
