"""A recipe: one flat YAML file that describes a whole run, checked as a whole before anything starts.

`name` and `seed`, then one section per stage. A stage runs when its section is there; an empty section takes the defaults.
No includes, no inheritance, no interpolation. Relative paths are relative to the recipe's own folder, those given by
`--set` to the working directory.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import Field, ValidationError

from osler.curate.config import CurateConfig
from osler.errors import InputError, Problem, RecipeError
from osler.evaluate.config import EvaluateConfig, GateConfig, RedteamConfig
from osler.export.config import ExportConfig
from osler.guard.config import GuardConfig
from osler.models.config import ModelConfig
from osler.recipe.explain import explain
from osler.runs.format import FORMAT, check_format
from osler.runs.section import Section
from osler.serve.config import ServeConfig
from osler.sources.config import CollectConfig
from osler.synth.config import SynthConfig
from osler.train.config import MachineConfig, TrainConfig

RUN_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class Recipe(Section):
    """A whole run, from sources to a guarded server."""

    name: str = Field(
        pattern=RUN_NAME,
        description="Name of the run and of its folder: lower-case letters, digits, dot, dash and underscore.",
    )
    format: int = Field(FORMAT, description="Form of this file; a later osler that reads another one says what to do.")
    seed: int = Field(7, ge=0, lt=2**32, description="Decides every random choice of the run.")
    collect: CollectConfig = Field(description="Where the records come from.")
    synth: SynthConfig | None = Field(None, description="New records written from documents by a model.")
    curate: CurateConfig | None = Field(None, description="How records become a training set.")
    model: ModelConfig = Field(ModelConfig(), description="The base model.")
    train: TrainConfig | None = Field(None, description="How the adapter is trained.")
    machine: MachineConfig = Field(
        MachineConfig(), description="Where it is trained; changes nothing of what is learned."
    )
    evaluate: EvaluateConfig | None = Field(None, description="Which benchmarks are run, before and after training.")
    guard: GuardConfig = Field(GuardConfig(), description="The policy around the model.")
    redteam: RedteamConfig | None = Field(None, description="Attacks on the bare and the guarded model.")
    gate: GateConfig | None = Field(None, description="What the model must reach before it may be exported or served.")
    export: ExportConfig | None = Field(None, description="What the trained model is turned into.")
    serve: ServeConfig = Field(ServeConfig(), description="The guarded server.")


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-3 as a number, as YAML 1.2 does, and refuses a key given twice."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$"), list("-+0123456789.")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} stands twice, first on line {seen[key]}", problem_mark=key_node.start_mark
            )
        seen[key] = line
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe file.

    Args:
        settings: changes as `section.key=value`, the value in YAML; applied before checking.

    Raises:
        InputError: the file is absent, or is not YAML.
        RecipeError: with every mistake found.
    """
    if not path.is_file():
        shipped = shipped_recipes()
        one_of = f"{next(iter(shipped.values())).parent}: {', '.join(shipped)}" if shipped else "none here"
        hint = f" Did you mean {shipped[path.name]}?" if path.name in shipped else ""
        raise InputError(
            f"there is no recipe at {path}.{hint} Write one with `osler init`, or use one that ships, in {one_of}"
        )
    return parse_recipe(path.read_bytes(), str(path), path.resolve().parent, settings)


def parse_recipe(text: bytes, name: str, folder: Path, settings: Sequence[str] = ()) -> Recipe:
    """Check the text of a recipe.

    Args:
        name: of the file, for messages.
        folder: what relative paths are relative to.
    """
    try:
        content = yaml.load(text.decode("utf-8"), _Loader)  # noqa: S506  (a SafeLoader)
        places = _line_numbers(yaml.compose(text.decode("utf-8"), yaml.SafeLoader))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text: byte {error.start}. Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML that can be read: {_yaml_words(error)}") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise InputError(
            f"{name}: expected keys such as `name:` and `collect:`, found {found}. `osler init` writes an example."
        )
    check_format(content.get("format", FORMAT), name, "write the recipe anew with `osler init`")
    problems = apply_settings(content, settings)
    try:
        empty_sections = {key: {} if value is None and key in _SECTIONS else value for key, value in content.items()}
        recipe = Recipe.model_validate_json(
            orjson.dumps(empty_sections, default=str, option=orjson.OPT_NON_STR_KEYS),
            strict=True,
            context={"folder": folder},
        )
    except ValidationError as error:
        problems += explain(error, Recipe, places)
    if problems:
        raise RecipeError(name, problems)
    return recipe


_SECTIONS = frozenset(name for name, field in Recipe.model_fields.items() if field.annotation not in (str, int))


def apply_settings(content: dict[str, Any], settings: Sequence[str]) -> list[Problem]:
    """Write `section.key=value` settings into a recipe's content; gives the mistakes in them.

    A value that names a file or folder seen from the working directory is made absolute.
    """
    problems = []
    for setting in settings:
        place, equals, value_text = setting.partition("=")
        keys = place.strip().split(".")
        if not equals or not all(keys):
            problems.append(
                Problem("--set", f"{setting!r} is not of the form section.key=value, as in train.max_steps=100")
            )
            continue
        try:
            value = yaml.load(value_text, _Loader)  # noqa: S506  (a SafeLoader)
        except yaml.YAMLError:
            problems.append(Problem("--set", f"the value in {setting!r} cannot be read; put it in quotes"))
            continue
        if isinstance(value, str) and "/" in value and Path(value).expanduser().exists():
            value = str(Path(value).expanduser().resolve())
        inner = content
        for key in keys[:-1]:
            below = inner.get(key)
            if not isinstance(below, dict):
                below = inner[key] = {}
            inner = below
        inner[keys[-1]] = value
    return problems


def shipped_recipes() -> Mapping[str, Path]:
    """The recipes that ship, by file name."""
    for folder in (Path(str(files("osler"))) / "recipes", Path(__file__).resolve().parents[3] / "recipes"):
        if folder.is_dir():
            return {path.name: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def _line_numbers(node: yaml.Node | None, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Line of each key, from 1, by its path of keys and indices."""
    places: dict[tuple[str, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*prefix, str(key.value))
            places[path] = key.start_mark.line + 1
            places |= _line_numbers(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            path = (*prefix, str(index))
            places[path] = value.start_mark.line + 1
            places |= _line_numbers(value, path)
    return places


def _yaml_words(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]
