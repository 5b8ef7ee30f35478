"""Copies in plain rows: JSON Lines of any fields in, the rows that stay and an account of the others out.

For material that is too large or too plain for a recipe. Texts are written in NFC with single spaces, held to limits of
length, and every exact or verified near copy of an earlier row is dropped, whatever it is about: for medical records, where a
template about another disease is no copy, use `osler curate`.
"""

import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from osler.curate.engine import Engine, run_shards
from osler.curate.pairs import Pairs, Rows, candidate_pairs, like_pairs
from osler.curate.shards import LineError, ShardWork, cut
from osler.curate.sketch import Bands, Hashes, choose_bands, hash_words, word_runs
from osler.curate.store import Store, band_columns, band_fields, open_store
from osler.errors import InputError
from osler.records.io import JsonlWriter
from osler.runs.files import made_whole, sha256_json, write_json
from osler.runs.progress import Progress
from osler.text import digest_bytes

_NO_DIGEST = bytes(16)
VERSION = 2
"""Raised when `PlainRows` gives another result for the same rows."""


@dataclass(frozen=True, slots=True)
class PlainOptions:
    """What counts as a row worth keeping, and as a copy."""

    fields: tuple[str, ...] = ("input", "output")
    """The fields that hold text, which copies are judged by."""
    min_chars: int = 10
    max_chars: int = 1500
    """Of every field, as written out."""
    shingle_words: int = 5
    permutations: int = 128
    threshold: float = 0.8
    """Jaccard similarity of near copies."""


