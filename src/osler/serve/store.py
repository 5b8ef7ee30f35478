"""What all replicas of a server share: keys, accepted terms, the kill switch, what was used of each limit, heads of audit logs.

SQLite (WAL) in the run's `serve` folder, or PostgreSQL by URL; the same statements run on both. Nobody waits for it on the way of a
request, but where a share of a limit is used up (`limits.py`); everything else is read from memory (`board.py`).
"""

import secrets
import sqlite3
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from osler.errors import EnvironmentLacks, InputError, missing_package
from osler.guard.chain import Head
from osler.runs.local_only import is_loopback

Level = Literal["off", "drain", "template-only", "halt"]
LEVELS: tuple[Level, ...] = ("off", "drain", "template-only", "halt")

LOST_S = 5.0
"""A replica that was not heard of for so long has lost the answers that it had open."""
TIMEOUT_S = 3.0
"""A database that is silent for so long is away."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS osler_state (one INTEGER PRIMARY KEY, version BIGINT NOT NULL)",
    "INSERT INTO osler_state VALUES (1, 0) ON CONFLICT DO NOTHING",
    "CREATE TABLE IF NOT EXISTS osler_secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS osler_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, scopes TEXT NOT NULL,"
        " requests BIGINT, tokens BIGINT, concurrency BIGINT, created DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION,"
        " revoked DOUBLE PRECISION)"
    ),
    "CREATE TABLE IF NOT EXISTS osler_consents (key TEXT, version TEXT, at DOUBLE PRECISION, PRIMARY KEY (key, version))",
    "CREATE TABLE IF NOT EXISTS osler_switch (id BIGINT PRIMARY KEY, at DOUBLE PRECISION, level TEXT, reason TEXT)",
    "CREATE TABLE IF NOT EXISTS osler_used (subject TEXT, kind TEXT, minute BIGINT, used BIGINT, PRIMARY KEY (subject, kind))",
    "CREATE TABLE IF NOT EXISTS osler_replicas (name TEXT PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE IF NOT EXISTS osler_slots (subject TEXT, replica TEXT, n BIGINT, PRIMARY KEY (subject, replica))",
    "CREATE TABLE IF NOT EXISTS osler_heads (log TEXT PRIMARY KEY, seq BIGINT, mac TEXT, turn BIGINT)",
)


@dataclass(frozen=True, slots=True)
class Limit:
    """What one caller may use; None for no limit."""

    requests: int | None = None
    """A minute."""
    tokens: int | None = None
    """A minute, of questions and answers."""
    concurrency: int | None = None
    """Answers under way at once."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as it is kept."""

    id: str
    name: str
    hash: str
    """SHA-256 of the whole key, in hex."""
    scopes: frozenset[str]
    limit: Limit
    created: float
    """Seconds since 1970, as all times here."""
    expires: float | None = None
    revoked: float | None = None
    accepted: frozenset[str] = frozenset()
    """Versions of the terms that its holder accepted."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The kill switch was turned."""

    id: int = 0
    at: float = 0.0
    level: Level = "off"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A share of a limit."""

    n: int
    """May be used; at most what was asked for."""
    used: int
    """Shares given out to all replicas, with this one."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    connect: Callable[[], Any]
    mark: str
    now: str
    begin: str
    sync: str
    """What makes changes outlive a power cut, where a commit alone does not."""
    errors: tuple[type[Exception], ...]
    place: str


