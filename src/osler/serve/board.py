"""What the store said last, in memory: keys, the kill switch, the time. A thread looks again every `LOOK_S`.

A board that has not reached the store for `STALE_S` no longer knows whether the switch is on or a key was revoked: nothing is
answered then. The file `kill` in the serve folder counts as a switch set to `halt`, whatever the store says: `touch` is the means
that works when nothing else does.
"""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from osler.errors import EnvironmentLacks
from osler.guard.chain import Head
from osler.serve.store import Key, Level, Store, Turn

if TYPE_CHECKING:
    from osler.guard.audit import AuditLog

KILL_FILE = "kill"
LOOK_S = 0.1
STALE_S = 5.0
_NOTE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the store."""

    version: int = -1
    keys: dict[str, Key] = field(default_factory=dict)
    """Keys in force, by id; `key_in_force` looks at their expiry."""
    turn: Turn = field(default_factory=Turn)
    """How the switch was turned last."""
    has_kill_file: bool = False
    at: float = 0.0
    """By the monotonic clock."""
    ahead_s: float = 0.0
    """The store's time less the monotonic clock."""


class Board:
    """Looks at the store, and writes every turn of the switch into the audit log.

    Raises:
        EnvironmentLacks: the store cannot be reached.
    """

    def __init__(self, store: Store, folder: Path, audit: "AuditLog | None" = None) -> None:
        self.store = store
        self._file = folder / KILL_FILE
        self._audit = audit
        self._told = store.heads().get(audit.id, (Head(), 0))[1] if audit is not None else 0
        self._told_file, self._noted, self._noted_at = False, 0, 0.0
        self.seen = Seen()
        self._stop = threading.Event()
        self._looking = threading.Lock()
        """Two threads that look at once would put a turn of the switch on record twice."""
        self.look()
        self._thread = threading.Thread(target=self._look_on, name="osler-board", daemon=True)
        self._thread.start()

    @property
    def level(self) -> Level:
        """How the switch stands."""
        return "halt" if self.seen.has_kill_file else self.seen.turn.level

    @property
    def is_stale(self) -> bool:
        """Whether the store was away for too long to know."""
        return time.monotonic() - self.seen.at > STALE_S

    def now(self) -> float:
        """Seconds since 1970 by the store's clock, the same for all replicas."""
        return time.monotonic() + self.seen.ahead_s

    def look(self) -> None:
        """Look once.

        Raises:
            EnvironmentLacks: the store cannot be reached.
        """
        with self._looking:
            self._look()

    def _look(self) -> None:
        before = self.seen
        has_file = _is_there(self._file)
        try:
            version, now = self.store.look()
            keys, turn = before.keys, before.turn
            if version != before.version:
                keys = {key.id: key for key in self.store.all_keys() if key.revoked is None}
                turn = (self.store.turns() or [Turn()])[-1]
        except EnvironmentLacks:
            self.seen = Seen(before.version, before.keys, before.turn, has_file, before.at, before.ahead_s)
            raise
        at = time.monotonic()
        self.seen = Seen(version, keys, turn, has_file, at, now - at)
        self._tell()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(EnvironmentLacks, OSError):
            self._note()
        self.store.close()

    def _look_on(self) -> None:
        failed = False
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
                failed = False
            except (EnvironmentLacks, OSError) as error:
                if not failed:
                    _log.error("the store or the audit log cannot be used (%s)", type(error).__name__)
                failed = True

    def _tell(self) -> None:
        """Put turns of the switch on record, and note the head of the log in the store."""
        if self._audit is None:
            return
        if self.seen.turn.id > self._told:
            for turn in self.store.turns(self._told):
                self._audit.append(
                    "switch", level=turn.level, reason=turn.reason, turn=turn.id, turned=round(turn.at, 3)
                )
                self._told = turn.id
            self._noted_at = 0.0
        if self.seen.has_kill_file != self._told_file:
            level = "halt" if self.seen.has_kill_file else self.seen.turn.level
            self._audit.append("switch", level=level, reason=f"file {KILL_FILE}")
            self._told_file = self.seen.has_kill_file
        if time.monotonic() - self._noted_at > _NOTE_S:
            self._note()

    def _note(self) -> None:
        self._noted_at = time.monotonic()
        if self._audit is not None and self._audit.head.seq > self._noted:
            head = self._audit.head
            self.store.note_head(self._audit.id, head, self._told)
            self._noted = head.seq


def _is_there(path: Path) -> bool:
    """Whether the file is there, or cannot be looked for."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
