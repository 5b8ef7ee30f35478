"""Everything that one server holds, and its audit log as the event loop writes it."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from osler.errors import OslerError
from osler.guard.chain import keyed_hash
from osler.serve.backend import Backend
from osler.serve.board import Board
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.fault import Fault, unavailable
from osler.serve.interrupt import Interrupt
from osler.serve.keys import Keys
from osler.serve.library import Library
from osler.serve.limits import Limits
from osler.serve.metrics import Metrics
from osler.serve.session import Sessions
from osler.serve.spans import Spans, open_spans
from osler.serve.store import Key, Limit, Store, open_store
from osler.serve.switch import Switch
from osler.serve.terms import Terms, read_terms

if TYPE_CHECKING:
    from osler.guard.audit import AuditLog
    from osler.guard.wrap import Guard

TICK_S = 0.1
"""How often the switch and the clock are looked at for the open answers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answerer:
    """What answers: a model, what stands around it, and what it may look up."""

    guard: "Guard"
    backend: Backend
    library: Library | None = None
    """Passages that questions are answered from; None: the model alone."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that one server holds."""

    answerer: Answerer
    audit: "AuditLog"
    keys: Keys
    config: ServeConfig
    facts: ServerFacts
    board: Board
    switch: Switch
    limits: Limits
    sessions: Sessions
    secret: bytes
    """What addresses are hashed with before they go into the store."""
    terms: Terms = field(default_factory=read_terms)
    metrics: Metrics = field(default_factory=Metrics)
    taken: set[str] = field(default_factory=set)
    """Requests that were let in and are not over."""
    open: dict[Interrupt, bool] = field(default_factory=dict)
    """Answers under way, and whether the switch may end each: the model's own, but no fixed reply."""
    spans: Spans | None = None
    guards: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "osler-guard"))
    """Judges long questions, and all where another machine is asked about them."""

    def close(self) -> None:
        """End the threads; what is under way comes to its end."""
        self.limits.close()
        self.board.close()
        self.guards.shutdown(wait=False, cancel_futures=True)
        if self.spans is not None:
            self.spans.close()

    @property
    def address_limit(self) -> Limit:
        """What one address of another machine may use."""
        limits = self.config.limits
        return Limit(limits.address_requests, limits.address_tokens, limits.address_concurrency)

    def hashed(self, address: str) -> str:
        """An address as the store may hold it."""
        return keyed_hash(self.secret, address)[:32]

    async def watch(self) -> None:
        """Look at the switch and the clock until cancelled, and end open answers when either says so."""
        while True:
            await asyncio.sleep(TICK_S)
            self.limits.tend()
            fault = self.switch.may_go_on()
            for interrupt, may_end in list(self.open.items()):
                if fault is not None and may_end:
                    interrupt.end(fault)
                interrupt.look()


def open_gateway(
    answerer: Answerer,
    audit: "AuditLog",
    keys: tuple[Key, ...],
    config: ServeConfig,
    facts: ServerFacts,
    store: Store | None = None,
) -> Gateway:
    """A gateway that is ready to answer.

    Args:
        store: what it shares with other replicas; None: SQLite in the serve folder.
    """
    store = store or open_store(None, facts.folder)
    board = Board(store, facts.folder, audit)
    return Gateway(
        *(answerer, audit, Keys(board, keys), config, facts, board, Switch(board), Limits(board)),
        *(Sessions(store.secret("sessions")), store.secret("addresses")),
        spans=open_spans(),
    )


async def append(gateway: Gateway, event: str, **row: object) -> None:
    """Write one event of the audit log.

    Raises:
        Fault: it could not be written.
    """
    try:
        await gateway.audit.write(event, **row)
    except (OSError, OslerError) as error:
        _log.error("the audit log could not be written (%s); no answer was given", type(error).__name__)
        raise no_audit() from error


def no_audit() -> Fault:
    """What is said while nothing can be logged."""
    return unavailable("audit_unavailable", "The audit log cannot be written, so nothing is answered.")
