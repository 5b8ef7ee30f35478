"""Records as Arrow record batches, the form in which the steps of curation receive them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from osler.records.io import from_dict, to_dict
from osler.records.record import Origin, Record

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), nullable=False),
        pa.field("context", pa.list_(pa.string()), nullable=False),
        pa.field("choices", pa.list_(pa.string()), nullable=False),
        pa.field("answer", pa.int8()),
        pa.field("rationale", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("subject", pa.string()),
        pa.field("origin", pa.struct([(name, pa.string()) for name in Origin.__slots__]), nullable=False),
    ]
)
"""Columns of a batch: one row is one record, fields as in `Record`."""


def to_batch(records: Sequence[Record]) -> pa.RecordBatch:
    """A batch of these records, in their order; an empty sequence gives a batch of no rows."""
    return pa.RecordBatch.from_pylist([to_dict(record) for record in records], schema=SCHEMA)


def from_batch(batch: pa.RecordBatch) -> list[Record]:
    """The records of a batch, in its order."""
    return [from_dict(row) for row in batch.to_pylist()]


def in_batches(records: Iterable[Record], size: int = 1024) -> Iterator[pa.RecordBatch]:
    """Cut a stream of records into batches of at most `size` rows."""
    stream = iter(records)
    while chunk := list(islice(stream, size)):
        yield to_batch(chunk)
