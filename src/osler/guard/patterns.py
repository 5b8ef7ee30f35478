"""The small language in which policies write patterns, compiled to regular expressions.

A pattern is a regular expression in which

- a space stands for the gap between two words of canonical text (`normalize.py`);
- ` ~4 ` is a gap of at most four words in between; it never leaves the sentence;
- `{name}` is a word list of the policy;
- every group is a plain one: `(a|b)` does not capture.

    can i ~3 {stop} ~4 {medicine}

A match begins and ends at word boundaries: `cure for` does not match "obscure forms". Words of long lists are not compiled
into the expression: the canonical text carries a mark behind each of them, and the list compiles to "a word with that mark".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from osler.errors import InputError
from osler.guard.gate import Gate, Keys, entry_keys, split_outside

_GAP = re.compile(r" ~(\d{1,2}) ")
_NAME = re.compile(r"\{([a-z_]+)\}")
_PART = re.compile(r"( ~\d{1,2} |\{[a-z_]+\})")
_LOOSE_GAP = re.compile(r"(?:^|[(|])~\d|~\d+(?:$|[)|])|~\d+ ~|[^ (|]~\d")
_OPENING = re.compile(r"\((?!\?)")
_PLAIN_WORD = re.compile(r"[^\W_]+")
_PLURAL = re.compile(r"([a-z]{3,})s\?")
# Canonical text holds words, marks, single spaces and line breaks. Short classes keep compiling fast: "anything but a word
# character, then a space" can only be the marks of one word and the space behind it.
_JOIN = r"\W*? "
_END = r"\W*?$"
_WORD = r"\S+"
_BEFORE = r"(?<!\S)"
_AFTER = r"(?![\w'.,])"
_FIRST_MARK = 0xE000
_TERSE_CHARS = 120
_MIN_MARKED = 8
"""A list with fewer plain words is compiled into the expression; it is as fast there."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    expression: re.Pattern[str]
    need: int
    """Bits of the gate that a text must have."""
    find: Callable[..., re.Match[str] | None]
    """`expression.search`; `match` for a pattern that can only stand at the beginning, so that it is tried there alone; for a
    pattern of a whole sentence nothing longer than `_TERSE_CHARS` is tried."""


class Compiler:
    """Turns a policy's patterns into expressions; the same pattern is compiled once.

    Args:
        lists: the policy's word lists, by name: entries with commas between them. An entry is a pattern; it may name a list
            that stands above it.
    """

    def __init__(self, lists: Mapping[str, str]) -> None:
        self.gate = Gate()
        self.marks: dict[str, str] = {}
        self._lists: dict[str, str] = {}
        self._entries: dict[str, list[str]] = {}
        self._keys: dict[str, Keys | None] = {}
        self._compiled: dict[str, Pattern] = {}
        for name, listed in lists.items():
            self._add_list(name, [entry.strip() for entry in listed.split(",") if entry.strip()])

    def compile(self, pattern: str) -> Pattern:
        """The pattern as an expression.

        Raises:
            InputError: it names no known list, or is not a regular expression.
        """
        if pattern not in self._compiled:
            text = self._expanded(pattern)
            try:
                expression = re.compile(f"{_BEFORE}{text}{_AFTER}")
            except re.error as error:
                raise InputError(f"pattern {pattern!r} is not a regular expression: {error.msg}") from error
            is_anchored = pattern.startswith("^") and len(split_outside(pattern, "|")) == 1
            find = expression.match if is_anchored else expression.search
            if is_anchored and pattern.endswith("$"):
                find = partial(_match_terse, expression)
            self._compiled[pattern] = Pattern(expression, self.gate.need(pattern, self._keys), find)
        return self._compiled[pattern]

    def compile_all(self, patterns: Iterable[str]) -> tuple[Pattern, ...]:
        """The patterns as expressions, in order."""
        return tuple(self.compile(pattern) for pattern in patterns)

    def _add_list(self, list_name: str, entries: list[str]) -> None:
        """Plain words of a long list, and of lists it names, become marks; everything else is written into the expression."""
        named = [_NAME.fullmatch(entry) for entry in entries]
        nested = [
            self._entries.get(name[1], [name[0]]) if name else [entry]
            for name, entry in zip(named, entries, strict=True)
        ]
        entries = self._entries[list_name] = [entry for part in nested for entry in part]
        plain = [word for entry in entries for word in _plain_words(entry)]
        others = [entry for entry in entries if not _plain_words(entry)]
        if len(plain) < _MIN_MARKED:
            plain, others = [], entries
        parts = [self._expanded(entry) for entry in others]
        keys: Keys | None = frozenset()
        for entry in others:
            found = entry_keys(entry, self._keys)
            keys = keys | found if keys is not None and found is not None else None
        if plain:
            mark = chr(_FIRST_MARK + len(self._lists))
            for word in plain:
                if mark not in self.marks.get(word, ""):
                    self.marks[word] = self.marks.get(word, "") + mark
            parts.insert(0, rf"\w+\W*?{mark}")
            keys = keys | {mark} if keys is not None else None
        self._lists[list_name] = "(?:" + "|".join(parts) + ")"
        self._keys[list_name] = keys

    def _expanded(self, pattern: str) -> str:
        """The pattern with its gaps, joiners and word lists written out."""
        text = pattern.strip()
        if not text or _LOOSE_GAP.search(text):
            raise InputError(f"pattern {pattern!r} is empty, or a gap in it has no word on one side")
        built = ""
        for part in _PART.split(text):
            gap, name = _GAP.fullmatch(part), _NAME.fullmatch(part)
            if gap:
                built += f"{_JOIN}(?:{_WORD} ){{0,{gap[1]}}}?"
            elif name:
                if name[1] not in self._lists:
                    raise InputError(f"word list {part} is not known; it must stand in lexicons, above its use")
                built += self._lists[name[1]]
            else:
                built += part.replace(" ", _JOIN).replace("$", _END)
        return f"(?:{_OPENING.sub('(?:', built)})"


def _match_terse(expression: re.Pattern[str], sentence: str, *bounds: int) -> re.Match[str] | None:
    return expression.match(sentence, *bounds) if len(sentence) <= _TERSE_CHARS else None


def _plain_words(entry: str) -> list[str]:
    """The words that an entry without patterns stands for: `pill`, and both of `pills?`."""
    plural = _PLURAL.fullmatch(entry)
    if plural:
        return [plural[1], plural[1] + "s"]
    return [entry] if _PLAIN_WORD.fullmatch(entry) else []
