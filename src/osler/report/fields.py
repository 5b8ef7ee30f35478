"""Reading plain JSON with every expectation checked, so that a damaged file is named instead of shown as a wrong number.

What is wrong is said by file, place and key. Text found where a number belongs is not repeated: it may be a patient's.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NewType, NoReturn, TypeVar, get_args, get_type_hints

import orjson

from osler.errors import InputError
from osler.runs.files import read_json

Share = NewType("Share", float)
"""A number from 0 to 1."""
Found = TypeVar("Found")


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object, and where it stands. Keys that nobody asks for are ignored."""

    where: str
    """File, and place in it (`evaluate/scores.json: scores[2]`)."""
    values: Mapping[str, Any]

    def has(self, name: str) -> bool:
        """Whether the key is there with a value other than null."""
        return self.values.get(name) is not None

    def count(self, name: str) -> int:
        """A whole number of at least 0."""
        value = self._need(name)
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return int(value) if is_count else self._refuse(name, value, "a whole number of at least 0")

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._need(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else self._refuse(name, value, "a number")

    def share(self, name: str) -> Share:
        """A number from 0 to 1."""
        value = self.number(name)
        return Share(value) if 0 <= value <= 1 else self._refuse(name, value, "a share from 0 to 1")

    def text(self, name: str) -> str:
        """A string."""
        value = self._need(name)
        return value if isinstance(value, str) else self._refuse(name, value, "text")

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._need(name)
        return value if isinstance(value, bool) else self._refuse(name, value, "true or false")

    def maybe_count(self, name: str) -> int | None:
        """A whole number, or None where the key is absent or null."""
        return self.count(name) if self.has(name) else None

    def maybe_number(self, name: str) -> float | None:
        """A number, or None where the key is absent or null."""
        return self.number(name) if self.has(name) else None

    def maybe_text(self, name: str) -> str:
        """A string, or an empty one where the key is absent or null."""
        return self.text(name) if self.has(name) else ""

    def interval(self, name: str) -> Interval:
        """Two numbers, the lower first."""
        value = self._need(name)
        ends = [v for v in value if isinstance(v, int | float)] if isinstance(value, list) else []
        if len(ends) != 2 or len(value) != 2 or not ends[0] <= ends[1]:
            self._refuse(name, value, "two numbers, the lower first")
        return Interval(float(ends[0]), float(ends[1]))

    def bound(self, name: str) -> str | float:
        """What a value was held to: a number, or words."""
        return self.text(name) if isinstance(self.values.get(name), str) else self.number(name)

    def child(self, name: str) -> "Fields":
        """An object below this one."""
        return as_fields(f"{self._place()}{name}", self._need(name))

    def children(self, name: str) -> list["Fields"]:
        """A list of objects, in its order."""
        return [as_fields(f"{self._place()}{name}[{i}]", one) for i, one in enumerate(self._list(name, "a list"))]

    def counts(self, name: str) -> dict[str, int]:
        """An object of whole numbers by name, in sorted order; empty where the key is absent or null."""
        if not self.has(name):
            return {}
        child = self.child(name)
        return {key: child.count(key) for key in sorted(child.values)}

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(Fields(self.where, {name: one}).number(name) for one in self._list(name, "a list of numbers"))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty where the key is absent or null."""
        values = self._list(name, "a list of text") if self.has(name) else []
        is_text = all(isinstance(one, str) for one in values)
        return tuple(values) if is_text else self._refuse(name, values, "a list of text")

    def _list(self, name: str, expected: str) -> list[Any]:
        value = self._need(name)
        return value if isinstance(value, list) else self._refuse(name, value, expected)

    def _need(self, name: str) -> Any:
        if not self.has(name):
            what = "is null" if name in self.values else "is missing"
            raise InputError(f'{self.where}: "{name}" {what}. {_ADVICE}')
        return self.values[name]

    def _refuse(self, name: str, value: Any, expected: str) -> NoReturn:
        seen = str(value) if isinstance(value, bool | int | float) else type(value).__name__
        raise InputError(f'{self.where}: "{name}" is {seen}; expected {expected}. {_ADVICE}')

    def _place(self) -> str:
        return f"{self.where}." if ": " in self.where else f"{self.where}: "


_READERS: dict[Any, Callable[[Fields, str], Any]] = {
    int: Fields.count,
    float: Fields.number,
    Share: Fields.share,
    str: Fields.text,
    bool: Fields.flag,
    str | float: Fields.bound,
    Interval: Fields.interval,
    Mapping[str, int]: Fields.counts,
    tuple[str, ...]: Fields.texts,
}


def read_as(form: Callable[..., Found], found: Fields, **known: Any) -> Found:
    """A frozen value of the type, each of its fields read under its own name by its type, or taken from `known`.

    A field with a default may be absent or null; counts by name and lists of text may always be.

    Raises:
        InputError: a field without a default is missing, or one is of another kind.
    """
    values = dict(known)
    for name, kind, may_be_absent in _plan(form):
        if name not in known and (found.has(name) or not may_be_absent):
            values[name] = _read(found, name, kind)
    return form(**values)


def _read(found: Fields, name: str, kind: Any) -> Any:
    if kind in _READERS:
        return _READERS[kind](found, name)
    if isinstance(kind, type) and is_dataclass(kind):
        return read_as(kind, found.child(name))
    return tuple(read_as(get_args(kind)[0], child) for child in found.children(name))


@cache
def _plan(form: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Name, kind (without None) and whether there is a default, for each field of a dataclass."""
    hints = get_type_hints(form)
    return tuple(
        (one.name, _without_none(hints[one.name]), (one.default, one.default_factory) != (MISSING, MISSING))
        for one in fields(form)
    )


def _without_none(hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if len(kinds) == len(get_args(hint)):
        return hint
    return kinds[0] if len(kinds) == 1 else kinds[0] | kinds[1]


_ADVICE = "The file was not written by osler, or was changed since: run this stage again."


def as_fields(where: str, value: Any) -> Fields:
    """A JSON value that must be an object.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, found {type(value).__name__}. {_ADVICE}")
    return Fields(where, value)


def read_fields(path: Path) -> Fields:
    """The object of a JSON file.

    Raises:
        InputError: the file is absent, not JSON, or not an object.
    """
    return as_fields(str(path), read_json(path))


def read_list(path: Path) -> list[Fields]:
    """The objects of a JSON file that holds a list.

    Raises:
        InputError: the file is absent, not JSON, or not a list of objects.
    """
    value = read_json(path)
    if not isinstance(value, list):
        raise InputError(f"{path}: expected a list, found {type(value).__name__}. {_ADVICE}")
    return [as_fields(f"{path}: [{i}]", entry) for i, entry in enumerate(value)]


def read_lines(path: Path) -> Iterator[Fields]:
    """The objects of a JSON Lines file.

    A last line without its line end was cut off by a kill while it was written; when it is not whole, it is left out.

    Raises:
        InputError: the file is absent, or another line is not an object.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if not line.endswith(b"\n"):
                    return
                raise InputError(f"{path}, line {number}: not JSON ({error.msg}). {_ADVICE}") from error
            yield as_fields(f"{path}, line {number}", value)
