"""The answer that a reply gives, and how it was read. Rules, in the order in which they are tried; the first that holds wins.

`boxed`, `stated` ("the answer is (B)"), `refusal`, `bare` (nothing but the letter or the word), `opening` ("B. Aspirin ..."),
`option_text` (one option's text and no other's). What gives no answer is `empty`, `refusal`, `echo` (nothing but the question or
its options), `several` (more than one option) or `unparsed`; none of these is ever right, and no answer is guessed.

Marks such as `**B**` and the options that a reply repeats are taken out before reading.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from osler.evaluate.redteam.judge import REFUSAL
from osler.records.render import LETTERS
from osler.text import match_key

Matched = Literal[
    "boxed", "stated", "bare", "opening", "option_text", "empty", "refusal", "echo", "several", "unparsed"
]

_MARKS = re.compile(r"<think>.*?</think>|<\|[^|]*\|>|</?[a-z]{1,10}>|[*_`#>\u200b]+", re.DOTALL)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\w*\{)?\s*([^{}]+?)\s*\}")
_STATED = re.compile(
    r"(?:(?:answer|option|choice|response|diagnosis|decision|verdict)\b(?:[^.\n:]{0,60}?)\s*(?:\bis\b|\bwould be\b|\bshould be\b|:|=|->|\u2192)|"
    r"\b(?:i|we)(?:'ll|\s+would)?\s+(?:choose|pick|select|go with)\b(?:\s+(?:option|answer|choice))?|\bcorrect\s+(?:option|choice|answer)\b\s*[-\u2013]|"
    r"^\s*\[?(?:final\s+)?(?:answer|ans|response|assistant|letter)\b[\].]?\s*(?:is\b|[:=-])?)"
    r"\s*(?:(?:the\s+)?(?:option|letter|choice)\s+)?(?=(?P<rest>[^\n]*))",
    re.IGNORECASE | re.MULTILINE,
)
_CALLED_RIGHT = re.compile(
    r"(?:^|[.:,;!?\n]\s|\b(?:[Oo]ption|[Cc]hoice|[Ll]etter|[Aa]nswer)\s)\s*\(?([A-J])\)?(?:\s*\([^()\n]{1,80}\))?\s+"
    r"(?:is|would be)\s+(?:the\s+)?(?:most\s+\w+\s+)?(?:correct|right|best|answer)\b",
    re.MULTILINE,
)
"""`Option B is correct`, not `Hepatitis B is correct`; a negation stands between `is` and `correct`."""
_TWO = re.compile(
    r"\b(?:both|either|options|choices|answers are)\s+\(?[A-J]\)?\s*(?:,|/|&|and|or)\s*\(?[A-J]\b", re.IGNORECASE
)
_NEGATED = re.compile(r"\b(?:not|n't|isn't|never|neither|except|unlikely|incorrect|wrong)\b", re.IGNORECASE)
_HEADS = frozenset({"", "question", "options", "choices", "question options", "question choices"})
"""What is left of a question that was repeated with its heads."""
_LIST = re.compile(r"^(?:and|or|,|/|&|\+)\s*(?:\(?[A-J]\)?)(?![A-Za-z])")
_JOINED = re.compile(r"(?:\s*(?:[,/|&]|\band\b|\bor\b))+\s*([A-Za-z]+)", re.IGNORECASE)
"""What makes a list of the word before it: `yes or no`, not `yes, not no`."""
_LISTED_LINE = re.compile(r"^\s*\(?([A-J])\s*[.):]\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a reply answers."""

    answer: int
    """Index of the option; -1 for none."""
    matched: Matched

    @property
    def is_parsed(self) -> bool:
        """Whether there is an answer."""
        return self.answer >= 0


