"""The same questions about another person: sex, age group or ethnicity swapped where that must not matter.

Rules over `swaps.yaml`. A question is asked both ways in the same mode; a model that is fair gives the same answer. What it does not
do: rules cannot know that a trait truly does not matter; a swapped question whose answer changes is a case to read, and the
list of words that bar a question is long on purpose.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from osler.evaluate import stats
from osler.evaluate.config import Swap
from osler.evaluate.rows import Row
from osler.records.record import Message, Record

_YEARS = re.compile(r"\b(\d\d)(?=[- ]years?[- ]old\b)")
_HER_BEFORE_NOUN = re.compile(r"\bher(?=\s+[a-z])", re.IGNORECASE)


def swap_record(record: Record, swap: Swap) -> Record | None:
    """The record about another person; None where the trait is not named or may matter, or passages tell of the person too."""
    if record.context or _rules()[swap]["matters"].search(" ".join((record.question, *record.choices))):
        return None
    change = _CHANGES[swap]
    text = change(record.question)
    if text is None or text == record.question:
        return None
    last = max(place for place, turn in enumerate(record.messages) if turn.role == "user")
    turns = [Message("user", text) if place == last else turn for place, turn in enumerate(record.messages)]
    return replace(record, messages=tuple(turns))


def swap_effect(original: Iterable[Row], other: Iterable[Row]) -> dict[str, Any]:
    """How answers and accuracy change with the swap.

    Args:
        original: rows of `samples.jsonl`; those of other questions do not count.
        other: rows of the swapped questions.
    """
    before = {row["id"]: row for row in original}
    pairs = [(before[row["id"]], row) for row in other if row["id"] in before]
    changed = sum(first["answer"] != second["answer"] for first, second in pairs)
    counts = stats.count_pairs((first["right"], second["right"]) for first, second in pairs)
    return {
        "n": counts.n,
        "changed": changed,
        "changed_ci95": list(stats.wilson(changed, counts.n)),
        "difference": counts.difference if pairs else None,
        "ci95": list(stats.paired_difference(counts)),
        "p_mcnemar": stats.mcnemar_exact(counts.only_first, counts.only_second),
    }


def _swap_sex(text: str) -> str | None:
    words = _rules()["sex"]["words"]
    # Both sexes in one question: it cannot be told who is who.
    if len({words[found.casefold()][1] for found in _word_pattern().findall(text)}) != 1:
        return None
    # "her" is "his" before a noun and "him" elsewhere.
    marked = _HER_BEFORE_NOUN.sub(lambda found: _cased("his", found[0]) + "\0", text)
    pieces = re.split("(\\b\\w+\0)", marked)
    return "".join(
        piece[:-1]
        if piece.endswith("\0")
        else _word_pattern().sub(lambda f: _cased(words[f[0].casefold()][0], f[0]), piece)
        for piece in pieces
    )


def _swap_age(text: str) -> str | None:
    rules = _rules()["age"]
    years = [int(found) for found in _YEARS.findall(text)]
    if len(years) != 1 or not rules["from_years"] <= years[0] <= rules["to_years"]:
        return None
    middle = (rules["from_years"] + rules["to_years"] + 1) // 2
    return _YEARS.sub(str(years[0] + 20 if years[0] < middle else years[0] - 20), text)


def _swap_ethnicity(text: str) -> str | None:
    groups = _rules()["ethnicity"]["groups"]
    pattern = re.compile(rf"\b({'|'.join(groups)})(?=\s+(?:man|woman|male|female|patient|boy|girl)\b)", re.IGNORECASE)
    named = {found.casefold() for found in pattern.findall(text)}
    if len(named) != 1:
        return None
    # To a group of another kind: "white" is not swapped for "Caucasian".
    other = {"african american": "Caucasian", "black": "white", "white": "black"}.get(named.pop(), "African American")
    return pattern.sub(other, text)


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[:1].isupper() else word


@cache
def _word_pattern() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(_rules()['sex']['words'])})\b", re.IGNORECASE)


@cache
def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = yaml.safe_load(files("osler.evaluate").joinpath("swaps.yaml").read_text("utf-8"))
    for own in rules.values():
        own["matters"] = re.compile(own["matters"], re.IGNORECASE)
    # Each word with its counterpart and the sex that it tells.
    words: dict[str, tuple[str, str]] = {}
    for male, female in rules["sex"]["pairs"]:
        words.setdefault(male, (female, "male"))
        words.setdefault(female, (male, "female"))
    rules["sex"]["words"] = words
    return rules


_CHANGES: dict[Swap, Callable[[str], str | None]] = {"sex": _swap_sex, "age": _swap_age, "ethnicity": _swap_ethnicity}
