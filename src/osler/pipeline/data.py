"""The stages that make records: collect, synth, curate."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from osler.pipeline.stages import Plan, Run, asked_of, finished, needed, own_digests, questions_of, stage_for
from osler.recipe import Recipe
from osler.records.io import read_records, write_rows
from osler.records.record import Record
from osler.runs.files import sha256_file
from osler.runs.local_only import local_only_sources

if TYPE_CHECKING:
    from osler.synth.synth import Surroundings


def plan_collect(run: Run) -> Plan:
    """Read the sources' own files into records."""
    from osler.sources.collect import collect, copies_of, input_digests

    config = run.recipe.collect
    names = _source_names(run.recipe)
    copies = copies_of(config, names)
    # The folder's name is no part of the key: the same files elsewhere give the same records.
    options = {**config.model_dump(mode="json", exclude={"root": True, "own": {"__all__": {"file"}}}), "read": names}
    stage = stage_for(run, "collect", options, input_digests(copies))
    return Plan(stage, lambda: collect(config, names, stage.folder, run.progress, copies))


def plan_synth(run: Run) -> Plan:
    """Write records from documents through a model."""
    from osler.synth.synth import input_digests, leave_out, missing, synth

    config = needed(run.recipe.synth, "synth")
    inputs = finished(run, "collect", "synth")
    if why := missing(config):
        stage = stage_for(
            run, "synth", config.model_dump(mode="json", include={"generators"}), inputs | {"left out": why}
        )
        return Plan(stage, lambda: leave_out(config, why, stage.folder))
    inputs |= input_digests(config)
    inputs["policy"] = run.policy.sha256
    # Where the endpoint is, and how fast it may be asked, is no part of the key: the model's name is.
    options = config.model_dump(mode="json", exclude={"endpoint": _HOW_ASKED, "documents": {"folder"}})
    stage = stage_for(run, "synth", options, inputs)
    seed, calls = run.recipe.seed, run.folder / "calls"
    return Plan(stage, lambda: synth(config, synth_surroundings(run), seed, stage.folder, calls, run.progress))


_HOW_ASKED = set(
    "url key concurrency requests_per_minute attempts timeout_s input_price output_price tokens_per_second".split()
)


def synth_surroundings(run: Run) -> "Surroundings":
    """What generating records needs of the rest of a run whose records are collected."""
    from osler.guard.check import check
    from osler.guard.stream import SentenceGuard
    from osler.synth.synth import Surroundings

    recipe, policy, records = run.recipe, run.policy, run.folder / "collect" / "records"

    def blocked(question: str, answer: str) -> str:
        guard = SentenceGuard(policy, check(policy, question))
        guard.feed(answer)
        guard.finish()
        return guard.violation.rule if guard.violation is not None else ""

    return Surroundings(
        collected=lambda name: read_records(records / f"{name}.jsonl"),
        source_names=tuple(name for name in recipe.collect.trained_on if (records / f"{name}.jsonl").is_file()),
        benchmarks={name: list(found.records) for name, found in questions_of(recipe, run.folder).items()},
        local_only=local_only_sources(run.folder),
        blocked=blocked,
    )


def plan_curate(run: Run) -> Plan:
    """Make the training set of the records."""
    from osler.curate.config import WORKERS_ONLY
    from osler.curate.curate import curate
    from osler.curate.filter import VERDICTS_FILE
    from osler.curate.profile import write_profile
    from osler.guard.answers import blocked_answers

    config = needed(run.recipe.curate, "curate")
    # Curation reads the benchmarks' items too: what they hold may not stay in the training set.
    options = {
        "curate": config.model_dump(mode="json", exclude=set(WORKERS_ONLY)),
        "train_on": list(run.recipe.collect.trained_on),
        "benchmarks": list(asked_of(run.recipe)),
    }
    inputs = finished(run, "collect", "curate") | own_digests(run.recipe)
    if config.filter.drop_blocked:
        inputs["policy"] = run.policy.sha256
    if config.filter.tokenizer is not None:
        inputs["tokenizer"] = sha256_file(Path(config.filter.tokenizer))
    folders = dict.fromkeys(run.recipe.collect.trained_on, "collect")
    sources = run.recipe.collect.sources
    if run.recipe.synth is not None:
        made = finished(run, "synth", "curate")
        inputs |= {name: digest for name, digest in made.items() if name.startswith("synth/records/")}
        written = tuple(use.source for use in run.recipe.synth.generators)
        folders |= dict.fromkeys(written, "synth")
        sources = (*sources, *written)
        options["train_on"] = list(folders)
    stage = stage_for(run, "curate", options, inputs)
    paths = [run.folder / folders[name] / "records" / f"{name}.jsonl" for name in sorted(folders)]
    files = [path for path in paths if path.is_file() or path.stem not in run.recipe.collect.may_be_absent]

    def training_records() -> Iterator[Record]:
        for path in files:
            yield from read_records(path)

    def work() -> None:
        if config.filter.drop_blocked:
            verdicts = blocked_answers(run.policy, training_records())
            write_rows(stage.folder / VERDICTS_FILE, verdicts)
        benchmarks = {name: list(found.records) for name, found in questions_of(run.recipe, run.folder).items()}
        curate(files, benchmarks, config, run.recipe.seed, stage.folder, run.progress, sources)
        write_profile(training_records(), stage.folder)

    return Plan(stage, work)


def _source_names(recipe: Recipe) -> list[str]:
    """Sources to read: to train on, unless absent, to ask benchmarks from, and to write records about."""
    from osler.sources.collect import absent_sources

    own = {one.name for one in recipe.evaluate.own_benchmarks} if recipe.evaluate is not None else set()
    asked = {source for one in asked_of(recipe).values() for source in one.sources} - own
    written_about = (
        {use.records for use in recipe.synth.generators if use.records} if recipe.synth is not None else set()
    )
    return sorted(asked | written_about | (set(recipe.collect.trained_on) - absent_sources(recipe.collect)))
