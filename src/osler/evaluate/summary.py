"""From the rows of `samples.jsonl` to `scores.json`: scores with intervals, baselines, and the paired comparison.

Questions that overlap with the training records are counted apart and are in no score, for either model. A failed question
counts as wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from osler.evaluate import stats
from osler.evaluate.benchmarks import Asked, Questions
from osler.evaluate.bias import swap_effect
from osler.evaluate.chance import random_stream
from osler.evaluate.claims import calibration, confidence_of
from osler.evaluate.contamination import Overlap
from osler.evaluate.items import Item, fit_items
from osler.evaluate.means import mean_of
from osler.evaluate.rouge import rouge_l
from osler.evaluate.rows import Row, by_arm

Likeness = Callable[[Sequence[tuple[str, str]]], Mapping[str, Any]]
"""What files say of answers with their references."""


@dataclass(frozen=True, slots=True)
class Examination:
    """One benchmark with the questions that are asked."""

    asked: Asked
    questions: Questions
    overlaps: Mapping[str, Overlap]
    """Questions that overlap with the training records, by id."""
    swap: str = ""
    """`sex`, `age` or `ethnicity` where the questions are about another person than the original ones."""
    swap_of: str = ""
    """Score name of the original ones."""


def summarise(
    arms: Sequence[str],
    examinations: Sequence[Examination],
    rows: Iterable[Row],
    seed: int,
    n_training: int = 0,
    bertscore: Likeness | None = None,
) -> dict[str, Any]:
    """What `scores.json` holds: scores in the order of benchmarks, then models.

    Args:
        rows: of `samples.jsonl`.
        seed: for the bootstrap of macro-F1.
        n_training: training records that the questions were held against; 0: overlap was not looked for.
        bertscore: of open answers, each with its reference; None: not asked for.
    """
    given = by_arm(rows)
    scores: list[dict[str, Any]] = []
    bias: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for examination in examinations:
        name = examination.asked.score_name
        answered = {arm: given.get((name, arm), []) for arm in arms}
        if examination.swap:
            for arm, swapped in answered.items():
                effect = swap_effect(given.get((examination.swap_of, arm), []), swapped)
                bias.append({"benchmark": examination.swap_of, "model": arm, "swap": examination.swap, **effect})
            continue
        counted = {arm: [row for row in own if row["id"] not in examination.overlaps] for arm, own in answered.items()}
        if examination.asked.benchmark.is_open:
            answers.extend(_open_answers(examination, arm, own, bertscore) for arm, own in counted.items())
            continue
        known = baselines(fit_items(examination.asked, examination.questions, examination.overlaps))
        scores.extend(_score(examination, arm, own, known, seed) for arm, own in counted.items())
        if counted.get("base") and "tuned" in counted:
            facts = paired_facts(paired_counts(counted["base"], counted["tuned"]), ("only_base", "only_tuned"))
            comparisons.append({"benchmark": name, **facts})
    found = {"scores": scores, "training_records": n_training, "comparisons": comparisons}
    return found | ({"bias": bias} if bias else {}) | ({"open_answers": answers} if answers else {})


def _open_answers(
    examination: Examination, arm: str, rows: Sequence[Row], bertscore: Likeness | None
) -> dict[str, Any]:
    targets = {record.id: record.target for record in examination.questions.records}
    replies = [(row["replies"][0] if "replies" in row else "", targets[row["id"]]) for row in rows]
    shared = mean_of([rouge_l(reply, target) for reply, target in replies], (0.0, 1.0))
    return {
        "benchmark": examination.asked.score_name,
        "model": arm,
        "n": len(replies),
        "empty": sum(not reply.strip() for reply, _ in replies),
        "contaminated": len(examination.overlaps),
        "rouge_l": shared.mean,
        "rouge_l_ci95": list(shared.ci95),
        "attribution": _attribution(examination),
        **({"bertscore": bertscore(replies)} if bertscore else {}),
    }


def paired_counts(first: Sequence[Row], second: Sequence[Row]) -> stats.PairedCounts:
    """How two models answered the same questions, joined by id."""
    right = {row["id"]: bool(row["right"]) for row in second}
    return stats.count_pairs((row["right"], right[row["id"]]) for row in first)


def paired_facts(counts: stats.PairedCounts, only: tuple[str, str] = ("only_first", "only_second")) -> dict[str, Any]:
    """Counts, difference with its interval and the exact test, as files hold them; `only` names what one alone had right."""
    return {
        "n": counts.n,
        "both_right": counts.both_right,
        only[0]: counts.only_first,
        only[1]: counts.only_second,
        "both_wrong": counts.both_wrong,
        "difference": counts.difference,
        "ci95": list(stats.paired_difference(counts)),
        "p_mcnemar": stats.mcnemar_exact(counts.only_first, counts.only_second),
    }


def calibration_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Of the answers by log-likelihood among these rows; None where there are none."""
    scored = [row for row in rows if row.get("log_likelihoods")]
    if not scored:
        return None
    right = [bool(row["right"]) for row in scored]
    return calibration([confidence_of(row["log_likelihoods"]) for row in scored], right)