@dataclass(frozen=True, slots=True)
class PlainRows:
    """The pass over lines; one that is as it should be stays as it is, byte for byte. Pure: the result does not depend on how lines fall into batches."""

    options: PlainOptions
    bands: Bands

    @property
    def schema(self) -> pa.Schema:
        """Of a batch that comes out: one row a line. `line` and `exact` of a row that is dropped here are empty."""
        fields = [("line", pa.large_binary()), ("reason", pa.string()), ("detail", pa.string()), ("name", pa.string())]
        return pa.schema([*fields, ("exact_high", pa.uint64()), ("exact_low", pa.uint64()), *band_fields(self.bands)])

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take in a batch of `shards.LINES`."""
        lines: list[bytes] = []
        faults: list[tuple[str | None, str | None]] = []
        names, texts = [], []
        for line, start in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            row = self._parse(line, start)
            names.append(str(row["id"]) if "id" in row else f"byte {start}")
            # No escape and no byte of another alphabet: then no letter to compose, and no white space but single spaces.
            is_plain = line.isascii() and b"\\" not in line and b"  " not in line
            fault, parts, is_changed = self._read(row, is_plain=is_plain)
            faults.append(fault or (None, None))
            lines.append(b"" if fault else orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) if is_changed else line)
            texts.append("" if fault else "\n".join(parts))
        runs = word_runs(hash_words(texts), self.options.shingle_words)
        exact = np.frombuffer(b"".join([digest_bytes(text) if text else _NO_DIGEST for text in texts]), ">u8").reshape(
            -1, 2
        )
        columns = [
            pa.array(lines, pa.large_binary()),
            *(pa.array(part, pa.string()) for part in zip(*faults, strict=True)),
        ]
        columns += [pa.array(names), *(pa.array(half.astype(np.uint64)) for half in exact.T)]
        return pa.RecordBatch.from_arrays([*columns, *band_columns(runs, self.bands)], schema=self.schema)

    def _parse(self, line: bytes, start: int) -> dict[str, Any]:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise LineError(start, f"not JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(row, dict):
            raise LineError(start, f"expected an object, found {type(row).__name__}")
        return row

    def _read(self, row: dict[str, Any], *, is_plain: bool) -> tuple[tuple[str, str] | None, list[str], bool]:
        """The fault of the row, or none; its texts, which are written back into it; and whether that changed it."""
        parts = []
        is_changed = False
        least, most = self.options.min_chars, self.options.max_chars
        for field in self.options.fields:
            raw = row.get(field)
            if not isinstance(raw, str):
                return ("not_text", f"{field} is {type(raw).__name__}"), [], False
            if is_plain or (raw.isascii() and raw.isprintable() and "  " not in raw):
                text = raw.strip(" ")
            else:
                text = " ".join((raw if raw.isascii() else unicodedata.normalize("NFC", raw)).split())
            if not least <= len(text) <= most:
                return ("length", f"{field} has {len(text)} characters, {least} to {most} are allowed"), [], False
            if text != raw:
                row[field] = text
                is_changed = True
            parts.append(text)
        return None, parts, is_changed


def dedupe_rows(
    files: Sequence[Path],
    out: Path,
    options: PlainOptions,
    engine: Engine,
    progress: Progress,
    shard_bytes: int = 8 << 20,
) -> dict[str, Any]:
    """Write `kept.jsonl`, `dropped.jsonl` and `counts.json` into `out`; returns the counts.

    Of copies the one that comes first stays. A folder `scratch` is used; what a killed run left there is used again.

    Raises:
        InputError: a line is not a JSON object (names file and line), or a file that is read would be written over.
    """
    written = {(out / name).resolve() for name in ("kept.jsonl", "dropped.jsonl")}
    if taken := [path for path in files if path.resolve() in written]:
        raise InputError(f"{taken[0]} would be written over; choose another folder for --out, so that no row is lost")
    scratch = out / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    bands = choose_bands(options.permutations, options.threshold)
    key = sha256_json({"work": "plain rows", "version": VERSION, **asdict(options)})
    work = ShardWork(PlainRows(options, bands), key, scratch)
    store = open_store(scratch, run_shards(engine, work, cut(files, shard_bytes), "dedupe: read", progress))
    counts = _write(store, _find_copies(store, bands, options.threshold, progress), out)
    write_json(out / "counts.json", counts)
    shutil.rmtree(scratch)
    return counts


@dataclass(frozen=True, slots=True)
class _Copies:
    """What every row copies."""

    of: Rows
    """An earlier row that stays, or -1."""
    similarity: NDArray[np.float64]
    """To that row; above 1 for an exact copy."""


def _find_copies(store: Store, bands: Bands, threshold: float, progress: Progress) -> _Copies:
    of = _exact_copies(store.column("exact_high"), store.column("exact_low"))
    copies = _Copies(of, np.where(of >= 0, 2.0, 0.0))
    progress("dedupe: copies", 1, 3, "steps")
    is_exact = of >= 0
    first, second = candidate_pairs(np.where(is_exact, np.uint64(0), keys) for keys in store.bands(bands))
    progress("dedupe: copies", 2, 3, "steps")
    _drop_near(like_pairs(first, second, store.run_sizes(), store.runs_of, threshold), copies)
    progress("dedupe: copies", 3, 3, "steps")
    return copies


def _exact_copies(high: Hashes, low: Hashes) -> Rows:
    """The first row of the same text, or -1. A text of zero is of a row that was dropped before."""
    order = np.lexsort((low, high))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    begins = np.flatnonzero(is_new)
    firsts = np.repeat(order[begins], np.diff(np.append(begins, len(order))))
    of = np.full(len(order), -1, np.int64)
    of[order] = np.where(is_new | ((high[order] | low[order]) == 0), -1, firsts)
    return of


def _drop_near(pairs: Pairs, copies: _Copies) -> None:
    """In order of the rows, drop each that is like an earlier row that stays."""
    order = np.lexsort((pairs.first, pairs.second))
    found = (pairs.first[order].tolist(), pairs.second[order].tolist(), pairs.similarity[order].tolist())
    gone: set[int] = set()
    for first, second, likeness in zip(*found, strict=True):
        if second not in gone and first not in gone:
            gone.add(second)
            copies.of[second], copies.similarity[second] = first, likeness


def _write(store: Store, copies: _Copies, out: Path) -> dict[str, Any]:
    names = store.strings("name")
    reasons: Counter[str] = Counter()
    start = 0
    with (
        made_whole(out / "kept.jsonl") as partial,
        partial.open("wb") as kept,
        JsonlWriter(out / "dropped.jsonl") as dropped,
    ):
        for table in store.tables():
            of = copies.of[start : start + len(table)]
            stays = table["reason"].is_null().to_numpy() & (of < 0)
            _write_lines(table["line"].filter(pa.array(stays)), kept)
            gone = np.flatnonzero(~stays)
            faults = (table[name].take(pa.array(gone)).to_pylist() for name in ("name", "reason", "detail"))
            for row, name, fault, told in zip(gone.tolist(), *faults, strict=True):
                reason, detail = fault, told
                if fault is None:
                    likeness = float(copies.similarity[start + row])
                    reason = "exact_copy" if likeness > 1 else "near_copy"
                    detail = names[int(of[row])].as_py() + ("" if likeness > 1 else f", similarity {likeness:.2f}")
                reasons[reason] += 1
                dropped.write({"id": name, "reason": reason, "detail": detail})
            start += len(table)
    n_dropped = reasons.total()
    return {"read": start, "kept": start - n_dropped, "dropped": n_dropped, "reasons": dict(sorted(reasons.items()))}


def _write_lines(lines: pa.ChunkedArray, stream: BinaryIO) -> None:
    """All lines, straight from the buffer in which they stand end to end."""
    for chunk in lines.chunks:
        if len(chunk):
            edges = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            stream.write(memoryview(chunk.buffers()[2])[edges[0] : edges[-1]])
