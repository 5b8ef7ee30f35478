"""`osler redteam`: risky and harmless prompts under attacks, put to a model bare and guarded."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder, checked
from osler.cli.screen import Screen, notice, say, say_json
from osler.cli.stages import run_recipe

if TYPE_CHECKING:
    from osler.evaluate.config import RedteamConfig
    from osler.models.open import Opened
    from osler.models.protocol import Model
    from osler.runs.progress import Progress

_ASKED = "asked.json"


def redteam(  # noqa: PLR0913, PLR0917 - each is an option of the command
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="Recipe whose model is tried.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Instead of a recipe: an endpoint (http://host/v1#name, key in OSLER_MODEL_KEY), a folder, a hub id, a .gguf "
            "file, or `silent` for none."
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
    from osler.runs.files import read_json

    if (recipe is None) == (model is None):
        raise InputError("redteam needs a recipe or --model, one of the two")
    for tool in export or ():
        if tool not in {"garak", "inspect"}:
            raise InputError(f"--export {tool!r} is not known; allowed: garak, inspect")
    if recipe is not None:
        run_folder, _ = run_recipe(recipe, (), runs, "redteam", as_json=as_json, quiet=quiet)
        folder = run_folder / "redteam"
        summary = read_json(folder / "summary.json")
    else:
        chosen = ATTACKS if "all" in (attacks or ()) else tuple(attacks or RedteamConfig().attacks)
        config = checked(
            RedteamConfig, attacks=chosen, attack_benign=attack_benign, max_prompts=limit, max_tokens=max_tokens
        )
        folder = out or runs / "redteam"
        with Screen(quiet=quiet or as_json) as screen:
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


def _by_model(
    model: str,
    policies: Sequence[str],
    prompts: Path | None,
    config: "RedteamConfig",
    seed: int,
    folder: Path,
    progress: "Progress",
) -> dict[str, Any]:
    """Put the prompts to one model, bare and behind each policy; `asked.json` says what the transcripts are of.

    The same command goes on where it was stopped, and finds what it wrote; any other begins anew. An endpoint is known by its address and
    the model's name alone.

    Args:
        model: as `osler evaluate` takes it, an endpoint with its model's name (`http://host/v1#name`), or `silent`: nothing
            but the guard answers.
        prompts: None: those that ship.
    """
    from osler.evaluate.redteam.exchange import import_prompts
    from osler.evaluate.redteam.prompts import load_prompts
    from osler.evaluate.redteam.run import redteam as try_out
    from osler.guard.load import load_policy
    from osler.guard.wrap import guarded
    from osler.runs.files import read_json, sha256_json, write_json

    loaded = load_prompts() if prompts is None else import_prompts(prompts)
    wrappers = load_prompts().wrappers | loaded.wrappers
    material = loaded.model_copy(update={"wrappers": wrappers})
    opened = _opened(model)
    bare = cast("Model", opened.model)
    arms: dict[str, Model] = {"bare": bare}
    asked = {"model": opened.identity, "prompts": sha256_json(material.model_dump(mode="json"))}
    for number, name in enumerate(policies):
        policy = load_policy(name, datetime.now(UTC).date())
        arm = "guarded" if number == 0 else f"guarded_{policy.id}"
        arms[arm] = guarded(bare, policy)
        asked[arm] = policy.sha256
    asked["options"] = sha256_json([config.model_dump(mode="json"), seed])
    if not (folder / _ASKED).is_file() or read_json(folder / _ASKED) != asked:
        (folder / "transcripts.jsonl").unlink(missing_ok=True)
        write_json(folder / _ASKED, asked)
    return try_out(arms, material, config, seed, folder, progress)


def _opened(place: str) -> "Opened":
    if place == "silent":
        from osler.models.open import Opened
        from osler.models.scripted import ScriptedModel

        return Opened(ScriptedModel(name="silent"), "silent")
    from osler.models.open import open_models

    model, _, name = place.partition("#")
    return open_models(model, name=name, key=os.environ.get("OSLER_MODEL_KEY", ""))["model"]
