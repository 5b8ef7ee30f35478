"""`osler run`: a recipe, stage by stage."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings, runs_option
from osler.cli.screen import Screen, say
from osler.cli.stages import say_stages, told


def run(
    recipe: RecipeFile,
    until: Annotated[str | None, typer.Option(help="Stop after this stage: collect, curate, train, ...")] = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe stage by stage; a finished stage is skipped, an interrupted one goes on.

    Example: osler run recipes/medquad-tiny.yaml --until curate
    """
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe

    loaded = load_recipe(recipe, settings or ())
    folder = runs / loaded.name
    with Screen(quiet=quiet or as_json) as screen:
        outcomes = told(run_stages(loaded, folder, until, screen), quiet=as_json)
    if as_json:
        say_stages(folder, outcomes)
        return
    say(f"run      {folder}")
    say(f"report   {folder / 'report.html'}")
    ran_gate = any(outcome.stage == "gate" for outcome in outcomes)
    say(f"next     osler {'gate' if ran_gate else 'report'} {loaded.name}{runs_option(runs)}")
