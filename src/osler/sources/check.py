"""Checking a local copy: has it the shape and the counts that are expected, and what is wrong with it, row by row."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.errors import RowError
from osler.records.drop import SetAside
from osler.runs.progress import Progress
from osler.sources.collect import PUBLISHED_SO, outcomes, row_aside
from osler.sources.files import find_files
from osler.sources.shape import split_of
from osler.sources.source import Source

_NEAR = 0.5
"""Where the published number is not exact, less than half of it or more than twice as much is another data set."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a local copy holds, against what is published."""

    source: str
    files: tuple[str, ...]
    read: int
    """Native rows."""
    records: int
    found: Mapping[str, int]
    """Native rows by published split; `all` where there is none."""
    expected: Mapping[str, int]
    """As in `Source.rows`."""
    reasons: Mapping[str, int]
    """Rows that give no record, by reason; those of `PUBLISHED_SO` are not wrong."""
    rows: tuple[SetAside, ...]
    """The first of the rows that are wrong."""
    problems: tuple[str, ...]
    """What is wrong with the copy as a whole, in words; empty when it is as published."""


def check_copy(source: Source, root: Path, progress: Progress, max_rows: int = 20) -> Checked:
    """Read a copy whole, keeping nothing.

    Args:
        max_rows: how many wrong rows to tell one by one.

    Raises:
        InputError: its files are missing, or one cannot be read at all.
    """
    files = find_files(source, root)
    found: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    wrong: list[SetAside] = []
    read = n_records = 0
    natives = (native for file in files for native in source.read(file))
    for native, records in outcomes(source, natives, f"check {source.name}", progress):
        read += 1
        if not isinstance(records, RowError):
            n_records += len(records)
            found[records[0].split or "all"] += 1
            continue
        found[split_of(native.file) or "all"] += 1
        reasons[records.reason] += 1
        if records.reason not in PUBLISHED_SO and len(wrong) < max_rows:
            wrong.append(row_aside(source, native, records))
    return Checked(
        source=source.name,
        files=tuple(file.name for file in files),
        read=read,
        records=n_records,
        found=dict(sorted(found.items())),
        expected=dict(source.rows),
        reasons=dict(sorted(reasons.items())),
        rows=tuple(wrong),
        problems=(*_wrong_counts(source.rows, found, read), *_wrong_rows(reasons, n_records)),
    )


def _wrong_counts(expected: Mapping[str, int], found: Mapping[str, int], read: int) -> list[str]:
    if set(expected) == {"about"}:
        about = expected["about"]
        near = about * _NEAR <= read <= about / _NEAR
        return [] if near else [f"about {about:,} rows are published, and {read:,} are here"]
    if len(expected) <= 1:  # the one split of a set need not be told by a file's name
        total = sum(expected.values())
        return [] if not expected or total == read else [f"{total:,} rows are published, and {read:,} are here"]
    return [
        f"split {split!r}: {n:,} rows are published, and {found.get(split, 0):,} are here"
        for split, n in expected.items()
        if found.get(split, 0) != n
    ]


def _wrong_rows(reasons: Mapping[str, int], n_records: int) -> list[str]:
    n_wrong = sum(n for reason, n in reasons.items() if reason not in PUBLISHED_SO)
    problems = [f"{n_wrong:,} rows cannot be read"] if n_wrong else []
    return problems if n_records else [*problems, "no row gives a record"]
