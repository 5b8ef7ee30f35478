"""What the gate decides upon: the files that other stages left, read together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.runs.files import read_json
from osler.runs.metrics import read_metrics
from osler.runs.signatures import Signature

_SCORES, _TIMES = "evaluate/scores.json", "evaluate/metrics.jsonl"
_REDTEAM, _REVIEW = "redteam/summary.json", "review/summary.json"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out about a model; None, or nothing, where it was not run."""

    scores: Mapping[str, Any] | None = None
    """Content of `evaluate/scores.json`."""
    redteam: Mapping[str, Any] | None = None
    """Content of `redteam/summary.json`."""
    review: Mapping[str, Any] | None = None
    """Content of `review/summary.json`."""
    latencies_s: Sequence[float] = ()
    """Seconds from question to whole answer, on the hardware that will serve."""
    signatures: Sequence[Signature] = ()
    """Of the documents that must be signed."""


def evidence_files(run_folder: Path, stages: Collection[str]) -> dict[str, Path]:
    """The files that are there, by name.

    Args:
        stages: whose files count; those of a section that the recipe no longer has are an earlier model's.
    """
    paths = {
        name: run_folder / name for name in (_SCORES, _TIMES, _REDTEAM, _REVIEW) if name.partition("/")[0] in stages
    }
    return {name: path for name, path in paths.items() if path.is_file()}


def read_evidence(files: Mapping[str, Path]) -> Evidence:
    """The content of files from `evidence_files`."""
    scores, redteam, review = (
        read_json(files[name]) if name in files else None for name in (_SCORES, _REDTEAM, _REVIEW)
    )
    timed = read_metrics(files[_TIMES]) if _TIMES in files else []
    return Evidence(scores, redteam, review, [row["whole_s"] for row in timed if "whole_s" in row])
