"""`osler run`: a recipe, stage by stage."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder
from osler.cli.screen import Screen, duration, notice, say, say_json


def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML).")],
    until: Annotated[str | None, typer.Option(help="Stop after this stage: collect, curate, train, ...")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe; may be repeated."),
    ] = None,
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
    outcomes = []
    with Screen(quiet=quiet or as_json) as screen:
        for outcome in run_stages(loaded, folder, until, screen):
            outcomes.append(outcome)
            if not as_json:
                took = "already done" if outcome.skipped else duration(outcome.seconds)
                notice(f"{outcome.stage:<9} {outcome.summary} ({took})")
    if as_json:
        stages = [
            {"stage": o.stage, "skipped": o.skipped, "seconds": round(o.seconds, 1), "summary": o.summary}
            for o in outcomes
        ]
        say_json({"run": str(folder), "stages": stages})
        return
    say(f"run      {folder}")
    say(f"report   {folder / 'report.html'}")
    ran_gate = any(outcome.stage == "gate" for outcome in outcomes)
    say(
        f"next     osler {'gate' if ran_gate else 'report'} {loaded.name}"
        + (f" --runs {runs}" if runs != Path("runs") else "")
    )
