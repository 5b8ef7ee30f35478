r"""One row of JSON: parsed fast, and refused where a fast parser would silently lose or change something.

orjson takes the last of two equal keys and turns whole numbers over 64 bits into rounded ones. Both are found without a
second parser in the hot path: writing the value again gives as many colons as were read, unless a key was lost; and a long
number is a run of 20 digits. Only rows that look suspicious so are parsed strictly. `\u00..` escapes, which could hide a
colon or a digit, count as suspicious where they stand for one, or for the character NUL.
"""

import json
import re
from typing import Any, Final

import orjson

from osler.errors import RowError
from osler.sources.fields import shown_name

_HIDING = re.compile(rb"\\u00(?:3|00)")
"""Escapes of digits and the colon, and of NUL, which no text holds and many tools cut texts at."""
_DIGITS_AS_0: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_NUMBER = b"0" * 20


def parse_row(text: bytes, where: str) -> Any:
    """The value, or the `RowError` that says what is wrong.

    Args:
        where: begins the message (`line 12`).
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _why_not(text, where, error)
    if (
        text.count(b":") != orjson.dumps(value).count(b":")
        or (b"\\u00" in text and _HIDING.search(text))
        or _LONG_NUMBER in text.translate(_DIGITS_AS_0)
    ):
        return _strictly(text, where, value)
    return value


def _strictly(text: bytes, where: str, value: Any) -> Any:
    """`value`, unless the row has repeated keys, whole numbers over 64 bits or NUL characters."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return RowError("not_json", f"{where}: nested too deeply, or with a number of thousands of digits")
    found = _fault(pairs)
    if found is None:
        return value
    path, reason, detail = found
    return RowError(reason, f"{where}: {detail}", path)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, with repeats."""


def _fault(value: Any) -> tuple[str, str, str] | None:
    """Path, reason and words of the first thing in a value that must not pass."""
    waiting = [("", value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Pairs):
            seen = set()
            for key, _ in value:
                if key in seen:
                    return _step(path, key), "repeated_key", "the object has this key more than once"
                seen.add(key)
            waiting += [(_step(path, key), inner) for key, inner in reversed(value)]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", inner) for index, inner in reversed(list(enumerate(value)))]
        elif isinstance(value, str) and "\0" in value:
            return path, "nul_character", "holds the character NUL"
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            return path, "number_too_large", f"a whole number of {len(str(value).lstrip('-'))} digits; 64 bits hold 19"
    return None


def _step(path: str, key: str) -> str:
    return f"{path}.{shown_name(key)}" if path else shown_name(key)


def _why_not(text: bytes, where: str, error: orjson.JSONDecodeError) -> RowError:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as bad:
        byte = text[bad.start]
        return RowError("bad_encoding", f"{where}, byte {bad.start + 1}: 0x{byte:02x} there is not UTF-8")
    return RowError("not_json", f"{where}, column {error.colno}: {error.msg}")