class Store:
    """One connection, used by one thread at a time; made anew after a failure.

    Raises:
        EnvironmentLacks: every method, when the database cannot be reached.
    """

    def __init__(self, dialect: _Dialect) -> None:
        self._dialect = dialect
        self._lock = threading.RLock()
        self._connection: Any = None
        with self._transaction():
            for statement in _SCHEMA:
                self._run(statement)

    @property
    def place(self) -> str:
        """Where it lies, without a password."""
        return self._dialect.place

    def look(self) -> tuple[int, float]:
        """Number of changes of keys, consents and switch so far; and the store's time."""
        with self._transaction("BEGIN"):
            ((version, now),) = self._run("SELECT version, NOW FROM osler_state")
        return int(version), float(now)

    def add_key(self, key: Key) -> None:
        """Keep a new key."""
        limit = key.limit
        with self._change():
            self._run(
                "INSERT INTO osler_keys VALUES (?, ?, ?, ?, ?, ?, ?, NOW, ?, NULL)",
                *(key.id, key.name, key.hash, " ".join(sorted(key.scopes))),
                *(limit.requests, limit.tokens, limit.concurrency, key.expires),
            )

    def revoke_key(self, key: str) -> bool:
        """End a key; False when there is none in force with this id."""
        with self._change():
            return bool(
                self._run("UPDATE osler_keys SET revoked = NOW WHERE id = ? AND revoked IS NULL RETURNING id", key)
            )

    def accept(self, key: str, version: str) -> None:
        """Record that a key's holder accepted a version of the terms."""
        with self._change():
            self._run("INSERT INTO osler_consents VALUES (?, ?, NOW) ON CONFLICT DO NOTHING", key, version)

    def all_keys(self) -> list[Key]:
        """All keys, also those that ended, oldest first."""
        with self._transaction():
            rows = self._run("SELECT * FROM osler_keys ORDER BY created, id")
            accepted: dict[str, set[str]] = {}
            for key, version in self._run("SELECT key, version FROM osler_consents"):
                accepted.setdefault(key, set()).add(version)
        return [
            Key(
                row[0],
                row[1],
                row[2],
                frozenset(row[3].split()),
                Limit(*row[4:7]),
                row[7],
                row[8],
                row[9],
                frozenset(accepted.get(row[0], ())),
            )
            for row in rows
        ]

    def turn(self, level: Level, reason: str) -> Turn:
        """Turn the kill switch."""
        with self._change() as version:
            self._run("INSERT INTO osler_switch VALUES (?, NOW, ?, ?)", version, level, reason)
        return self.turns()[-1]

    def turns(self, after: int = 0) -> list[Turn]:
        """How the switch was turned, oldest first; those with a greater id than `after`."""
        with self._transaction():
            return [Turn(*row) for row in self._run("SELECT * FROM osler_switch WHERE id > ? ORDER BY id", after)]

    def secret(self, name: str) -> bytes:
        """32 random bytes that all replicas have in common; made when first asked for."""
        with self._transaction():
            self._run("INSERT INTO osler_secrets VALUES (?, ?) ON CONFLICT DO NOTHING", name, secrets.token_hex(32))
            ((value,),) = self._run("SELECT value FROM osler_secrets WHERE name = ?", name)
        return bytes.fromhex(value)

    def take(self, subject: str, kind: str, minute: int, n: int, limit: int) -> Grant:
        """Take up to `n` of what `limit` leaves of this minute. Never gives out more than `limit` in all."""
        with self._transaction():
            ((used,),) = self._run(
                "INSERT INTO osler_used VALUES (?, ?, ?, ?) ON CONFLICT (subject, kind) DO UPDATE SET"
                " used = CASE WHEN osler_used.minute >= excluded.minute THEN osler_used.used ELSE 0 END + excluded.used,"
                " minute = CASE WHEN osler_used.minute >= excluded.minute THEN osler_used.minute ELSE excluded.minute END"
                " RETURNING used",
                *(subject, kind, minute, n),
            )
            over = max(0, used - limit)
            if over:
                self._run(
                    "UPDATE osler_used SET used = used - ? WHERE subject = ? AND kind = ?", min(n, over), subject, kind
                )
        return Grant(n - min(n, over), used - min(n, over))

    def take_slots(self, subject: str, replica: str, n: int, limit: int) -> int:
        """Take up to `n` places for answers under way, where replicas that were heard of lately leave some; how many it got."""
        with self._transaction():
            # The row is a lock: two replicas must not count at the same time.
            self._run(
                "INSERT INTO osler_used VALUES (?, 'open', 0, 0) ON CONFLICT (subject, kind) DO UPDATE SET used = 0",
                subject,
            )
            self._seen(replica)
            ((held,),) = self._run(
                "SELECT COALESCE(SUM(n), 0) FROM osler_slots JOIN osler_replicas ON name = replica"
                " WHERE subject = ? AND seen > NOW - ?",
                *(subject, LOST_S),
            )
            given = max(0, min(n, limit - int(held)))
            if given:
                self._run(
                    "INSERT INTO osler_slots VALUES (?, ?, ?) ON CONFLICT (subject, replica) DO UPDATE SET"
                    " n = osler_slots.n + excluded.n",
                    *(subject, replica, given),
                )
        return given

    def beat(self, replica: str, returned: dict[str, int]) -> None:
        """Say that a replica is there, and give places back; forgets replicas and minutes that are over."""
        with self._transaction():
            self._seen(replica)
            for subject, n in sorted(returned.items()):
                self._run("UPDATE osler_slots SET n = n - ? WHERE subject = ? AND replica = ?", n, subject, replica)
            self._run("DELETE FROM osler_slots WHERE n <= 0")
            self._run(
                "DELETE FROM osler_slots WHERE replica IN (SELECT name FROM osler_replicas WHERE seen < NOW - 600)"
            )
            self._run("DELETE FROM osler_replicas WHERE seen < NOW - 600")
            self._run("DELETE FROM osler_used WHERE kind <> 'open' AND minute < (NOW - 600) / 60")

    def note_head(self, log: str, head: Head, turn: int) -> None:
        """Note how far an audit log goes, and the last turn of the switch that it holds."""
        with self._transaction():
            self._run(
                "INSERT INTO osler_heads VALUES (?, ?, ?, ?) ON CONFLICT (log) DO UPDATE SET"
                " seq = excluded.seq, mac = excluded.mac, turn = excluded.turn",
                *(log, head.seq, head.mac, turn),
            )

    def heads(self) -> dict[str, tuple[Head, int]]:
        """The noted head of every audit log, and the last turn of the switch that it holds."""
        with self._transaction():
            rows = self._run("SELECT log, seq, mac, turn FROM osler_heads ORDER BY log")
        return {log: (Head(int(seq), mac), int(turn)) for log, seq, mac, turn in rows}

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    def _seen(self, replica: str) -> None:
        self._run(
            "INSERT INTO osler_replicas VALUES (?, NOW) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen", replica
        )

    @contextmanager
    def _change(self) -> Generator[int, None, None]:
        with self._transaction(after=self._dialect.sync):
            ((version,),) = self._run("UPDATE osler_state SET version = version + 1 RETURNING version")
            yield int(version)

    @contextmanager
    def _transaction(self, begin: str = "", after: str = "") -> Generator[None, None, None]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._dialect.connect()
                self._run(begin or self._dialect.begin)
                yield
                self._run("COMMIT")
                if after:
                    self._run(after)
            except self._dialect.errors as error:
                self._drop()
                raise EnvironmentLacks(
                    f"the store {self.place} cannot be used ({type(error).__name__}); see that it runs and that its "
                    "address and password are right"
                ) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(*self._dialect.errors):  # it may be gone already
                self._connection.close()
            self._connection = None

    def _run(self, statement: str, *values: object) -> list[Any]:
        text = statement.replace("?", self._dialect.mark).replace("NOW", self._dialect.now)
        cursor = self._connection.cursor()
        try:
            cursor.execute(text, values)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()


