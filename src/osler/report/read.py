"""A run folder as one frozen value. Reads the files of the stages and nothing else; a stage that is not there is None."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from osler.errors import InputError
from osler.records.record import SAMPLE_REVISION
from osler.report.fields import Fields, read_as, read_fields, read_lines, read_list
from osler.report.read_data import (
    CollectedSource,
    Curated,
    Trained,
    Written,
    read_collected,
    read_curated,
    read_trained,
    read_written,
)
from osler.report.read_exam import Evaluated, Gate, read_evaluated, read_gate
from osler.report.read_redteam import Redteamed, read_redteamed
from osler.report.read_review import Reviewed, read_reviewed

STAGES = ("collect", "synth", "curate", "train", "evaluate", "redteam", "gate", "export")
"""Stages that write `run.json` and `done`, in order."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What `run.json` and `done` say about one stage."""

    stage: str
    started: str
    """UTC; empty when not recorded."""
    ended: str
    """UTC; empty when not finished or not recorded."""
    finished: bool
    seed: int | None
    key: str
    environment: Mapping[str, str]
    options: Mapping[str, Any]
    inputs: Mapping[str, str]
    """Digest of what the stage read, by name; the files of an earlier stage as `stage/file`."""
    digests: Mapping[str, str]
    """SHA-256 by path inside the stage; empty for a stage that has not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How well the exported model agrees with the trained one."""

    prompts: int
    tokens: int | None = None
    top1_agreement: float | None = None
    max_abs_logit_difference: float | None = None
    kl_mean: float | None = None
    bound: str | float | None = None
    passed: bool


