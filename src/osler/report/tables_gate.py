"""Tables of the sections on the gate and the export."""

from typing import Literal

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

_Unit = Literal["share", "difference", "number", "signed"]
_UNITS: dict[str, _Unit] = {
    "knowledge": "share",
    "integrity": "share",
    "safety": "share",
    "latency": "share",
    "regression": "difference",
    "signed": "signed",
}


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


def _gate_unit(check: Check) -> _Unit:
    """Which family of checks this is, by its name; a value of another family is shown as it stands."""
    family, _, subject = check.name.partition(".")
    if subject.endswith("macro_f1"):
        return "number"
    if subject == "helpful":
        return "share"
    return _UNITS.get(family, "number")


def _gate_value(check: Check, value: float) -> str:
    unit = _gate_unit(check)
    if unit == "difference":
        return f"{points(value)} points"
    if unit == "share":
        return percent(value) if value else "none seen"
    if unit == "signed":
        return "signed" if value else "not signed"
    return number(value)


def _gate_interval(check: Check, ci95: Interval) -> str:
    unit = _gate_unit(check)
    if unit == "difference":
        return points_interval(*ci95)
    return percent_interval(*ci95) if unit == "share" else interval(*ci95)


def _gate_bound(check: Check) -> str | Cell:
    if not isinstance(check.bound, float):
        return _bound(check.bound)
    family = check.name.partition(".")[0]
    if family in {"integrity", "safety", "latency"}:
        return f"at most {percent(check.bound)}" if check.bound else "none allowed"
    if family == "signed":
        return "signed"
    if family in {"knowledge", "regression", "review"}:
        return f"at least {_gate_value(check, check.bound)}"
    return number(check.bound)
