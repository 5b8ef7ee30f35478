"""What the stages evaluate and gate left behind, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, read_fields


@dataclass(frozen=True, slots=True)
class Human:
    """What people reached on a benchmark."""

    accuracy: float | None
    macro_f1: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Part:
    """Accuracy on a part of a benchmark's questions: a subject, or answers of like confidence."""

    name: str
    n: int
    accuracy: float
    ci95: Interval
    confidence: float | None = None
    """Mean confidence of the answers, where that is what they have in common."""


@dataclass(frozen=True, slots=True)
class Score:
    """One model on one benchmark."""

    benchmark: str
    model: str
    split: str
    n: int
    accuracy: float | None
    """None when no question was scored: a share of nothing is not 0."""
    ci95: Interval | None
    macro_f1: float | None
    macro_f1_ci95: Interval | None
    failed: int
    contaminated: int
    unparsed: int
    baselines: Mapping[str, float]
    human: Human | None
    attribution: str
    subjects: tuple[Part, ...] = ()
    ece: float | None = None
    reliability: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Swapped:
    """The same questions about another person."""

    benchmark: str
    model: str
    swap: str
    n: int
    changed: int
    """Answers that changed."""
    ci95: Interval
    """Of the share of changed answers."""
    difference: float
    difference_ci95: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """Base against tuned on the same questions."""

    benchmark: str
    n: int
    both_right: int
    only_base: int
    only_tuned: int
    both_wrong: int
    difference: float
    ci95: Interval
    p_mcnemar: float | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The whole of `evaluate/scores.json`."""

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    swapped: tuple[Swapped, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate."""

    name: str
    value: float | None
    """None when the check was not run; such a check has failed."""
    bound: str | float | None
    ci95: Interval | None
    passed: bool
    note: str


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdict about one artefact."""

    passed: bool
    artefact: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass, those not run among them."""
        return tuple(check for check in self.checks if not check.passed)


def read_evaluated(folder: Path) -> Evaluated:
    """The scores of `evaluate/`."""
    fields = read_fields(folder / "scores.json")
    comparisons = fields.children("comparisons") if fields.has("comparisons") else []
    return Evaluated(
        tuple(_score(one) for one in fields.children("scores")),
        tuple(_comparison(one) for one in comparisons),
        tuple(_swapped(one) for one in _children(fields, "bias") if one.count("n")),
    )


def read_gate(folder: Path) -> Gate:
    """The verdict of `gate/`."""
    fields = read_fields(folder / "verdict.json")
    return Gate(
        fields.flag("passed"), fields.maybe_text("artefact"), tuple(_check(one) for one in fields.children("checks"))
    )


def _score(fields: Fields) -> Score:
    n = fields.count("n")
    baselines = fields.child("baselines") if n and fields.has("baselines") else None
    human = fields.child("human") if fields.has("human") else None
    return Score(
        benchmark=fields.text("benchmark"),
        model=fields.text("model"),
        split=fields.maybe_text("split"),
        n=n,
        accuracy=fields.share("accuracy") if n else None,
        ci95=fields.interval("ci95") if n else None,
        macro_f1=fields.maybe_number("macro_f1") if n else None,
        macro_f1_ci95=fields.maybe_interval("macro_f1_ci95") if n else None,
        failed=fields.count("failed"),
        contaminated=fields.count("contaminated"),
        unparsed=fields.count("unparsed"),
        baselines={name: baselines.share(name) for name in baselines.values if baselines.has(name)}
        if baselines
        else {},
        human=Human(human.maybe_number("accuracy"), human.maybe_number("macro_f1"), human.maybe_text("source"))
        if human
        else None,
        attribution=fields.maybe_text("attribution"),
        subjects=tuple(_part(one, one.text("subject")) for one in _children(fields, "subjects")),
        ece=fields.maybe_number("ece"),
        reliability=tuple(
            _part(one, f"{one.share('low'):.1f} to {one.share('high'):.1f}") for one in _children(fields, "reliability")
        ),
    )


def _children(fields: Fields, name: str) -> list[Fields]:
    return fields.children(name) if fields.has(name) else []


def _part(fields: Fields, name: str) -> Part:
    return Part(
        name, fields.count("n"), fields.share("accuracy"), fields.interval("ci95"), fields.maybe_number("confidence")
    )


def _swapped(fields: Fields) -> Swapped:
    return Swapped(
        fields.text("benchmark"),
        fields.text("model"),
        fields.text("swap"),
        fields.count("n"),
        fields.count("changed"),
        fields.interval("changed_ci95"),
        fields.number("difference"),
        fields.interval("ci95"),
    )


def _comparison(fields: Fields) -> Comparison:
    return Comparison(
        fields.text("benchmark"),
        fields.count("n"),
        fields.count("both_right"),
        fields.count("only_base"),
        fields.count("only_tuned"),
        fields.count("both_wrong"),
        fields.number("difference"),
        fields.interval("ci95"),
        fields.maybe_number("p_mcnemar"),
    )


def _check(fields: Fields) -> Check:
    bound = fields.values.get("bound")
    return Check(
        name=fields.text("name"),
        value=fields.maybe_number("value"),
        bound=bound if bound is None or isinstance(bound, str) else fields.number("bound"),
        ci95=fields.maybe_interval("ci95"),
        passed=fields.flag("passed"),
        note=fields.maybe_text("note"),
    )
