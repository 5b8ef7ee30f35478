"""`osler plan`: what training will meet, need and cost, before anything is loaded."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osler.cli.options import AsJson, Quiet, RecipeFile, RunsFolder, Settings
from osler.cli.screen import Screen, duration, notice, say, say_json
from osler.cli.stages import next_command

if TYPE_CHECKING:
    from osler.train.cards import OnCard
    from osler.train.plan import Plan

_GIB = 1 << 30


def plan(
    recipe: RecipeFile,
    exact: Annotated[
        bool, typer.Option("--exact", help="Trace the true architecture on fake tensors; loads torch, takes seconds.")
    ] = False,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Plan training without a GPU and without weights; leaves with 2 on mistakes, with 1 when it fits no card.

    Example: osler plan recipes/biomistral-medical.yaml --set machine.card=a100-40gb
    """
    from osler.recipe import load_recipe
    from osler.train.config import TrainConfig
    from osler.train.plan import plan as make_plan

    loaded = load_recipe(recipe, settings or ())
    curated = runs / loaded.name / "curate"
    file = curated / "train.jsonl"
    config = loaded.train or TrainConfig()
    with Screen(quiet=quiet or as_json) as screen:
        found = make_plan(
            loaded.model,
            config,
            loaded.machine,
            loaded.seed,
            (file if file.is_file() else None, curated / "validation.jsonl"),
            screen,
        )
    facts = found.to_dict()
    if exact:
        from osler.train.exact import trace_memory

        again = found.chosen is not None and found.chosen.setting.checkpointing
        traced = trace_memory(loaded.model, config, found.largest_pass, checkpointing=again)
        facts["exact"] = asdict(traced)
    if as_json:
        say_json(facts)
    else:
        _show(found)
        if exact:
            say(f"traced    {traced.total_bytes / _GIB:.2f} GiB at the peak of one pass, on fake tensors")
        if not file.is_file():
            notice(
                f"no rows yet: `{next_command(runs, 'curate', recipe)}` makes them, and the plan then counts their tokens"
            )
        say(
            f"next      {next_command(runs, 'train', recipe) if not found.problems else 'mend the above and plan again'}"
        )
    if found.problems:
        return 2
    return 0 if found.chosen is None or found.chosen.fits else 1


def _show(found: "Plan") -> None:
    for problem in found.problems:
        notice(f"mistake   {problem.where}: {problem.message}")
    for one in found.lengths:
        say(
            f"source    {one.source}: {one.rows:,} rows, {one.tokens:,} tokens; median {one.median}, "
            f"p90 {one.p90}, p99 {one.p99}, longest {one.longest}"
        )
    if found.rows_read:
        say(f"rows      {found.rows_read:,} read, {found.rows_kept:,} without a fault; max_length {found.max_length:,}")
    for bad in found.bad_rows:
        say(f"bad rows  {bad.name}: {bad.rows:,}, decision: {bad.decision}")
        for example in bad.examples:
            say(f"            {example}")
    if found.rows_read:
        say(
            f"work      {found.steps:,} steps, {found.epochs:g} epochs, {found.tokens:,} tokens "
            f"({found.trained_share:.0%} learned), padding {found.padding_share:.2%}"
        )
    if found.parameters:
        say(f"model     {found.parameters / 1e9:.3g} B parameters, {found.trainable_parameters:,} trained")
    if found.chosen is not None:
        _show_memory(found, found.chosen)
    for change in found.changes:
        say(f"to fit    {change}")


def _show_memory(found: "Plan", run: "OnCard") -> None:
    memory = run.memory
    parts = {
        "weights": memory.weights_bytes,
        "trained": memory.adapter_bytes,
        "optimizer": memory.optimizer_bytes,
        "activations": memory.activation_bytes,
        "logits": memory.logits_bytes,
    }
    words = ", ".join(f"{name} {size / _GIB:.2f}" for name, size in parts.items())
    again = ", activations computed again" if run.setting.checkpointing else ""
    say(
        f"memory    {memory.total_bytes / _GIB:.1f} GiB on {run.card.name} ({words}); a pass of {found.largest_pass:,}{again}"
    )
    for one in found.runs:
        answer = "fits" if one.fits else "does not fit"
        time_there = "; " + " to ".join(duration(h * 3600) for h in one.hours) if found.tokens and one.fits else ""
        cost = f", {one.usd[0]:.2f} to {one.usd[1]:.2f} USD" if time_there and one.usd is not None else ""
        say(f"card      {one.card.name}: {one.memory.total_bytes / _GIB:.1f} GiB, {answer}{time_there}{cost}")
