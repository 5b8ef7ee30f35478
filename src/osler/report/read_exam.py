"""What the stages evaluate, redteam and gate left behind, as frozen values."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, read_fields, read_lines

_INTENT_RATES = ("harmful_compliance", "over_refusal", "failed")
_FAILURES = frozenset({"complied", "over_refused", "refused_emergency"})
RATES = ("harmful_compliance", "over_refusal", "wrong_action", "refused_emergency")


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
class Rate:
    """How often something happened, k of n, with its interval."""

    k: int
    n: int
    ci95: Interval


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of asking the model: bare, or behind the guard."""

    arm: str
    model: str
    rates: Mapping[str, Rate]
    """By the names in `RATES`; a rate that was not measured is missing."""
    by_attack: Mapping[str, Rate]
    """Harmful compliance under each attack; empty where it was not counted."""
    by_intent: Mapping[str, Mapping[str, Rate]]
    """By intent the rates that were counted for it; empty where none was."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts (one prompt under one attack) of one intent or one attack, in one arm. Holds no prompt and no reply."""

    n: int
    n_expected_action: int
    outcomes: Mapping[str, int]


TallyKey = tuple[str, str, str]
"""Kind (`risky`, `benign`), intent or attack, arm."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong behind the guard: one intent, one outcome. Holds no prompt and no reply."""

    intent: str
    outcome: str
    attacks: tuple[str, ...]
    prompts: tuple[str, ...]
    """Ids, sorted."""


@dataclass(frozen=True, slots=True)
class Redteamed:
    """The whole of `redteam/`."""

    prompts: int
    risky: int
    benign: int
    arms: tuple[Arm, ...]
    by_intent: Mapping[TallyKey, Tally]
    by_attack: Mapping[TallyKey, Tally]
    actions: Mapping[str, str]
    """By intent the actions that its risky prompts call for."""
    failures: tuple[Failure, ...]
    """Of the guarded model, by intent and outcome."""


@dataclass(frozen=True, slots=True)
class Rating:
    """A mean of scores from 1 to 5."""

    n: int
    mean: float
    ci95: Interval


@dataclass(frozen=True, slots=True)
class ReviewedArm:
    """What clinicians found about one arm; None where nothing was rated."""

    arm: str
    artefacts: tuple[str, ...]
    accuracy: Rating | None
    helpful: Rate
    unsafe: Rate


@dataclass(frozen=True, slots=True)
class Reviewed:
    """`review/summary.json`."""

    complete: bool
    reviewed: int
    waiting: int
    raters: int
    arms: tuple[ReviewedArm, ...]
    agreement: Mapping[str, tuple[float, Interval] | None]
    """Gwet's AC by criterion; None where it is not defined."""


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


def read_redteamed(folder: Path) -> Redteamed:
    """The summary of `redteam/`, and the transcripts counted by intent and by attack."""
    summary = read_fields(folder / "summary.json")
    rows = [_Asked.from_fields(row) for row in read_lines(folder / "transcripts.jsonl")]
    return Redteamed(
        prompts=summary.count("prompts"),
        risky=summary.count("risky"),
        benign=summary.count("benign"),
        arms=tuple(_arm(arm) for arm in summary.children("arms")),
        by_intent=_tallies([((row.kind, row.intent, row.arm), row) for row in rows]),
        by_attack=_tallies([((row.kind, row.attack, row.arm), row) for row in rows]),
        actions={
            intent: ", ".join(sorted({row.expected for row in rows if row.kind == "risky" and row.intent == intent}))
            for intent in sorted({row.intent for row in rows if row.kind == "risky"})
        },
        failures=_failures([row for row in rows if row.arm == "guarded"]),
    )


def read_reviewed(folder: Path) -> Reviewed:
    """The summary of `review/`."""
    fields = read_fields(folder / "summary.json")
    items = fields.child("items")
    agreement = {row.text("criterion"): row.child("ac") for row in fields.children("agreement")}
    return Reviewed(
        complete=fields.flag("complete"),
        reviewed=items.count("reviewed"),
        waiting=items.count("waiting"),
        raters=len(fields.children("raters")),
        arms=tuple(_reviewed_arm(one) for one in fields.children("arms")),
        agreement={
            name: (ac.number("value"), ac.interval("ci95")) if ac.has("value") and ac.has("ci95") else None
            for name, ac in agreement.items()
        },
    )


def _reviewed_arm(fields: Fields) -> ReviewedArm:
    accuracy = fields.child("by_criterion").child("accuracy")
    n = accuracy.count("n")
    return ReviewedArm(
        fields.text("arm"),
        fields.texts("artefacts"),
        Rating(n, accuracy.number("mean"), accuracy.interval("ci95")) if n else None,
        _rate(fields.child("helpful")),
        Rate(
            fields.child("unsafe").count("k"),
            fields.child("unsafe").count("n"),
            fields.child("unsafe").interval("ci95"),
        ),
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


def _arm(fields: Fields) -> Arm:
    measured = ((name, fields.child(name)) for name in RATES if fields.has(name))
    attacks = fields.children("by_attack") if fields.has("by_attack") else []
    return Arm(
        fields.text("arm"),
        fields.maybe_text("model"),
        {name: _rate(rate) for name, rate in measured},
        {attack.text("attack"): _rate(attack.child("harmful_compliance")) for attack in attacks},
        {
            intent.text("intent"): {name: _rate(intent.child(name)) for name in _INTENT_RATES if intent.has(name)}
            for intent in _children(fields, "by_intent")
        },
    )


def _rate(fields: Fields) -> Rate:
    n = fields.count("n")
    return Rate(fields.count("k"), n, fields.interval("ci95") if n else Interval(0, 1))


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


@dataclass(frozen=True, slots=True)
class _Asked:
    id: str
    kind: str
    intent: str
    attack: str
    arm: str
    outcome: str
    expected: str
    has_expected_action: bool

    @staticmethod
    def from_fields(row: Fields) -> "_Asked":
        return _Asked(
            row.maybe_text("id"),
            row.text("kind"),
            row.maybe_text("intent"),
            row.maybe_text("attack"),
            row.text("arm"),
            row.maybe_text("outcome"),
            row.maybe_text("expected_action").replace("|", " or "),
            # Several actions may be right; where no guard stands nothing is done, which is `allow`.
            (row.maybe_text("action") or "allow") in row.maybe_text("expected_action").split("|"),
        )


def _failures(rows: list[_Asked]) -> tuple[Failure, ...]:
    failed: dict[tuple[str, str], list[_Asked]] = {}
    for row in rows:
        if row.outcome in _FAILURES:
            failed.setdefault((row.intent, row.outcome), []).append(row)
    return tuple(
        Failure(intent, outcome, tuple(sorted({row.attack for row in those})), tuple(sorted({row.id for row in those})))
        for (intent, outcome), those in sorted(failed.items())
    )


def _tallies(rows: list[tuple[TallyKey, _Asked]]) -> dict[TallyKey, Tally]:
    asked: dict[TallyKey, list[_Asked]] = {}
    for key, row in rows:
        asked.setdefault(key, []).append(row)
    return {
        key: Tally(
            len(those),
            sum(row.has_expected_action for row in those),
            dict(sorted(Counter(row.outcome for row in those).items())),
        )
        for key, those in sorted(asked.items())
    }
