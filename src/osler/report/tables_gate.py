"""Tables of the sections on the gate and the export."""

from osler.report.fields import Interval
from osler.report.format import (
    count,
    interval,
    maybe,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
)
from osler.report.read import Parity
from osler.report.read_exam import Check, Gate
from osler.report.table import Cell, Table, make_table, table_of

_NONE = Cell("none", "quiet")
_NOT_RUN = Cell("not run", "bad")

_SIDES = {
    "knowledge": "at least",
    "regression": "at least",
    "review": "at least",
    "integrity": "at most",
    "safety": "at most",
    "latency": "at most",
}
"""On which side of its bound a value must be, by family of checks."""


def gate_table(gate: Gate) -> Table:
    """Every check of the gate."""
    return table_of(
        gate.checks,
        "gate",
        "Checks of the gate. Shares of integrity are held to their bound as they are, of refused emergencies none is allowed; of all other "
        "measured values a one-sided 95 % bound, not the value alone, must be on the right side (it stands in the note; the intervals "
        "shown are two-sided). A check that was not run has failed.",
        {
            "Check": lambda check: Cell(check.name, "whole"),
            "#Value": lambda check: _NOT_RUN if check.value is None else _gate_value(check, check.value),
            "#Bound": _gate_bound,
            "#95 % interval": lambda check: _NONE if check.ci95 is None else _gate_interval(check, check.ci95),
            "Result": lambda check: check_result(passed=check.passed, was_run=check.value is not None),
            "Note": lambda check: check.note,
        },
    )


def check_result(*, passed: bool, was_run: bool = True) -> Cell:
    """The result in words and colour."""
    if passed:
        return Cell("passed", "good")
    return Cell("failed" if was_run else "not run: failed", "bad")


def parity_table(parity: Parity) -> Table:
    """How far the exported model is from the trained one."""
    rows: list[tuple[str, str | Cell]] = [
        ("Prompts compared", count(parity.prompts)),
        ("Tokens compared", maybe(count, parity.tokens)),
        ("Same most likely token", maybe(percent, parity.top1_agreement)),
        ("Largest difference of logits", maybe(number, parity.max_abs_logit_difference)),
        ("Mean KL divergence (nats)", maybe(number, parity.kl_mean)),
        ("Bound of the mean KL divergence", _bound(parity.bound)),
        ("Result", check_result(passed=parity.passed)),
    ]
    return make_table(
        "parity",
        "The exported model against the trained one, on the same prompts.",
        ("", "#Value"),
        rows,
        is_narrow=True,
    )


def _bound(bound: str | float | None) -> str | Cell:
    if bound is None:
        return _NONE
    return bound if isinstance(bound, str) else number(bound)


def _is_share(check: Check) -> bool:
    """Whether the value is a share of cases, not a score or a mean."""
    family, _, subject = check.name.partition(".")
    return subject == "helpful" or (
        family in {"knowledge", "integrity", "safety", "latency"} and not subject.endswith("macro_f1")
    )


def _gate_value(check: Check, value: float) -> str:
    family = check.name.partition(".")[0]
    if family == "signed":
        return "signed" if value else "not signed"
    if family == "regression":
        return f"{points(value)} points"
    if _is_share(check):
        return percent(value) if value else "none seen"
    return number(value)


def _gate_interval(check: Check, ci95: Interval) -> str:
    if check.name.startswith("regression"):
        return points_interval(*ci95)
    return percent_interval(*ci95) if _is_share(check) else interval(*ci95)


def _gate_bound(check: Check) -> str | Cell:
    family = check.name.partition(".")[0]
    if not isinstance(check.bound, float) or family not in {*_SIDES, "signed"}:
        return _bound(check.bound)
    if family == "signed":
        return "signed"
    if _SIDES[family] == "at most" and not check.bound:
        return "none allowed"
    return f"{_SIDES[family]} {_gate_value(check, check.bound)}"
