"""From a recipe to a run: the stages in order, each skipped when it is finished, continued when it was interrupted.

The only file that joins the rooms. A stage's key covers its options, its seed and the digests of what it reads, so a change
in one stage makes anew what depends on it and nothing else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import InputError
from osler.models.chat import system_prompt_of
from osler.recipe import Recipe
from osler.records.io import read_records
from osler.records.record import Record
from osler.runs.files import read_json, sha256_file, sha256_json, write_json
from osler.runs.folder import Stage, finish_stage, is_done, open_stage, stage_files
from osler.runs.lock import only_writer
from osler.runs.progress import Progress
from osler.serve.start import artefact_of, load_run_policy
from osler.text import nearest

if TYPE_CHECKING:
    from osler.evaluate.score import Arm
    from osler.models.local import LocalModel
    from osler.models.protocol import Scorer

_HOW_TO_EXPORT = (
    "Mend what failed and run the gate again, take the section `export:` out of the recipe, or give a reason in "
    "export.override; the reason is recorded with the export."
)

STAGES = ("collect", "curate", "train", "evaluate", "redteam", "gate", "export")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stage."""

    stage: str
    skipped: bool
    """Whether it was finished before."""
    seconds: float
    summary: str
    """One line of figures."""


@dataclass(slots=True)
class _Run:
    """What the stages of one run share."""

    recipe: Recipe
    folder: Path
    progress: Progress
    model: "LocalModel | None" = field(default=None)
    """Loaded once, by the first stage that asks it."""


def run_stages(recipe: Recipe, folder: Path, until: str | None, progress: Progress) -> Iterator[Outcome]:
    """Run the stages of a recipe in order and give each one's outcome as it ends; the report is written after the last.

    Args:
        folder: `runs/<run>`.
        until: last stage to run; None for all.

    Raises:
        InputError: `until` is no stage, another process runs here, or a stage's input is wrong.
        CheckFailed: a stage's own check failed (parity of the export, a gate that export asks).
    """
    from osler.report.page import write_report

    if until is not None and until not in STAGES:
        guess = nearest(until, STAGES)
        raise InputError(
            f"there is no stage {until!r}{f'; did you mean {guess!r}?' if guess else '.'} Stages: {', '.join(STAGES)}"
        )
    run = _Run(recipe, folder, progress)
    with only_writer(folder):
        write_json(folder / "recipe.json", recipe.model_dump(mode="json"))
        for name in STAGES:
            if getattr(recipe, name) is not None:
                yield _run_stage(run, name)
            if name == until:
                break
        write_report(folder)


def _run_stage(run: _Run, name: str) -> Outcome:
    from osler.report.summary import summarize

    began = time.monotonic()
    plan = _PLANS[name](run)
    skipped = is_done(plan.stage)
    if not skipped:
        open_stage(plan.stage)
        plan.work()
        finish_stage(plan.stage)
    return Outcome(name, skipped, time.monotonic() - began, summarize(plan.stage.folder))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A stage's key and what it does when the key is not finished yet."""

    stage: Stage
    work: Callable[[], None]


def _stage(run: _Run, name: str, options: Any, inputs: dict[str, str]) -> Stage:
    plain = {key: value for key, value in options.items() if value is not None}
    return Stage(run.folder / name, plain, inputs, run.recipe.seed)


def _finished(run: _Run, name: str, needed_by: str) -> dict[str, str]:
    """Digests of a finished stage's files, by `stage/file`."""
    if not (run.folder / name / "done").is_file():
        raise InputError(
            f"{needed_by} needs the files of {name}, which this run does not have. Add a section `{name}:` to the recipe."
        )
    return {f"{name}/{file}": digest for file, digest in stage_files(run.folder / name).items()}


def _plan_collect(run: _Run) -> _Plan:
    from osler.sources.collect import collect, input_digests

    config = run.recipe.collect
    names = _source_names(run.recipe)
    # The folder's name is no part of the key: the same files elsewhere give the same records.
    options = {**config.model_dump(mode="json", exclude={"root": True, "own": {"__all__": {"file"}}}), "read": names}
    stage = _stage(run, "collect", options, input_digests(config, names))
    return _Plan(stage, lambda: collect(config, names, stage.folder, run.progress))


