"""The statistics of evaluation beside scipy, statsmodels, scikit-learn, krippendorff and irrCAC; coverage; false passes of the gate.

    python benchmarks/evaluate_statistics.py --data ../shared/data --out benchmarks/results/evaluate_statistics.json

The peers go into an environment of their own (krippendorff is GPL: it is compared with, never depended on).
"""

import argparse
import csv
import gzip
import json
import random
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy import stats as scipy_stats

from osler.evaluate import claims, stats
from osler.evaluate.agreement import agreement, count_values, gwet_ac, krippendorff_alpha
from osler.evaluate.means import mean_of
from osler.evaluate.stats import PairedCounts

N_CASES = 300
N_RUNS = 20_000
RATINGS = {
    "skewed": (0.02, 0.03, 0.10, 0.63, 0.22),
    "two kinds": (0.20, 0.0, 0.0, 0.20, 0.60),
    "mid": (0.0, 0.05, 0.15, 0.55, 0.25),
    "harm in 1 %": (0.01, 0.0, 0.0, 0.96, 0.03),
    "harm in 5 %": (0.05, 0.0, 0.0, 0.80, 0.15),
}
"""Shares of the ratings 1 to 5."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    result = {
        "largest_difference": largest_differences(random.Random(3)),
        "physicians": physicians(options.data / "medqa_relabel" / "labels.csv"),
        "pubmedqa_annotators": annotators(options.data / "pubmedqa" / "ori_pqal_open500.json.gz"),
        "coverage": coverage(np.random.default_rng(5)),
        "false_passes": false_passes(np.random.default_rng(7)),
    }
    options.out.write_bytes(
        orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    )
    print(options.out.read_text())


def largest_differences(rng: Any) -> Any:
    """Over random cases, the largest difference from another implementation."""
    import irrCAC.raw
    import krippendorff
    import pandas as pd
    from sklearn.metrics import f1_score
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    worst = Counter()

    def note(name: str, ours: Any, theirs: Any) -> Any:
        difference = float(np.max(np.abs(np.subtract(ours, theirs))))
        if np.isnan(difference):
            raise SystemExit(f"{name}: one of the two gives no number")
        worst[name] = max(worst[name], difference)

    for _ in range(N_CASES):
        n = rng.randint(1, 3000)
        k = rng.randint(0, n)
        note("Wilson interval, statsmodels", stats.wilson(k, n), proportion_confint(k, n, method="wilson"))
        both = proportion_confint(k, n, 0.1, "beta")
        note(
            "Clopper-Pearson bounds, statsmodels",
            (stats.clopper_pearson_lower(k, n), stats.clopper_pearson_upper(k, n)),
            np.nan_to_num(both, nan=0.0) if k not in (0, n) else ((0.0, both[1]) if k == 0 else (both[0], 1.0)),
        )
        b, c = rng.randint(0, 80), rng.randint(0, 80)
        note("McNemar exact, statsmodels", stats.mcnemar_exact(b, c), mcnemar([[5, b], [c, 5]], exact=True).pvalue)
        note(
            "McNemar exact, scipy",
            stats.mcnemar_exact(b, c),
            scipy_stats.binomtest(b, b + c).pvalue if b + c else 1.0,
        )
        p = [rng.random() ** 3 for _ in range(rng.randint(1, 21))]
        note("Holm, statsmodels", claims.holm(p), multipletests(p, method="holm")[1])
        note("Benjamini-Hochberg, statsmodels", claims.benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])
        a, z = rng.randint(1, 400), rng.randint(1, 400)
        note("beta quantile, scipy", stats.beta_quantile(0.95, a, z), scipy_stats.beta.ppf(0.95, a, z))
        gold = [rng.randrange(3) for _ in range(60)]
        given = [g if rng.random() < 0.6 else rng.randrange(3) for g in gold]
        note(
            "macro-F1, scikit-learn",
            stats.macro_f1(stats.confusion(gold, given, 3)),
            f1_score(gold, given, average="macro"),
        )
    for _ in range(N_CASES // 3):
        table = np.array(
            [[float(rng.randint(1, 5)) if rng.random() < 0.85 else np.nan for _ in range(3)] for _ in range(40)]
        )
        table[0] = [1, 2, 5]
        values = sorted(set(table[~np.isnan(table)]))
        counts = count_values([row[~np.isnan(row)] for row in table], values)
        for level in ("nominal", "ordinal", "interval"):
            note(
                f"Krippendorff's alpha {level}, krippendorff",
                krippendorff_alpha(counts, values, level),
                krippendorff.alpha(table.T, level_of_measurement=level),
            )
        rated = pd.DataFrame(table[(~np.isnan(table)).sum(axis=1) >= 1])
        for name, weights, ordered in (("AC1", "identity", False), ("AC2", "quadratic", True)):
            theirs = irrCAC.raw.CAC(rated, weights=weights, categories=values, digits=12).gwet()["est"][
                "coefficient_value"
            ]
            note(
                f"Gwet's {name}, irrCAC",
                gwet_ac(counts, values, "interval" if ordered else "nominal"),
                theirs,
            )
    return {"cases": N_CASES, **dict(sorted(worst.items()))}


def physicians(path: Path) -> Any:
    """Physicians' labels of the MedQA test questions: alpha and AC1, beside the package."""
    import krippendorff

    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    found = {}
    for name, value in (
        ("answer, one letter, unseen", letter),
        ("important information missing", lambda row: float(row["important_info_missing"] == "TRUE")),
    ):
        units = {}
        for row in rows:
            units.setdefault(row["question_sha1"], []).append(value(row))
        width = max(map(len, units.values()))
        table = np.array([own + [np.nan] * (width - len(own)) for own in units.values()])
        values = sorted(set(table[~np.isnan(table)]))
        counts = count_values([row[~np.isnan(row)] for row in table], values)
        both = agreement(counts, values, "nominal", np.random.default_rng(1))
        package = krippendorff.alpha(table.T, level_of_measurement="nominal")
        found[name] = {
            "units": both.n_units,
            "alpha": both.alpha.value,
            "alpha_ci95": both.alpha.ci95,
            "krippendorff": package,
            "difference": abs(both.alpha.value - package),
            "ac1": both.ac.value,
            "ac1_ci95": both.ac.ci95,
            "raw_agreement": both.agreed,
        }
    return found


