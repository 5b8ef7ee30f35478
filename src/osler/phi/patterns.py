"""Reads the two data files of the rules: patterns, and what is allowed. Read once, when first needed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_TOLL_FREE = (
    r"(?<![\d-])(?=[+(18])(?:\+?1[ .-]{0,2})?\(?8(?:00|22|33|44|55|66|77|88)"
    r"(?:\)?[ .-]{1,2}[\dA-Z]{3}[ .-]?[\dA-Z]{4}|(?<=1\d{3})\d{7})\b"
)
_BODY_ADJECTIVES = "national federal world international european american british canadian poison poisons".split()
_BODIES = (
    "Institutes?|Association|Society|College|Academy|Centre|Center|Program|Library|Line|Lifeline|Helpline|Hotline|Organi[sz]ation|"
    "Administration|Agency|Council|Foundation|Registry|Network"
)
WHOLE = 1
"""The group of a pattern's regex that is the match."""
_FRAGMENT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way in which an identifier is written."""

    name: str
    type: str
    regex: re.Pattern[str]
    """Its group `WHOLE` is the match, and `value`, if there is one, the part that identifies."""
    near: re.Pattern[str] | None
    """`regex` behind up to as many characters as `reach` covers: for `match` at the first of them; None: no reach."""
    group: int
    """The group that is the span."""
    score: float
    needs: tuple[str, ...]
    """Strings of which one must be in the text as `Searched` has it; empty: always tried."""
    gate: re.Pattern[str] | None
    """A short pattern that must be in the text for `regex` to be tried; None: always."""
    reach: tuple[int, int]
    """How many characters before and after the start of one of `needs` a match may begin, where `near` is set."""
    context: re.Pattern[str] | None
    """Must be found in the `window` characters before the span."""
    window: int
    is_weak: bool
    """Counts only in a text that is about somebody: a hospital or a month alone identifies nobody."""
    is_of_every_kind: bool
    """Of what Safe Harbor leaves: tried only where every kind is asked for."""
    match: tuple[str, ...]
    """Texts with the spans it must find between « and »."""
    no_match: tuple[str, ...]
    """Texts in which it must find nothing."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is never an identifier."""

    always: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]
    """Crisis numbers, masks, eponyms before a clinical noun, numbers of public registers, public bodies. Each with lower-case strings
    of which one must be in the text for it to be tried; none: always."""
    body_with_contacts: re.Pattern[str]
    """A public body with what follows in its line, up to a phone, a postcode or an address of mail."""
    short_lines: re.Pattern[str]
    """Emergency numbers of two to four digits."""
    called: re.Pattern[str]
    """Words before a number that is to be called."""
    not_called: re.Pattern[str]
    """What follows a number that is a house, an age or a dose."""
    toll_free: re.Pattern[str]
    toll_free_unless_after: re.Pattern[str]
    sole_eponyms: frozenset[str]
    """Eponyms, and names of scores and devices, that are no person where nothing says so."""
    not_names: frozenset[str]


@cache
def load_patterns() -> tuple[Pattern, ...]:
    """The patterns of `patterns.yaml`, in their order."""
    content = _read("patterns.yaml")
    fragments = {name: _one_of(value) if isinstance(value, list) else str(value) for name, value in content["fragments"].items()}  # fmt: skip
    fragments["NOT_NAMES"] = _one_of(_both_cases(_read("allow.yaml")["not_names"]))
    return tuple(_pattern(row, fragments) for row in content["patterns"])