def _plan_curate(run: _Run) -> _Plan:
    from osler.curate.curate import curate

    config = run.recipe.curate
    if config is None:
        raise InputError("the recipe has no section `curate:`")
    # Curation reads the benchmarks' items too: what they hold may not stay in the training set.
    options = {
        "curate": config.model_dump(mode="json"),
        "train_on": list(run.recipe.collect.trained_on),
        "benchmarks": _benchmark_names(run.recipe),
    }
    stage = _stage(run, "curate", options, _finished(run, "collect", "curate"))
    records = run.folder / "collect" / "records"

    def training_records() -> Iterator[Record]:
        for name in sorted(run.recipe.collect.trained_on):
            yield from read_records(records / f"{name}.jsonl")

    return _Plan(
        stage,
        lambda: curate(
            training_records,
            _benchmark_items(run),
            config,
            run.recipe.seed,
            stage.folder,
            run.progress,
            run.recipe.collect.sources,
        ),
    )


def _plan_train(run: _Run) -> _Plan:
    from osler.train.train import train

    recipe, config = run.recipe, run.recipe.train
    if config is None:
        raise InputError("the recipe has no section `train:`")
    options = {"train": config.model_dump(mode="json"), "model": recipe.model.model_dump(mode="json")}
    curated = _finished(run, "curate", "train")
    inputs = {name: curated[name] for name in ("curate/train.jsonl", "curate/validation.jsonl")}
    stage = _stage(run, "train", options, inputs)
    folder = run.folder / "curate"
    return _Plan(
        stage,
        lambda: train(
            folder / "train.jsonl",
            folder / "validation.jsonl",
            recipe.model,
            config,
            recipe.seed,
            stage.folder,
            run.progress,
        ),
    )


def _plan_evaluate(run: _Run) -> _Plan:
    from osler.evaluate.score import evaluate

    config = run.recipe.evaluate
    if config is None:
        raise InputError("the recipe has no section `evaluate:`")
    inputs = (
        _finished(run, "collect", "evaluate")
        | _finished(run, "train", "evaluate")
        | _finished(run, "curate", "evaluate")
    )
    stage = _stage(run, "evaluate", config.model_dump(mode="json"), inputs)

    def work() -> None:
        model = replace(_model(run), token_budget=config.batch_tokens)
        arms: dict[Arm, Scorer] = {"base": model.bare(), "tuned": model}
        training = read_records(run.folder / "curate" / "train.jsonl")
        evaluate(arms, _benchmark_items(run), training, config, run.recipe.seed, stage.folder, run.progress)

    return _Plan(stage, work)


def _plan_redteam(run: _Run) -> _Plan:
    from osler.evaluate.redteam.prompts import load_prompts
    from osler.evaluate.redteam.run import redteam
    from osler.guard.wrap import guarded

    config = run.recipe.redteam
    if config is None:
        raise InputError("the recipe has no section `redteam:`")
    policy = load_run_policy(run.recipe.guard)
    prompts = load_prompts()
    inputs = _finished(run, "train", "redteam") | {
        "policy": policy.sha256,
        "prompts": sha256_json(prompts.model_dump(mode="json")),
    }
    stage = _stage(run, "redteam", config.model_dump(mode="json"), inputs)

    def work() -> None:
        model = _model(run)
        redteam(
            {"bare": model, "guarded": guarded(model, policy)},
            prompts,
            config,
            run.recipe.seed,
            stage.folder,
            run.progress,
        )

    return _Plan(stage, work)