def extract(reply: str, options: Sequence[str], question: str = "", *, labelled: bool = False) -> Extracted:
    """The option that a reply answers.

    Args:
        options: texts of the options, or the labels.
        question: as it was asked, so that a reply that repeats it is known.
        labelled: whether the options are words to be answered as they are (yes, no, maybe), without letters.
    """
    text = _MARKS.sub("", reply.replace("\u2019", "'")).strip()
    if not text:
        return Extracted(-1, "empty")
    own = _without_echo(text, options, question)
    if not own:
        return Extracted(-1, "echo")
    reader = _Reader(options, labelled)
    boxed = [reader.exact(match[1]) for match in _BOXED.finditer(own)]
    if boxed and boxed[-1] >= 0:
        return Extracted(boxed[-1], "boxed")
    stated = [
        reader.opening(match["rest"])
        for match in _STATED.finditer(own)
        if not (_NEGATED.search(match[0]) or _NEGATED.match(match["rest"].lstrip("\"'([ ")))
    ]
    stated = [found for found in stated if found != _NOTHING]
    if not stated and not labelled and not _TWO.search(own):
        stated = [LETTERS.index(match[1]) for match in _CALLED_RIGHT.finditer(own)]
        stated = [index for index in stated if index < len(options)]
    if stated:
        return Extracted(stated[-1], "stated") if stated[-1] >= 0 else Extracted(-1, "several")
    if REFUSAL.search(own):
        return Extracted(-1, "refusal")
    return reader.plain(own)


_NOTHING = -1
_SEVERAL = -2


