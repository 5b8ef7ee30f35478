"""The form of an audit log: JSON Lines, each row bound to the one before it by a keyed hash, and its check.

A row holds the event, its facts, a sequence number, the time, the MAC of the previous row (`previous`) and its own MAC: HMAC-SHA256
over all else, as JSON with sorted keys. The newest sequence number and MAC also stand apart, as anchors: in `<name>.head` under a seal
of the same key, and in the server's database, so that a cut tail is named. Whoever has no key cannot change, drop or add a row unseen,
and can cut the tail only together with an old copy of both anchors; whoever has the key can do anything.
"""

import csv
import hmac
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from osler.errors import CheckFailed, InputError

GENESIS = "0" * 64
"""`previous` of the first row."""

_MIN_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    seq: int = 0
    """Sequence number of the last row, from 1; 0 for an empty log."""
    mac: str = GENESIS
    seal: str = ""
    """What the head file adds."""


def sealed(key: bytes, row: dict[str, Any]) -> tuple[bytes, str]:
    """The line of a row that has no MAC yet, and its MAC."""
    body = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    mac = _mac(key, body)
    return b'%b,"mac":"%b"}\n' % (body[:-1], mac.encode()), mac


def keyed_hash(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text: equal texts give equal hashes, and without the key nothing can be guessed from them."""
    return hmac.digest(key, b"text\0" + text.encode("utf-8", "surrogatepass"), "sha256").hex()


def verify(path: Path, key: bytes, anchor: Head | None = None) -> Head:
    """Check the whole chain; it may be written meanwhile.

    Args:
        anchor: its head as noted elsewhere, beside the head file.

    Returns:
        The last row's number and MAC, to be noted elsewhere.

    Raises:
        CheckFailed: names the first row that does not hold, or how many rows are missing at the end.
        InputError: there is no log, or the key is too short.
    """
    require_key(key)
    sealed_head = _read_head(path)
    anchors = [found for found in (sealed_head, anchor) if found is not None]
    if not path.is_file():
        if any(found.seq for found in anchors):
            raise CheckFailed(f"{path} is missing; {max(found.seq for found in anchors)} rows of it are on record")
        raise InputError(f"{path} does not exist")
    head = Head()
    for number, line in enumerate(_lines(path), start=1):
        if number == 1 and _is_older(line):
            raise CheckFailed(
                f"{path}: older form: not chained as this version does it, so it can be neither confirmed nor faulted. Keep it, "
                "and move it and its head file aside; then the server begins a new log."
            )
        fault, mac = _fault(line, number, head.mac, key)
        if fault:
            raise CheckFailed(
                f"{path}: row {number} {fault}. Rows 1 to {number - 1} hold; nothing from row {number} on can be trusted."
            )
        head = Head(number, mac)
        if any(found.seq == number and found.mac != mac for found in anchors):
            raise CheckFailed(f"{path}: row {number} is not the one that was noted as its head; the log was rewritten")
    _check_tail(path, head, anchors)
    if sealed_head is not None and not hmac.compare_digest(sealed_head.seal.encode(), seal(key, sealed_head).encode()):
        raise CheckFailed(f"{head_path(path)} was changed, or was written with another key")
    return head


def id_of(path: Path) -> str:
    """What tells this log from all others, wherever it lies: the beginning of its first row's MAC; empty when it has none."""
    first = next(_lines(path), b"") if path.is_file() else b""
    return str((_parsed(first) or {}).get("mac", ""))[:16]


def read_rows(path: Path, since: str = "", until: str = "") -> Iterator[dict[str, Any]]:
    """Rows whose time is in [since, until), both ISO 8601 in UTC or a beginning of it; empty for no bound.

    Raises:
        CheckFailed: a line is no row.
    """
    for number, line in enumerate(_lines(path), start=1):
        row = _parsed(line)
        if row is None or "time" not in row:
            raise CheckFailed(
                f"{path}: row {number} is not a row of an audit log; `osler audit verify` says what holds"
            )
        if row["time"] >= since and (not until or row["time"] < until):
            yield row


def as_csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The rows as CSV lines, one column for every name that answers have; further facts as JSON in `more`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_COLUMNS, "more"])
    for row in rows:
        more = {name: value for name, value in row.items() if name not in _COLUMNS}
        writer.writerow([*(row.get(name, "") for name in _COLUMNS), orjson.dumps(more).decode()])
        yield stream.getvalue()
        stream.seek(0)
        stream.truncate()
    yield stream.getvalue()


_COLUMNS = (
    *("log", "seq", "time", "monotonic", "event", "request", "caller", "who", "action", "intent", "rule", "finish"),
    *("n_question_chars", "n_reply_chars", "latency_ms", "policy_sha256", "artefact", "gate", "previous", "mac"),
)


def write_head(stream: io.FileIO, head: Head, key: bytes) -> None:
    """Note the head in its file, in place: always the same number of bytes, fewer than a disk writes at once."""
    stream.seek(0)
    stream.write(b'{"seq":%12d,"mac":"%b","seal":"%b"}\n' % (head.seq, head.mac.encode(), seal(key, head).encode()))


def seal(key: bytes, head: Head) -> str:
    """What shows that a head was noted by a holder of the key."""
    return hmac.digest(key, b"head\0%d %b" % (head.seq, head.mac.encode()), "sha256").hex()


def head_path(path: Path) -> Path:
    """The head file of a log."""
    return path.with_name(path.name + ".head")


def require_key(key: bytes) -> None:
    """Refuse a key that is too short to protect anything.

    Raises:
        InputError: it has fewer than 16 bytes.
    """
    if len(key) < _MIN_KEY_BYTES:
        raise InputError(f"the audit key has {len(key)} bytes; it needs at least {_MIN_KEY_BYTES}")


def _check_tail(path: Path, head: Head, anchors: list[Head]) -> None:
    last = max((found.seq for found in anchors), default=0)
    if last > head.seq:
        raise CheckFailed(
            f"{path}: {last - head.seq} rows are missing at the end: the last one is {head.seq}, and row {last} is on record"
        )
    if not anchors and head.seq > 1:
        raise CheckFailed(f"{path}: {head_path(path)} is missing, so rows cut from the end would not be seen")


def _is_older(line: bytes) -> bool:
    """Whether a log's first row is a row of a version before the chain, or before rows held the monotonic clock."""
    names = (_parsed(line) or {}).keys()
    return {"event", "time"} <= names and not {"monotonic", "previous", "mac"} <= names


def _fault(line: bytes, number: int, previous: str, key: bytes) -> tuple[str, str]:
    """What is wrong with a row, and its MAC."""
    row = _parsed(line)
    if row is None or not isinstance(row.get("mac"), str):
        return "is torn or not a row of an audit log", ""
    mac = row.pop("mac")
    if row.get("seq") != number:
        return f"has sequence number {row.get('seq')!r}, so rows were added, moved or removed", mac
    if row.get("previous") != previous:
        return "does not follow the row before it", mac
    if not hmac.compare_digest(mac.encode(), _mac(key, orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).encode()):
        return "was changed, or was written with another key", mac
    return "", mac


def _mac(key: bytes, body: bytes) -> str:
    return hmac.digest(key, b"row\0" + body, "sha256").hex()


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines; one without its end is being written, or was when its server was killed."""
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield line


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The row; None where the line is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _read_head(path: Path) -> Head | None:
    try:
        row = orjson.loads(head_path(path).read_bytes())
        return Head(int(row["seq"]), str(row["mac"]), str(row.get("seal", "")))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckFailed(f"{head_path(path)} is not a head file; it was changed") from error