def _plan_gate(run: _Run) -> _Plan:
    from osler.evaluate.gate import gate, write_verdict

    config = run.recipe.gate
    if config is None:
        raise InputError("the recipe has no section `gate:`")
    artefact = _artefact(run)
    inputs = {"artefact": artefact}
    for name, file in (("evaluate", "scores.json"), ("redteam", "summary.json")):
        path = run.folder / name / file
        inputs[f"{name}/{file}"] = sha256_file(path) if path.is_file() else "not run"
    stage = _stage(run, "gate", config.model_dump(mode="json"), inputs)

    def work() -> None:
        scores, redteam = (_json_of(run.folder / name) for name in ("evaluate/scores.json", "redteam/summary.json"))
        write_verdict(stage.folder / "verdict.json", gate(scores, redteam, artefact, config))

    return _Plan(stage, work)


def _plan_export(run: _Run) -> _Plan:
    from osler.export.merge import export_merged
    from osler.records.export import as_messages
    from osler.serve.permit import permit
    from osler.train.train import base_folder

    config = run.recipe.export
    if config is None:
        raise InputError("the recipe has no section `export:`")
    artefact = _artefact(run)
    gate_file = run.folder / "gate" / "verdict.json"
    inputs = _finished(run, "train", "export") | {
        "artefact": artefact,
        "gate": sha256_file(gate_file) if gate_file.is_file() else "not run",
    }
    stage = _stage(run, "export", config.model_dump(mode="json"), inputs)

    def work() -> None:
        permission = permit(run.folder, artefact, config.override, _HOW_TO_EXPORT)
        if permission.overridden:
            write_json(
                stage.folder / "override.json",
                {"reason": permission.reason, "failed_checks": list(permission.failed_checks)},
            )
        system_prompt = system_prompt_of(run.recipe.model)
        held_out = _first(read_records(run.folder / "curate" / "validation.jsonl"), config.parity_prompts)
        prompts = [as_messages(record, system_prompt)[:-1] for record in held_out]
        base = base_folder(run.folder / "train", run.recipe.model)
        if "merged" in config.formats:
            export_merged(base, run.folder / "train" / "adapter", prompts, stage.folder, run.progress)

    return _Plan(stage, work)


_PLANS: dict[str, Callable[[_Run], _Plan]] = {
    "collect": _plan_collect,
    "curate": _plan_curate,
    "train": _plan_train,
    "evaluate": _plan_evaluate,
    "redteam": _plan_redteam,
    "gate": _plan_gate,
    "export": _plan_export,
}


def _json_of(path: Path) -> Any:
    """The content of a stage's file, or None when the stage was not run."""
    return read_json(path) if path.is_file() else None


def _artefact(run: _Run) -> str:
    return artefact_of(run.recipe.model, load_run_policy(run.recipe.guard), run.folder)


def _model(run: _Run) -> "LocalModel":
    """Base and adapter, loaded once for all stages of this process."""
    if run.model is None:
        run.model = load_run_model(run.recipe, run.folder)
    return run.model


def load_run_model(recipe: Recipe, folder: Path) -> "LocalModel":
    """The trained model of a run: its base with its adapter."""
    from osler.models.local import load_local
    from osler.train.train import base_folder

    return load_local(
        base_folder(folder / "train", recipe.model), folder / "train" / "adapter", dtype=recipe.model.dtype
    )


def _benchmark_names(recipe: Recipe) -> list[str]:
    return list(recipe.evaluate.benchmarks) if recipe.evaluate is not None else []


def _source_names(recipe: Recipe) -> list[str]:
    """Sources to read: those to train on, and those that benchmarks ask from."""
    from osler.evaluate.benchmarks import parse_benchmark

    asked = {parse_benchmark(name)[0].source for name in _benchmark_names(recipe)}
    return sorted(asked | set(recipe.collect.trained_on))


def _benchmark_items(run: _Run) -> dict[str, list[Record]]:
    """The records of each benchmark, by its name in the recipe."""
    from osler.evaluate.benchmarks import parse_benchmark, records_for

    records = run.folder / "collect" / "records"
    items = {}
    for name in _benchmark_names(run.recipe):
        benchmark, split = parse_benchmark(name)
        items[name] = records_for(benchmark, read_records(records / f"{benchmark.source}.jsonl"), split)
    return items


def _first(records: Iterator[Record], count: int) -> list[Record]:
    return list(islice(records, count))
