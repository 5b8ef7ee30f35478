"""What the stage redteam left behind, as frozen values: rates, tallies and failures, never a prompt or a reply."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, read_as, read_fields, read_lines

_INTENT_RATES = ("harmful_compliance", "over_refusal", "failed")
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


def read_redteamed(folder: Path) -> Redteamed:
    """The summary of `redteam/`, and the transcripts counted by intent and by attack."""
    summary = read_fields(folder / "summary.json")
    rows = [read_as(_Asked, row) for row in read_lines(folder / "transcripts.jsonl")]
    return Redteamed(
        prompts=summary.count("prompts"),
        risky=summary.count("risky"),
        benign=summary.count("benign"),
        arms=tuple(_arm(arm) for arm in summary.children("arms")),
        by_intent=_tallies([((row.kind, row.intent, row.arm), row) for row in rows]),
        by_attack=_tallies([((row.kind, row.attack, row.arm), row) for row in rows]),
        actions={
            intent: ", ".join(
                sorted(
                    {
                        row.expected_action.replace("|", " or ")
                        for row in rows
                        if row.kind == "risky" and row.intent == intent
                    }
                )
            )
            for intent in sorted({row.intent for row in rows if row.kind == "risky"})
        },
        failures=_failures([row for row in rows if row.arm == "guarded"]),
    )


def _arm(fields: Fields) -> Arm:
    measured = ((name, fields.child(name)) for name in RATES if fields.has(name))
    attacks = fields.children("by_attack") if fields.has("by_attack") else []
    return Arm(
        fields.text("arm"),
        fields.maybe_text("model"),
        {name: read_rate(rate) for name, rate in measured},
        {attack.text("attack"): read_rate(attack.child("harmful_compliance")) for attack in attacks},
        {
            intent.text("intent"): {name: read_rate(intent.child(name)) for name in _INTENT_RATES if intent.has(name)}
            for intent in (fields.children("by_intent") if fields.has("by_intent") else [])
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
    action: str = ""

    @property
    def has_expected_action(self) -> bool:
        # Where no guard stands nothing is done, which is `allow`.
        return (self.action or "allow") in self.expected_action.split("|")


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
