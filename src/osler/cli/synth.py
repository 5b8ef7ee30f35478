"""`osler synth`: new records from documents."""

from pathlib import Path
from typing import Annotated, Any

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder, Settings
from osler.cli.screen import Screen, duration, in_words, say, say_json
from osler.cli.stages import next_command, told


def synth(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML) with a section `synth:`.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and what it would cost; ask nothing.")
    ] = False,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write records from guidelines with a model, check each, and keep those that quote their page.

    Stopped at any moment, it goes on where it was: a reply that was paid for is not asked for again.

    Example: osler synth recipes/first-aid.yaml --dry-run
    """
    from osler.pipeline.data import synth_surroundings
    from osler.pipeline.run import run_stages
    from osler.pipeline.stages import Run, needed
    from osler.recipe import load_recipe
    from osler.runs.files import read_json
    from osler.synth.synth import estimate

    loaded = load_recipe(recipe, settings or ())
    config = needed(loaded.synth, "synth")
    folder = runs / loaded.name
    with Screen(quiet=quiet or as_json) as screen:
        told(run_stages(loaded, folder, "collect" if dry_run else "synth", screen), quiet=as_json)
        if dry_run:
            around = synth_surroundings(Run(loaded, folder, screen))
            expected = estimate(config, around, loaded.seed, folder / "calls", screen)
            say_json(expected) if as_json else _say_estimate(expected)
            return
    counts = read_json(folder / "synth" / "counts.json")
    if as_json:
        say_json(counts)
        return
    for made in counts["generators"]:
        left = f"{made['items']:>7,} asked {made['kept']:>7,} kept; dropped: {in_words(made['dropped'])}"
        say(f"{made['source']:<22} {left}")
    say(f"wrote    {folder / 'synth'}")
    say(f"next     osler review make {folder / 'synth' / 'review.jsonl'}, then {next_command(runs, 'curate', recipe)}")


def _say_estimate(expected: dict[str, Any]) -> None:
    say(f"{expected['passages']:,} passages; nothing was asked")
    for row in expected["generators"]:
        answered = f", {row['already_answered']:,} already answered" if row["already_answered"] else ""
        cost = f", cost at most {row['cost_at_most']:,.2f}" if row["cost_at_most"] else ""
        say(
            f"{row['source']:<22} {row['items']:>7,} items, {row['calls']:,} calls{answered}: about "
            f"{row['prompt_tokens']:,} prompt tokens, at most {row['reply_tokens_at_most']:,} reply tokens{cost}, "
            f"at most {duration(row['seconds_at_most'])}"
        )
    say(
        "A token is taken as four characters; each reply as its generator's limit. Repairs ask up to one call more an item."
    )
