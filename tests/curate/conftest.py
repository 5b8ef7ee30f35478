"""Invented records, and a run of curation over them, for the tests of this room."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.records.io import read_records, write_records
from osler.records.record import Message, Origin, Record, record_id
from osler.runs.progress import silent


def make_record(row: str, question: str, reply: str, source: str = "invented", **fields: Any) -> Record:
    """A question and answer of an invented source."""
    origin = {name: fields.pop(name) for name in ("license", "access", "generator") if name in fields}
    return Record(
        id=record_id(source, row),
        task=fields.pop("task", "qa"),
        messages=(Message("user", question), Message("assistant", reply)),
        origin=Origin(source, row, **{"license": "CC-BY-4.0", **origin}),
        **fields,
    )


class Curated:
    """What a run of curation wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts = orjson.loads((folder / "counts.json").read_bytes())
        self.splits = {name: list(read_records(folder / f"{name}.jsonl")) for name in ("train", "validation", "test")}
        self.kept = {r.id: r for records in self.splits.values() for r in records}
        self.dropped = {row["id"]: row for row in self._rows("dropped.jsonl")}
        self.changes = self._rows("changes.jsonl")

    def reason(self, of: Record) -> str:
        """Why a record was dropped; empty when it was kept."""
        return self.dropped[of.id]["reason"] if of.id in self.dropped else ""

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in (self.folder / name).read_bytes().splitlines()]


def run_curation(
    records: Sequence[Record],
    out: Path,
    options: Mapping[str, Any] | None = None,
    benchmarks: Mapping[str, Sequence[Record]] | None = None,
    seed: int = 0,
    sources: Sequence[str] = (),
) -> Curated:
    """Curate `records` into `out`, from a file that is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        write_records(path, records)
        curate([path], benchmarks or {}, CurateConfig.model_validate(options or {}), seed, out, silent, sources)
    return Curated(out)


@pytest.fixture(scope="session")
def record():
    """A function that makes a record."""
    return make_record


@pytest.fixture(scope="session")
def run():
    """A function that curates records and gives what was written."""
    return run_curation
