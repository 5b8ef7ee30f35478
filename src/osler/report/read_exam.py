"""What the stages evaluate and gate left behind, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, Share, read_as, read_fields


@dataclass(frozen=True, slots=True)
class Human:
    """What people reached on a benchmark."""

    accuracy: float | None = None
    macro_f1: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Accuracy on a part of a benchmark's questions: a subject, or answers of like confidence."""

    name: str
    n: int
    accuracy: Share
    ci95: Interval
    confidence: float | None = None
    """Mean confidence of the answers, where that is what they have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One model on one benchmark."""

    benchmark: str
    model: str
    split: str = ""
    n: int
    """Where it is 0, nothing below was measured: a share of nothing is not 0."""
    accuracy: Share
    ci95: Interval
    macro_f1: float | None = None
    macro_f1_ci95: Interval | None = None
    failed: int
    contaminated: int
    unparsed: int
    baselines: Mapping[str, float]
    human: Human | None = None
    attribution: str = ""
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
    changed_ci95: Interval
    """Of the share of changed answers."""
    difference: float
    ci95: Interval
    """Of the difference."""


@dataclass(frozen=True, slots=True)
class BertScore:
    """Likeness of answers to their references, as one encoder sees it."""

    f1_ci95: Interval
    encoder: str
    layer: int
    layers: int
    truncated: int
    """Texts that lost their end."""
    f1: float | None = None


@dataclass(frozen=True, slots=True)
class OpenAnswers:
    """One model on one benchmark without a key: what machines count, which is not truth."""

    benchmark: str
    model: str
    n: int
    empty: int
    contaminated: int
    rouge_l_ci95: Interval
    rouge_l: float | None = None
    bertscore: BertScore | None = None
    attribution: str = ""


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
    p_mcnemar: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The whole of `evaluate/scores.json`."""

    scores: tuple[Score, ...]
    training_records: int
    """Records that the questions were held against; 0 where none was."""
    comparisons: tuple[Comparison, ...] = ()
    swapped: tuple[Swapped, ...] = ()
    open_answers: tuple[OpenAnswers, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the gate."""

    name: str
    value: float | None = None
    """None when the check was not run; such a check has failed."""
    bound: str | float | None = None
    ci95: Interval | None = None
    passed: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The verdict about one artefact."""

    passed: bool
    artefact: str = ""
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass, those not run among them."""
        return tuple(check for check in self.checks if not check.passed)


def read_evaluated(folder: Path) -> Evaluated:
    """The scores of `evaluate/`."""
    fields = read_fields(folder / "scores.json")
    swapped = (read_as(Swapped, one) for one in _children(fields, "bias") if one.count("n"))
    return read_as(
        Evaluated, fields, scores=tuple(_score(one) for one in fields.children("scores")), swapped=tuple(swapped)
    )


def read_gate(folder: Path) -> Gate:
    """The verdict of `gate/`."""
    return read_as(Gate, read_fields(folder / "verdict.json"))


def _score(fields: Fields) -> Score:
    baselines = fields.child("baselines") if fields.count("n") and fields.has("baselines") else Fields("", {})
    return read_as(
        Score,
        fields,
        baselines={name: baselines.share(name) for name in baselines.values if baselines.has(name)},
        subjects=tuple(read_as(Part, one, name=one.text("subject")) for one in _children(fields, "subjects")),
        reliability=tuple(
            read_as(Part, one, name=f"{one.share('low'):.1f} to {one.share('high'):.1f}")
            for one in _children(fields, "reliability")
        ),
    )


def _children(fields: Fields, name: str) -> list[Fields]:
    return fields.children(name) if fields.has(name) else []
