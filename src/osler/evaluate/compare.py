"""Two models on the same questions: what was won and lost, and which claims the sample can bear.

Reads `samples.jsonl` and `contaminated.jsonl` of two evaluations (or of two arms of one). Only benchmarks with a key and questions that
both were asked in the same mode count, less those that overlap with either training set; what failed counts as wrong. Unpaired
tests have no place here: on the same questions they miss what a paired test finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osler.errors import InputError
from osler.evaluate import stats
from osler.evaluate.chance import random_stream
from osler.evaluate.claims import benjamini_hochberg, holm, margin_shown, paired_bootstrap
from osler.evaluate.rows import Row, by_arm, read_rows
from osler.evaluate.summary import calibration_of, paired_counts, paired_facts

Rows = Mapping[str, Row]
"""Rows of one benchmark by the question's id, in the order of the file."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One model's answers."""

    name: str
    rows: Mapping[str, Rows]
    """By the benchmark's score name."""
    contaminated: frozenset[tuple[str, str]]
    """Score name and id."""


def read_evaluated(folder: Path, arm: str | None) -> Evaluated:
    """The answers in an evaluation's folder.

    Args:
        arm: which model of several; None takes `tuned`, or the only one.

    Raises:
        InputError: there are no answers, or none of this arm.
    """
    found: dict[str, dict[str, Rows]] = {}
    for (benchmark, model), rows in by_arm(read_rows(folder / "samples.jsonl")).items():
        if "+" not in benchmark:  # questions about another person belong to the bias figures
            found.setdefault(model, {})[benchmark] = {row["id"]: row for row in rows}
    chosen = arm or ("tuned" if "tuned" in found else next(iter(found), ""))
    if chosen not in found or (arm is None and len(found) > 1 and "tuned" not in found):
        raise InputError(f"{folder}: no answers of {arm or 'one model'!r}; there are {', '.join(found) or 'none'}")
    overlaps = frozenset((row["benchmark"], row["id"]) for row in read_rows(folder / "contaminated.jsonl"))
    keyed = {name: own for name, own in found[chosen].items() if any(row["gold"] >= 0 for row in own.values())}
    return Evaluated(chosen, keyed, overlaps)


def compare(
    first: Evaluated, second: Evaluated, seed: int, claims: Sequence[str] = (), margin: float | None = None
) -> dict[str, Any]:
    """What the second model gains or loses against the first.

    Args:
        claims: benchmarks on which the second was declared beforehand to be better; Holm's correction is over these. Empty
            takes all that both were asked.
        margin: of non-inferiority; None takes for each benchmark what its sample can show (80 % power, 20 % discordance).

    Raises:
        InputError: no benchmark was asked of both in the same mode, or a claim names none.
    """
    common = [name for name in first.rows if name in second.rows]
    if not common:
        raise InputError(
            f"no benchmark was asked of both in the same mode: {', '.join(first.rows)} and {', '.join(second.rows)}"
        )
    unknown = sorted(set(claims) - set(common))
    if unknown:
        raise InputError(f"claims on {', '.join(unknown)}: not asked of both; there are {', '.join(common)}")
    declared = [name for name in common if name in claims or not claims]
    overlaps = first.contaminated | second.contaminated
    rows = {name: _compared(name, first.rows[name], second.rows[name], overlaps, (seed, margin)) for name in common}
    adjusted = dict(zip(declared, holm([rows[name]["p_mcnemar"] for name in declared]), strict=True))
    for name, row in rows.items():
        row["p_holm"] = adjusted.get(name)
    return {"first": first.name, "second": second.name, "claims": declared, "benchmarks": list(rows.values())}


def _compared(
    name: str, first: Rows, second: Rows, overlaps: frozenset[tuple[str, str]], options: tuple[int, float | None]
) -> dict[str, Any]:
    seed, margin = options
    ids = [one for one in first if one in second and (name, one) not in overlaps]
    if not ids:
        raise InputError(f"{name}: the two have no question in common that is in no training set")
    if any(first[one]["gold"] != second[one]["gold"] for one in ids):
        raise InputError(f"{name}: the keys of some questions differ; ask both models again from one copy of the data")
    pair = [first[one] for one in ids], [second[one] for one in ids]
    counts = paired_counts(*pair)
    margin = margin_shown(counts.n) if margin is None else margin
    lower = stats.non_inferiority_lower(counts)
    rng = np.random.default_rng(random_stream(seed, "compare", name).getrandbits(64))
    return {
        "benchmark": name,
        **paired_facts(counts),
        "accuracy": [(counts.both_right + only) / counts.n for only in (counts.only_first, counts.only_second)],
        "bootstrap95": list(paired_bootstrap(counts, rng)),
        "lower95": lower,
        "margin": margin,
        "not_inferior": lower > -margin,
        "subjects": _subjects(*pair),
        "calibration": [calibration_of(rows) for rows in pair],
        "won": [one for one in ids if second[one]["right"] and not first[one]["right"]],
        "lost": [one for one in ids if first[one]["right"] and not second[one]["right"]],
    }


def _subjects(first: Sequence[Row], second: Sequence[Row]) -> list[dict[str, Any]]:
    """Each subject with its p, and p adjusted for looking at all of them: for exploring, not for claims."""
    by_subject: dict[str, list[Row]] = {}
    for row in first:
        if "subject" in row:
            by_subject.setdefault(row["subject"], []).append(row)
    found = [{"subject": name, **paired_facts(paired_counts(own, second))} for name, own in sorted(by_subject.items())]
    for row, adjusted in zip(found, benjamini_hochberg([row["p_mcnemar"] for row in found]), strict=True):
        row["p_fdr"] = adjusted
    return found
