"""What the stages of one run share: the recipe, the folder, and how a stage's key is made of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import InputError
from osler.recipe import Recipe
from osler.records.io import read_records, to_dict
from osler.records.record import Record
from osler.runs.files import sha256_json
from osler.runs.folder import Stage, stage_files
from osler.runs.progress import Progress

if TYPE_CHECKING:
    from osler.evaluate.benchmarks import Asked, Questions
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


def questions_of(recipe: Recipe, folder: Path) -> "dict[str, Questions]":
    """The questions of each benchmark, by its name in the recipe."""
    from osler.evaluate.benchmarks import questions_for
    from osler.evaluate.own import own_records

    own = own_records(recipe.evaluate.own) if recipe.evaluate is not None else {}

    def read(source: str) -> Iterable[Record]:
        return own[source] if source in own else read_records(folder / "collect" / "records" / f"{source}.jsonl")

    return {name: questions_for(asked, read) for name, asked in asked_of(recipe).items()}


def asked_of(recipe: Recipe) -> "dict[str, Asked]":
    """The benchmarks that the recipe asks, by their names in it."""
    from osler.evaluate.benchmarks import parse_benchmark

    if recipe.evaluate is None:
        return {}
    own = recipe.evaluate.own_benchmarks
    return {name: parse_benchmark(name, own) for name in recipe.evaluate.benchmarks}


def own_digests(recipe: Recipe) -> dict[str, str]:
    """Of the questions of the user's benchmarks, by name."""
    from osler.evaluate.own import own_records

    own = own_records(recipe.evaluate.own) if recipe.evaluate is not None else {}
    return {f"questions/{name}": sha256_json([to_dict(record) for record in rows]) for name, rows in own.items()}
