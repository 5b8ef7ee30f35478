"""Running stages of a recipe from the command line: each said when it is done, or all given as JSON."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from osler.cli.screen import duration, notice, say_json

if TYPE_CHECKING:
    from osler.pipeline.run import Outcome


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
