"""`osler export`: what leaves a run. Its trained model in the forms of other programs, its training set and its training for other tools."""

from pathlib import Path
from typing import Annotated, Any

import typer

from osler.cli.options import AsJson, Quiet, RunName, RunsFolder, find_run
from osler.cli.screen import Screen, notice, say, say_json
from osler.errors import InputError

_USES = ("research", "commercial")
_PROMPTS = 50


def export(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    run: RunName,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORM,...",
            help="Model: merged, gguf, ollama, vllm, hub. Training: llamafactory, mlx. Rows: guides, alpaca, sharegpt, messages, "
            "prompt-completion, parquet, datasetdict. Several of one kind with commas.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; exports/RUN, or exports/RUN-model, when not given.")
    ] = None,
    use: Annotated[
        str, typer.Option("--for", help="research or commercial: the use that licenses must permit.")
    ] = "research",
    leave_out: Annotated[
        bool, typer.Option("--leave-out-forbidden", help="Leave out rows that may not be exported, and count them.")
    ] = False,
    local_only: Annotated[
        bool,
        typer.Option(
            "--include-local-only", help="Export rows given out by application or to credentialed readers only."
        ),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hold gguf and ollama against the model with llama.cpp, token by token.")
    ] = False,
    precision: Annotated[str, typer.Option(help="Of gguf: q8_0, f16; others with --llama-cpp.")] = "q8_0",
    llama_cpp: Annotated[
        Path | None,
        typer.Option("--llama-cpp", help="Your folder of llama.cpp, for other architectures and precisions."),
    ] = None,
    override: Annotated[
        str | None, typer.Option(help="Reason for exporting a model that has not passed its gate; it is recorded.")
    ] = None,
    repository: Annotated[str | None, typer.Option("--repo", help="Of hub: ORG/NAME, made private.")] = None,
    acknowledge: Annotated[
        str | None, typer.Option(help="Of hub: your words that name each restricted source and its agreement.")
    ] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's model or training set in forms that other programs read; refuses what the gate or a license forbids.

    Example: osler export demo --to gguf,ollama --verify --override "a look at the tiny model"
    """
    from osler.export.data import Permission
    from osler.export.data_forms import FORM_NAMES
    from osler.export.hub import open_hub
    from osler.export.model import MODEL_FORMS, Choices
    from osler.handover import TRAINER_FORMS, hand_over, hand_over_rows, hand_over_training, publish

    if use not in _USES:
        raise InputError(f"--for is {use!r}; expected research or commercial")
    folder = find_run(run, runs)
    names = tuple(dict.fromkeys(name.strip() for name in to.split(",") if name.strip()))
    of_model = (*MODEL_FORMS, "hub")
    for name in names:
        if name not in {*of_model, *TRAINER_FORMS, *FORM_NAMES}:
            known = ", ".join(dict.fromkeys((*of_model, *TRAINER_FORMS, *FORM_NAMES)))
            raise InputError(f"there is no form {name!r}; the forms are: {known}")
    permission = Permission("commercial" if use == "commercial" else "research", leave_out, local_only)
    with Screen(quiet=quiet or as_json) as screen:
        if set(names) & set(of_model):
            target = out or Path("exports") / f"{folder.name}-model"
            _check_hub(names, repository, override)
            forms = tuple(name for name in names if name != "hub") or ("merged",)
            precisions = tuple(name.strip() for name in precision.split(",") if name.strip())
            choices = Choices(forms, precisions, verify, llama_cpp)
            facts = hand_over(folder, choices, _PROMPTS, override, target, screen)
            if repository is not None:
                publish(folder, repository, permission, acknowledge, target, open_hub())
                facts["repository"] = repository
        elif "llamafactory" in names or (names == ("mlx",) and (folder / "train" / "done").is_file()):
            target = out or Path("exports") / f"{folder.name}-training"
            if unknown := [name for name in names if name not in TRAINER_FORMS]:
                raise InputError(
                    f"{unknown[0]} cannot be exported together with {names[0]}; call the command once for each kind"
                )
            facts = {"training": hand_over_training(folder, names, permission, target, screen)}
        else:
            target = out or Path("exports") / folder.name
            facts = hand_over_rows(folder, names, permission, target, screen)
    if as_json:
        say_json({"out": str(target), **facts})
        return
    _tell(facts, target)


def _check_hub(names: tuple[str, ...], repository: str | None, override: str | None) -> None:
    if ("hub" in names) != (repository is not None):
        raise InputError("--to hub and --repo ORG/NAME go together: nothing is published unless both are given")
    if repository is not None and override is not None:
        raise InputError(
            "a model that has not passed its gate is not published, whatever the reason; leave --override out"
        )


def _tell(facts: dict[str, Any], target: Path) -> None:
    for reason, n in facts.get("left_out", {}).items():
        notice(f"left out  {n:,} rows, {reason}")
    if "license" in facts:
        for name, form in facts["forms"].items():
            counts = ", ".join(f"{n:,} {split}" for split, n in form["splits"].items())
            unheld = form["turns_do_not_alternate"]
            say(f"{name:<18} {counts}" + (f" ({unheld:,} left out: turns do not alternate)" if unheld else ""))
        say(f"license  {facts['license']['expression']}")
        say(f"wrote    {target}, all read back; the data card is {target / 'README.md'}")
        return
    for name, n in facts.get("training", {}).items():
        say(f"{name:<14} {n:,} rows")
    for name, check in facts.get("checks", {}).items():
        n = check.get("tokens", check.get("prompts"))
        say(
            f"{name:<14} agrees with the trained model: divergence {check['kl_mean']:.2g} nats on {n:,} {'tokens' if 'tokens' in check else 'prompts'}"
        )
    say(f"wrote    {target}")
