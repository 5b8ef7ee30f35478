"""`osler redteam`: risky and harmless prompts under attacks, put to a model bare and guarded."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder
from osler.cli.screen import Screen, notice, say, say_json


def redteam(
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
    from osler.pipeline import redteam_model, redteam_recipe

    if (recipe is None) == (model is None):
        raise InputError("redteam needs a recipe or --model, one of the two")
    for tool in export or ():
        if tool not in {"garak", "inspect"}:
            raise InputError(f"--export {tool!r} is not known; allowed: garak, inspect")
    with Screen(quiet=quiet or as_json) as screen:
        if recipe is not None:
            folder, summary = redteam_recipe(recipe, runs, screen)
        else:
            chosen = ATTACKS if "all" in (attacks or ()) else tuple(attacks or RedteamConfig().attacks)
            config = RedteamConfig(
                attacks=chosen, attack_benign=attack_benign, max_prompts=limit, max_tokens=max_tokens
            )
            folder = out or runs / "redteam"
            summary = redteam_model(str(model), policies or ["education"], prompts, config, seed, folder, screen)
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
