"""The guard behind every adapter: off the event loop, with a time limit, and closed when it fails.

A guard that raises or takes too long gives the policy's safe reply. Its thread is left to end by itself; nothing that it says
later is shown.
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from osler.guard.load import load_policy
from osler.guard.replies import GUARD_ERROR
from osler.guard.wrap import Guard, Screen
from osler.models.action import Verdict
from osler.models.protocol import Conversation
from osler.serve.keys import hash_key

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
class Watch:
    """One guard, for any number of answers that come from elsewhere."""

    guard: Guard
    timeout_s: float = TIMEOUT_S
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "osler-guard"))

    async def begin(self, conversation: Conversation) -> "Screened":
        """Judge the question. The model is to be asked only where `opening` is empty."""
        return Screened(self, await self.within(lambda: self._screen(conversation)) or self.closed())

    async def checked(self, conversation: Conversation, texts: Sequence[str]) -> list[Checked]:
        """Answers to one question, each as it may be shown if it ended here.

        Args:
            conversation: empty where only the answers are known; the question was then judged before.
        """
        found = await self.within(lambda: [self._checked(conversation, text) for text in texts])
        return [Checked(self.closed().begin(), 0, GUARD_ERROR) for _ in texts] if found is None else found

    async def within(self, work: Callable[[], T]) -> T | None:
        """What the work gives, or None when it took too long."""
        waiting = asyncio.get_running_loop().run_in_executor(self.workers, work)
        try:
            return await asyncio.wait_for(waiting, self.timeout_s)
        except TimeoutError:
            return None

    def closed(self) -> Screen:
        """What a guard that failed lets through."""
        return self.guard.screen(GUARD_ERROR)

    def _screen(self, conversation: Conversation) -> Screen:
        verdict = self.guard.judge(conversation) if conversation else Verdict("allow")
        secret = "\n".join(turn.content for turn in conversation if turn.role == "system")
        given = "\n".join(turn.content for turn in conversation if turn.role != "system")
        return self.guard.screen(verdict, secret, given)

    def _checked(self, conversation: Conversation, text: str) -> Checked:
        screen = self._screen(conversation)
        shown = screen.begin() or screen.feed(text)
        rest = screen.end()
        return Checked(shown + rest, len(rest), screen.verdict)


class Screened:
    """One answer that comes to us piece by piece."""

    def __init__(self, watch: Watch, screen: Screen) -> None:
        self._watch = watch
        self._screen = screen
        self._is_begun = False

    @property
    def verdict(self) -> Verdict:
        """The decision about the question, and later that about the answer."""
        return self._screen.verdict

    @property
    def is_over(self) -> bool:
        """Whether nothing that still comes from the model will be shown."""
        return self._screen.is_over

    @property
    def finish(self) -> str:
        """Why the answer ended: stop, or content_filter."""
        return self._screen.finish

    def opening(self) -> str:
        """The whole reply where the model must not be asked; else empty."""
        return self._screen.begin()

    async def feed(self, piece: str) -> str:
        """The model's next piece; returns what may be shown now."""
        return await self._shown(lambda screen: screen.feed(piece))

    async def end(self) -> str:
        """What is shown last."""
        return await self._shown(Screen.end)

    async def _shown(self, ask: Callable[[Screen], str]) -> str:
        screen = self._screen
        shown = await self._watch.within(lambda: ask(screen))
        if shown is None:
            self._screen = self._watch.closed()
            shown = ("\n\n" if self._is_begun else "") + self._screen.begin()
        self._is_begun = self._is_begun or bool(shown)
        return shown


def watch_from(environment: Mapping[str, str]) -> Watch:
    """The guard that the environment names: `OSLER_POLICY` (education), `OSLER_COUNTRY` (the policy's own).

    Raises:
        InputError: there is no such policy, or it has no such country.
    """
    policy = load_policy(environment.get("OSLER_POLICY", "education"), datetime.now(UTC).date())
    return Watch(Guard(policy, environment.get("OSLER_COUNTRY") or None))


def is_known(key: str, keys: Sequence[str]) -> bool:
    """Whether a key is one of these; takes the same time wherever and whether it matches."""
    shown = hash_key(key.strip())
    return sum(hmac.compare_digest(hash_key(known), shown) for known in keys) > 0
