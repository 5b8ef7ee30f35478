"""`osler run`: a recipe, stage by stage."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings
from osler.cli.screen import say
from osler.cli.stages import next_command, run_recipe, say_stages


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
    folder, outcomes = run_recipe(recipe, settings, runs, until, as_json=as_json, quiet=quiet)
    if as_json:
        say_stages(folder, outcomes)
        return
    say(f"run      {folder}")
    say(f"report   {folder / 'report.html'}")
    ran_gate = any(outcome.stage == "gate" for outcome in outcomes)
    say(f"next     {next_command(runs, 'gate' if ran_gate else 'report', folder.name)}")
