"""`osler curate`: a recipe as far as its training set."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder
from osler.cli.screen import Screen, duration, notice, say, say_json


def curate(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML).")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe; may be repeated."),
    ] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a recipe's training set: the stages up to curate. With --json, prints counts.json.

    Example: osler curate recipes/medquad-tiny.yaml --set curate.mix.max_records=1000
    """
    from osler.curate.split import SPLITS
    from osler.errors import InputError
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe
    from osler.runs.files import read_json

    loaded = load_recipe(recipe, settings or ())
    if loaded.curate is None:
        raise InputError(f"{recipe} has no section `curate:`. Add it; an empty one takes the defaults.")
    folder = runs / loaded.name
    with Screen(quiet=quiet or as_json) as screen:
        for outcome in run_stages(loaded, folder, "curate", screen):
            if not as_json:
                took = "already done" if outcome.skipped else duration(outcome.seconds)
                notice(f"{outcome.stage:<9} {outcome.summary} ({took})")
    counts = read_json(folder / "curate" / "counts.json")
    if as_json:
        say_json(counts)
        return
    for source in counts["sources"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in source["dropped"].items()) or "nothing"
        say(f"{source['source']:<22} {source['read']:>9,} read {source['kept']:>9,} kept; dropped: {reasons}")
    say(f"wrote    {folder / 'curate'}: " + ", ".join(f"{counts['splits'][name]:,} {name}" for name in SPLITS))
    say(f"next     osler trace {loaded.name} ID" + (f" --runs {runs}" if runs != Path("runs") else ""))
