"""Work on files too large for memory: cut into shards, each made into one Arrow file by a pure function over batches.

A shard's file is named after all that decides it: what the work is and its version, its options, and the bytes it reads. So a
run that was killed goes on with the next shard, and one with another option begins anew. Files appear whole or not at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa
import xxhash

from osler.errors import InputError
from osler.text import hash_hex

LINES = pa.schema([pa.field("line", pa.large_binary()), pa.field("start", pa.int64())])
"""What a function over batches receives: lines of a file, and the byte at which each starts."""

BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]
_BATCH_ROWS = 512
"""Few enough for texts, shingles and signatures of a batch to stay in the cache; results do not depend on it."""

_BLANK_BYTES = 8
"""A longer line is not looked at for being blank."""


class LineError(Exception):
    """A line that cannot be read, told by a function over batches; `Shard` knows where it is."""

    def __init__(self, start: int, message: str) -> None:
        super().__init__(start, message)
        self.start = start
        self.message = message


@dataclass(frozen=True, slots=True)
class Shard:
    """The lines of a file that begin at byte `start` or after, and before `stop`."""

    path: Path
    start: int
    stop: int

    def read(self) -> tuple[bytes, int]:
        """The bytes of these lines, and where they begin."""
        with self.path.open("rb") as stream:
            if self.start:
                stream.seek(self.start - 1)
                stream.readline()
            begin = stream.tell()
            content = stream.read(max(0, self.stop - begin))
            return (content + stream.readline() if content and not content.endswith(b"\n") else content), begin


@dataclass(frozen=True, slots=True)
class Made:
    """A shard's file."""

    name: str
    n_rows: int
    n_bytes: int
    """Of the lines read."""


@dataclass(frozen=True, slots=True)
class ShardWork:
    """Makes the file of a shard. Goes to other processes and machines; `folder` must be seen by all of them."""

    function: BatchFunction
    key: str
    """Digest of what the function is, its version and its options."""
    folder: Path

    def __call__(self, shard: Shard) -> Made:
        """Make the shard's file in `folder`, unless it is there.

        Raises:
            InputError: a line cannot be read; names file and line.
        """
        content, begin = shard.read()
        name = f"{hash_hex(f'{self.key} {begin} {xxhash.xxh3_128_hexdigest(content)}')}.arrow"
        path = self.folder / name
        if not _is_whole(path):
            try:
                batches = [self.function(batch) for batch in _batches(content, begin)]
            except LineError as error:
                raise InputError(
                    f"{shard.path}, line {_line_number(shard.path, error.start)}: {error.message}"
                ) from error
            if not batches:
                return Made(name, 0, len(content))
            _write_table(path, batches)
        return Made(name, open_table(path).num_rows, len(content))


def cut(paths: Sequence[Path], size: int) -> list[Shard]:
    """The files in shards of about `size` bytes, in order."""
    shards = []
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} does not exist")
        length = path.stat().st_size
        shards += [Shard(path, start, min(start + size, length)) for start in range(0, length, size)]
    return shards


def open_table(path: Path) -> pa.Table:
    """A shard's file, mapped into memory: only what is looked at is read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _is_whole(path: Path) -> bool:
    """Whether a shard's file is there, and not cut short by a power cut."""
    try:
        open_table(path)
    except (FileNotFoundError, pa.ArrowInvalid):
        return False
    return True


def _write_table(path: Path, batches: Sequence[pa.RecordBatch]) -> None:
    """Write batches as one; the file appears whole, also where two processes make it at once: of a file that is given twice."""
    table = pa.Table.from_batches(batches).combine_chunks()
    with (
        NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as named,
        pa.OSFile(named.name, "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    Path(named.name).replace(path)


def _batches(content: bytes, begin: int) -> Iterator[pa.RecordBatch]:
    """The lines that are not blank, cut out of `content` without a copy."""
    if not content.endswith(b"\n"):
        content += b"\n"
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")) + 1
    edges = np.concatenate([np.zeros(1, np.int64), ends])
    lines = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends), [None, pa.py_buffer(edges), pa.py_buffer(content)]
    )
    starts = pa.array(begin + edges[:-1])
    blank = [row for row in np.flatnonzero(np.diff(edges) <= _BLANK_BYTES).tolist() if not lines[row].as_py().strip()]
    batch = pa.record_batch([lines, starts], schema=LINES)
    if blank:
        batch = batch.filter(pa.array(np.isin(np.arange(len(ends)), blank, invert=True)))
    yield from (batch.slice(first, _BATCH_ROWS) for first in range(0, batch.num_rows, _BATCH_ROWS))


def _line_number(path: Path, start: int) -> int:
    with path.open("rb") as stream:
        number, left = 1, start
        while left and (piece := stream.read(min(left, 1 << 20))):
            number += piece.count(b"\n")
            left -= len(piece)
    return number
