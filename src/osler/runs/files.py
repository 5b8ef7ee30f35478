"""Whole files: atomic writing, digests, JSON."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import orjson

from osler.errors import InputError

_CHUNK_BYTES = 1 << 20


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


class PartialText:
    """A text file written in pieces: it appears whole on a clean exit from the `with` block, or not at all."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self.stream: TextIO = self._partial.open("w", encoding="utf-8", errors="surrogateescape", newline="")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys: equal values give equal bytes."""
    write_bytes(
        path, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    )


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        InputError: the file is absent or not JSON.
    """
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error.msg})") from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest_folder(folder: Path, skip: frozenset[str] = frozenset()) -> dict[str, str]:
    """SHA-256 of every file below `folder` by its path inside it, in sorted order.

    Args:
        skip: first parts of paths that are left out.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = ((path.relative_to(folder), path) for path in paths)
    return {name.as_posix(): sha256_file(path) for name, path in inside if name.parts[0] not in skip}
