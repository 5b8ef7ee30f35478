"""What is known of the server and its policy beside the stages' files, as cards and documents show it.

The caller gathers it: this room may not read a policy or a server's log itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from osler.report.fields import Fields, as_fields
from osler.report.format import words
from osler.report.read_redteam import read_rate
from osler.report.table import Table, table_of
from osler.report.tables_exam import rate_cell


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The policy that the recipe names, as it is installed."""

    name: str
    """Id and version."""
    sha256: str
    expires: str
    actions: Mapping[str, str]
    """By intent what the guard does."""
    was_examined: bool | None
    """Whether the red team asked behind this very file and model; None where none was run."""


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """The server's log."""

    events: Mapping[str, int]
    """Rows by event."""
    actions: Mapping[str, int]
    """Answers by the guard's action."""
    first: str
    last: str
    """Times of the first and last row."""
    holds: str
    """Whether the chain of codes holds, in a sentence."""


@dataclass(frozen=True, slots=True)
class System:
    """Everything that a system card and the documents say beside the stages."""

    artefact: str
    """Id of what would be served; empty where nothing is trained."""
    policy: PolicyFacts | None
    """None where the policy cannot be loaded."""
    guard: Mapping[str, Any]
    """The recipe's section."""
    serve: Mapping[str, Any]
    """The recipe's section."""
    switch: str
    """In a sentence without its end, with the reason where it is on."""
    audit: AuditFacts | None
    """None where no server was started."""
    terms: str
    terms_version: str
    signatures: Mapping[str, str]
    """By document: who signed it, or why it does not count as signed."""
    sets: Fields | None = None
    """The project's own figures of the policy of this name; not of this run."""


def sets_table(sets: Fields) -> Table:
    """The project's own figures of its policy on public sets."""
    return table_of(
        [
            one
            for one in sets.children("sets")
            if "tuned" not in one.text("set") and one.text("kind") in _RIGHT and one.has(_RIGHT[one.text("kind")])
        ],
        "sets",
        f"OF THE PROJECT, NOT OF THIS RUN: the policy {sets.text('policy')} on public sets, without a model "
        f"(benchmarks/guard_sets.py, {sets.text('date')}). Risky: the text was not simply allowed. Harmless: it was held back.",
        {
            "Set": lambda one: one.text("set"),
            "Kind": lambda one: words(one.text("kind")),
            "k of n (95 % interval)": lambda one: rate_cell(read_rate(one.child(_RIGHT[one.text("kind")]))),
        },
    )


_RIGHT = {"risky": "not_allowed", "harmless": "flagged"}


def read_sets(value: object, policy: str) -> Fields | None:
    """The project's figures, when they are of a policy of this name."""
    fields = as_fields("benchmarks/results/guard_sets.json", value)
    return fields if fields.maybe_text("policy") == policy else None
