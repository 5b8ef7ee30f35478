"""Whole files and folders: atomic writing, digests, JSON."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from osler.errors import InputError

_CHUNK_BYTES = 1 << 20


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """Another name under which a file or folder is made; it gets its own, in the place of what is there, when the block ends well.

    What a kill left under that name is gone before, and what an error leaves at once. A file is whole also after a power cut.
    """
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    if partial.is_dir():  # a file is written over
        shutil.rmtree(partial)
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    if partial.is_dir():
        _remove(path)
    else:
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
    partial.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    with made_whole(path) as partial:
        partial.write_bytes(content)


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
