"""What makes answers, seen from the event loop."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from osler.models.protocol import Conversation


async def _nothing() -> AsyncGenerator[str, None]:
    return
    yield


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the backend counts them."""

    prompt: int
    reply: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer, or what the model was given to answer from, comes from."""

    id: str
    source: str
    license: str
    url: str
    """Empty where the record has none."""
    text: str = field(default="", repr=False)
    """What the model was given of it."""


@dataclass(slots=True)
class Draft:
    """An answer that is being made, not screened yet."""

    pieces: AsyncGenerator[str, None] = field(default_factory=_nothing)
    """Nothing is asked of the model before the first piece is drawn. Closing it stops the model."""
    finish: Literal["stop", "length"] = "stop"
    """Valid after the last piece."""
    usage: Usage | None = None
    """The same; None where the backend does not say."""
    n_pieces: int = 0
    """Tokens that came so far, as far as can be told."""
    sources: tuple[Source, ...] = ()


class Backend(Protocol):
    """Makes answers."""

    def draft(self, conversation: Conversation, max_tokens: int, traceparent: str = "") -> Draft:
        """Prepare an answer; its pieces raise `Fault` when the model fails."""

    async def is_up(self) -> bool:
        """Whether a model would answer now."""

    async def close(self) -> None:
        """Let go of connections, threads and processes."""
