"""A JSON Lines file that grows chunk by chunk and goes on after a kill.

The rows to come are known beforehand as a plan of keys. After a kill the file is cut back to the last whole chunk whose
rows have the planned keys, and asking goes on from there. A chunk is always asked as a whole, so a model whose numbers depend on
what is in a batch still gives the same rows as an undisturbed run.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from osler.records.io import read_jsonl

Key = tuple[str, ...]
Row = Mapping[str, Any]


def cut_chunks(lengths: Sequence[int], size: int) -> list[range]:
    """Chunks of at most `size` rows over parts of these lengths that follow each other; no chunk spans two parts."""
    chunks: list[range] = []
    start = 0
    for length in lengths:
        stop = start + length
        chunks.extend(range(at, min(at + size, stop)) for at in range(start, stop, size))
        start = stop
    return chunks


def keep_whole_chunks(path: Path, keys: Sequence[Key], fields: Sequence[str], chunks: Sequence[range]) -> int:
    """Cut the file back to whole chunks of planned rows.

    Args:
        keys: values of `fields` of each row to come, in order.

    Returns:
        How many chunks stand. An absent file gives 0.
    """
    if not path.is_file():
        return 0
    ends = [0]
    with path.open("rb") as stream:
        for line in stream:
            if len(ends) > len(keys) or not line.endswith(b"\n") or _key(line, fields) != keys[len(ends) - 1]:
                break
            ends.append(ends[-1] + len(line))
    n_rows = len(ends) - 1
    n_chunks = sum(chunk.stop <= n_rows for chunk in chunks)
    os.truncate(path, ends[chunks[n_chunks - 1].stop] if n_chunks else 0)
    return n_chunks


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append rows; on return they are on the disk. What a kill cut off before them stays a broken line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        stream.flush()
        os.fsync(stream.fileno())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a finished file; none when it is absent, which is what an empty plan leaves.

    Raises:
        InputError: a line is no row, as in a file that a kill left; names file and line.
    """
    if path.is_file():
        yield from (row for _, row in read_jsonl(path))


def by_arm(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of `samples.jsonl` by benchmark and model, in their order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["benchmark"], row["model"]), []).append(row)
    return found


def _key(line: bytes, fields: Sequence[str]) -> Key | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict):
        return None
    return tuple(str(row.get(field)) for field in fields)
