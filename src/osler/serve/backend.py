"""What stands behind the gateway: a guard without a model, and something that makes answers, seen from the event loop."""

from collections.abc import AsyncGenerator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from osler.guard.chain import Head
from osler.models.action import Action, Verdict
from osler.models.protocol import Conversation

URGENT: frozenset[Action] = frozenset({"crisis", "emergency"})
"""Actions whose fixed replies go out without consent, with the kill switch on, and without waiting for the model."""


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

    pieces: AsyncGenerator[str, None]
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


class Screen(Protocol):
    """`guard.wrap.Screen`: what an answer must pass."""

    @property
    def verdict(self) -> Verdict:
        """The decision about the question; once the answer is over, that about the whole of it."""

    @property
    def is_over(self) -> bool:
        """Whether the answer has ended, so that the model need not go on."""

    @property
    def finish(self) -> Literal["stop", "content_filter"]:
        """Whether the guard ended the answer; once it is over."""

    def begin(self) -> str:
        """The policy's reply where there is one, which is then the whole answer."""

    def feed(self, piece: str) -> str:
        """Take the model's next piece; gives what may be shown now."""

    def end(self) -> str:
        """The model has ended: what is left to show."""


class Guard(Protocol):
    """`guard.wrap.Guard`."""

    @property
    def is_quick(self) -> bool:
        """Whether judging takes about a millisecond, so that the event loop can wait for it."""

    def judge(self, conversation: Conversation) -> Verdict:
        """The decision about the last question."""

    def screen(self, verdict: Verdict, secret: str = "", given: str = "", country: str | None = None) -> Screen:
        """What the answer must pass."""


class Audit(Protocol):
    """An append-only log."""

    @property
    def head(self) -> Head:
        """The last row on the disk."""

    @property
    def id(self) -> str:
        """What tells this log from all others."""

    @property
    def failure(self) -> OSError | None:
        """Why nothing can be written at present; None when it can."""

    def check(self) -> Head:
        """Check every row, or raise OslerError that names the first one that does not hold."""

    def append(self, event: str, **facts: object) -> object:
        """Write one event, or raise OSError or OslerError when it is not written."""

    async def write(self, event: str, **facts: object) -> object:
        """The same for the event loop."""

    def submit(self, event: str, **facts: object) -> Future[Head]:
        """The same without waiting for it."""
