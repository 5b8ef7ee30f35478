"""What a guard decided about a text. Here because the guard writes it, evaluation counts it and the server sends it."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["crisis", "emergency", "refuse", "refuse_support", "redirect", "safe_complete", "allow"]

ACTIONS: tuple[Action, ...] = ("crisis", "emergency", "refuse", "refuse_support", "redirect", "safe_complete", "allow")
"""In the order in which they win when several rules match."""

URGENT: frozenset[Action] = frozenset({"crisis", "emergency"})
"""Actions whose reply begins with a number to call."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one text."""

    action: Action
    intent: str = ""
    """Intent of the winning rule (`medication_stop_change`); empty for allow."""
    rule: str = ""
    """Id of the winning rule or classifier; empty for allow."""
    span: tuple[int, int] | None = None
    """Start and end of the match in the text as given, in characters; None when the match has no place there."""
    score: float = 0.0
    """1 for a rule, a probability for a classifier, 0 for allow."""