@dataclass(frozen=True, slots=True)
class Override:
    """A model that did not pass was exported or served all the same."""

    where: str
    """`export` or `serve`."""
    time: str
    """UTC; empty when not recorded."""
    reason: str
    failed_checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question put to the guarded server by the demo, and what came back."""

    kind: str
    question: str
    answer: str
    action: str = ""
    intent: str = ""
    rule: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What `osler serve` said before the override."""

    exit_code: int
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the page shows."""

    name: str
    stages: Mapping[str, StageFacts]
    """The stages that were started."""
    out_of_date: frozenset[str]
    """Finished stages that the recipe no longer has, or that read other files than the earlier stages hold now."""
    collected: tuple[CollectedSource, ...] | None
    written: tuple[Written, ...] | None
    curated: Curated | None
    trained: Trained | None
    evaluated: Evaluated | None
    redteamed: Redteamed | None
    gate: Gate | None
    parity: Parity | None
    """None also where the recipe asked for no form."""
    overrides: tuple[Override, ...]
    answers: tuple[Answer, ...] | None
    refusal: Refusal | None
    absent: tuple[str, ...] = ()
    """Sources of the recipe that had no files, and might have none."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """`recipe.json`; empty for a run that has none."""
    reviewed: Reviewed | None = None

    @property
    def is_sample(self) -> bool:
        """Whether all records are the invented ones that ship with Osler."""
        sources = {one.source for one in self.collected or ()}
        return bool(sources) and sources == self.samples and self.written is None

    @property
    def samples(self) -> set[str]:
        """Sources of which the run has the invented sample in the place of the publisher's text."""
        return {one.source for one in self.collected or () if one.revision == SAMPLE_REVISION}

    def curate_options(self, step: str) -> Mapping[str, Any]:
        """The options of a step of curation as they were resolved; empty where they are not recorded."""
        facts = self.stages.get("curate")
        found = facts.options.get("curate", {}).get(step) if facts else None
        return found if isinstance(found, dict) else {}

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the recipe; empty where it has none."""
        found = self.recipe.get(name)
        return found if isinstance(found, dict) else {}


def read_run(run: Path) -> Run:
    """Everything in a run folder that the page shows.

    Raises:
        InputError: the folder is absent or holds no stage, a finished stage's file is missing, or a file is damaged.
    """
    if not run.is_dir():
        raise InputError(f"there is no run folder at {run}. `osler run RECIPE` makes one.")
    stages = {stage: _stage_facts(run / stage) for stage in STAGES if (run / stage / "run.json").is_file()}
    if not stages:
        raise InputError(
            f"{run} is not a run folder: none of its folders {', '.join(STAGES)} holds a run.json. "
            "Give the folder that `osler run` printed."
        )
    recipe = read_fields(run / "recipe.json").values if (run / "recipe.json").is_file() else {}
    answers, refusal = run / "demo" / "answers.json", run / "demo" / "refusal.json"
    return Run(
        name=run.resolve().name,
        stages=stages,
        out_of_date=_out_of_date(stages, recipe),
        collected=_stage(run, stages, "collect", read_collected),
        written=_stage(run, stages, "synth", read_written),
        curated=_stage(run, stages, "curate", read_curated),
        trained=_stage(run, stages, "train", read_trained),
        evaluated=_stage(run, stages, "evaluate", read_evaluated),
        redteamed=_stage(run, stages, "redteam", read_redteamed),
        gate=_stage(run, stages, "gate", read_gate),
        parity=_stage(run, stages, "export", _parity),
        overrides=(*_export_override(run), *_serve_overrides(run)),
        answers=tuple(read_as(Answer, row) for row in read_list(answers)) if answers.is_file() else None,
        refusal=read_as(Refusal, read_fields(refusal)) if refusal.is_file() else None,
        absent=_stage(run, stages, "collect", lambda folder: read_fields(folder / "counts.json").texts("absent")) or (),
        recipe=recipe,
        reviewed=read_reviewed(run / "review") if (run / "review" / "summary.json").is_file() else None,
    )


def _out_of_date(stages: Mapping[str, StageFacts], recipe: Mapping[str, Any]) -> frozenset[str]:
    current: dict[str, str] = {}
    """Digests of the files that the earlier stages hold now, by `stage/file`."""
    out: set[str] = set()
    for name, facts in stages.items():
        read = {file: digest for file, digest in facts.inputs.items() if "/" in file and file.split("/")[0] in STAGES}
        # Collect comes first and reads no stage; its inputs are files of the data sets, whose names may be anything.
        changed = name != STAGES[0] and any(current.get(file, "not run") != digest for file, digest in read.items())
        if facts.finished and (changed or recipe.get(name, "") is None):
            out.add(name)
        elif facts.finished:
            current |= {f"{name}/{file}": digest for file, digest in facts.digests.items()}
    return frozenset(out)


def _stage(run: Path, stages: Mapping[str, StageFacts], name: str, read: Callable[[Path], Found]) -> Found | None:
    facts = stages.get(name)
    return read(run / name) if facts is not None and facts.finished else None


def _parity(folder: Path) -> Parity | None:
    file = folder / "parity.json"
    return read_as(Parity, read_fields(file)) if file.is_file() else None


def _stage_facts(folder: Path) -> StageFacts:
    run = read_fields(folder / "run.json")
    done = read_fields(folder / "done") if (folder / "done").is_file() else None
    environment = run.child("environment") if run.has("environment") else None
    digests = done.child("files") if done and done.has("files") else None
    return StageFacts(
        stage=folder.name,
        started=run.maybe_text("started"),
        ended=done.maybe_text("finished") if done else "",
        finished=done is not None,
        seed=run.maybe_count("seed"),
        key=run.maybe_text("key"),
        environment={name: environment.text(name) for name in environment.values} if environment else {},
        options=run.child("options").values if run.has("options") else {},
        inputs=run.child("inputs").values if run.has("inputs") else {},
        digests={name: digests.text(name) for name in digests.values} if digests else {},
    )


def _export_override(run: Path) -> list[Override]:
    path = run / "export" / "override.json"
    return [_override("export", read_fields(path))] if path.is_file() else []


def _serve_overrides(run: Path) -> list[Override]:
    first: dict[tuple[str, tuple[str, ...]], Override] = {}
    for path in sorted((run / "serve").glob("audit*.jsonl")):
        for row in read_lines(path):
            if row.maybe_text("event") == "override":
                found = _override("serve", row)
                first.setdefault((found.reason, found.failed_checks), found)
    return list(first.values())


def _override(where: str, fields: Fields) -> Override:
    return Override(where, fields.maybe_text("time"), fields.text("reason"), fields.texts("failed_checks"))
