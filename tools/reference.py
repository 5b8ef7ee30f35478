"""The reference of the documents, made from the code: commands, recipe, errors.

make golden        # writes docs/reference/*.md; tests/test_reference.py holds them to the code
"""

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

from osler import errors
from osler.cli.app import app
from osler.recipe import Recipe

_MADE = "Made from the code by `make golden`; do not edit.\n"


def pages() -> dict[str, str]:
    """Content by path below `docs/reference`."""
    return {"commands.md": _commands(), "recipe.md": _recipe(), "errors.md": _errors()}


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Every command with the words that call it."""
    yield from _below("osler", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for child, one in command.commands.items():
            yield from _below(f"{name} {child}", one)
    else:
        yield name, command


def _commands() -> str:
    text = f"# Commands\n\n{_MADE}\nResults go to stdout, progress to stderr. Every command leaves with one of [these codes](errors.md).\n"
    for name, command in commands():
        text += f"\n## {name}\n\n{inspect.cleandoc(command.help or '')}\n"
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
        rows = [(f"`{(one.metavar or one.name).upper()}`", getattr(one, "help", None) or "") for one in arguments]
        for one in options:
            names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
            default = one.default
            shown = (
                f" Default: `{default}`."
                if isinstance(default, str | int | float) and default not in (False, "")
                else ""
            )
            rows.append((names, f"{getattr(one, 'help', None) or ''}{shown}"))
        if rows:
            text += "\n| argument or option | what it does |\n|---|---|\n"
            text += "".join(f"| {first} | {_cell(second)} |\n" for first, second in rows)
    return text


def _recipe() -> str:
    schema = Recipe.model_json_schema()
    text = (
        f"# Recipe\n\n{_MADE}\nFlat YAML. An unknown key is an error with the nearest right one. A section that is absent is a stage that is "
        "not run. `osler init` writes a commented recipe and the JSON Schema for editors; `--set section.key=value` overrides for one run.\n"
    )
    top = {name: one for name, one in schema["properties"].items() if not _model_of(one, schema)}
    text += _table("The whole", Recipe.__doc__ or "", top, schema["required"], schema)
    for name, one in schema["properties"].items():
        if found := _model_of(one, schema):
            text += _sections(f"`{name}`", found, schema)
    return text


def _sections(name: str, model: str, schema: dict[str, Any]) -> str:
    found = schema["$defs"][model]
    text = _table(name, found.get("description", ""), found["properties"], found.get("required", []), schema)
    for key, one in found["properties"].items():
        if inner := _model_of(one, schema):
            text += _sections(f"{name[:-1]}.{key}`", inner, schema)
    return text


def _table(name: str, about: str, keys: dict[str, Any], required: list[str], schema: dict[str, Any]) -> str:
    text = f"\n## {name}\n\n{inspect.cleandoc(about)}\n\n| key | may be | default | what it is |\n|---|---|---|---|\n"
    for key, one in keys.items():
        default = "required" if key in required else "" if _model_of(one, schema) else f"`{_plain(one.get('default'))}`"
        text += f"| `{key}` | {_cell(_kind(one, schema))} | {_cell(default)} | {_cell(one.get('description', ''))} |\n"
    return text


def _model_of(one: dict[str, Any], schema: dict[str, Any]) -> str:
    """Name of the section that a key holds, or that its list's entries are; empty when it holds a plain value."""
    for part in (one, *one.get("anyOf", ()), one.get("items", {})):
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name and "properties" in schema["$defs"][name]:
            return name
    return ""


def _kind(one: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in one:
        found = schema["$defs"][one["$ref"].removeprefix("#/$defs/")]
        return "section" if "properties" in found else _kind(found, schema)
    if "anyOf" in one:
        return " or ".join(_kind(part, schema) for part in one["anyOf"])
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    if "const" in one:
        return f"`{one['const']}`"
    if one.get("type") == "array":
        return f"list of {_kind(one['items'], schema)}" if "items" in one else "list"
    if one.get("type") == "object":
        return "names with values"
    bounds = [f"{sign} {one[key]}" for key, sign in _BOUNDS.items() if key in one]
    return " ".join([{"string": "text", "null": "null"}.get(one.get("type", ""), one.get("type", "any")), *bounds])


_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def _plain(value: Any) -> str:
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value))
        if not isinstance(value, list | dict)
        else str(value)
    )


def _errors() -> str:
    text = f"# Exit codes and errors\n\n{_MADE}\n| code | error | what it means |\n|---|---|---|\n| 0 | | the work is done |\n"
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.OslerError)]
    for one in sorted(found, key=lambda one: one.exit_code):
        if one is not errors.OslerError:
            text += f"| {one.exit_code} | `{one.__name__}` | {_cell((one.__doc__ or '').splitlines()[0])} |\n"
    return f"{text}| 4 | | a bug in Osler: please report it |\n\n{_about_messages()}\n"


def _about_messages() -> str:
    return inspect.cleandoc(errors.__doc__ or "").rpartition("\n\n")[2]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
