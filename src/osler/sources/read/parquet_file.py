"""Parquet, the form of most hub copies: read in batches, row group by row group."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from osler.errors import InputError, RowError
from osler.sources.read.opening import Part, seekable
from osler.sources.source import NativeRow

_BATCH_ROWS = 1024


def parquet_rows(part: Part) -> Iterator[NativeRow]:
    """One row a record, located as `name:row` counted from 1.

    Raises:
        InputError: the file is not Parquet, or two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with seekable(part) as stream, pq.ParquetFile(stream) as table:
            repeated = sorted(name for name, n in Counter(table.schema_arrow.names).items() if n > 1)
            if repeated:
                listed = ", ".join(map(repr, repeated))
                raise InputError(f"{part.path}: the column {listed} is there more than once. Rename or remove one.")
            for batch in table.iter_batches(_BATCH_ROWS):
                for row in _values(batch):
                    number += 1
                    yield NativeRow(part.file, f"{part.name}:{number}", row)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{part.path}: not a readable Parquet file, stopped after row {number}") from error


def _values(batch: Any) -> Iterator[Any]:
    """The rows of a batch, a row that Python cannot hold (bytes that are not UTF-8, a date of the year 30000) as an error."""
    try:
        yield from batch.to_pylist()
        return
    except (ValueError, OverflowError):
        pass
    for index in range(batch.num_rows):
        try:
            yield batch.slice(index, 1).to_pylist()[0]
        except (ValueError, OverflowError) as error:
            yield RowError("bad_value", f"holds a value that cannot be read ({type(error).__name__})")
