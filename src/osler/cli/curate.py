"""`osler curate`: a recipe as far as its training set."""

from pathlib import Path

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings
from osler.cli.screen import in_words, say, say_json
from osler.cli.stages import next_command, run_recipe


def curate(
    recipe: RecipeFile,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a recipe's training set: the stages up to curate. With --json, prints counts.json.

    Example: osler curate recipes/medquad-tiny.yaml --set curate.mix.max_records=1000
    """
    from osler.curate.split import SPLITS
    from osler.runs.files import read_json

    folder, _ = run_recipe(recipe, settings, runs, "curate", as_json=as_json, quiet=quiet)
    counts = read_json(folder / "curate" / "counts.json")
    if as_json:
        say_json(counts)
        return
    for source in counts["sources"]:
        left = f"{source['read']:>9,} read {source['kept']:>9,} kept; dropped: {in_words(source['dropped'])}"
        say(f"{source['source']:<22} {left}")
    say(f"wrote    {folder / 'curate'}: " + ", ".join(f"{counts['splits'][name]:,} {name}" for name in SPLITS))
    say(f"next     {next_command(runs, 'trace', folder.name, 'ID')}")
