"""Cleaning: mends how a text is written and keeps what it says.

Promises, held by property tests: the sequence of numbers, units and negations never changes, and cleaning twice gives the
same as cleaning once. Line breaks stay, for lists and tables need them.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import ftfy
from ftfy.badness import is_bad

from osler.curate.artefacts import mend_lost_letters, mend_question, mend_tables
from osler.curate.config import CleanConfig
from osler.curate.facts import negations, numbers
from osler.curate.step import Outcome, rewritten
from osler.records.record import Record

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# Only tags of HTML by name, so that "p <0.05 and b> 3" stays.
_TAG_NAMES = "p|br|hr|div|span|b|i|u|em|strong|small|ul|ol|li|dl|dt|dd|a|img|table|thead|tbody|tr|td|th|h[1-6]|font|center|pre|blockquote|link|ref|nowiki"
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]{{0,500}})?\s?/?>", re.IGNORECASE)
_BREAKING_TAG = re.compile(r"</?(?:p|br|hr|div|ul|ol|li|tr|table|h[1-6]|blockquote|pre)\b", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"<sup>\s?([^<>\s]{1,20})\s?</sup>", re.IGNORECASE)
_SUBSCRIPT = re.compile(r"(?<=[A-Za-z])<sub>\s?([^<>\s]{1,20})\s?</sub>(?!\d)", re.IGNORECASE)

# Zero width space, word joiner, byte order mark, soft hyphen, control characters. Joiners (U+200C, U+200D) mean something.
_INVISIBLE = re.compile(r"[\u200b\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_INVISIBLE_IN_NUMBER = re.compile(rf"(?<=\d){_INVISIBLE.pattern}{{1,20}}(?=\d)")
_LINE_END = re.compile(r"\r\n?|\x85|\u2028|\u2029")
_SPACES = re.compile(r"[ \t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_UNIT_AGAINST_NUMBER = re.compile(r"(?<=\d)(?=(?:mg|mcg|µg|kg|mL|IU|mmol)\b)")


@dataclass(frozen=True, slots=True)
class Clean:
    """The cleaning step. It drops nothing; its tallies are the texts that each rule changed."""

    config: CleanConfig
    name: str = "clean"

    def __call__(self, record: Record) -> Outcome:
        """Clean every text of a record."""
        if not self.config.enabled:
            return Outcome(record)
        rules: list[tuple[str, Callable[[str], str]]] = [("cleaned", partial(clean_text, config=self.config))]
        asks: set[str] = set()
        if self.config.source_marks:
            rules.append(("table", mend_tables))
            asks = {f"messages[{i}]" for i, message in enumerate(record.messages) if message.role == "user"}
        if record.origin.source in self.config.lost_letters:
            rules.append(("lost_letters", mend_lost_letters))

        def mend(field: str, text: str) -> tuple[str, str]:
            reasons = []
            for reason, rule in (*rules, ("question_marks", mend_question)) if field in asks else rules:
                mended = rule(text)
                if mended != text:
                    reasons.append(reason)
                text = mended
            return text, "+".join(reasons)

        changed, changes = rewritten(record, self.name, mend)
        tallies = Counter(reason for change in changes for reason in change.reason.split("+"))
        return Outcome(changed, changes=changes, tallies=tallies)


def clean_text(text: str, config: CleanConfig) -> str:
    """`text` mended as `config` says. Passes are repeated until nothing changes: "&amp;lt;" needs two."""
    while (cleaned := _clean_once(text, config)) != text:
        text = cleaned
    return text


def _clean_once(text: str, config: CleanConfig) -> str:
    text = unicodedata.normalize("NFC", text)
    if config.mojibake:
        text = _mend_encoding(text)
    if config.strip_markup:
        text = _strip_markup(text)
    text = _INVISIBLE.sub("", _INVISIBLE_IN_NUMBER.sub(" ", _LINE_END.sub("\n", text)))
    text = _SPACES.sub(" ", text)
    if config.unit_spacing:
        text = _UNIT_AGAINST_NUMBER.sub(" ", text)
    text = "\n".join(line.strip(" ") for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip("\n ")


def _mend_encoding(text: str) -> str:
    """Mend mojibake, only when the text looks bad, looks good afterwards, and says the same."""
    if text.isascii() or not is_bad(text):
        return text
    mended = ftfy.fix_encoding(text)
    is_certain = (
        not is_bad(mended)
        and "\ufffd" not in mended
        and numbers(mended) == numbers(text)
        and negations(mended) == negations(text)
    )
    return mended if is_certain else text


def _strip_markup(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found.group()), text)
    if "<" not in text:
        return text
    # A power stays a power: "10<sup>9</sup>" must not become "109". An index joins letters only: "B<sub>12</sub>".
    text = _SUBSCRIPT.sub(r"\1", _SUPERSCRIPT.sub(r"^\1", text))
    return _TAG.sub(lambda found: "\n" if _BREAKING_TAG.match(found.group()) else _gap(text, found), text)


def _gap(text: str, tag: re.Match[str]) -> str:
    """What stands for an inline tag: nothing, or a space where its going would join two words or numbers."""
    before = text[tag.start() - 1] if tag.start() else " "
    after = text[tag.end()] if tag.end() < len(text) else " "
    is_joining = (before.isdigit() and after.isalnum()) or (before.isalnum() and after.isdigit())
    return " " if is_joining else ""
