"""Limits that hold across replicas without asking the store for every request.

A replica takes a share of a minute's limit from the store (a sixteenth, at least what it needs), spends it in memory, and asks for
more when it is gone. The store never gives out more than the limit, so the sum over all replicas keeps to it; what a replica has
left when the minute ends is lost, at most a sixteenth. Minutes are the clock's, by the store's time. Places for answers under way
are taken and given back the same way; those of a replica that is not heard of for 5 s are free again.

Tokens are reserved before the model is asked (the question's, estimated from its bytes, and the most that the answer may have) and
what was not used is put back. All methods belong to the event loop's thread.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from osler.errors import EnvironmentLacks
from osler.serve.board import Board
from osler.serve.fault import Fault, limited, unavailable
from osler.serve.store import Limit

_SHARES = 16
_REFUSED_S = 0.2
"""A caller whose places are all taken is not looked up again for so long."""
_TEND_S = 1.0
_MOST_ACCOUNTS = 20_000

Kind = Literal["requests", "tokens"]
T = TypeVar("T")


class Limits:
    """The accounts of all callers at one replica."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.replica = secrets.token_hex(8)
        self.workers = ThreadPoolExecutor(1, "osler-limits")
        self._accounts: dict[tuple[str, Limit], Account] = {}
        self._tended = time.monotonic()
        self._tending: asyncio.Task[None] | None = None

    def account(self, subject: str, limit: Limit) -> "Account":
        """The account of one caller."""
        account = self._accounts.get((subject, limit))
        if account is None:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                # Whoever holds places must not be forgotten.
                self._accounts = {name: one for name, one in self._accounts.items() if one.held}
            account = self._accounts[(subject, limit)] = Account(self, subject, limit)
        return account

    def tend(self) -> None:
        """Give places back that nobody uses, and tell the store that this replica is there. Called a few times a second."""
        if time.monotonic() - self._tended >= _TEND_S and (self._tending is None or self._tending.done()):
            self._tended = time.monotonic()
            self._tending = asyncio.get_running_loop().create_task(self._tend())

    def close(self) -> None:
        """End the thread that asks the store."""
        self.workers.shutdown(wait=True, cancel_futures=True)

    async def ask(self, work: Callable[..., T], *arguments: object) -> T:
        """What the store says.

        Raises:
            Fault: it cannot be asked.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self.workers, work, *arguments)
        except EnvironmentLacks as error:
            raise unavailable("store_unavailable", "The server cannot check its limits.") from error

    async def _tend(self) -> None:
        holding = [one for one in self._accounts.values() if one.held]
        if not holding:
            return
        returned = {one.subject: n for one in holding if (n := one.spare())}
        try:
            await asyncio.get_running_loop().run_in_executor(
                self.workers, self.board.store.beat, self.replica, returned
            )
        except EnvironmentLacks:  # the board knows
            for one in holding:
                one.held += returned.get(one.subject, 0)


class Meter:
    """Requests or tokens of one caller in one minute."""

    def __init__(self, limits: Limits, subject: str, kind: Kind, limit: int) -> None:
        self._limits, self._subject, self.kind, self.limit = limits, subject, kind, limit
        self._minute, self._left, self._used = -1, 0, 0
        self._is_gone = False
        self._lock = asyncio.Lock()

    async def take(self, n: int) -> int:
        """Take `n`; gives the minute it was taken from.

        Raises:
            Fault: the minute's limit does not leave so much, or the store cannot be asked.
        """
        if n > self.limit:
            what = f"The request would take {n} {self.kind}, and its limit is {self.limit} a minute."
            raise Fault(400, "request_too_large", what)
        if not self._spend(n):
            async with self._lock:
                while not self._spend(n):
                    if self._is_gone:
                        raise self._refused()
                    await self._fetch(n)
        return self._minute

    def put_back(self, n: int, minute: int) -> None:
        """Return what was not used, unless its minute is over."""
        if minute == self._minute:
            self._left += n

    def headers(self) -> dict[str, str]:
        """The standard headers, by what is known here."""
        self._turn()
        return {
            f"x-ratelimit-limit-{self.kind}": str(self.limit),
            f"x-ratelimit-remaining-{self.kind}": str(max(0, self.limit - self._used + self._left)),
            f"x-ratelimit-reset-{self.kind}": f"{self._reset_s()}s",
        }

    def _spend(self, n: int) -> bool:
        self._turn()
        if self._left < n:
            return False
        self._left -= n
        return True

    def _turn(self) -> None:
        minute = int(self._limits.board.now() // 60)
        if minute > self._minute:
            self._minute, self._left, self._used, self._is_gone = minute, 0, 0, False

    async def _fetch(self, n: int) -> None:
        wanted, minute = max(n - self._left, math.ceil(self.limit / _SHARES)), self._minute
        take = self._limits.board.store.take
        grant = await self._limits.ask(take, self._subject, self.kind, minute, wanted, self.limit)
        if minute == self._minute:
            self._left += grant.n
            self._used = grant.used
            self._is_gone = grant.n < wanted and self._left < n

    def _refused(self) -> Fault:
        return limited(f"{self.limit} {self.kind} a minute", self.kind, self._reset_s())

    def _reset_s(self) -> int:
        return math.ceil(60 - self._limits.board.now() % 60)


class Account:
    """Everything that is counted for one caller."""

    def __init__(self, limits: Limits, subject: str, limit: Limit) -> None:
        self.subject, self.limit, self._limits = subject, limit, limits
        self.requests = None if limit.requests is None else Meter(limits, subject, "requests", limit.requests)
        self.tokens = None if limit.tokens is None else Meter(limits, subject, "tokens", limit.tokens)
        self.held = 0
        """Places taken from the store."""
        self._open = self._peak = 0
        self._refused_at = -math.inf
        self._lock = asyncio.Lock()

    async def enter(self) -> None:
        """Take a place for an answer under way.

        Raises:
            Fault: all are taken, or the store cannot be asked.
        """
        if self.limit.concurrency is not None and self._open >= self.held:
            async with self._lock:
                if self._open >= self.held:
                    await self._fetch(self.limit.concurrency)
        self._open += 1
        self._peak = max(self._peak, self._open)

    def leave(self) -> None:
        """Free the place."""
        self._open -= 1

    def spare(self) -> int:
        """Places that were not needed since the last call; they are given up by it."""
        n = max(0, self.held - self._peak)
        self.held -= n
        self._peak = self._open
        return n

    async def _fetch(self, limit: int) -> None:
        refused = limited(f"{limit} answers at once", "requests", 1)
        if time.monotonic() - self._refused_at < _REFUSED_S:
            raise refused
        take, wanted = self._limits.board.store.take_slots, math.ceil(limit / _SHARES)
        given = await self._limits.ask(take, self.subject, self._limits.replica, wanted, limit)
        self.held += given
        if not given:
            self._refused_at = time.monotonic()
            raise refused


class Ticket:
    """What one request took from the accounts of its caller; `close` must be called when it is over."""

    def __init__(self) -> None:
        self._accounts: list[Account] = []
        self._entered: list[Account] = []
        self._reserved: list[tuple[Meter, int]] = []
        self._n_reserved = 0
        self._at_end: Callable[[], None] | None = None

    def at_end(self, end: Callable[[], None]) -> None:
        """Have something else done when the request is over."""
        self._at_end = end

    async def enter(self, account: Account) -> None:
        """Take a place and count the request.

        Raises:
            Fault: a limit is reached.
        """
        self._accounts.append(account)
        # The place comes first, so that whoever waits for one does not use up the minute by asking.
        await account.enter()
        self._entered.append(account)
        if account.requests is not None:
            await account.requests.take(1)

    async def reserve(self, n_tokens: int) -> None:
        """Set tokens aside.

        Raises:
            Fault: a limit is reached.
        """
        self._n_reserved = n_tokens
        for account in self._accounts:
            if account.tokens is not None:
                self._reserved.append((account.tokens, await account.tokens.take(n_tokens)))

    def settle(self, n_tokens: int) -> None:
        """Say how many were used; the rest is put back."""
        for meter, minute in self._reserved:
            meter.put_back(max(0, self._n_reserved - n_tokens), minute)
        self._reserved.clear()

    def close(self) -> None:
        """Free the places, and put back what was reserved and not settled."""
        self.settle(0)
        for account in self._entered:
            account.leave()
        self._entered.clear()
        if self._at_end is not None:
            self._at_end()

    def headers(self) -> dict[str, str]:
        """The standard headers, by the tightest limit of each kind."""
        meters = [meter for one in self._accounts for meter in (one.requests, one.tokens) if meter is not None]
        found: dict[str, str] = {}
        for meter in sorted(meters, key=lambda meter: -meter.limit):
            found.update(meter.headers())
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    kind: str
    """`key` or `page`."""
    who: str
    """Id of the key or of the session; logs hold a keyed hash of it."""
    accepted: frozenset[str] = frozenset()
    """Versions of the terms on record for them."""
    ticket: Ticket = field(default_factory=Ticket)


def tokens_of(text: str) -> int:
    """About how many tokens a text has: a fourth of its bytes, which fits English and errs on the high side elsewhere."""
    return len(text.encode("utf-8", "surrogatepass")) // 4 + 1
