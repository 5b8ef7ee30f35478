"""A user's own files as sources, by a mapping in the recipe (`collect.own`): columns in, records out, no code."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from osler.errors import InputError, RowError
from osler.records.record import Record
from osler.records.render import LETTERS
from osler.sources.fields import as_object, is_name, kind_of, shown, shown_name
from osler.sources.read import read_rows
from osler.sources.shape import SPLITS, MoreParts, checked_choices, choice_record, one_record, split_of
from osler.sources.source import NativeRow, Place, Source, SourceFile
from osler.text import nearest

if TYPE_CHECKING:
    from osler.sources.config import OwnConfig


def own_source(own: "OwnConfig") -> Source:
    """The source that a mapping describes; it lies where the recipe says, not below `collect.root`."""

    def read(file: SourceFile) -> Iterator[NativeRow]:
        problem = ""
        checked = False
        for native in read_rows(file):
            if not checked and isinstance(native.value, dict):
                problem, checked = _wrong_columns(own, native.value), True
            if problem:
                break  # leaving the loop closes the file; raising inside it would not
            yield native
        if problem:
            raise InputError(f"{own.name}: {file.path} has no column {problem} Correct the mapping in collect.own.")

    return Source(
        name=own.name,
        home=str(own.file.parent),
        revision="",
        license=own.license,
        access=own.access,
        language=own.language,
        citation=f"{own.name}, the user's own",
        known_problems=(),
        folders=(str(own.file.parent),),
        files=((_literal(own.file.name),),),
        read=read,
        to_records=lambda row, place: _records(own, row, place),
        synthetic=bool(own.generator),
        generator=own.generator,
        task="choice" if own.choices is not None else "qa",
    )


def _records(own: "OwnConfig", row: Any, place: Place) -> list[Record]:
    row = as_object(row)
    question = _filled(row, own.question, "empty_question")
    answer = _filled(row, own.answer, "empty_answer")
    choices = _choices(row, own.choices)
    context, group = _text(row, own.context), _text(row, own.group).strip()
    if group:  # a digest: the column may hold a patient's number, and a record's group is written out with it
        group = f"{own.name}:{hashlib.sha256(f'{own.name} {group}'.encode()).hexdigest()[:16]}"
    parts: MoreParts = {
        "context": (context,) if context.strip() else (),
        "split": _split(row, own, place),
        "group": group,
    }
    if not choices:
        return one_record(place, question, answer, **parts)
    return choice_record(place, question, choices, _answer_index(answer, choices, own), **parts)


def _wrong_columns(own: "OwnConfig", row: dict[str, Any]) -> str:
    """What the mapping names and the first row has not: a mistake of the recipe, not of the row. Empty when all is there."""
    choices = (own.choices,) if isinstance(own.choices, str) else own.choices or ()
    mapped = [("question", own.question), ("answer", own.answer), ("context", own.context), ("group", own.group)]
    mapped += [("split", own.split), *(("choices", column) for column in choices)]
    problems = []
    for key, column in mapped:
        if column is not None and column not in row:
            guess = nearest(column, row)
            problems.append(f"{key}: {column!r}" + (f" (did you mean {guess!r}?)" if guess else ""))
    if not problems:
        return ""
    there = (
        f"The columns are: {', '.join(row)}." if all(map(is_name, row)) else "Its first line seems to hold no names."
    )
    return f"{'; no column '.join(problems)}. {there}"


def _cell(row: dict[str, Any], column: str) -> Any:
    if column not in row:
        raise RowError("missing_field", f"the column is missing; the row has {', '.join(map(shown_name, row))}", column)
    return row[column]


def _filled(row: dict[str, Any], column: str, reason: str) -> str:
    text = _as_text(_cell(row, column), column)
    if not text.strip():
        raise RowError(reason, "is empty", column)
    return text


def _text(row: dict[str, Any], column: str | None) -> str:
    """Text of a column that may be unmapped, missing from a row or null."""
    return "" if column is None else _as_text(row.get(column), column)


def _as_text(value: Any, column: str) -> str:
    """A spreadsheet's numbers are text too."""
    if value is None or value != value:  # noqa: PLR0124 - not a number: how some tables write an empty cell
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError("wrong_type", f"is {kind_of(value)}; expected text", column)
    return value if isinstance(value, str) else format(value, "g" if value == value // 1 and abs(value) < 1e6 else "")


def _choices(row: dict[str, Any], columns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if columns is None:
        return ()
    if not isinstance(columns, str):
        texts = [_text(row, column) for column in columns]
        while texts and not texts[-1].strip():  # rows with fewer options leave the last columns empty
            texts.pop()
        return checked_choices(texts, columns[0])
    value = _cell(row, columns)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RowError(
                "bad_options", f'is {kind_of(value)}; expected a JSON list ["...", "..."]', columns
            ) from None
    if not isinstance(value, list):
        raise RowError("bad_options", f"is {kind_of(value)}; expected a list of texts", columns)
    return checked_choices([_as_text(one, f"{columns}[{number}]") for number, one in enumerate(value)], columns)


def _answer_index(answer: str, choices: tuple[str, ...], own: "OwnConfig") -> int:
    """The option meant: by its whole text, its letter, or its number where the recipe says from what it counts."""
    answer = answer.strip()
    texts = [choice.strip() for choice in choices]
    if texts.count(answer) == 1:
        return texts.index(answer)
    letters = LETTERS[: len(choices)]
    if answer.upper() in tuple(letters):
        return letters.index(answer.upper())
    if own.count_from is not None and answer.isdecimal() and 0 <= int(answer) - own.count_from < len(choices):
        return int(answer) - own.count_from
    numbers = "" if own.count_from is None else f", or a number from {own.count_from}"
    raise RowError(
        "answer_not_an_option",
        f"is {shown(answer)}; expected the text of one option, or a letter from A to {letters[-1]}{numbers}",
        own.answer,
    )


def _split(row: dict[str, Any], own: "OwnConfig", place: Place) -> str:
    if own.split is None:
        return split_of(place.file)
    value = _text(row, own.split).strip().casefold()
    if value and value not in SPLITS:
        raise RowError("bad_split", f"is {shown(value)}; expected one of {', '.join(SPLITS)}", own.split)
    return SPLITS.get(value, "")


def _literal(name: str) -> str:
    """A glob pattern that matches this file name alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
