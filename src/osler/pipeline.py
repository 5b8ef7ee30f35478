"""From a recipe to a run: the stages in order, each skipped when it is finished, continued when it was interrupted.

The only file that joins the rooms. A stage's key covers its options, its seed and the digests of what it reads, so a change
in one stage makes anew what depends on it and nothing else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import InputError
from osler.recipe import Recipe
from osler.records.io import JsonlWriter, read_records
from osler.records.record import Record
from osler.runs.files import sha256_file, sha256_json, write_json
from osler.runs.folder import Stage, finish_stage, is_done, open_stage, stage_files
from osler.runs.local_only import local_only_sources
from osler.runs.lock import only_writer
from osler.runs.progress import Progress, silent
from osler.serve.start import artefact_of, load_run_policy
from osler.text import nearest

if TYPE_CHECKING:
    from osler.evaluate.benchmarks import Questions
    from osler.models.local import LocalModel
    from osler.synth.synth import Surroundings

STAGES = ("collect", "synth", "curate", "train", "evaluate", "redteam", "gate", "export")


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


def train_in_group(recipe: Recipe, folder: Path, progress: Progress, *, is_main: bool) -> Outcome:
    """The train stage alone, called by each process that torchrun started; the main one writes the stage's records.

    Raises:
        InputError: the curated rows are not there yet.
    """
    from osler.report.page import write_report

    run = _Run(recipe, folder, progress)
    if not is_main:
        plan = _PLANS["train"](run)
        if not (skipped := is_done(plan.stage)):
            plan.work()
        return Outcome("train", skipped, 0.0, "")
    with only_writer(folder):
        outcome = _run_stage(run, "train")
        write_report(folder)
    return outcome


def stage_of(recipe: Recipe, folder: Path, name: str) -> Stage:
    """A stage as this recipe would run it in this folder; the stages before it must be finished."""
    return _PLANS[name](_Run(recipe, folder, silent)).stage


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


def _plan_synth(run: _Run) -> _Plan:
    from osler.synth.synth import input_digests, leave_out, missing, synth

    config = run.recipe.synth
    if config is None:
        raise InputError("the recipe has no section `synth:`")
    inputs = _finished(run, "collect", "synth")
    if why := missing(config):
        stage = _stage(run, "synth", config.model_dump(mode="json", include={"generators"}), inputs | {"left out": why})
        return _Plan(stage, lambda: leave_out(config, why, stage.folder))
    inputs |= input_digests(config)
    inputs["policy"] = load_run_policy(run.recipe.guard).sha256
    # Where the endpoint is, and how fast it may be asked, is no part of the key: the model's name is.
    options = config.model_dump(mode="json", exclude={"endpoint": _HOW_ASKED, "documents": {"folder"}})
    stage = _stage(run, "synth", options, inputs)
    seed, calls = run.recipe.seed, run.folder / "calls"
    return _Plan(
        stage,
        lambda: synth(config, synth_surroundings(run.recipe, run.folder), seed, stage.folder, calls, run.progress),
    )


_HOW_ASKED = {"url", "key", "concurrency", "requests_per_minute", "attempts", "timeout_s"} | {
    "input_price",
    "output_price",
    "tokens_per_second",
}


def synth_surroundings(recipe: Recipe, folder: Path) -> "Surroundings":
    """What generating records needs of the rest of a run whose records are collected."""
    from osler.guard.check import check
    from osler.guard.stream import SentenceGuard
    from osler.synth.synth import Surroundings

    policy = load_run_policy(recipe.guard)
    records = folder / "collect" / "records"

    def blocked(question: str, answer: str) -> str:
        guard = SentenceGuard(policy, check(policy, question))
        guard.feed(answer)
        guard.finish()
        return guard.violation.rule if guard.violation is not None else ""

    return Surroundings(
        collected=lambda name: read_records(records / f"{name}.jsonl"),
        source_names=tuple(name for name in recipe.collect.trained_on if (records / f"{name}.jsonl").is_file()),
        benchmarks={name: list(found.records) for name, found in _questions(recipe, folder).items()},
        local_only=local_only_sources(folder),
        blocked=blocked,
    )


def _plan_curate(run: _Run) -> _Plan:
    from osler.curate.config import WORKERS_ONLY
    from osler.curate.curate import curate
    from osler.curate.filter import VERDICTS_FILE
    from osler.curate.profile import write_profile
    from osler.guard.answers import blocked_answers

    config = run.recipe.curate
    if config is None:
        raise InputError("the recipe has no section `curate:`")
    # Curation reads the benchmarks' items too: what they hold may not stay in the training set.
    options = {
        "curate": config.model_dump(mode="json", exclude=set(WORKERS_ONLY)),
        "train_on": list(run.recipe.collect.trained_on),
        "benchmarks": _benchmark_names(run.recipe),
    }
    inputs = _finished(run, "collect", "curate")
    if config.filter.drop_blocked:
        inputs["policy"] = load_run_policy(run.recipe.guard).sha256
    if config.filter.tokenizer is not None:
        inputs["tokenizer"] = sha256_file(Path(config.filter.tokenizer))
    folders = dict.fromkeys(run.recipe.collect.trained_on, "collect")
    sources = run.recipe.collect.sources
    if run.recipe.synth is not None:
        made = _finished(run, "synth", "curate")
        inputs |= {name: digest for name, digest in made.items() if name.startswith("synth/records/")}
        written = tuple(use.source for use in run.recipe.synth.generators)
        folders |= dict.fromkeys(written, "synth")
        sources = (*sources, *written)
        options["train_on"] = list(folders)
    stage = _stage(run, "curate", options, inputs)
    paths = [run.folder / folders[name] / "records" / f"{name}.jsonl" for name in sorted(folders)]
    files = [path for path in paths if path.is_file() or path.stem not in run.recipe.collect.may_be_absent]

    def training_records() -> Iterator[Record]:
        for path in files:
            yield from read_records(path)

    def work() -> None:
        if config.filter.drop_blocked:
            with JsonlWriter(stage.folder / VERDICTS_FILE) as writer:
                for verdict in blocked_answers(load_run_policy(run.recipe.guard), training_records()):
                    writer.write(verdict)
        benchmarks = {name: list(found.records) for name, found in _questions(run.recipe, run.folder).items()}
        curate(files, benchmarks, config, run.recipe.seed, stage.folder, run.progress, sources)
        write_profile(training_records(), stage.folder)

    return _Plan(stage, work)


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
            (folder / "train.jsonl", folder / "validation.jsonl"),
            recipe.model,
            config,
            recipe.machine,
            recipe.seed,
            stage.folder,
            run.progress,
        ),
    )


def _plan_evaluate(run: _Run) -> _Plan:
    from osler.evaluate.latency import measure_latency
    from osler.evaluate.score import Asking, evaluate

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
        training = read_records(run.folder / "curate" / "train.jsonl")
        questions, asking = _questions(run.recipe, run.folder), Asking(config, run.recipe.seed)
        evaluate({"base": model.bare(), "tuned": model}, questions, training, asking, stage.folder, run.progress)
        if config.latency_questions:
            measure_latency(model, questions, config, stage.folder / "metrics.jsonl")

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
        shielded = guarded(model, policy)
        redteam({"bare": model, "guarded": shielded}, prompts, config, run.recipe.seed, stage.folder, run.progress)

    return _Plan(stage, work)


def _plan_gate(run: _Run) -> _Plan:
    from osler.evaluate.evidence import evidence_files, read_evidence
    from osler.evaluate.gate import gate, write_verdict

    config = run.recipe.gate
    if config is None:
        raise InputError("the recipe has no section `gate:`")
    artefact = _artefact(run)
    inputs = {"artefact": artefact}
    stages = {name for name in ("evaluate", "redteam") if getattr(run.recipe, name) is not None} | {"review"}
    files = evidence_files(run.folder, stages)
    inputs |= {name: sha256_file(path) for name, path in files.items()}
    stage = _stage(run, "gate", config.model_dump(mode="json"), inputs)
    verdict = stage.folder / "verdict.json"
    return _Plan(stage, lambda: write_verdict(verdict, gate(read_evidence(files), artefact, config)))


def _plan_export(run: _Run) -> _Plan:
    from osler.export.model import Choices
    from osler.handover import hand_over

    config = run.recipe.export
    if config is None:
        raise InputError("the recipe has no section `export:`")
    gate_file = run.folder / "gate" / "verdict.json"
    inputs = _finished(run, "train", "export") | {
        "artefact": _artefact(run),
        "gate/verdict.json": sha256_file(gate_file) if gate_file.is_file() else "not run",
    }
    stage = _stage(run, "export", config.model_dump(mode="json"), inputs)
    choices = Choices(config.formats, config.precisions, config.verify)

    def work() -> None:
        hand_over(run.folder, choices, config.parity_prompts, config.override, stage.folder, run.progress)

    return _Plan(stage, work)


_PLANS: dict[str, Callable[[_Run], _Plan]] = {
    "collect": _plan_collect,
    "synth": _plan_synth,
    "curate": _plan_curate,
    "train": _plan_train,
    "evaluate": _plan_evaluate,
    "redteam": _plan_redteam,
    "gate": _plan_gate,
    "export": _plan_export,
}


def _artefact(run: _Run) -> str:
    return artefact_of(run.recipe.model, load_run_policy(run.recipe.guard), run.folder)


def _model(run: _Run) -> "LocalModel":
    """Base and adapter, loaded once for all stages of this process."""
    if run.model is None:
        run.model = load_run_model(run.recipe, run.folder)
    return run.model


def load_run_model(recipe: Recipe, folder: Path) -> "LocalModel":
    """The trained model of a run."""
    from osler.train.result import load_trained

    return load_trained(folder / "train", recipe.model)


def _benchmark_names(recipe: Recipe) -> list[str]:
    return list(recipe.evaluate.benchmarks) if recipe.evaluate is not None else []


def _source_names(recipe: Recipe) -> list[str]:
    """Sources to read: to train on, unless absent, to ask benchmarks from, and to write records about."""
    from osler.evaluate.benchmarks import parse_benchmark
    from osler.sources.collect import absent_sources

    asked = {source for name in _benchmark_names(recipe) for source in parse_benchmark(name).sources}
    written_about = (
        {use.records for use in recipe.synth.generators if use.records} if recipe.synth is not None else set()
    )
    return sorted(asked | written_about | (set(recipe.collect.trained_on) - absent_sources(recipe.collect)))


def _questions(recipe: Recipe, folder: Path) -> "dict[str, Questions]":
    """The questions of each benchmark, by its name in the recipe."""
    from osler.evaluate.benchmarks import parse_benchmark, questions_for

    records = folder / "collect" / "records"
    return {
        name: questions_for(parse_benchmark(name), lambda source: read_records(records / f"{source}.jsonl"))
        for name in _benchmark_names(recipe)
    }