def baselines(items: Sequence[Item]) -> dict[str, float]:
    """What answering without reading scores on these questions; zeros without questions.

    `most_common` is always the option that is right most often here: the best that a constant answer can do.
    """
    n = max(1, len(items))
    gold = Counter(item.gold for item in items)
    longest = sum(_longest(item.options) == item.gold for item in items)
    return {
        "always_first": gold[0] / n,
        "longest_option": longest / n,
        "most_common": max(gold.values(), default=0) / n,
    }


def accuracy(k: int, n: int) -> dict[str, Any]:
    """How many of `n` are right, as files hold it; the accuracy of nothing is 0, with the interval (0, 1)."""
    return {"n": n, "right": k, "accuracy": k / n if n else 0.0, "ci95": list(stats.wilson(k, n))}


def _score(
    examination: Examination, arm: str, rows: Sequence[Row], known: Mapping[str, float], seed: int
) -> dict[str, Any]:
    """One model on one benchmark. What failed or was not parsed is among `n` and counts as wrong; what overlaps is not in it."""
    benchmark = examination.asked.benchmark
    matched = Counter(str(row["matched"]) for row in rows)
    human = benchmark.human if _is_published(examination) else None
    found: dict[str, Any] = {
        "benchmark": examination.asked.score_name,
        "model": arm,
        "split": examination.asked.split,
        **accuracy(sum(row["right"] for row in rows), len(rows)),
        "failed": matched["failed"],
        "contaminated": len(examination.overlaps),
        "unparsed": sum(row["answer"] < 0 for row in rows) - matched["failed"],
        "matched": dict(sorted(matched.items())),
        "baselines": known,
        "human": None if human is None else asdict(human),
        "attribution": _attribution(examination),
    }
    if subjects := _subjects(rows):
        found["subjects"] = subjects
    if examination.asked.mode.way == "letters":
        found |= calibration_of(rows) or {}
    return found | (_macro_f1(examination.asked, arm, rows, seed) if benchmark.labels else {})


def _is_published(examination: Examination) -> bool:
    """Whether these are the questions that published scores, human ones among them, were made on."""
    return examination.asked.split == examination.asked.benchmark.split and not _is_sample(examination)


def _is_sample(examination: Examination) -> bool:
    return any(record.origin.is_sample for record in examination.questions.records)


def _attribution(examination: Examination) -> str:
    benchmark = examination.asked.benchmark
    if _is_sample(examination):
        return f"Questions invented for Osler's sample in the shape of {benchmark.source}; not comparable with published scores."
    return benchmark.attribution


def _subjects(rows: Sequence[Row]) -> list[dict[str, Any]]:
    right: dict[str, list[bool]] = {}
    for row in rows:
        if "subject" in row:
            right.setdefault(row["subject"], []).append(row["right"])
    return [{"subject": name, **accuracy(sum(own), len(own))} for name, own in sorted(right.items())]


def _macro_f1(asked: Asked, arm: str, rows: Sequence[Row], seed: int) -> dict[str, Any]:
    """With bootstrap bounds, one of them one-sided, which the gate uses."""
    # A question whose label is not the benchmark's own has no row in the table; it is counted as failed.
    n_labels = len(asked.benchmark.labels)
    keyed = [row for row in rows if 0 <= row["gold"] < n_labels]
    table = stats.confusion([row["gold"] for row in keyed], [row["answer"] for row in keyed], n_labels)
    entropy = random_stream(seed, asked.score_name, arm).getrandbits(64)
    draws = stats.macro_f1_draws(table, np.random.default_rng(entropy))
    return {
        "macro_f1": stats.macro_f1(table),
        "macro_f1_ci95": [stats.quantile(draws, 0.025), stats.quantile(draws, 0.975)],
        "macro_f1_lower95": stats.quantile(draws, 0.05),
    }


def _longest(options: Sequence[str]) -> int:
    """Position of the longest option; the first of equals."""
    return max(range(len(options)), key=lambda i: (len(options[i]), -i))
