"""`osler curate`: a recipe as far as its training set."""

from pathlib import Path

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings, runs_option
from osler.cli.screen import Screen, in_words, say, say_json
from osler.cli.stages import told


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
    from osler.errors import InputError
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe
    from osler.runs.files import read_json

    loaded = load_recipe(recipe, settings or ())
    if loaded.curate is None:
        raise InputError(f"{recipe} has no section `curate:`. Add it; an empty one takes the defaults.")
    folder = runs / loaded.name
    with Screen(quiet=quiet or as_json) as screen:
        told(run_stages(loaded, folder, "curate", screen), quiet=as_json)
    counts = read_json(folder / "curate" / "counts.json")
    if as_json:
        say_json(counts)
        return
    for source in counts["sources"]:
        left = f"{source['read']:>9,} read {source['kept']:>9,} kept; dropped: {in_words(source['dropped'])}"
        say(f"{source['source']:<22} {left}")
    say(f"wrote    {folder / 'curate'}: " + ", ".join(f"{counts['splits'][name]:,} {name}" for name in SPLITS))
    say(f"next     osler trace {loaded.name} ID{runs_option(runs)}")
