"""The shards' files as one table: whole columns for the steps that look at the whole set, single rows for writing.

Files are opened for one look and closed again, so what memory holds is the column or the rows asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from osler.curate.pairs import Rows, Runs
from osler.curate.shards import Made, open_table
from osler.curate.sketch import Bands, Hashes, Ragged, band_keys

_RUN_SHIFT = np.uint64(32)
_BANDS_BYTES = 64_000_000
"""Of keys in memory at once: opening every shard anew for each band takes longer than reading it."""


def band_fields(bands: Bands) -> list[pa.Field]:
    """Columns of a shard's file that near copies are found by."""
    runs = pa.field("runs", pa.large_list(pa.uint32()))
    return [runs, *(pa.field(f"band_{number}", pa.uint64()) for number in range(bands.count))]


def band_columns(runs: Ragged, bands: Bands) -> list[pa.Array]:
    """The columns of `band_fields` for a batch."""
    values = pa.array((runs.values >> _RUN_SHIFT).astype(np.uint32))
    offsets = pa.array(np.concatenate([np.zeros(1, np.int64), runs.ends]))
    return [pa.LargeListArray.from_arrays(offsets, values), *map(pa.array, band_keys(runs, bands))]


@dataclass(frozen=True, slots=True)
class Store:
    """Rows of all shards, numbered from 0 in their order."""

    paths: tuple[Path, ...]
    ends: Rows
    """Where the rows of each shard end."""

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def column(self, name: str) -> NDArray[np.uint64]:
        """A column of numbers, copied."""
        parts = [table[name].combine_chunks().to_numpy() for table in self.tables()]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def strings(self, name: str) -> pa.ChunkedArray:
        """A column of text."""
        return pa.chunked_array([chunk for table in self.tables() for chunk in table[name].chunks], pa.string())

    def take(self, name: str, rows: Rows) -> list[Any]:
        """The values of a column in these rows, in the order given. For some thousand rows at a time."""
        values: list[Any] = [None] * len(rows)
        for places, taken in self._taken(name, rows):
            for place, value in zip(places.tolist(), taken.to_pylist(), strict=True):
                values[place] = value
        return values

    def bands(self, bands: Bands) -> Iterator[Hashes]:
        """The keys of all rows, one band after another; as many are read at a time as take `_BANDS_BYTES`."""
        n = max(1, _BANDS_BYTES // max(1, 8 * len(self)))
        for first in range(0, bands.count, n):
            names = [f"band_{number}" for number in range(first, min(first + n, bands.count))]
            keys = np.empty((len(names), len(self)), np.uint64)
            start = 0
            for table in self.tables():
                for row, name in zip(keys, names, strict=True):
                    row[start : start + len(table)] = table[name].to_numpy()
                start += len(table)
            yield from keys

    def run_sizes(self) -> Rows:
        """How many word runs each row has."""
        parts = [_sizes(_one_array(table["runs"])) for table in self.tables()]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def runs_of(self, rows: Rows) -> Runs:
        """The word runs of these rows, which are in ascending order."""
        values, sizes = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
        for _, taken in self._taken("runs", rows):
            values.append(taken.flatten().to_numpy())
            sizes.append(_sizes(taken))
        return Runs(np.concatenate(values), np.concatenate(sizes))

    def _taken(self, name: str, rows: Rows) -> Iterator[tuple[Rows, pa.Array]]:
        """Shard by shard the places in `rows` of those that lie there, and their values."""
        shards = np.searchsorted(self.ends, rows, side="right")
        for shard in np.unique(shards).tolist():
            places = np.flatnonzero(shards == shard)
            inside = rows[places] - (self.ends[shard - 1] if shard else 0)
            yield places, _one_array(open_table(self.paths[shard])[name]).take(pa.array(inside))

    def tables(self) -> Iterator[pa.Table]:
        """Every shard that has rows, in order."""
        return (open_table(path) for path in self.paths)


def open_store(folder: Path, made: Sequence[Made]) -> Store:
    """The store of shards that are made; those without rows are left out."""
    filled = [one for one in made if one.n_rows]
    return Store(tuple(folder / one.name for one in filled), np.cumsum([one.n_rows for one in filled], dtype=np.int64))


def _one_array(column: pa.ChunkedArray) -> pa.LargeListArray:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _sizes(lists: pa.LargeListArray) -> Rows:
    sizes: Rows = np.diff(lists.offsets.to_numpy())
    return sizes
