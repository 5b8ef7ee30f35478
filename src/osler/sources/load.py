"""A source from its YAML file: the facts as data, and the names of the functions that read and map its rows.

Patterns and names that repeat are written with braces: `*{train,test}*.json`. A source whose rows hold question and answer in
columns of their own needs no function, only `columns`.
"""

import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from osler.errors import InputError
from osler.sources import read
from osler.sources.columns import Columns, by_columns
from osler.sources.source import Source
from osler.text import did_you_mean

_BRACES = re.compile(r"([^{}]*)\{([^{}]*)\}(.*)")
_FACTS = ({field.name for field in fields(Source)} - {"name"}) | {"columns"}
_FUNCTIONS = ("read", "to_records", "notes")


def load_source(path: Path, package: str) -> Source:
    """The source that a YAML file describes; the file's name is the source's.

    Args:
        package: where the modules lie that `read`, `to_records` and `notes` name (`medqa.to_records`).

    Raises:
        InputError: it is not YAML, or a fact is missing, unknown or of the wrong type; names the file and the fact.
    """
    try:
        facts = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        if not isinstance(facts, dict):
            raise InputError(f"{path}: expected facts by name, as `license: MIT`")
        for key in facts:
            if key not in _FACTS:
                raise InputError(f"{path}: there is no fact {key!r}.{did_you_mean(str(key), _FACTS)}")
        source = _form().validate_python({"name": path.stem, **_resolved(facts, package)})
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        listed = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(f"{path}: {listed}") from error
    except (ImportError, AttributeError) as error:
        raise InputError(f"{path} names a function that is not there: {error}") from error
    return source


def spelled_out(patterns: list[str]) -> list[str]:
    """The patterns that braces stand for, the last braces changing first."""
    found = []
    for pattern in patterns:
        if parts := _BRACES.fullmatch(pattern):
            before, inner, after = parts.groups()
            found += spelled_out([f"{before}{word}{after}" for word in inner.split(",")])
        else:
            found.append(pattern)
    return found


@cache
def _form() -> TypeAdapter[Source]:
    return TypeAdapter(Source)


def _resolved(facts: dict[str, Any], package: str) -> dict[str, Any]:
    """The facts with functions for their names, and with what braces stand for."""
    found = {"read": "read_rows", **facts}
    found |= {key: _function(found[key], package) for key in _FUNCTIONS if key in found}
    if "columns" in found:
        found["to_records"] = by_columns(Columns.model_validate(found.pop("columns")))
    found["files"] = [spelled_out(group) for group in found.get("files", ())]
    found["hub_files"] = spelled_out(found.get("hub_files", []))
    if isinstance(offered := found.get("downloads"), dict):
        names = spelled_out(offered["names"])
        found["downloads"] = [{"url": offered["folder"] + name, "name": name} for name in names]
    return found


def _function(name: str, package: str) -> Callable[..., Any]:
    """`read_csv` of the readers, or `module.function` of the package."""
    module, _, function = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(f"{package}.{module}") if module else read, function)
    return found