def letter(row: Mapping[str, str]) -> Any:
    answers = [one for one in "ABCDE" if f"'{one}'" in row["blind_answers"]]
    return float("ABCDE".index(answers[0])) if row["blind_answerable"] == "TRUE" and len(answers) == 1 else np.nan


def annotators(path: Path) -> Any:
    """The annotator columns inside the PubMedQA file, by our metrics and by hand."""
    labels = ("yes", "no", "maybe")
    rows = list(json.loads(gzip.decompress(path.read_bytes())).values())
    found = {}
    for column in ("reasoning_required_pred", "reasoning_free_pred"):
        pairs = [(row["final_decision"], row[column]) for row in rows]
        table = stats.confusion([labels.index(g) for g, _ in pairs], [labels.index(a) for _, a in pairs], 3)
        f1 = []
        for label in labels:
            hit = sum(g == a == label for g, a in pairs)
            f1.append(2 * hit / (sum(g == label for g, _ in pairs) + sum(a == label for _, a in pairs)))
        found[column] = {
            "n": len(pairs),
            "accuracy": float(table.trace() / table.sum()),
            "macro_f1": stats.macro_f1(table),
            "by_hand": {"accuracy": sum(g == a for g, a in pairs) / len(pairs), "macro_f1": sum(f1) / 3},
        }
    return found


