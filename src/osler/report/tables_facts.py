"""Tables of the section on facts: what a reader needs to make the run again, and to tell its files from others."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from osler.report.format import moment
from osler.report.read import Run
from osler.report.table import Cell, Table, make_table, table_of

_KEY_FILES = {
    "curate": ("train.jsonl", "validation.jsonl", "test.jsonl", "dropped.jsonl", "counts.json"),
    "train": (
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "base/model.safetensors",
        "ledger.json",
    ),
    "evaluate": ("scores.json", "samples.jsonl"),
    "redteam": ("summary.json", "transcripts.jsonl"),
    "gate": ("verdict.json",),
    "export": ("merged/model.safetensors", "parity.json"),
}


def stages_table(run: Run) -> Table:
    """When each stage started and ended, and the key that decides its result."""
    return table_of(
        run.stages.values(),
        "stages",
        "Stages. The key is a digest of everything that decides a stage's result: options, inputs, seed, version.",
        {
            "Stage": lambda facts: facts.stage,
            "Started (UTC)": lambda facts: _moment(facts.started),
            "Ended (UTC)": lambda facts: _moment(facts.ended) if facts.finished else Cell("not finished", "bad"),
            "#Seed": lambda facts: "not recorded" if facts.seed is None else str(facts.seed),
            "Key": lambda facts: Cell(facts.key, "code"),
        },
    )


def _moment(text: str) -> Cell:
    return Cell(moment(text).removesuffix(" UTC") or "not recorded", "whole")


def versions_table(run: Run) -> Table:
    """Versions of everything that can change a result; where stages differ, each version with its stages."""
    found: dict[str, dict[str, list[str]]] = {}
    for facts in run.stages.values():
        for package, version in facts.environment.items():
            found.setdefault(package, {}).setdefault(version, []).append(facts.stage)
    return make_table(
        "versions",
        "Versions and platform.",
        ("Package", "Version"),
        ((package, _versions(versions)) for package, versions in found.items()),
        is_narrow=True,
    )


def digests_table(run: Run) -> Table:
    """SHA-256 of the files that matter most, as the stages recorded them when they finished."""
    return make_table(
        "digests",
        "SHA-256 of the run's key files, as recorded when each stage finished.",
        ("File", "SHA-256"),
        (
            (f"{stage}/{name}", Cell(run.stages[stage].digests[name], "code"))
            for stage, names in _KEY_FILES.items()
            for name in names
            if stage in run.stages and name in run.stages[stage].digests
        ),
    )


def options_table(run: Run, prefix: str = "") -> Table:
    """Every option of every stage, as it was resolved; those whose name begins with a prefix."""
    return make_table(
        "options",
        "Options of the stages as they were resolved.",
        ("Option", "Value"),
        (
            (f"{facts.stage}: {name}", Cell(text, "code"))
            for facts in run.stages.values()
            for name, text in _flat(facts.options)
            if f"{facts.stage}: {name}".startswith(prefix)
        ),
    )


def section_table(name: str, caption: str, section: Mapping[str, Any]) -> Table:
    """The options of one section of the recipe."""
    return make_table(name, caption, ("Option", "Value"), ((key, Cell(text, "code")) for key, text in _flat(section)))


def _versions(versions: Mapping[str, list[str]]) -> str:
    if len(versions) == 1:
        return next(iter(versions))
    return " · ".join(f"{version} ({', '.join(stages)})" for version, stages in versions.items())


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else orjson.dumps(value).decode()
