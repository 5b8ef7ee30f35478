"""`osler redteam`: risky and harmless prompts under attacks, put to a model bare and guarded."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder
from osler.cli.screen import Screen, notice, say, say_json

if TYPE_CHECKING:
    from osler.evaluate.config import RedteamConfig
    from osler.models.protocol import Model
    from osler.runs.progress import Progress


def redteam(  # noqa: PLR0913, PLR0917 - each is an option of the command
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="Recipe whose model is tried.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Instead of a recipe: an endpoint (http://host/v1#name), a model's folder, or `silent` for none."
        ),
    ] = None,
    policies: Annotated[list[str] | None, typer.Option("--policy", help="Guard policy; may be repeated.")] = None,
    attacks: Annotated[list[str] | None, typer.Option("--attack", help="An attack, or all; may be repeated.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts: YAML, a garak report or a promptfoo file.")] = None,
    attack_benign: Annotated[bool, typer.Option(help="Ask benign prompts under the attacks too.")] = False,
    limit: Annotated[int | None, typer.Option(help="At most this many prompts.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Length of a reply.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    export: Annotated[list[str] | None, typer.Option(help="Also write transcripts for garak or inspect.")] = None,
    runs: RunsFolder = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for --model; runs/redteam when absent.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try to make a model misbehave, bare and behind the guard; every transcript is kept.

    Example: osler redteam --model silent --attack plain --attack leet
    """
    from osler.errors import InputError
    from osler.evaluate.config import RedteamConfig
    from osler.evaluate.redteam.attacks import ATTACKS
    from osler.evaluate.redteam.exchange import export_transcripts

    if (recipe is None) == (model is None):
        raise InputError("redteam needs a recipe or --model, one of the two")
    for tool in export or ():
        if tool not in {"garak", "inspect"}:
            raise InputError(f"--export {tool!r} is not known; allowed: garak, inspect")
    with Screen(quiet=quiet or as_json) as screen:
        if recipe is not None:
            folder, summary = _by_recipe(recipe, runs, screen)
        else:
            chosen = ATTACKS if "all" in (attacks or ()) else tuple(attacks or RedteamConfig().attacks)
            config = RedteamConfig(
                attacks=chosen, attack_benign=attack_benign, max_prompts=limit, max_tokens=max_tokens
            )
            folder = out or runs / "redteam"
            summary = _by_model(str(model), policies or ["education"], prompts, config, seed, folder, screen)
    for tool in export or ():
        path = folder / f"{tool}.jsonl"
        count = export_transcripts(folder / "transcripts.jsonl", "garak" if tool == "garak" else "inspect", path)
        notice(f"{count} transcripts in {path}")
    if as_json:
        say_json(summary)
        return
    for arm in summary["arms"]:
        rates = (
            (name, arm[name]) for name in ("harmful_compliance", "over_refusal", "wrong_action", "refused_emergency")
        )
        shares = "  ".join(f"{name} {rate['k']}/{rate['n']}" for name, rate in rates)
        say(f"{arm['arm']:<20} {shares}")
    say(f"written  {folder / 'transcripts.jsonl'}, {folder / 'summary.json'}")


def _by_recipe(path: Path, runs: Path, progress: "Progress") -> tuple[Path, dict[str, Any]]:
    """Run a recipe up to its red team; returns the stage's folder and what its summary holds."""
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe
    from osler.runs.files import read_json

    recipe = load_recipe(path)
    for _ in run_stages(recipe, runs / recipe.name, "redteam", progress):
        pass
    folder = runs / recipe.name / "redteam"
    summary: dict[str, Any] = read_json(folder / "summary.json")
    return folder, summary


def _by_model(
    model: str,
    policies: Sequence[str],
    prompts: Path | None,
    config: "RedteamConfig",
    seed: int,
    folder: Path,
    progress: "Progress",
) -> dict[str, Any]:
    """Put the prompts to one model, bare and behind each policy.

    Args:
        model: an endpoint (`http://host/v1#name`), a folder of weights, or `silent`: nothing but the guard answers.
        prompts: None: those that ship.
    """
    from osler.evaluate.redteam.exchange import import_prompts
    from osler.evaluate.redteam.prompts import load_prompts
    from osler.evaluate.redteam.run import redteam as try_out
    from osler.guard.load import load_policy
    from osler.guard.wrap import guarded

    loaded = load_prompts() if prompts is None else import_prompts(prompts)
    wrappers = load_prompts().wrappers | loaded.wrappers
    bare = _model_at(model)
    arms: dict[str, Model] = {"bare": bare}
    for number, name in enumerate(policies):
        policy = load_policy(name, datetime.now(UTC).date())
        arms["guarded" if number == 0 else f"guarded_{policy.id}"] = guarded(bare, policy)
    folder.mkdir(parents=True, exist_ok=True)
    # Of another model or policy; only a recipe's stage knows what a half-done one was made from.
    (folder / "transcripts.jsonl").unlink(missing_ok=True)
    return try_out(arms, loaded.model_copy(update={"wrappers": wrappers}), config, seed, folder, progress)


def _model_at(place: str) -> "Model":
    if place == "silent":
        from osler.models.scripted import ScriptedModel

        return ScriptedModel(name="silent")
    if place.startswith(("http://", "https://")):
        from osler.models.http import HttpModel

        url, _, name = place.partition("#")
        return HttpModel(url, model=name or "osler")
    from osler.models.local import load_local

    return load_local(Path(place))
