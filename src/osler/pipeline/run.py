"""From a recipe to a run: the stages in order, each skipped when it is finished, continued when it was interrupted.

This package alone joins the rooms. A stage's key covers its options, its seed and the digests of what it reads, so a change
in one stage makes anew what depends on it and nothing else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from osler.errors import InputError, RecipeError
from osler.pipeline.data import plan_collect, plan_curate, plan_synth
from osler.pipeline.model import plan_evaluate, plan_export, plan_gate, plan_redteam, plan_train
from osler.pipeline.stages import Plan, Run, needed
from osler.recipe import Recipe
from osler.recipe.explain import explain
from osler.runs.files import read_json, write_json
from osler.runs.folder import Stage, finish_stage, is_done, open_stage
from osler.runs.format import check_run_format
from osler.runs.lock import only_writer
from osler.runs.progress import Progress, silent
from osler.text import nearest

PLANS: dict[str, Callable[[Run], Plan]] = {
    "collect": plan_collect,
    "synth": plan_synth,
    "curate": plan_curate,
    "train": plan_train,
    "evaluate": plan_evaluate,
    "redteam": plan_redteam,
    "gate": plan_gate,
    "export": plan_export,
}

STAGES = tuple(PLANS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stage."""

    stage: str
    skipped: bool
    """Whether it was finished before."""
    seconds: float
    summary: str
    """One line of figures."""


def run_stages(recipe: Recipe, folder: Path, until: str | None, progress: Progress) -> Iterator[Outcome]:
    """Run the stages of a recipe in order and give each one's outcome as it ends; the report is written after the last.

    Args:
        folder: `runs/<run>`.
        until: last stage to run; None for all.

    Raises:
        InputError: `until` is no stage or not in the recipe, another version of osler wrote the folder, another process runs
            here, or a stage's input is wrong.
        CheckFailed: a stage's own check failed (parity of the export, a gate that export asks).
    """
    from osler.report.page import write_report

    if until is not None and until not in STAGES:
        guess = nearest(until, STAGES)
        raise InputError(
            f"there is no stage {until!r}{f'; did you mean {guess!r}?' if guess else '.'} Stages: {', '.join(STAGES)}"
        )
    if until is not None:
        needed(getattr(recipe, until), until)
    stages = STAGES[: STAGES.index(until) + 1] if until is not None else STAGES
    wanted = [name for name in stages if getattr(recipe, name) is not None]
    run = Run(recipe, folder, progress)
    check_run_format(folder)
    if {"redteam", "gate", "export"} & {*wanted}:
        _ = run.policy  # one that fails its own tests stops the run here, not after the training
    with only_writer(folder):
        write_json(folder / "recipe.json", recipe.model_dump(mode="json"))
        for name in wanted:
            yield _run_stage(run, name)
        write_report(folder)


def train_in_group(recipe: Recipe, folder: Path, progress: Progress, *, is_main: bool) -> Outcome:
    """The train stage alone, called by each process that torchrun started; the main one writes the stage's records.

    Raises:
        InputError: the curated rows are not there yet.
    """
    from osler.report.page import write_report

    run = Run(recipe, folder, progress)
    if not is_main:
        plan = PLANS["train"](run)
        if not (skipped := is_done(plan.stage)):
            plan.work()
        return Outcome("train", skipped, 0.0, "")
    with only_writer(folder):
        outcome = _run_stage(run, "train")
        write_report(folder)
    return outcome


def decide(folder: Path) -> bool:
    """The gate of a finished run, decided again where what it reads has changed: a review may have ended since.

    Returns:
        Whether the run's recipe has a gate.

    Raises:
        InputError: the run has no trained model, its recipe is of another version, or another process runs here.
    """
    from osler.report.page import write_report

    file = folder / "recipe.json"
    try:
        recipe = Recipe.model_validate(read_json(file))
    except ValidationError as error:
        raise RecipeError(
            f"{file}, of another version of osler or of files that are gone", explain(error, Recipe, {})
        ) from error
    if recipe.gate is None:
        return False
    with only_writer(folder):
        if not _run_stage(Run(recipe, folder, silent), "gate").skipped:
            write_report(folder)
    return True


def stage_of(recipe: Recipe, folder: Path, name: str) -> Stage:
    """A stage as this recipe would run it in this folder; the stages before it must be finished."""
    return PLANS[name](Run(recipe, folder, silent)).stage


def _run_stage(run: Run, name: str) -> Outcome:
    from osler.report.summary import summarize

    began = time.monotonic()
    plan = PLANS[name](run)
    skipped = is_done(plan.stage)
    if not skipped:
        open_stage(plan.stage)
        plan.work()
        finish_stage(plan.stage)
    return Outcome(name, skipped, time.monotonic() - began, summarize(plan.stage.folder))
