"""A JSON file: a list of rows, an object of rows by key, or JSON Lines under the name `.json`. Streamed, whatever its size."""

import io
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

import orjson

from osler.errors import InputError, RowError
from osler.sources.read.json_row import parse_row
from osler.sources.read.json_stream import JsonText, has_loose_string
from osler.sources.read.jsonl_file import jsonl_rows
from osler.sources.read.limits import stream_of
from osler.sources.read.opening import Part, as_utf8, each_row, opened
from osler.sources.source import NativeRow, SourceFile

_MAX_FIRST_LINE_BYTES = 1 << 20
"""A file whose first line is longer is not taken for JSON Lines under a wrong name."""
_MAX_SHOWN_KEYS = 10


def read_json(file: SourceFile, inside: str) -> Iterator[NativeRow]:
    """Rows under a key of the top-level object, located as `name:inside[3]`.

    Raises:
        InputError: as `json_rows`, or there is no such key.
    """
    return each_row(file, partial(json_rows, inside=inside), ("*.json",))


def json_rows(part: Part, inside: str | None = None) -> Iterator[NativeRow]:
    """Rows located as `name[3]` in a list, `name[key]` in an object, `name:line` when the file is JSON Lines after all.

    Raises:
        InputError: the file is not JSON, or neither a list nor an object. A broken text is found when its rows before the
            break have come out.
    """
    stream = as_utf8(part.stream)
    start = stream.readline(_MAX_FIRST_LINE_BYTES)
    second = stream.readline(_MAX_FIRST_LINE_BYTES) if start.endswith(b"\n") else b""
    if inside is None and second.lstrip().startswith(b"{") and _is_object(start):
        # MedMCQA's own `dev.json` is JSON Lines.
        yield from jsonl_rows(Part(part.file, part.name, part.path, _again(start + second, stream), whole=False))
        return
    text = JsonText(part.path, stream.read, start + second)
    first = text.next()
    if not first or first not in b"[{":
        raise InputError(f"{part.path}: expected a list or an object" + ("" if first else "; the file is empty"))
    if inside is None:
        yield from _rows(part, text, part.name)
    else:
        yield from _rows_inside(part, text, inside)
    if text.next():
        raise text.broken("there is more after the end")


def _rows(part: Part, text: JsonText, prefix: str) -> Iterator[NativeRow]:
    """The rows of the list or object that starts here."""
    is_list = text.take(b"[{") == b"["
    closing = b"]" if is_list else b"}"
    number = 0
    while number or text.next() != closing:
        key = str(number) if is_list else _key(text)
        raw = text.value()
        value = parse_row(raw, f"[{key}]")
        if isinstance(value, RowError) and value.reason == "not_json" and has_loose_string(raw):
            raise text.broken(f"a quote is missing before here, in [{key}] or after it")
        yield NativeRow(part.file, f"{prefix}[{key}]", value)
        number += 1
        if text.take(b"," + closing) == closing:
            return
    text.take(closing)


def _rows_inside(part: Part, text: JsonText, inside: str) -> Iterator[NativeRow]:
    """The rows under the key `inside` of the object that starts here; other members are passed over."""
    seen: list[str] = []
    if text.next() == b"{":
        text.take(b"{")
        while text.next() != b"}":
            key = _key(text)
            if key != inside:
                seen.append(key)
                text.value(keep=False)
            elif text.next() in (b"[", b"{"):
                seen.append(key)
                yield from _rows(part, text, f"{part.name}:{inside}")
            else:
                raise InputError(f"{part.path}: expected a list or an object under {inside!r}")
            if text.take(b",}") == b"}":
                break
    if seen.count(inside) != 1:
        listed = ", ".join(map(repr, seen[:_MAX_SHOWN_KEYS])) or "none"
        raise InputError(
            f"{part.path}: expected the key {inside!r} once in the top-level object; its keys are: {listed}"
        )


def _key(text: JsonText) -> str:
    if text.next() != b'"':
        raise text.broken("expected a key in quotes")
    key = parse_row(text.value(), "key")
    if not isinstance(key, str):
        raise text.broken("the key before here is not a sound string")
    text.take(b":")
    return key


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _again(start: bytes, stream: IO[bytes]) -> IO[bytes]:
    """A stream with what was read from it put back in front."""
    first = io.BytesIO(start)
    return stream_of(lambda n_bytes: first.read(n_bytes) or stream.read(n_bytes))


def load_json(file: SourceFile) -> Any:
    """The list or object of a JSON file, read whole.

    Raises:
        InputError: the file is not JSON, or neither a list nor an object.
    """
    with opened(file) as stream:
        content = as_utf8(stream).read()
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"{file.path}, line {error.lineno}, column {error.colno}: not JSON. Fetch the publisher's file again."
        ) from error
    if not isinstance(value, dict | list):
        raise InputError(f"{file.path}: expected a list or an object, found {type(value).__name__}")
    return value
