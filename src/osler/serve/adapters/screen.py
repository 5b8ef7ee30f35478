"""The guard behind every adapter: off the event loop, with a time limit, and closed when it fails.

A guard that raises or takes too long gives the policy's safe reply. Its thread is left to end by itself; nothing that it says
later is shown.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from osler.guard.policy import Policy
from osler.guard.replies import GUARD_ERROR
from osler.guard.wrap import GuardedAnswer, judge
from osler.models.action import Verdict
from osler.models.protocol import Conversation

TIMEOUT_S = 5.0
"""A question takes a few milliseconds and a sentence less than one; a loaded machine needs some room."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """A text as it may be shown, and how much of its end may still change when more text comes."""

    text: str
    n_held: int
    """Characters at the end that belong to an unfinished sentence or to the closing note."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Screen:
    """One policy, for any number of answers."""

    policy: Policy
    country: str | None = None
    """Whose emergency numbers the replies name; the policy's own when absent."""
    timeout_s: float = TIMEOUT_S
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "osler-guard"))

    async def begin(self, conversation: Conversation) -> "Screened":
        """Judge the question. The model is to be asked only where `opening` is empty."""
        answer = await self.within(lambda: self._answer(conversation))
        return Screened(self, answer or self.closed())

    async def checked(self, conversation: Conversation, texts: Sequence[str]) -> list[Checked]:
        """Answers to one question, each as it may be shown if it ended here.

        Args:
            conversation: empty where only the answers are known; the question was then judged before.
        """
        found = await self.within(lambda: [self._checked(conversation, text) for text in texts])
        return [Checked(self.closed().opening(), 0, GUARD_ERROR) for _ in texts] if found is None else found

    async def within(self, work: Callable[[], T]) -> T | None:
        """What the work gives, or None when it took too long."""
        waiting = asyncio.get_running_loop().run_in_executor(self.workers, work)
        try:
            return await asyncio.wait_for(waiting, self.timeout_s)
        except TimeoutError:
            return None

    def closed(self) -> GuardedAnswer:
        """The answer of a guard that failed."""
        return GuardedAnswer(self.policy, GUARD_ERROR, country=self.country)

    def _answer(self, conversation: Conversation) -> GuardedAnswer:
        verdict = judge(self.policy, conversation) if conversation else Verdict("allow")
        return GuardedAnswer(self.policy, verdict, country=self.country, conversation=conversation)

    def _checked(self, conversation: Conversation, text: str) -> Checked:
        answer = self._answer(conversation)
        shown = answer.opening() or answer.feed(text)
        rest = answer.end()
        return Checked(shown + rest, len(rest), answer.verdict)


class Screened:
    """One answer that comes to us piece by piece."""

    def __init__(self, screen: Screen, answer: GuardedAnswer) -> None:
        self._screen = screen
        self._answer = answer
        self._n_shown = 0

    @property
    def verdict(self) -> Verdict:
        """The decision about the question, and later that about the answer."""
        return self._answer.verdict

    @property
    def is_over(self) -> bool:
        """Whether nothing that still comes from the model will be shown."""
        return self._answer.is_over

    @property
    def finish(self) -> str:
        """Why the answer ended: stop, or content_filter."""
        return self._answer.finish

    def opening(self) -> str:
        """The whole reply where the model must not be asked; else empty."""
        return self._answer.opening()

    async def feed(self, piece: str) -> str:
        """The model's next piece; returns what may be shown now."""
        return await self._shown(lambda answer: answer.feed(piece))

    async def end(self) -> str:
        """What is shown last."""
        return await self._shown(GuardedAnswer.end)

    async def _shown(self, ask: Callable[[GuardedAnswer], str]) -> str:
        answer = self._answer
        shown = await self._screen.within(lambda: ask(answer))
        if shown is None:
            self._answer = self._screen.closed()
            shown = ("\n\n" if self._n_shown else "") + self._answer.opening()
        self._n_shown += len(shown)
        return shown
