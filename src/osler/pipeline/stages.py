"""What the stages of one run share: the recipe, the folder, and how a stage's key is made of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import InputError
from osler.recipe import Recipe
from osler.records.io import read_records
from osler.runs.folder import Stage, stage_files
from osler.runs.progress import Progress

if TYPE_CHECKING:
    from osler.evaluate.benchmarks import Questions
    from osler.models.local import LocalModel


@dataclass(slots=True)
class Run:
    """What the stages of one run share."""

    recipe: Recipe
    folder: Path
    progress: Progress
    model: "LocalModel | None" = field(default=None)
    """Loaded once, by the first stage that asks it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A stage's key and what it does when the key is not finished yet."""

    stage: Stage
    work: Callable[[], None]


def stage_for(run: Run, name: str, options: Any, inputs: dict[str, str]) -> Stage:
    """A stage with its key: options that are set, digests of what it reads, the run's seed."""
    plain = {key: value for key, value in options.items() if value is not None}
    return Stage(run.folder / name, plain, inputs, run.recipe.seed)


def finished(run: Run, name: str, needed_by: str) -> dict[str, str]:
    """Digests of a finished stage's files, by `stage/file`."""
    if not (run.folder / name / "done").is_file():
        raise InputError(
            f"{needed_by} needs the files of {name}, which this run does not have. Add a section `{name}:` to the recipe."
        )
    return {f"{name}/{file}": digest for file, digest in stage_files(run.folder / name).items()}


def benchmark_names(recipe: Recipe) -> list[str]:
    """Benchmarks that the recipe asks."""
    return list(recipe.evaluate.benchmarks) if recipe.evaluate is not None else []


def questions_of(recipe: Recipe, folder: Path) -> "dict[str, Questions]":
    """The questions of each benchmark, by its name in the recipe."""
    from osler.evaluate.benchmarks import parse_benchmark, questions_for

    records = folder / "collect" / "records"
    return {
        name: questions_for(parse_benchmark(name), lambda source: read_records(records / f"{source}.jsonl"))
        for name in benchmark_names(recipe)
    }
