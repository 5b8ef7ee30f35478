"""What the rest of the project knows of a model: conversations in, replies or log-probabilities out.

`guarded(model, policy)` of the guard is again a `Model`, so the same evaluation runs bare and guarded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from osler.models.action import Action
from osler.records.record import Message

Conversation = tuple[Message, ...]
"""Turns in order, ending with a user turn."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer."""

    text: str
    finish: Literal["stop", "length", "content_filter"] = "stop"
    """Why it ended: its end token, the token limit, or the guard."""
    action: Action | None = None
    """What the guard did; None when no guard stood in the way."""
    intent: str = ""
    """The guard's intent; empty without one."""
    rule: str = ""
    """The guard's rule; empty without one."""


@dataclass(frozen=True, slots=True)
class ChoicePrompt:
    """A text and its possible continuations, for log-likelihood scoring."""

    prefix: str
    continuations: tuple[str, ...]
    """As lm-eval has them: the delimiter is part of the continuation (`" A"`)."""


@runtime_checkable
class Model(Protocol):
    """Anything that answers conversations."""

    @property
    def name(self) -> str:
        """Name for reports (`scratch:tiny + adapter`)."""

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Greedy replies, one for each conversation, in order."""

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The greedy reply in pieces as they are made; joined they are the text that `reply` gives."""


@runtime_checkable
class Sampler(Protocol):
    """Anything that draws replies instead of giving the likeliest."""

    def sample(
        self, conversations: Sequence[Conversation], max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Reply]:
        """One drawn reply for each conversation, in order; `seeds` has one for each, and decides its reply."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that gives log-probabilities of continuations."""

    def log_likelihoods(self, prompts: Sequence[ChoicePrompt]) -> list[tuple[float, ...]]:
        """Natural-log likelihood of each continuation after its prefix, summed over its tokens, in float32."""