def open_store(url: str | None, folder: Path) -> Store:
    """The store at a PostgreSQL URL, or else the SQLite file `store.db` in `folder`.

    Raises:
        InputError: the URL is of another kind.
        EnvironmentLacks: it cannot be reached, or pg8000 is not installed.
    """
    if not url:
        folder.mkdir(parents=True, exist_ok=True)
        return Store(_sqlite(folder / "store.db"))
    if urlsplit(url).scheme not in {"postgresql", "postgres"}:
        raise InputError(
            f"the store's URL begins with {urlsplit(url).scheme!r}; it must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return Store(_postgres(url))


def _sqlite(path: Path) -> _Dialect:
    def connect() -> sqlite3.Connection:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    now = "((julianday('now') - 2440587.5) * 86400.0)"
    return _Dialect(
        connect, "?", now, "BEGIN IMMEDIATE", "PRAGMA wal_checkpoint(FULL)", (OSError, sqlite3.Error), str(path)
    )


def _postgres(url: str) -> _Dialect:
    try:
        import pg8000.dbapi
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "pg8000", "a store in PostgreSQL", "postgres") from error
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host, socket = parts.hostname or "localhost", asked.get("host")
    options: dict[str, Any] = {
        "user": unquote(parts.username or "osler"),
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or "osler",
        "timeout": TIMEOUT_S,
        "application_name": "osler",
        **({"unix_sock": socket} if socket else {"host": host, "port": parts.port or 5432}),
        "ssl_context": None if socket else _tls(host, asked),
    }

    def connect() -> Any:
        connection = pg8000.dbapi.connect(**options)
        connection.autocommit = True
        return connection

    now = "(extract(epoch from clock_timestamp())::double precision)"
    place = socket or f"{host}:{options.get('port')}"
    return _Dialect(connect, "%s", now, "BEGIN", "", (OSError, pg8000.dbapi.Error), f"PostgreSQL at {place}")


def _tls(host: str, asked: dict[str, str]) -> ssl.SSLContext | None:
    """Without a word about it in the URL: none on this machine, full checks to any other."""
    mode = asked.get("sslmode", "disable" if is_loopback(host) else "verify-full")
    if mode == "disable":
        return None
    context = ssl.create_default_context(cafile=asked.get("sslrootcert"))
    if mode != "verify-full":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