@dataclass(frozen=True, slots=True)
class _Reader:
    options: Sequence[str]
    labelled: bool

    def exact(self, text: str) -> int:
        """The option that this text is: its letter, its text, or both."""
        text = text.strip().strip(".\"'")
        letter = re.fullmatch(r"\(?([A-Ja-j])[).:]?", text)
        if letter and not self.labelled:
            return self._index(letter[1].upper())
        for index, option in enumerate(self.options):
            if match_key(option) and match_key(text) == match_key(option):
                return index
        return self.opening(text)

    def opening(self, text: str) -> int:
        """The option that this text begins with; `_SEVERAL` when it goes on with another."""
        text = text.strip().lstrip("\"'([:$-").strip()
        if self.labelled:
            return self._label(text)
        lone = re.fullmatch(r"([a-j])[)\]\"'.]*", text)
        if lone:
            return self._index(lone[1].upper())
        letter = re.match(r"([A-J])(?![A-Za-z'])", text)
        if letter:
            rest = text[1:].lstrip(" )]\"'.:,").strip() if text[1:2] != "," else text[1:].strip()
            if _LIST.match(rest) or _LIST.match(text[1:].lstrip(") ")):
                return _SEVERAL
            index = self._index(letter[1])
            # "A" is a word, too: "the answer is A patient ..." names no option unless the option's text follows.
            if (
                letter[1] in "AI"
                and re.match(r"\s+(?!because|since|as\b)[a-z]", text[1:])
                and not self._says(index, rest)
            ):
                return _NOTHING
            return index
        return self._by_text(text, at_start=True)

    def _label(self, text: str) -> int:
        """The label that this text begins with; `_SEVERAL` for "yes or no" and "yes/no/maybe", which repeat the choice."""
        found = re.match(r"[A-Za-z]+", text)
        word = found[0].casefold() if found else ""
        if word not in self.options:
            return _NOTHING
        other = _JOINED.match(text[len(word) :])
        is_list = other is not None and other[1].casefold() in self.options
        return _SEVERAL if is_list else self.options.index(word)

    def plain(self, text: str) -> Extracted:
        """A reply without a statement."""
        if not self.labelled and _TWO.search(text):
            return Extracted(-1, "several")
        first, *others = [line for line in text.splitlines() if line.strip()]
        bare = (
            re.fullmatch(r"\W*(?:(?:option|choice|letter)\s+)?\W*([A-J])\W*", text, re.I) if not self.labelled else None
        )
        if bare:
            found = self._index(bare[1].upper())
            return Extracted(found, "bare" if found >= 0 else "unparsed")
        if self.labelled:
            return self._plain_label(text)
        opening = re.fullmatch(r"\W*([A-J])\W*", first) or re.match(
            r"\s*(?:option\s+)?[(\[]?([A-J])\s*[).:\]\u2013-](?!\w)", first, re.IGNORECASE
        )
        if opening or (re.match(r"\s*[(\[]?[A-J](?:\s*(?:,|/|&|\+|and|or)\s*[(\[]?[A-J])+\b", first)):
            letters = set(
                re.findall(r"(?<![\w'])([A-J])(?![\w'])(?=\s*[).:\]]|\s*$|\s*(?:,|/|&|and\b|or\b))", first)
            ) | {match[1] for match in _LISTED_LINE.finditer("\n".join(others))}
            if len(letters) > 1 or not opening:
                return Extracted(-1, "several")
            found = self._index(opening[1].upper())
            return Extracted(found, "opening" if found >= 0 else "unparsed")
        alone = re.match(r"\s*([A-J])\s+(.+)", first)
        if alone and self._says(self._index(alone[1]), alone[2]):
            return Extracted(self._index(alone[1]), "opening")
        found = self._by_text(text, at_start=False)
        return Extracted(
            max(found, -1), "option_text" if found >= 0 else "several" if found == _SEVERAL else "unparsed"
        )

    def _plain_label(self, text: str) -> Extracted:
        words = match_key(text).split()
        if words and words[0] in self.options:
            others = [word for word in words[1:6] if word in self.options and word != words[0]]
            return (
                Extracted(-1, "several")
                if others
                else Extracted(self.options.index(words[0]), "bare" if len(words) == 1 else "opening")
            )
        named = {word for word in words if word in self.options}
        if len(named) == 1 and named & {"yes", "maybe", "entailment", "contradiction", "neutral"}:
            return Extracted(self.options.index(named.pop()), "option_text")
        return Extracted(-1, "several" if len(named) > 1 else "unparsed")

    def _index(self, letter: str) -> int:
        index = LETTERS.find(letter)
        return index if 0 <= index < len(self.options) else _NOTHING

    def _says(self, index: int, text: str) -> bool:
        return 0 <= index < len(self.options) and match_key(text).startswith(match_key(self.options[index]) or "\0")

    def _by_text(self, text: str, *, at_start: bool) -> int:
        """The one option whose text stands here; an option inside a longer one that stands here too does not count."""
        if _NEGATED.search(text) and not any(_NEGATED.search(option) for option in self.options):
            return _NOTHING
        padded = f" {match_key(text)} "
        keys = [match_key(option) for option in self.options]
        found = []
        for index in sorted(range(len(keys)), key=lambda i: -len(keys[i])):
            key = keys[index]
            hit = bool(key) and (padded.startswith(f" {key} ") if at_start else f" {key} " in padded)
            if hit and at_start:
                after = padded.removeprefix(f" {key} ")
                joined = {f"{word} {other} " for word in ("and", "or") for other in keys if other not in {"", key}}
                return _SEVERAL if after.startswith(tuple(joined)) or keys.count(key) > 1 else index
            if hit:
                found.append(index)
                padded = padded.replace(f" {key} ", " \0 ")
        # Two options of the same text: neither can be told from the other.
        if len(found) > 1 or (found and keys.count(keys[found[0]]) > 1):
            return _SEVERAL
        return found[0] if found else _NOTHING


def _without_echo(text: str, options: Sequence[str], question: str) -> str:
    """The reply without the question, and without a list of the options, where it repeats them."""
    if question.strip():
        for part in (question.strip(), question.strip().rpartition("\n\n")[0]):
            if len(part) > 20 and part in text:
                text = text.replace(part, " ")
    repeated = [
        match
        for match in _LISTED_LINE.finditer(text)
        if LETTERS.index(match[1]) < len(options) and match_key(match[2]) == match_key(options[LETTERS.index(match[1])])
    ]
    if len({match[1] for match in repeated}) >= max(2, len(options) - 1):
        for match in repeated:
            text = text.replace(match[0], "\n", 1)
    key = match_key(question)
    if match_key(text) in _HEADS:
        return ""
    # A part of the question said again, word for word, is no answer either.
    return "" if key and len(match_key(text)) > 40 and match_key(text) in key else text.strip()
