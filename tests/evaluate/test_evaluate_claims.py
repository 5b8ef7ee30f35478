"""Corrections, paired bootstrap and calibration against other implementations and cases worked by hand."""

import math
import random

import numpy as np
import pytest
from scipy import stats as scipy_stats

from osler.evaluate import claims, stats
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
    assert [(one["n"], one["accuracy"]) for one in found["reliability"]] == [(2, 1.0), (2, 0.5)]
    assert found["ece"] == pytest.approx(0.5 * abs(0.575 - 1) + 0.5 * abs(0.93 - 0.5))
    assert claims.calibration([], [])["ece"] == 0.0
    assert claims.confidence_of([math.log(3), math.log(1)]) == pytest.approx(0.75)
    assert claims.confidence_of([-1000.0, -1000.0]) == 0.5
