"""`osler train`: the stages of a recipe up to its trained model; also as torchrun starts it, once a process."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings
from osler.cli.screen import Screen, say
from osler.cli.stages import next_command, say_stages, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from osler.pipeline.run import Outcome
    from osler.recipe import Recipe
    from osler.train.show import ShownRow


def train(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    recipe: RecipeFile,
    show: Annotated[
        int, typer.Option(metavar="N", help="Show the first N rows as the model sees them, and leave.")
    ] = 0,
    engine: Annotated[
        str | None,
        typer.Option(help="Write the run for llamafactory, axolotl or unsloth into RUN/engine, and leave."),
    ] = None,
    take_back: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Take the adapter that --engine trained into the run.")
    ] = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a recipe's model; a run that was killed goes on where it was. Several processes: start it with torchrun.

    Example: osler train recipes/demo.yaml --set train.max_steps=20
    """
    from osler.pipeline.run import run_stages, train_in_group
    from osler.recipe import load_recipe

    loaded = load_recipe(recipe, settings or ())
    folder = runs / loaded.name
    if show:
        from osler.train.show import shown_rows

        _show(shown_rows(loaded.model, folder / "curate" / "train.jsonl", show))
        return
    # Set by torchrun for each process it starts.
    in_group, is_main = int(os.environ.get("WORLD_SIZE", "1")) > 1, os.environ.get("RANK", "0") == "0"
    with Screen(quiet=quiet or as_json or not is_main) as screen:
        if engine is not None:
            _elsewhere(loaded, folder, engine, take_back)
            return
        if in_group:
            started: Iterable[Outcome] = [train_in_group(loaded, folder, screen, is_main=is_main)]
        else:
            started = run_stages(loaded, folder, "train", screen)
        outcomes = told(started, quiet=as_json or not is_main)
    if not is_main:
        return
    if as_json:
        say_stages(folder, outcomes)
        return
    say(f"run      {folder}")
    say(f"next     {next_command(runs, 'run', recipe)}")


def _elsewhere(recipe: "Recipe", folder: Path, engine: str, adapter: Path | None) -> None:
    """Write the train stage as another program's configuration, or take the adapter that it trained."""
    from osler.pipeline.run import stage_of
    from osler.pipeline.stages import needed
    from osler.runs.folder import finish_stage, open_stage
    from osler.runs.lock import only_writer
    from osler.train.engines import take_back, write_engine

    config = needed(recipe.train, "train")
    stage = stage_of(recipe, folder, "train")
    rows = (folder / "curate" / "train.jsonl", folder / "curate" / "validation.jsonl")
    if adapter is None:
        command = write_engine(engine, rows, recipe.model, config, recipe.seed, folder / "engine")
        say(f"wrote    {folder / 'engine'}")
        say(f"next     {command}   (in the environment of {engine}), then --take-back {folder / 'engine' / 'trained'}")
        return
    with only_writer(folder):
        open_stage(stage)
        take_back(engine, adapter, rows[0], recipe.model, config, stage.folder)
        finish_stage(stage)
    say(f"took     {adapter} into {stage.folder}")


def _show(rows: "list[ShownRow]") -> None:
    colour = sys.stdout.isatty()
    for row in rows:
        say(f"{row.id}: {row.fault or f'{row.n_tokens} tokens, {row.n_trained} learned'}")
        parts = (_piece(text, learned=learned, colour=colour) for text, learned in row.pieces)
        say("".join(parts))
        say("")


def _piece(text: str, *, learned: bool, colour: bool) -> str:
    if not learned:
        return text
    return typer.style(text, fg=typer.colors.GREEN, bold=True) if colour else f"[[{text}]]"
