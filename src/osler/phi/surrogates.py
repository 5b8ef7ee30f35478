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

from osler.errors import EnvironmentLacks
from osler.phi.dates import moved
from osler.phi.spans import Span
from osler.phi.tagger import GIVEN, load_tagger

KEY_VARIABLE = "OSLER_PHI_KEY"
_MIN_KEY_CHARS = 16
_SPARSE_ZIP3 = frozenset("036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split())
_WORD = re.compile(r"[^\W\d_]+")
_MOST_DAYS = 365
# One name for every initial and more: initials in a text go with the names that they stand for.
_GIVEN = (
    "Ada Alan Bea Bruno Clara Cyril Dora Dennis Elsa Erik Fay Felix Greta Gus Hanna Hugo Ines Ivan Jana Jonas Kira Kurt Lena Leo Mona Max "
    "Nina Nils Olga Otto Petra Paul Quentin Quinn Rita Rolf Sara Sven Tina Theo Ulla Uwe Vera Viktor Wanda Willem Xenia Xaver Yara Yann "
    "Zita Zeno"
).split()
_SURNAMES = (
    "Abbott Arden Barlow Bexley Calder Corbin Dalton Dunmore Elwood Everly Farrow Fenton Garner Greer Halden Hewitt Ingram Irvine Jessop "
    "Jarvis Kendal Kirby Lander Lowry Marden Milner Norwood Nesbit Oakley Orwin Parry Pruitt Quigley Quayle Radley Rowan Selby Stroud "
    "Tarrant Thorne Udall Upton Vance Vickers Walden Wystan Xander Xylos Yardley Yorke Zander Zeller"
).split()
_TOWNS = "Ashbourne Brackwell Coldhaven Dunford Eastmere Farleigh Glenrock Hartwick Ironvale Kestrel Langmere Millbrook Northam Oldcastle".split()
_JOBS = ("teacher", "clerk", "cook", "driver", "farmer", "mechanic", "painter", "nurse")
_FACILITY = re.compile(r"(?i)(?:hospital|clinic|medical center|center|hospice|infirmary|office)\b.{0,3}$")

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
            pool = [name for name in (_GIVEN if is_given else _SURNAMES) if name[0].lower() == self._initial(folded[0])]
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
        digits = re.sub(r"\D", "", value)[:3]
        return "000" if digits in _SPARSE_ZIP3 or len(digits) < 3 else digits
    if kind == "AGE":
        return "90+"
    makers: dict[str, Callable[[], str]] = {
        "CITY": lambda: _TOWNS[number % len(_TOWNS)],
        "HOSPITAL": lambda: f"{_TOWNS[number % len(_TOWNS)]} {(found.group() if (found := _FACILITY.search(value)) else 'Hospital')}",
        "ORGANIZATION": lambda: f"{_SURNAMES[number % len(_SURNAMES)]} Company",
        "PROFESSION": lambda: _JOBS[number % len(_JOBS)],
        "ADDRESS": lambda: f"{number % 900 + 100} {_SURNAMES[number % 97 % len(_SURNAMES)]} Street",
        "EMAIL": lambda: f"person{number % 100_000}@example.org",
        "URL": lambda: f"https://example.org/{number % 1_000_000}",
        # Blocks kept for documentation: RFC 5737 and RFC 3849.
        "IP": lambda: f"2001:db8::{number % 65_536:x}" if ":" in value else f"192.0.2.{number % 254 + 1}",
    }
    return makers[kind]() if kind in makers else _same_shape(value, number)


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
