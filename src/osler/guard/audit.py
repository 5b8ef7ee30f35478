"""Writes an audit log (form: `chain.py`) without making its callers wait for each other.

Rows are handed to one thread, which writes all that wait with one write and one fsync (group commit); a caller that waits for its
row waits for that fsync. A row holds the time of the wall clock and of the monotonic one. Where the two part, the wall clock was
set: that is an event of its own, and the chain goes on. Texts and readers go in as keyed hashes and lengths only.

When a row cannot be written, the file is cut back to its last whole row, everything that waits fails, and so does whatever comes
after, until a row `written_again` could be written; that is tried every `RETRY_S`. Killed in the middle of a write, the log has a
torn last line. On opening, that line is moved to `<name>.torn` and the move is recorded; the chain goes on from the last whole row.
"""

import asyncio
import contextlib
import fcntl
import io
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.guard.chain import Head, head_path, id_of, keyed_hash, require_key, sealed, verify, write_head
from osler.guard.texts import TextBox

RETRY_S = 0.5
"""How often a log that could not be written is tried again."""
GATHER_S = 0.0005
"""How long a row waits for others to share its fsync, which takes more CPU than all else about it."""
JUMP_S = 1.0
"""The clocks of one machine part by less than this unless one was set."""

TEXT_FACTS = frozenset({"text", "prompt", "reply"})
"""Facts that are written as a keyed hash and a length, never as they are."""
RESERVED = frozenset({"seq", "time", "monotonic", "event", "previous", "mac"})
_EXPIRE_S = 60.0
_TRIES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a log takes the time from."""

    wall: Callable[[], float] = time.time
    """Seconds since 1970."""
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    facts: dict[str, Any]
    done: "Future[Head] | asyncio.Future[Head]"


class AuditLog:
    """Appends events to a log. One process at a time; any number of threads.

    Args:
        key: secret of at least 16 bytes; the same one must be given to continue and to verify the log.
        box: where texts are kept, encrypted, when the operator asked for that.

    Raises:
        CheckFailed: an existing log does not hold under this key.
        InputError: the key is too short.
        EnvironmentLacks: another process writes this log.
    """

    def __init__(self, path: Path, key: bytes, box: TextBox | None = None, clock: Clock | None = None) -> None:
        require_key(key)
        self._path, self._key, self._box, self._clock = path, key, box, clock or Clock()
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists() and not head_path(path).exists()
        self._lock = _locked(path)
        try:
            torn = _set_torn_line_aside(path)
            self.head = Head() if is_new else verify(path, key)
            """The last row on the disk."""
            head_path(path).touch(mode=0o600)
            self._head_stream = io.FileIO(head_path(path), "r+")
            write_head(self._head_stream, self.head, key)
            path.touch(mode=0o600)
            self._stream = io.FileIO(path, "ab")
        except BaseException:
            self._lock.close()
            raise
        self._size = os.fstat(self._stream.fileno()).st_size
        self.id = id_of(path)
        """What tells this log from all others; empty as long as it is empty."""
        self.failure: OSError | None = None
        """Why nothing can be written at present; None when it can."""
        self._apart = self._clock.wall() - self._clock.monotonic()
        self._queue: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._is_closed, self._door = False, threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="osler-audit", daemon=True)
        self._thread.start()
        if torn:
            self.append("torn_line", set_aside_bytes=torn)

    def check(self) -> Head:
        """Check every row while others are written; returns the last one that was read.

        Raises:
            CheckFailed: names the first row that does not hold.
        """
        for _ in range(_TRIES - 1):  # a row that is written between reading rows and head looks like a cut tail
            with contextlib.suppress(CheckFailed):
                return verify(self._path, self._key)
        return verify(self._path, self._key)

    def submit(self, event: str, **facts: object) -> Future[Head]:
        """Hand over one event; the result is there once it is on the disk.

        Args:
            facts: plain values. `text`, `prompt` and `reply` are written as keyed hash and length, `who` as keyed hash.

        Raises:
            InputError: a fact has a name of the log's own.
            OSError: nothing can be written at present, or the log is closed.
        """
        done: Future[Head] = Future()
        self._hand_over(event, facts, done)
        return done

    async def write(self, event: str, **facts: object) -> Head:
        """Write one event without holding up the event loop; it is on the disk when this returns.

        Raises:
            InputError: a fact has a name of the log's own.
            OSError: the row could not be written; it is then not part of the chain.
        """
        done: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._hand_over(event, facts, done)
        return await done

    def append(self, event: str, **facts: object) -> Head:
        """Write one event; on return it is on the disk.

        Raises:
            InputError: a fact has a name of the log's own.
            OSError: the row could not be written; it is then not part of the chain.
        """
        return self.submit(event, **facts).result()

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        with self._door:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()
        self._stream.close()
        with contextlib.suppress(OSError):
            os.fsync(self._head_stream.fileno())
        self._head_stream.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_over(self, event: str, facts: dict[str, Any], done: "Future[Head] | asyncio.Future[Head]") -> None:
        if not RESERVED.isdisjoint(facts):
            raise InputError(f"audit fact {min(RESERVED & facts.keys())!r} is a name of the log itself; choose another")
        if self.failure is not None:
            raise OSError(*self.failure.args)
        with self._door:  # what comes in behind `close` would never be written
            if self._is_closed:
                raise OSError("the audit log is closed")
            self._queue.put(_Event(event, facts, done))

    def _write_on(self) -> None:
        while True:
            group = self._next_group()
            events = [event for event in group if event is not None]
            if events:
                self._commit(events)
            elif self.failure is not None and not group:
                self._commit([_Event("written_again", {"error": self.failure.errno}, Future())])
            if self._box is not None:
                self._expire(self._box)
            if len(events) < len(group):
                return

    def _expire(self, box: TextBox) -> None:
        try:
            box.expire(self._clock.wall())
        except OSError as error:
            _log.error("texts whose time is over could not be deleted (%s)", error.strerror)

    def _next_group(self) -> list[_Event | None]:
        """All that waits; empty when it is time to look after the log itself."""
        group: list[_Event | None] = []
        try:
            if self.failure is not None or self._box is not None:
                group.append(self._queue.get(timeout=RETRY_S if self.failure is not None else _EXPIRE_S))
            else:
                group.append(self._queue.get())
            time.sleep(GATHER_S)
            while True:
                group.append(self._queue.get_nowait())
        except queue.Empty:
            return group

    def _commit(self, events: list[_Event]) -> None:
        head, lines, heads = self.head, list[bytes](), list[Head]()
        rows = [(event.name, event.facts) for event in events]
        apart = self._clock.wall() - self._clock.monotonic()
        if abs(apart - self._apart) > JUMP_S:
            rows.insert(0, ("clock_jump", {"by_s": round(apart - self._apart, 3)}))
        try:
            for name, facts in rows:
                line, head = self._row(head, name, facts)
                lines.append(line)
                heads.append(head)
            self._write(b"".join(lines))
        except Exception as error:  # noqa: BLE001 - a thread that ended would leave all who wait waiting
            if isinstance(error, OSError):
                self.failure = error
            _settle(events, [error] * len(events))
            return
        self.head, self.failure, self._apart = head, None, apart
        self.id = self.id or id_of(self._path)
        with contextlib.suppress(OSError):  # a head file that lags behind is no damage; verify counts what it names
            write_head(self._head_stream, head, self._key)
        _settle(events, heads[-len(events) :])

    def _row(self, head: Head, event: str, facts: dict[str, Any]) -> tuple[bytes, Head]:
        if self._box is not None and not TEXT_FACTS.isdisjoint(facts):
            texts = {name: str(facts[name]) for name in sorted(TEXT_FACTS & facts.keys())}
            self._box.keep(str(facts.get("request", "")), texts, self._clock.wall())
        row = {
            "seq": head.seq + 1,
            "time": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds"),
            "monotonic": round(self._clock.monotonic(), 3),
            "event": event,
            **self._without_text(facts),
            "previous": head.mac,
        }
        line, mac = sealed(self._key, row)
        return line, Head(head.seq + 1, mac)

    def _write(self, lines: bytes) -> None:
        """Append the lines whole, or leave the file as it was."""
        file = self._stream.fileno()
        # A log that was moved, deleted or replaced would swallow rows that nobody finds again.
        if not os.path.samestat(os.stat(self._path), os.fstat(file)):  # noqa: PTH116  # Path.stat is five times slower
            raise FileNotFoundError(2, "the audit log was moved or replaced")
        if self.failure is not None:
            os.ftruncate(file, self._size)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):  # tried again before the next row
                os.ftruncate(file, self._size)
            raise
        self._size += len(lines)

    def _without_text(self, facts: dict[str, Any]) -> dict[str, Any]:
        safe: dict[str, Any] = {}
        for name, value in facts.items():
            if name in TEXT_FACTS:
                safe[f"{name}_hash"] = keyed_hash(self._key, str(value))
                safe[f"{name}_chars"] = len(str(value))
            elif name == "who":
                safe[name] = keyed_hash(self._key, str(value))[:32] if value else ""
            else:
                safe[name] = value
        return safe


def _settle(events: Sequence[_Event], outcomes: Sequence[Head | Exception]) -> None:
    """Tell those who wait; each event loop is woken once for all of its own."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Head], Head | Exception]]] = {}
    for event, result in zip(events, outcomes, strict=True):
        if isinstance(event.done, asyncio.Future):
            by_loop.setdefault(event.done.get_loop(), []).append((event.done, result))
        else:
            _tell([(event.done, result)])
    for loop, waiting in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(_tell, waiting)


def _tell(waiting: "Sequence[tuple[Future[Head] | asyncio.Future[Head], Head | Exception]]") -> None:
    for done, result in waiting:
        if done.cancelled():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)


def _locked(path: Path) -> io.FileIO:
    stream = io.FileIO(path.with_name(path.name + ".lock"), "w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        raise EnvironmentLacks(
            f"another server writes {path}; stop it, or give this one a name of its own (--replica NAME)"
        ) from error
    return stream


def _set_torn_line_aside(path: Path) -> int:
    """Move a last line without its line end to `<name>.torn`; returns its bytes."""
    if not path.is_file():
        return 0
    with path.open("rb+") as log:
        start = end = log.seek(0, os.SEEK_END)
        content = b""
        while start and b"\n" not in content:
            start = log.seek(max(0, start - 65536))
            content = log.read(end - start)
        torn = content[content.rfind(b"\n") + 1 :]
        if torn:
            with path.with_name(path.name + ".torn").open("ab") as stream:
                stream.write(torn + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            log.truncate(end - len(torn))
    return len(torn)
