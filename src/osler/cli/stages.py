"""Running stages of a recipe from the command line: each said when it is done, or all given as JSON."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from osler.cli.screen import Screen, duration, notice, say_json

if TYPE_CHECKING:
    from osler.pipeline.run import Outcome


def run_recipe(
    recipe: Path, settings: Sequence[str] | None, runs: Path, until: str | None, *, as_json: bool, quiet: bool
) -> "tuple[Path, list[Outcome]]":
    """Run a recipe's stages up to one of them, each told as it ends; gives the run's folder too."""
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe

    loaded = load_recipe(recipe, settings or ())
    folder = runs / loaded.name
    with Screen(quiet=quiet or as_json) as screen:
        return folder, told(run_stages(loaded, folder, until, screen), quiet=as_json)


def told(outcomes: "Iterable[Outcome]", *, quiet: bool = False) -> "list[Outcome]":
    """The stages as they end, each told in a line unless the result is JSON."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        if not quiet:
            took = "already done" if outcome.skipped else duration(outcome.seconds)
            notice(f"{outcome.stage:<9} {outcome.summary} ({took})")
    return done


def say_stages(folder: Path, outcomes: "Iterable[Outcome]") -> None:
    """The run's folder and its stages, as JSON."""
    stages = [
        {"stage": o.stage, "skipped": o.skipped, "seconds": round(o.seconds, 1), "summary": o.summary} for o in outcomes
    ]
    say_json({"run": str(folder), "stages": stages})


def next_command(runs: Path, *words: object) -> str:
    """The command to run next in the same folder of runs, as a shell takes it."""
    elsewhere = ("--runs", runs) if runs != Path("runs") else ()
    return shlex.join(["osler", *map(str, (*words, *elsewhere))])