@cache
def load_allowed() -> Allowed:
    """The allow list of `allow.yaml`."""
    content = _read("allow.yaml")
    eponyms, nouns = _one_of(content["eponyms"]), _one_of(content["clinical_nouns"])
    lines = content["crisis_numbers"]
    numbers = [n for n in lines if len(n) > 4]
    starts = _one_of(content["eponyms"], r"(?<![\w-].)")
    dialled = _spaced(_one_of(numbers, r"(?<![\d.(-].)(?<!\d[ .-].)(?<!\) .)"))
    bodies = "|".join(rf"[{name[0]}{name[0].upper()}](?<!\w.)(?i:{name[1:]})" for name in _BODY_ADJECTIVES)
    public_body = rf"(?:{bodies}) (?:(?:[A-Z][\w'’&-]{{1,20}}|of|for|on|and|the) ){{0,5}}(?:{_BODIES})\b"
    always = [
        (content["clinical_nouns"], rf"{starts}(?:[-–/ ]{{1,2}}{eponyms}){{0,3}}(?:['’]s?)? (?i:{nouns})\b"),
        (("0",), rf"{dialled}(?![ .-]?\d)"),
        (("(",), rf"\((?:{_spaced(_one_of(numbers))})\)"),
        # "Cohen syndrome" is a disease, whoever Cohen was and whether or not the list of eponyms has him.
        (("syndrome", "disease"), r"[A-ZÀ-Þ](?<!\w.)[\w’'-]{1,29} (?:syndrome|disease)\b"),
        *(((register[:3].lower(),), rf"\b{register}\b") for register in content["registers"]),
        # Public bodies by the form of their names.
        (_BODY_ADJECTIVES, public_body),
        (
            (),
            _one_of(content["organizations"], r"(?<!\w.)")
            + r"\b(?! (?:Hospital|Clinic|Street|Ave|Road|Medical|General))",
        ),
        *(((mask.removeprefix("\\")[0],), mask) for mask in content["masks"]),
    ]
    return Allowed(
        always=tuple((tuple(needs), re.compile(regex)) for needs, regex in always),
        # The body's own line: an address, phones and mail, with no sentence between them.
        body_with_contacts=re.compile(
            rf"{public_body}(?:[^\n.!?]|\.(?=\S)){{0,240}}(?:\d{{3}}-\d{{4}}|\d{{5}}(?:-\d{{4}})?|\.gov)\b"
        ),
        # "911 Oak Street" and "112 years old" are no emergency numbers; "15" is one only where somebody is to call.
        short_lines=re.compile(
            _one_of([n for n in lines if len(n) <= 4], r"(?<![\w.,/-].)") + r"(?![\w/%]|[.,:-]\d| ?\d)"
        ),
        called=_any_word(content["called_by"]),
        not_called=re.compile(r"[ ,-]{1,2}(?:[A-ZÀ-Þ][a-zà-þ]+ |year|y/?o\b|[FM]\b|mg\b|days?\b)"),
        toll_free=re.compile(_TOLL_FREE),
        toll_free_unless_after=_any_word(content["toll_free_unless_after"]),
        sole_eponyms=frozenset(content["sole_eponyms"] + content["instruments"]),
        not_names=frozenset(_both_cases(content["not_names"])),
    )


def _pattern(row: dict[str, Any], fragments: dict[str, str]) -> Pattern:
    whole = f"({_expand(row['regex'], fragments)})"
    regex = re.compile(whole)
    before, after = row.get("reach", (0, 0))
    return Pattern(
        name=row["name"],
        type=row["type"],
        regex=regex,
        near=re.compile(f"(?s:.{{0,{before + after}}}?){whole}") if "reach" in row else None,
        group=regex.groupindex.get("value", WHOLE),
        score=float(row["score"]),
        needs=tuple(row.get("needs", ())),
        gate=re.compile(row["gate"]) if "gate" in row else None,
        reach=(before, after),
        context=_any_word(row["context"]) if "context" in row else None,
        window=int(row.get("window", 40)),
        is_weak=bool(row.get("weak", False)),
        is_of_every_kind=bool(row.get("every_kind", False)),
        match=tuple(row["match"]),
        no_match=tuple(row["no_match"]),
    )


def _expand(regex: str, fragments: dict[str, str]) -> str:
    while _FRAGMENT.search(regex):
        regex = _FRAGMENT.sub(lambda found: fragments[found.group(1)], regex)
    return regex


def _any_word(words: list[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + _one_of(words) + r")\b", re.IGNORECASE)


def _one_of(words: Iterable[str], behind: str = "") -> str:
    """A regex of any of the words, branching letter by letter: with hundreds of words ten times as fast as one after the other.

    Args:
        behind: a look-behind of the first letter and what stands before it. It stands after that letter, not before the
            branches: a regex that begins with letters is searched for ten times as fast as one that begins with a condition.
    """
    tails: dict[str, set[str]] = {}
    for word in words:
        if word:
            tails.setdefault(word[0], set()).add(word[1:])
    branches = [re.escape(c) + behind + (_one_of(rest) if rest != {""} else "") for c, rest in sorted(tails.items())]
    joined = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
    return f"(?:{joined})?" if "" in words else joined


def _spaced(numbers: str) -> str:
    """The regex with any mark or none where the numbers have a space or a hyphen."""
    return numbers.replace(r"\-", "[ .-]?").replace(r"\ ", "[ .-]?")


def _both_cases(words: list[str]) -> list[str]:
    return sorted({*words, *(word.upper() for word in words)})


def _read(name: str) -> Any:
    return yaml.safe_load(files("osler.phi").joinpath(name).read_text(encoding="utf-8"))
