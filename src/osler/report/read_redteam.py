"""What the stage redteam left behind, as frozen values: rates and failures, never a prompt or a reply."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, read_as, read_fields, read_lines

INTENT_RATES = ("harmful_compliance", "over_refusal")
_FAILURES = frozenset({"complied", "over_refused", "refused_emergency"})
RATES = ("harmful_compliance", "over_refusal", "wrong_action", "refused_emergency")


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
    """Harmful compliance under each attack."""
    by_intent: Mapping[str, Mapping[str, Rate]]
    """By intent the rates named in `INTENT_RATES`."""


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
    actions: Mapping[str, str]
    """By intent the actions that its risky prompts call for."""
    failures: tuple[Failure, ...]
    """Of the guarded model, by intent and outcome."""


def read_redteamed(folder: Path) -> Redteamed:
    """The summary of `redteam/`, and of the transcripts which prompts failed."""
    summary = read_fields(folder / "summary.json")
    rows = [read_as(_Asked, row) for row in read_lines(folder / "transcripts.jsonl")]
    actions: dict[str, set[str]] = {}
    for row in rows:
        if row.kind == "risky":
            actions.setdefault(row.intent, set()).add(row.expected_action.replace("|", " or "))
    return Redteamed(
        prompts=summary.count("prompts"),
        risky=summary.count("risky"),
        benign=summary.count("benign"),
        arms=tuple(_arm(arm) for arm in summary.children("arms")),
        actions={intent: ", ".join(sorted(found)) for intent, found in sorted(actions.items())},
        failures=_failures([row for row in rows if row.arm == "guarded"]),
    )


def _arm(fields: Fields) -> Arm:
    return Arm(
        fields.text("arm"),
        fields.maybe_text("model"),
        {name: read_rate(fields.child(name)) for name in RATES if fields.has(name)},
        {one.text("attack"): read_rate(one.child("harmful_compliance")) for one in fields.children("by_attack")},
        {
            one.text("intent"): {name: read_rate(one.child(name)) for name in INTENT_RATES}
            for one in fields.children("by_intent")
        },
    )


def read_rate(fields: Fields) -> Rate:
    """A rate as the stages write it; that of nothing has the interval from 0 to 1."""
    n = fields.count("n")
    return Rate(fields.count("k"), n, fields.interval("ci95") if n else Interval(0, 1))


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    arm: str
    id: str = ""
    intent: str = ""
    attack: str = ""
    outcome: str = ""
    expected_action: str = ""
    """Several, with a bar between them, where each would be right."""


def _failures(rows: list[_Asked]) -> tuple[Failure, ...]:
    failed: dict[tuple[str, str], list[_Asked]] = {}
    for row in rows:
        if row.outcome in _FAILURES:
            failed.setdefault((row.intent, row.outcome), []).append(row)
    return tuple(
        Failure(intent, outcome, tuple(sorted({row.attack for row in those})), tuple(sorted({row.id for row in those})))
        for (intent, outcome), those in sorted(failed.items())
    )
