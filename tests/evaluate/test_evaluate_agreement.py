"""Agreement coefficients against hand-worked cases, the `krippendorff` and `irrCAC` packages, and real physicians' labels.

Both packages are optional here: krippendorff is under the GPL and is no dependency of the project, not even of its tests.
"""

import ast
import csv
import math
from collections import defaultdict

import numpy as np
import pytest

from osler.errors import InputError
from osler.evaluate.agreement import agreement, count_values, gwet_ac, krippendorff_alpha

# Krippendorff (2011), example C: four observers, twelve units, values 1 to 5, with missing ratings.
PUBLISHED = [
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
]
SCALE = (1, 2, 3, 4, 5)


def units_of(observers):
    return [[value for value in unit if value is not None] for unit in zip(*observers, strict=True)]


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_own_example(metric, published):
    counts = count_values(units_of(PUBLISHED), SCALE)
    assert krippendorff_alpha(counts, SCALE, metric) == pytest.approx(published, abs=5e-4)


def test_ac1_is_that_of_gwets_own_example():
    # Gwet (2008), table 1: 118 both yes, 5 and 2 split, 0 both no.
    units = [[1, 1]] * 118 + [[1, 0]] * 5 + [[0, 1]] * 2
    yes = (118 + 3.5) / 125
    by_chance = 2 * yes * (1 - yes)
    counts = count_values(units, (0, 1))
    assert gwet_ac(counts, (0, 1), "nominal") == pytest.approx((118 / 125 - by_chance) / (1 - by_chance), abs=1e-12)
    assert gwet_ac(counts, (0, 1), "nominal") > 0.9 > 0.1 > krippendorff_alpha(counts, (0, 1), "nominal")


def random_cases(n):
    rng = np.random.default_rng(7)
    for _ in range(n):
        n_values, n_units, n_raters = int(rng.integers(2, 7)), int(rng.integers(3, 40)), int(rng.integers(2, 6))
        table = rng.integers(0, n_values, (n_raters, n_units)).astype(float)
        table[rng.random((n_raters, n_units)) < 0.2] = math.nan
        yield table, tuple(range(n_values))


def counted(table, scale):
    return count_values([column[~np.isnan(column)] for column in table.T], scale)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_krippendorff_package_on_random_ratings(metric):
    peer = pytest.importorskip("krippendorff", reason="the package krippendorff is not installed")
    for table, scale in random_cases(200):
        counts = counted(table, scale)
        if (counts.sum(axis=1) >= 2).sum() == 0 or (counts[counts.sum(axis=1) >= 2].sum(axis=0) > 0).sum() < 2:
            assert krippendorff_alpha(counts, scale, metric) is None
            continue
        theirs = peer.alpha(reliability_data=table, level_of_measurement=metric)
        assert krippendorff_alpha(counts, scale, metric) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("metric", "weights"), [("nominal", "identity"), ("ordinal", "ordinal"), ("interval", "quadratic")]
)
def test_ac_equals_the_irrcac_package_on_random_ratings(metric, weights):
    raw = pytest.importorskip("irrCAC.raw", reason="the package irrCAC is not installed")
    pandas = pytest.importorskip("pandas")
    for table, scale in random_cases(40):
        frame = pandas.DataFrame(table.T)
        theirs = raw.CAC(frame, weights=weights, categories=list(scale), digits=12).gwet()["est"]["coefficient_value"]
        assert gwet_ac(counted(table, scale), scale, metric) == pytest.approx(theirs, abs=1e-9)


def physicians_ratings(shared_data):
    """Units of (information is missing, letter when blind) over all MedQA test questions."""
    missing, letters = defaultdict(list), defaultdict(list)
    with (shared_data / "medqa_relabel" / "labels.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            missing[row["qid"]].append(int(row["info_missing"] == "TRUE"))
            answers = ast.literal_eval(row["blind_answers"]) if row["blind_answers"] else []
            if row["blind_answerable"] == "TRUE" and len(answers) == 1:
                letters[row["qid"]].append("ABCD".index(answers[0]))
    return {"missing": (list(missing.values()), (0, 1)), "letters": (list(letters.values()), (0, 1, 2, 3))}


def test_physicians_labels_of_medqa_give_the_same_alpha_as_the_krippendorff_package(shared_data):
    peer = pytest.importorskip("krippendorff", reason="the package krippendorff is not installed")
    for units, scale in physicians_ratings(shared_data).values():
        widest = max(map(len, units))
        table = np.array([[*unit, *[math.nan] * (widest - len(unit))] for unit in units], dtype=float).T
        theirs = peer.alpha(reliability_data=table, level_of_measurement="nominal")
        assert krippendorff_alpha(count_values(units, scale), scale, "nominal") == pytest.approx(theirs, abs=1e-9)


def test_physicians_agree_on_medqa_as_was_measured_before(shared_data):
    """0.41 for missing information; for the letter the figure depends on what counts as an answer."""
    units, scale = physicians_ratings(shared_data)["missing"]
    found = agreement(count_values(units, scale), scale, "nominal", np.random.default_rng(0), n_draws=200)
    assert found.n_units == len(units) == 1273
    low, high = found.alpha.ci95
    assert low < found.alpha.value < high
    assert 0.3 < found.alpha.value < 0.45


def test_what_cannot_be_told_is_none_and_not_a_number():
    rng = np.random.default_rng(0)
    nobody = agreement(count_values([], SCALE), SCALE, "ordinal", rng)
    assert (nobody.n_units, nobody.agreed, nobody.alpha.value, nobody.ac.value) == (0, None, None, None)
    alone = agreement(count_values([[1], [2]], SCALE), SCALE, "ordinal", rng)
    assert (alone.n_units, alone.alpha.value, alone.ac.value, alone.ac.ci95) == (0, None, None, None)
    same = agreement(count_values([[5, 5]] * 10, SCALE), SCALE, "ordinal", rng)
    assert same.alpha.value is None
    assert same.ac.value == pytest.approx(1)


def test_a_rating_off_the_scale_is_refused():
    with pytest.raises(InputError, match=r"unit 2 has the rating 6; expected one of 1, 2, 3, 4, 5"):
        count_values([[1, 2], [6, 1]], SCALE)


def test_intervals_hold_the_true_alpha_as_often_as_they_say():
    """Two raters copy a value with chance 0.7 and else guess: nominal alpha is 0.49 in the long run."""
    rng, n_held = np.random.default_rng(3), 0
    for _ in range(200):
        truth = rng.integers(0, 4, 150)
        seen = [np.where(rng.random(150) < 0.7, truth, rng.integers(0, 4, 150)) for _ in range(2)]
        low, high = agreement(count_values(np.array(seen).T, range(4)), range(4), "nominal", rng, 400).alpha.ci95
        n_held += low <= 0.49 <= high
    assert 0.90 <= n_held / 200 <= 0.99
