"""Surrogates: invented identifiers in place of found ones, the same for the same person within a text.

Everything is drawn by HMAC-SHA256 (RFC 2104) with the user's key over the document's name and the value, so that nobody without the
key can go back or test a guess, and that the same key gives the same text again. Dates move by a number of days of the document,
which keeps intervals; ZIP codes keep three digits, or none where fewer than 20,000 people live (45 CFR 164.514(b)(2)(i)(B), the 17
areas of the census of 2000 as the Office for Civil Rights lists them); ages over 89 become 90+.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import yaml

from osler.errors import EnvironmentLacks
from osler.phi.dates import moved
from osler.phi.spans import Span
from osler.phi.tagger import GIVEN, load_tagger

KEY_VARIABLE = "OSLER_PHI_KEY"
_MIN_KEY_CHARS = 16
_WORD = re.compile(r"[^\W\d_]+")
_MOST_DAYS = 365
_FACILITY = re.compile(r"(?i)(?:hospital|clinic|medical center|center|hospice|infirmary|office)\b.{0,3}$")

_ZIP = re.compile(r"\b[A-Z]{2},? (\d{3})\d{2}(?:-\d{4})?\Z")

_OLD = 90
_ONLY_TAGGED = frozenset({"AGE", "COUNTRY", "NATIONALITY", "TITLE"})
"""Found only where every kind is asked for; an invented one would say something else about the person."""

Draw = Callable[[str, str], int]
"""A number of 256 bits for a kind and a value, always the same for the same key and document."""


def key_of_environment() -> bytes:
    """The key for surrogates, from the environment variable `OSLER_PHI_KEY`.

    Raises:
        EnvironmentLacks: it is not set, or has fewer than 16 characters.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if len(key) < _MIN_KEY_CHARS:
        raise EnvironmentLacks(
            f"surrogates need a secret key of at least {_MIN_KEY_CHARS} characters in {KEY_VARIABLE}; it has {len(key)}. "
            f"Make one and keep it apart from the data: export {KEY_VARIABLE}=$(openssl rand -hex 32)"
        )
    return key.encode()


def surrogates(text: str, spans: Sequence[Span], key: bytes, document: str) -> list[str]:
    """One replacement for each of `spans`, for `osler.phi.replace`.

    Args:
        key: the secret; whoever has it can test guesses of what was replaced.
        document: names the text. Texts of one document share surrogates and the number of days by which dates move.
    """

    def draw(kind: str, value: str) -> int:
        message = f"{document}\0{kind}\0{value}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hmac.new(key, message, hashlib.sha256).digest(), "big")

    names = _Names(draw)
    return [_surrogate(text[span.start : span.end], span.type, draw, names) for span in spans]


@cache
def _words(name: str) -> list[str]:
    """A list of `surrogates.yaml`."""
    lists = yaml.safe_load(files("osler.phi").joinpath("surrogates.yaml").read_text(encoding="utf-8"))
    return [str(word) for word in lists[name]]


class _Names:
    """The names of one text: no two people get the same one while names last."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, word: str) -> str:
        folded = word.lower()
        if len(folded) == 1:
            return self._initial(folded).upper() if word.isupper() else self._initial(folded)
        chosen = self._given.get(folded)
        if chosen is None:
            is_given = bool(load_tagger().lists.of(folded) & GIVEN)
            pool = [
                name
                for name in _words("given" if is_given else "surnames")
                if name[0].lower() == self._initial(folded[0])
            ]
            first = self._draw("name", folded) % len(pool)
            free = [name for name in pool[first:] + pool[:first] if name not in self._taken]
            chosen = free[0] if free else f"{pool[first]}{'aeiou'[self._draw('more', folded) % 5]}{len(self._taken)}"
            self._given[folded] = chosen
            self._taken.add(chosen)
        return chosen.upper() if word.isupper() else chosen.lower() if word.islower() else chosen

    def _initial(self, letter: str) -> str:
        place = ord(letter) - ord("a") if "a" <= letter <= "z" else sum(letter.encode()) % 26
        return chr(ord("a") + (place + 1 + self._draw("initial", "") % 25) % 26)


def _surrogate(value: str, kind: str, draw: Draw, names: _Names) -> str:
    number = draw(kind, value.lower())
    if kind in {"NAME", "DOCTOR"}:
        title = re.match(r"(?:[Dd]r|DR|Doctor|DOCTOR|Prof|Professor)\b\.? {1,2}", value) if kind == "DOCTOR" else None
        start = title.end() if title else 0
        return value[:start] + _WORD.sub(lambda found: names.of(found.group()), value[start:])
    if kind == "DATE":
        return moved(value, 1 + draw("days", "") % _MOST_DAYS) or "[DATE]"
    if kind == "ZIP":
        return _zip3(re.sub(r"\D", "", value)[:3])
    if kind == "AGE" and int(value) >= _OLD:
        return "90+"
    if kind in _ONLY_TAGGED:
        return f"[{kind}]"

    def one_of(name: str) -> str:
        return _words(name)[number % len(_words(name))]

    makers: dict[str, Callable[[], str]] = {
        "CITY": lambda: one_of("towns"),
        "HOSPITAL": lambda: f"{one_of('towns')} {found.group() if (found := _FACILITY.search(value)) else 'Hospital'}",
        "ORGANIZATION": lambda: f"{one_of('surnames')} Company",
        "PROFESSION": lambda: one_of("professions"),
        "ADDRESS": lambda: f"{number % 900 + 100} {one_of('surnames')} Street{_rest_of_zip(value)}",
        "EMAIL": lambda: f"person{number % 100_000}@example.org",
        "URL": lambda: f"https://example.org/{number % 1_000_000}",
        # Blocks kept for documentation: RFC 5737 and RFC 3849.
        "IP": lambda: f"2001:db8::{number % 65_536:x}" if ":" in value else f"192.0.2.{number % 254 + 1}",
    }
    return makers[kind]() if kind in makers else _same_shape(value, number)


def _zip3(digits: str) -> str:
    return "000" if len(digits) < 3 or digits in _words("sparse_zip3") else digits


def _rest_of_zip(address: str) -> str:
    """The three digits that may stay of an address that ends in a state and a ZIP code."""
    found = _ZIP.search(address)
    return f", {_zip3(found.group(1))}" if found else ""


def _same_shape(value: str, number: int) -> str:
    """Digits for digits and letters for letters; marks stay."""
    drawn = []
    for char in value:
        if char.isdigit():
            number, rest = divmod(number, 10)
            drawn.append(str(rest))
        elif char.isalpha():
            number, rest = divmod(number, 26)
            drawn.append(chr(ord("A" if char.isupper() else "a") + rest))
        else:
            drawn.append(char)
        number = number or int(hashlib.sha256("".join(drawn).encode("utf-8", "surrogatepass")).hexdigest(), 16)
    return "".join(drawn)
