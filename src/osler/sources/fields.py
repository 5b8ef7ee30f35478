"""Taking fields out of raw rows: every wrong shape becomes a `RowError` that names the field and never shows its text."""

import ast
from collections.abc import Sequence
from typing import Any

import orjson

from osler.errors import RowError

_SHOWN_CHARS = 12
_SHOWN_NAME_CHARS = 40
_MAX_LITERAL_CHARS = 100_000
"""Parsing takes a hundred times the memory of the text; the longest such cell that was seen has 2,000 characters."""


def as_object(row: Any) -> dict[str, Any]:
    """The row as an object.

    Raises:
        RowError: `not_an_object`.
    """
    if not isinstance(row, dict):
        raise RowError("not_an_object", f"the row is {kind_of(row)}; expected an object with named fields")
    return row


def text_of(row: dict[str, Any], field: str) -> str:
    """Text of a field that must be there; it may be empty.

    Raises:
        RowError: `missing_field` or `wrong_type`.
    """
    value = _needed(row, field)
    if not isinstance(value, str):
        raise RowError("wrong_type", f"is {kind_of(value)}; expected text", field)
    return value


def optional_text(row: dict[str, Any], field: str) -> str:
    """Text of a field that may be missing or null, which give an empty text.

    Raises:
        RowError: `wrong_type`.
    """
    return "" if row.get(field) is None else text_of(row, field)


def filled_text(row: dict[str, Any], field: str, reason: str) -> str:
    """Text of a field that must hold more than white space; null counts as empty.

    Raises:
        RowError: `reason` when it is empty, or as `text_of`.
    """
    text = "" if field in row and row[field] is None else text_of(row, field)
    if not text.strip():
        raise RowError(reason, "is empty", field)
    return text


def texts_of(row: dict[str, Any], field: str) -> list[str]:
    """The texts of a field that holds a list of them; nulls in the list are left out.

    Raises:
        RowError: `missing_field` or `wrong_type`.
    """
    values = _needed(row, field)
    if not isinstance(values, list):
        raise RowError("wrong_type", f"is {kind_of(values)}; expected a list of texts", field)
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            raise RowError("wrong_type", f"is {kind_of(value)}; expected text", f"{field}[{index}]")
    return [value for value in values if value is not None]


def index_of(row: dict[str, Any], field: str, first: int, n_choices: int) -> int:
    """0-based index in a field that holds the number of an option, counted from `first`.

    Raises:
        RowError: `hidden_label` for a missing, null or negative number, `wrong_type`, or `answer_not_an_option`.
    """
    value = row.get(field)
    if value is None:
        raise RowError("hidden_label", "the label is not published", field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RowError("wrong_type", f"is {kind_of(value)}; expected a whole number", field)
    if value < 0:
        raise RowError("hidden_label", f"is {value}: the label is not published", field)
    if not first <= value < first + n_choices:
        raise RowError("answer_not_an_option", f"is {value}; expected {first} to {first + n_choices - 1}", field)
    return value - first


def label_of(row: dict[str, Any], field: str, labels: Sequence[str]) -> int:
    """Index in `labels` of the label that a field holds; case and spaces around it aside.

    Raises:
        RowError: `hidden_label` for null, an empty text or `-`, else `answer_not_an_option`.
    """
    value = row.get(field)
    label = value.strip().casefold() if isinstance(value, str) else value
    if label in (None, "", "-"):
        raise RowError("hidden_label", "the label is not published", field)
    if label not in labels:
        raise RowError("answer_not_an_option", f"is {shown(value)}; expected one of {', '.join(labels)}", field)
    return labels.index(label)


def literal_of(text: str, field: str) -> Any:
    """The Python list or object that stands in a text (`['Cough', 'Fever']`), read as data and never run.

    Raises:
        RowError: `bad_literal`.
    """
    if len(text) > _MAX_LITERAL_CHARS:
        raise RowError("bad_literal", f"is {kind_of(text)}; lists of up to {_MAX_LITERAL_CHARS:,} are read", field)
    try:
        found = ast.literal_eval(text.strip())
        orjson.dumps(found)  # no bytes, no sets, no half of a surrogate pair, which no record can hold
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise RowError("bad_literal", f"is {kind_of(text)}; expected a list as Python writes it", field) from error
    return found


def list_of(row: dict[str, Any], field: str) -> list[Any]:
    """A field that holds a list, or the text of one as Python writes it; an empty text is an empty list.

    Raises:
        RowError: `missing_field`, `wrong_type` or `bad_literal`.
    """
    value = row.get(field)
    if isinstance(value, list):
        return value
    text = text_of(row, field)
    found = literal_of(text, field) if text.strip() else []
    if not isinstance(found, list | tuple):
        raise RowError("wrong_type", f"is {kind_of(found)}; expected a list", field)
    return list(found)


def shown(value: Any) -> str:
    """A value for an error message: itself when it is a short label, else only its kind."""
    if isinstance(value, str) and len(value) <= _SHOWN_CHARS and value.isprintable():
        return f'"{value}"'
    if isinstance(value, bool | int | float) or value is None:
        return kind_of(value) if value is None else str(value)
    return kind_of(value)


def is_name(name: str) -> bool:
    """Whether what stands where the name of a column or key does can be one; else it may be a text."""
    return len(name) <= _SHOWN_NAME_CHARS and name.isprintable()


def shown_name(name: str) -> str:
    """The name of a column or key for an error message."""
    return name if is_name(name) else f"(a name of {len(name)} characters)"


def kind_of(value: Any) -> str:
    """What a raw value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    if isinstance(value, Sequence):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, dict) else type(value).__name__


def _needed(row: dict[str, Any], field: str) -> Any:
    if field not in row:
        raise RowError("missing_field", "the field is missing; check that the file is the publisher's own", field)
    return row[field]