def coverage(rng: Any) -> Any:
    """How often 95 % intervals hold the truth: mean over true rates, and simulated for paired differences."""
    found = {}
    for n in (200, 500, 1273, 4183):
        rates = np.linspace(0.2, 0.9, 141)
        bounds = np.array([stats.wilson(k, n) for k in range(n + 1)])
        shares = [
            float(scipy_stats.binom.pmf(np.arange(n + 1), n, p) @ ((bounds[:, 0] <= p) & (p <= bounds[:, 1])))
            for p in rates
        ]
        found[f"Wilson, n = {n}, exact"] = {"mean": float(np.mean(shares)), "least": min(shares), "most": max(shares)}
    for name, interval in (
        ("Newcombe paired", stats.paired_difference),
        ("paired bootstrap", lambda counts: claims.paired_bootstrap(counts, rng, n_draws=1000)),
    ):
        runs = 2000 if "bootstrap" in name else N_RUNS // 2
        for n, shares in ((500, (0.4, 0.10, 0.10, 0.4)), (1273, (0.5, 0.08, 0.12, 0.3)), (200, (0.5, 0.05, 0.15, 0.3))):
            truth, hits = shares[2] - shares[1], 0
            for cells in rng.multinomial(n, shares, size=runs):
                low, high = interval(PairedCounts(*map(int, cells)))
                hits += low <= truth <= high
            found[f"{name}, n = {n}, difference {truth:+.2f}"] = {"share": hits / runs, "runs": runs}
    for name, p in RATINGS.items():
        mean, runs = float(np.dot(p, range(1, 6))), 2000
        both = [mean_of(own, (1, 5)).ci95 for own in rng.choice(np.arange(1.0, 6.0), size=(runs, 100), p=p).tolist()]
        found[f"mean rating, {name}, n = 100"] = {"share": sum(a <= mean <= b for a, b in both) / runs, "runs": runs}
    return found


def false_passes(rng: Any) -> Any:
    """How often a model that is exactly at a bound passes it. Exact where the counts can be summed, else simulated."""
    found = {}
    for name, bound, sizes, passes in (
        ("knowledge 60 %", 0.60, (200, 500, 1273), lambda k, n, bound: stats.lower_bound(k, n) >= bound),
        ("helpful 80 %", 0.80, (50, 100, 300), lambda k, n, bound: stats.lower_bound(k, n) >= bound),
        ("violations 0.3 %", 0.003, (1000, 1500, 3000), lambda k, n, bound: stats.clopper_pearson_upper(k, n) <= bound),
        ("over-refusal 5 %", 0.05, (100, 200, 500), lambda k, n, bound: stats.clopper_pearson_upper(k, n) <= bound),
    ):
        for n in sizes:
            pmf = scipy_stats.binom.pmf(np.arange(n + 1), n, bound)
            found[f"{name}, n = {n}"] = {
                "exact": float(sum(p for k, p in enumerate(pmf) if p > 1e-15 and passes(k, n, bound)))
            }
    for n, discordance in ((500, 0.15), (1273, 0.2), (1273, 0.1), (4183, 0.2)):
        margin, runs = 0.05, N_RUNS
        lost = (discordance + margin) / 2
        cells = rng.multinomial(n, (0.5, lost, discordance - lost, 0.5 - discordance), size=runs)
        passed = Counter(map(tuple, cells[:, 1:3].tolist()))
        hits = sum(
            count
            for (b, c), count in passed.items()
            if stats.non_inferiority_lower(PairedCounts(0, b, c, n - b - c)) > -margin
        )
        found[f"regression 5 points, n = {n}, discordance {discordance}"] = {"share": hits / runs, "runs": runs}
    table = population_at(0.72)
    hits, runs = 0, 2000
    for sample in rng.multinomial(500, table.ravel() / table.sum(), size=runs):
        own = sample.reshape(3, 4)
        draws = stats.macro_f1_draws(own, rng, 2000)
        hits += stats.quantile(draws, 0.05) >= 0.72
    found["macro-F1 0.72, n = 500"] = {"share": hits / runs, "runs": runs}
    for name, p in RATINGS.items():
        mean, runs = float(np.dot(p, range(1, 6))), 2000
        for n in (30, 100, 300):
            ratings = rng.choice(np.arange(1.0, 6.0), size=(runs, n), p=p)
            hits = sum(mean_of(own.tolist(), (1, 5)).lower95 > mean for own in ratings)
            found[f"mean rating at its bound, {name}, n = {n}"] = {"share": hits / runs, "runs": runs}
    return found


def population_at(target: float) -> Any:
    """A table of shares in PubMedQA's proportions whose macro-F1 is `target`: right answers are mixed with even errors."""
    gold = np.array([0.552, 0.338, 0.110])
    low, high = 0.0, 1.0
    for _ in range(60):
        right = (low + high) / 2
        square = gold[:, None] * (right * np.eye(3) + (1 - right) * (1 - np.eye(3)) / 2)
        scores = 2 * square.diagonal() / (square.sum(axis=0) + square.sum(axis=1))
        low, high = (right, high) if scores.mean() < target else (low, right)
    return np.hstack([square, np.zeros((3, 1))])


if __name__ == "__main__":
    main()
