"""Records as JSON Lines: streamed in and out, one record a line, written to a temporary file and renamed.

A line is the record's fields in a fixed order, so equal records give equal bytes.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from osler.errors import InputError, RowError
from osler.records.record import Message, Origin, Record


def to_dict(record: Record) -> dict[str, Any]:
    """The record as plain data, with a fixed key order."""
    subject = {"subject": record.subject} if record.subject else {}
    return {
        "id": record.id,
        "task": record.task,
        "messages": [{"role": m.role, "content": m.content} for m in record.messages],
        "context": list(record.context),
        "choices": list(record.choices),
        "answer": record.answer,
        "rationale": record.rationale,
        "split": record.split,
        "group": record.group,
        **subject,
        "origin": {name: getattr(record.origin, name) for name in Origin.__slots__},
    }


def from_dict(row: dict[str, Any]) -> Record:
    """The record of plain data made by `to_dict`.

    Raises:
        RowError: a field is missing or unknown.
    """
    try:
        return Record(
            id=row["id"],
            task=row["task"],
            messages=tuple(Message(m["role"], m["content"]) for m in row["messages"]),
            context=tuple(row["context"]),
            choices=tuple(row["choices"]),
            answer=row["answer"],
            rationale=row["rationale"],
            split=row["split"],
            group=row["group"],
            subject=row.get("subject") or "",
            origin=Origin(**row["origin"]),
        )
    except (KeyError, TypeError) as error:
        raise RowError("not_a_record", f"a field is missing or unknown: {error}") from error


class JsonlWriter:
    """Writes JSON Lines to `path` by way of a temporary file; the file appears whole on a clean exit, or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_rows = 0
        self._partial = path.with_name(path.name + ".partial")
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._partial.open("wb")
        return self

    def write(self, row: dict[str, Any]) -> None:
        """Append one row."""
        self.write_lines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def write_lines(self, lines: bytes) -> None:
        """Append rows that are JSON Lines already, each with its line end."""
        if self._stream is None:
            raise RuntimeError("JsonlWriter is used outside its with block")
        self._stream.write(lines)
        self.n_rows += lines.count(b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:
            return
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows to `path`, which appears whole or not at all; returns how many."""
    with JsonlWriter(path) as writer:
        for row in rows:
            writer.write(row)
    return writer.n_rows


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Write records to `path`; returns how many."""
    return write_rows(path, map(to_dict, records))


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file made by `write_records`, one at a time.

    Raises:
        InputError: the file is absent, or a line is not a record; names file and line.
    """
    for number, row in read_jsonl(path):
        try:
            yield from_dict(row)
        except RowError as error:
            raise InputError(
                f"{path}, line {number}: {error}. The file was not written by osler, or was changed since."
            ) from error


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (from 1) and object of each line of a JSON Lines file.

    Raises:
        InputError: the file is absent, or a line is not a JSON object.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    with path.open("rb") as stream:
        yield from parse_jsonl(stream, str(path))


def parse_jsonl(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (from 1) and object of each line that is not blank.

    Lines end at the byte 0x0A only, so U+2028 inside a string does not split a row.

    Args:
        name: of the file or stream, for messages.

    Raises:
        InputError: a line is not a JSON object; its text is not shown.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{name}, line {number}: not JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}: expected an object, found {type(row).__name__}")
        yield number, row
