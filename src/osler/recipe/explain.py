"""Pydantic's complaints about a recipe in the words of someone who wants it mended.

Each gives the place, the value seen, what is allowed and what to do.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from osler.errors import Problem
from osler.text import nearest, shortened

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "str": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a section of keys",
    "model": "a section of keys",
    "path": "a path",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_SHOWN_CHARS = 60


def explain(error: ValidationError, model: type[BaseModel], places: Mapping[tuple[str, ...], int]) -> list[Problem]:
    """One problem for each complaint.

    Args:
        model: what was validated, to find the keys that are allowed where an unknown one stands.
        places: line in the file by path of keys.
    """
    problems: dict[tuple[str, str], Problem] = {}
    for complaint in error.errors(include_url=False):
        if complaint["type"] == "too_short" and complaint["input"]:
            continue  # a list whose members are wrong is reported empty as well
        path = _without_union_branches(complaint["loc"])
        line = places.get(path)
        where = ".".join(path) + (f" (line {line})" if line is not None else "")
        problem = Problem(where, _words(complaint, path, model))
        problems.setdefault((problem.where, problem.message), problem)
    return list(problems.values())


def _words(complaint: Any, path: tuple[str, ...], model: type[BaseModel]) -> str:
    kind: str = complaint["type"]
    seen = _shown(complaint["input"])
    context = complaint.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind == "missing":
        return "is required and missing; add it"
    if kind == "value_error":
        return str(context["error"])
    if isinstance(complaint["input"], dict) and kind.startswith("osler_"):
        return str(complaint["msg"])  # about a whole section, which need not be shown
    return f"is {seen}; {_allowed(complaint, path, model)}"


def _allowed(complaint: Any, path: tuple[str, ...], model: type[BaseModel]) -> str:
    kind: str = complaint["type"]
    context = complaint.get("ctx", {})
    if kind in _BOUNDS:
        name, phrase = _BOUNDS[kind]
        return f"must be {phrase} {context[name]}"
    if kind == "literal_error":
        return f"expected one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return _described(path, model)
    if kind in {"too_short", "string_too_short"}:
        return "must not be empty"
    expected = _TYPES.get(kind.rsplit("_", 1)[0])
    if expected is not None:
        return f"that is {_kind_of(complaint['input'])}; expected {expected}"
    return str(complaint["msg"])


def _unknown_key(path: tuple[str, ...], model: type[BaseModel]) -> str:
    allowed = sorted(_fields_at(model, path[:-1]))
    guess = nearest(path[-1], allowed)
    hint = f'; did you mean "{guess}"?' if guess else ";"
    return f'unknown key "{path[-1]}"{hint} Allowed here: {", ".join(allowed)}'


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> dict[str, Any]:
    """Fields of the section at `path`; empty when the path leads out of the model."""
    current: type[BaseModel] = model
    for key in path:
        if key.isdecimal():  # a place in a list of sections
            continue
        field = current.model_fields.get(key)
        inner = model_in(field.annotation) if field is not None else None
        if inner is None:
            return {}
        current = inner
    return dict(current.model_fields)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, alone or as one of several forms."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = model_in(argument)
        if found is not None:
            return found
    return None


def _described(path: tuple[str, ...], model: type[BaseModel]) -> str:
    field = _fields_at(model, path[:-1]).get(path[-1])
    return f"expected: {field.description}" if field is not None and field.description else "it has the wrong form"


def _without_union_branches(location: tuple[Any, ...]) -> tuple[str, ...]:
    """The place as the user wrote it: pydantic adds the branch of a union it tried (`function-after[...]`, `literal[...]`)."""
    kept = [str(part) for part in location]
    return tuple(
        part for part in kept if "[" not in part and not (part in _TYPES and part == kept[-1] and len(kept) > 1)
    )


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else "nothing" if value is None else str(value)
    return shortened(text, _SHOWN_CHARS)


def _kind_of(value: Any) -> str:
    name = type(value).__name__
    return "nothing" if value is None else _TYPES.get(name, name)
