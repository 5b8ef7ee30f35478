"""Corrections, paired bootstrap, calibration and agreement against other implementations and cases worked by hand."""

import math
import random

import numpy as np
import pytest
from scipy import stats as scipy_stats

from osler.evaluate import agreement, claims, stats
from osler.evaluate.stats import PairedCounts


def rng(seed=1):
    return np.random.default_rng(seed)


def test_false_discovery_control_equals_scipy():
    draw = random.Random(2)
    for _ in range(200):
        p = [draw.random() ** 3 for _ in range(draw.randint(1, 25))]
        assert claims.benjamini_hochberg(p) == pytest.approx(scipy_stats.false_discovery_control(p), abs=1e-12)


def test_holm_by_hand():
    assert claims.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert claims.holm([0.5, 0.6]) == [1.0, 1.0]
    assert claims.holm([]) == []


def test_the_paired_bootstrap_is_that_of_the_items():
    answers = np.array([0] * 60 + [-1] * 15 + [1] * 25)
    found = claims.paired_bootstrap(PairedCounts(40, 15, 25, 20), rng(), n_draws=40_000)
    reference = scipy_stats.bootstrap((answers,), np.mean, n_resamples=40_000, method="percentile", rng=rng(3))
    assert found == pytest.approx(tuple(reference.confidence_interval), abs=0.011)
    assert claims.paired_bootstrap(PairedCounts(0, 0, 0, 0), rng()) == (-1.0, 1.0)


@pytest.mark.parametrize(("n", "points"), [(500, 5.0), (1089, 3.4), (1273, 3.1), (4183, 1.7), (7045, 1.3)])
def test_the_margin_that_a_sample_can_show(n, points):
    assert 100 * claims.margin_shown(n) == pytest.approx(points, abs=0.05)


def test_equal_models_show_that_margin_in_four_of_five_runs():
    n, draws = 1273, rng(8).multinomial(1273, (0.5, 0.1, 0.1, 0.3), size=400)
    margin = claims.margin_shown(n)
    shown = sum(stats.non_inferiority_lower(PairedCounts(*map(int, one))) > -margin for one in draws)
    assert 0.74 < shown / 400 < 0.86


def test_calibration_by_hand():
    found = claims.calibration([0.95, 0.91, 0.55, 0.6], [True, False, True, True])
    assert [(one.n, one.n_right) for one in found.bins] == [(2, 2), (2, 1)]
    assert found.ece == pytest.approx(0.5 * abs(0.575 - 1) + 0.5 * abs(0.93 - 0.5))
    assert claims.calibration([], []).ece == 0.0
    assert claims.confidence_of([math.log(3), math.log(1)]) == pytest.approx(0.75)
    assert claims.confidence_of([-1000.0, -1000.0]) == 0.5


def slow_alpha(table, distance):
    """From the definition: disagreement within units over disagreement between any two ratings."""
    units = [[value for value in row if not math.isnan(value)] for row in table]
    units = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in units for value in unit]
    n = len(everything)
    within = sum(
        sum(distance(a, b, everything) for i, a in enumerate(u) for j, b in enumerate(u) if i != j) / (len(u) - 1)
        for u in units
    )
    between = sum(
        distance(a, b, everything) for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j
    )
    return 1 - (within / n) / (between / (n * (n - 1)))


def ordinal(a, b, everything):
    low, high = min(a, b), max(a, b)
    between = sum(low <= value <= high for value in everything)
    return (between - (everything.count(low) + everything.count(high)) / 2) ** 2 if low != high else 0.0


@pytest.mark.parametrize(
    ("level", "distance"),
    [
        ("nominal", lambda a, b, everything: float(a != b)),
        ("ordinal", ordinal),
        ("interval", lambda a, b, everything: (a - b) ** 2),
    ],
)
def test_alpha_equals_its_definition(level, distance):
    for seed in range(5):
        draw = rng(seed)
        table = draw.integers(1, 6, (25, 3)).astype(float)
        table[draw.random(table.shape) < 0.2] = np.nan
        found = agreement.krippendorff_alpha(table, level, rng(), 50)
        assert found.value == pytest.approx(slow_alpha(table, distance), abs=1e-12)
        assert found.ci95[0] <= found.value <= found.ci95[1]


def test_the_published_example_of_alpha():
    # K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units.
    nan = float("nan")
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    table = np.array(rows).T
    for level, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)):
        assert agreement.krippendorff_alpha(table, level, rng(), 10).value == pytest.approx(value, abs=5e-4)


def test_gwet_ac1_by_hand_and_where_alpha_misleads():
    # Two raters, ten units: both say 0 nine times, they differ once.
    table = np.array([[0.0, 0.0]] * 9 + [[0.0, 1.0]])
    share = 0.05
    chance = 2 * share * (1 - share)
    assert agreement.gwet_ac(table, rng(), n_draws=10).value == pytest.approx((0.9 - chance) / (1 - chance))
    assert agreement.krippendorff_alpha(table, "nominal", rng(), 10).value == pytest.approx(0.0, abs=1e-12)
    assert agreement.raw_agreement(table) == 0.9


def test_raters_who_always_agree_reach_one_and_chance_reaches_nothing():
    same = np.repeat(rng(4).integers(1, 6, (40, 1)).astype(float), 3, axis=1)
    random_ratings = rng(5).integers(1, 6, (2000, 3)).astype(float)
    for found in (
        agreement.krippendorff_alpha(same, "ordinal", rng(), 10),
        agreement.gwet_ac(same, rng(), ordered=True),
    ):
        assert found.value == pytest.approx(1.0)
    assert abs(agreement.krippendorff_alpha(random_ratings, "ordinal", rng(), 10).value) < 0.04
    assert abs(agreement.gwet_ac(random_ratings, rng(), ordered=True, n_draws=10).value) < 0.04


def test_without_two_ratings_of_a_unit_nothing_is_said():
    alone = np.array([[1.0, np.nan], [np.nan, 2.0]])
    assert math.isnan(agreement.krippendorff_alpha(alone, "ordinal", rng()).value)
    assert math.isnan(agreement.gwet_ac(alone, rng()).value)
    assert math.isnan(agreement.raw_agreement(alone))


def test_a_mean_rating_at_its_bound_passes_in_at_most_one_of_twenty_runs():
    draw = rng(6)
    values, shares = np.arange(1.0, 6.0), [0.02, 0.03, 0.10, 0.63, 0.22]
    passes = sum(stats.mean_lower(draw.choice(values, 100, p=shares).tolist(), 1, 5) > 4.0 for _ in range(300))
    assert passes <= 0.05 * 300 + 8


def test_good_ratings_pass():
    assert stats.mean_lower([5, 4, 5, 5] * 25, 1, 5) > 4.4
    assert stats.mean_lower([5, 4, 5, 4] * 25, 1, 5) > 4.1
    assert stats.mean_lower([4.0] * 100, 1, 5) < 4.0
    assert stats.mean_lower([], 1, 5) == 1
