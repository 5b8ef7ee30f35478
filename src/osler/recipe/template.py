"""A commented recipe and the JSON Schema of recipes, both drawn from the configuration classes: they cannot fall behind."""

import re
import textwrap
from pathlib import Path
from typing import Any, get_origin

import orjson
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from osler.recipe.explain import model_in
from osler.recipe.load import RUN_NAME, Recipe

_WIDTH = 110
_HEAD = """\
# An Osler recipe: a whole run, one section per stage. A stage runs when its section is there.
# Every key is shown with its default; delete what you do not change.
# Run it with: osler run {file}
"""


def recipe_schema() -> str:
    """The JSON Schema of recipes, for editors that check YAML."""
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Osler recipe"
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def recipe_template(file: Path) -> str:
    """A recipe with every key, its default and what it means, named as its file; it runs as it is, on the sample that ships."""
    lines = [_HEAD.format(file=file)]
    for name, field in Recipe.model_fields.items():
        section = _section(field)
        lines += ["", *_comment(field.description or "", "")]
        if name == "name":
            lines.append(f"name: {_yaml(file.stem) if re.match(RUN_NAME, file.stem) else 'my-run'}")
        elif section is None:
            lines.append(f"{name}: {_EXAMPLES.get((name,), _value(field))}")
        else:
            keys = [f"{name}:", *_keys(section, (name,), "  ")]
            lines += [f"# {line}" for line in (_LEFT_OUT[name], *keys)] if name in _LEFT_OUT else keys
    return "\n".join(lines) + "\n"


_EXAMPLES: dict[tuple[str, ...], str] = {
    ("synth", "documents", "folder"): "guidelines",
    ("synth", "endpoint", "model"): "gemma3n",
    ("synth", "generators"): "[{use: emergency_scenario, source: first_aid_generated}]",
    ("serve", "upstream", "url"): "http://127.0.0.1:8000/v1",
    (
        "train",
        "bad_rows",
        "contradictory",
    ): "keep  # two questions of the sample have two answers each, both of them good",
    ("collect", "sources"): "[medquad, medqa, medmcqa, pubmedqa, first_aid, symptom_to_diagnosis]",
}
"""Values for keys that have no default, and for the one whose default would stop the sample."""


_LEFT_OUT = {
    "export": "(Refuses a model that has not passed its gate.)",
    "synth": "(Needs documents and a model behind an OpenAI-compatible address.)",
}
"""Sections that stand as comments, so that the recipe runs as it is."""


def _keys(section: type[BaseModel], path: tuple[str, ...], indent: str) -> list[str]:
    lines: list[str] = []
    for name, field in section.model_fields.items():
        lines += _comment(field.description or "", indent)
        inner = _section(field)
        if inner is None:
            lines.append(f"{indent}{name}: {_EXAMPLES.get((*path, name), _value(field))}")
        else:
            keys = [f"{indent}{name}:", *_keys(inner, (*path, name), indent + "  ")]
            # A section that is absent by default stands as comments, with its keys at their places.
            absent = field.default is None and (path[0] not in _LEFT_OUT)
            lines += [f"{indent}# {line.removeprefix(indent)}" for line in keys] if absent else keys
    return lines


def _section(field: FieldInfo) -> type[BaseModel] | None:
    if get_origin(field.annotation) is tuple:  # a list of sections is one value
        return None
    return model_in(field.annotation)


def _value(field: FieldInfo) -> str:
    default: Any = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined:
        return ""
    return _yaml(
        list(default) if isinstance(default, tuple) else str(default) if isinstance(default, Path) else default
    )


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...").strip()


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent))]
