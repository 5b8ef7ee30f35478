"""Files of rows, written and read back one row or batch at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from osler.errors import CheckFailed, missing_package
from osler.export.data_forms import Layout, Row
from osler.records.io import JsonlWriter, read_jsonl
from osler.runs.files import sha256_file

_BATCH_ROWS = 1024
_TEXT = ("id", "source", "license", "task", "group", "access", "url", "revision", "row", "generator")

SCHEMA = pa.schema(
    [
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        *(pa.field(name, pa.string()) for name in _TEXT),
    ]
)
"""Columns of the table forms."""

ENDINGS: dict[Layout, str] = {"json": ".json", "jsonl": ".jsonl", "parquet": ".parquet", "arrow": ".arrow"}


Write = Callable[[Row], None]
"""Appends one row."""


@contextmanager
def open_writer(layout: Layout, path: Path) -> Iterator[Write]:
    """What appends rows to a new file, which is whole after the `with` block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if layout == "jsonl":
        with JsonlWriter(path) as writer:
            yield writer.write
    else:
        with (_json_array if layout == "json" else _table)(path) as write:
            yield write


@contextmanager
def _json_array(path: Path) -> Iterator[Write]:
    """A JSON array with one row a line, so that it is written and read without holding it."""
    with path.open("wb") as stream:

        def write(row: Row) -> None:
            stream.write((b",\n" if stream.tell() > 1 else b"\n") + orjson.dumps(row))

        stream.write(b"[")
        yield write
        stream.write(b"\n]\n")


@contextmanager
def _table(path: Path) -> Iterator[Write]:
    """Rows in Arrow batches, to a Parquet file or an Arrow stream."""
    rows: list[Row] = []
    is_parquet = path.suffix == ".parquet"
    opened: Any = (
        pq.ParquetWriter(path, SCHEMA, compression="zstd") if is_parquet else pa.ipc.new_stream(str(path), SCHEMA)
    )
    with opened as stream:

        def flush() -> None:
            if rows:
                stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
                rows.clear()

        def write(row: Row) -> None:
            rows.append(row)
            if len(rows) == _BATCH_ROWS:
                flush()

        yield write
        flush()


def save_dataset_dict(streams: Mapping[str, Path], folder: Path) -> None:
    """Save Arrow streams as a Hugging Face DatasetDict, memory-mapped; the same rows give the same bytes.

    Raises:
        EnvironmentLacks: the package datasets is not installed.
    """
    try:
        from datasets import Dataset, DatasetDict
        from datasets.table import MemoryMappedTable
        from datasets.utils.logging import disable_progress_bar
    except ImportError as error:
        raise missing_package("datasets", "the form datasetdict", "train") from error
    disable_progress_bar()
    # The fingerprint would else be drawn from file times and chance.
    tables = {
        split: Dataset(MemoryMappedTable.from_file(str(path)), fingerprint=sha256_file(path)[:16])
        for split, path in streams.items()
    }
    DatasetDict(tables).save_to_disk(str(folder))


def read_back(layout: Layout, path: Path) -> Iterator[Row]:
    """The rows of a file, by the reader of its layout; for `arrow`, of one split of a saved DatasetDict.

    Raises:
        CheckFailed: the file is not what was to be written.
    """
    if layout == "json":
        yield from _read_array(path)
    elif layout == "jsonl":
        yield from (row for _, row in read_jsonl(path))
    elif layout == "parquet":
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_BATCH_ROWS):
                yield from batch.to_pylist()
    else:
        from datasets import load_from_disk

        for columns in load_from_disk(str(path.parent))[path.stem].iter(_BATCH_ROWS):
            yield from (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _read_array(path: Path) -> Iterator[Row]:
    """Rows of an array as `_json_array` writes it; what is no such array is refused."""
    with path.open("rb") as stream:
        is_array = stream.readline() == b"[\n"
        line = stream.readline()
        while is_array and line not in (b"]\n", b""):
            following = stream.readline()
            # All rows but the last end in a comma.
            row = line[:-2] if following != b"]\n" else line[:-1]
            yield orjson.loads(row)
            line = following
        if line != b"]\n" or stream.readline():
            raise CheckFailed(f"{path} is not a whole JSON array. Export again; if it comes again, report it.")
