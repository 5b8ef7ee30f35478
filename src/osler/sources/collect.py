"""The collect stage: native rows in, records and rows set aside out.

Writes `records/<source>.jsonl`, `set_aside.jsonl`, `counts.json` and `local_only.json`. Rows read = rows that became records +
rows set aside, always. The same files in give the same bytes out.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from osler.errors import InputError, RowError
from osler.records.drop import SetAside
from osler.records.io import JsonlWriter, to_dict
from osler.records.record import SAMPLE_REVISION, Record, check_record
from osler.runs.files import read_json, sha256_file, sha256_json, write_json
from osler.runs.local_only import LocalOnly, local_only, write_local_only
from osler.runs.progress import Progress
from osler.sources.access import agreement_for
from osler.sources.catalog import source_named
from osler.sources.config import SAMPLE_SOURCES, CollectConfig
from osler.sources.files import all_files, find_files, has_files, sample_root
from osler.sources.own import own_source
from osler.sources.read.mojibake import is_mojibake
from osler.sources.seen import Seen
from osler.sources.shape import split_of
from osler.sources.source import NativeRow, Source, SourceFile, records_of

SAMPLE_LICENSE = "Apache-2.0"
PUBLISHED_SO: frozenset[str] = frozenset(
    (
        "blank_row empty_answer hidden_label license_not_open needs_picture no_abstract no_article no_conclusion "
        "note_in_error reasoning_cut_off retracted teaches_diagnosis vague_question"
    ).split()
)
"""Reasons that are the publisher's choice: such rows are set aside but are not malformed."""

_MIN_ROWS = 100
"""A source with fewer rows is not held to the malformed share: three bad rows of forty prove nothing."""
_REPORT_EVERY_ROWS = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file that was read."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What became of the rows of one source; a row of `counts.json`."""

    source: str
    revision: str
    license: str
    access: str
    files: tuple[FileFact, ...]
    read: int
    """Native rows."""
    records: int
    multiplied: int
    """Records beyond the first of their row: read + multiplied = records + sum(set_aside)."""
    set_aside: dict[str, int]
    """By reason."""
    notes: dict[str, int]
    """Rows that were kept with a remark, by its code."""
    agreement: str = ""
    """What the user stated for a restricted source."""


@dataclass(slots=True)
class _Tally:
    """Counts while a source is read."""

    read: int = 0
    kept: int = 0
    records: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    first_malformed: list[SetAside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copy:
    """A source as it lies on this machine, under the agreement that it needs."""

    source: Source
    root: Path
    files: tuple[FileFact, ...]
    agreement: str = ""
    trained_on: bool = True
    """Whether it is there to train on; else only a benchmark asks from it."""


def collect(
    config: CollectConfig, names: Sequence[str], out: Path, progress: Progress, copies: Sequence[Copy] | None = None
) -> None:
    """Collect the named sources, and the user's own, into the stage's folder.

    Args:
        names: sources to read, in order: those of the recipe that are not absent, and those that its benchmarks need.
        out: the stage's folder.
        copies: of these sources, where they are looked at already.

    Raises:
        InputError: a source's files are missing or unreadable, too many of its rows are malformed, or it gives no record.
        EnvironmentLacks: a restricted source and no agreement.
    """
    collect_copies(copies or copies_of(config, names), out, progress, config.max_rows, config.max_malformed_share)
    if absent := [name for name in config.may_be_absent if name not in names]:
        write_json(out / "counts.json", {**read_json(out / "counts.json"), "absent": absent})


def copy_of(source: Source, root: Path, agreements: Mapping[str, str], *, trained_on: bool = True) -> Copy:
    """The copy of a source below `root`, with what its records say of it.

    Raises:
        InputError: its files are missing.
        EnvironmentLacks: it is restricted and no agreement is stated.
    """
    if root == sample_root() and source.name in SAMPLE_SOURCES:
        return Copy(as_sample(source), root, tuple(_file_facts(source, root)), trained_on=trained_on)
    agreement = agreement_for(source, agreements)  # before any of its files is opened
    facts = tuple(_file_facts(source, root))
    # The digest of its files is the revision: the commit of a local copy cannot be known.
    digest = sha256_json({fact.name: fact.sha256 for fact in facts})
    return Copy(replace(source, revision=f"sha256:{digest[:16]}"), root, facts, agreement, trained_on)


def collect_copies(
    copies: Sequence[Copy],
    out: Path,
    progress: Progress,
    max_rows: int | None = None,
    max_malformed_share: float = 1.0,
) -> list[SourceCounts]:
    """Collect copies into a folder of the stage's form; gives what became of each.

    Raises:
        InputError: as `collect`.
    """
    # First of all: rows of a restricted source must not lie here for a moment without the mark, nor those of an earlier time.
    names = {copy.source.name for copy in copies}
    for file in (out / "records").glob("*.jsonl"):
        if file.stem not in names:
            file.unlink()
    restricted = [copy for copy in copies if local_only(copy.source.access)]
    write_local_only(
        out, [LocalOnly(one.source.name, one.source.access, one.agreement, one.trained_on) for one in restricted]
    )
    with JsonlWriter(out / "set_aside.jsonl") as set_aside:
        counts = [collect_source(copy, out, set_aside, progress, max_rows, max_malformed_share) for copy in copies]
    write_json(out / "counts.json", {"sources": [asdict(row) for row in counts]})
    return counts


def absent_sources(config: CollectConfig) -> frozenset[str]:
    """Those of `may_be_absent` that have no files below the root."""
    root = root_of(config)
    return frozenset(name for name in config.may_be_absent if not has_files(source_named(name), root))


def root_of(config: CollectConfig) -> Path:
    """The folder that holds the sources' folders."""
    return sample_root() if config.root == "sample" else Path(config.root)


def copies_of(config: CollectConfig, names: Sequence[str]) -> list[Copy]:
    """The copies of the named sources, and of the user's own, with the digests of their files.

    Raises:
        InputError: a source's files are missing, or a name is unknown.
        EnvironmentLacks: a restricted source and no agreement.
    """
    root = root_of(config)
    own = {one.name: own_source(one) for one in config.own}
    sources = [own.get(name) or source_named(name) for name in dict.fromkeys(names)]
    return [copy_of(one, root, config.agreements, trained_on=one.name in config.trained_on) for one in sources]


def input_digests(copies: Sequence[Copy]) -> dict[str, str]:
    """SHA-256 of every file that would be read, by `source/file`: what decides whether the stage must run again."""
    digests = {f"{copy.source.name}/{fact.name}": fact.sha256 for copy in copies for fact in copy.files}
    # The sample's records carry its own revision, which a copy of its files elsewhere would not.
    from_sample = any(copy.root == sample_root() for copy in copies)
    return {**digests, "sample": SAMPLE_REVISION} if from_sample else digests


def as_sample(source: Source) -> Source:
    """The source under the facts of the sample data, which is this project's own text in that source's shape."""
    return replace(
        source, revision=SAMPLE_REVISION, license=SAMPLE_LICENSE, access="open", synthetic=True, generator=""
    )


def collect_source(
    copy: Copy,
    out: Path,
    set_aside: JsonlWriter,
    progress: Progress,
    max_rows: int | None = None,
    max_malformed_share: float = 1.0,
) -> SourceCounts:
    """Collect one source into `out/records/<source>.jsonl`.

    Args:
        set_aside: open writer that all sources share.
        max_rows: at most this many native rows of each published split.
        max_malformed_share: 0 to 1.

    Raises:
        InputError: as `collect`.
    """
    source, tally = copy.source, _Tally()
    with JsonlWriter(out / "records" / f"{source.name}.jsonl") as writer:
        natives = _rows(source, find_files(source, copy.root), max_rows)
        for native, records in outcomes(source, natives, f"collect {source.name}", progress):
            tally.read += 1
            if isinstance(records, RowError):
                _put_aside(source, native, records, tally, set_aside)
                continue
            tally.kept += 1
            if notes := source.notes(native.value):
                tally.notes.update(notes)
            if any(is_mojibake(message.content) for record in records for message in record.messages):
                tally.notes["mojibake"] += 1
            for record in records:
                writer.write(to_dict(record))
                tally.records += 1
    _check_malformed(source, tally, max_malformed_share)
    _log.info("%s: %d rows read, %d records", source.name, tally.read, tally.records)
    return SourceCounts(
        source=source.name,
        revision=source.revision,
        license=source.license,
        access=source.access,
        files=copy.files,
        read=tally.read,
        records=tally.records,
        multiplied=tally.records - tally.kept,
        set_aside=dict(sorted(tally.reasons.items())),
        notes=dict(sorted(tally.notes.items())),
        agreement=copy.agreement,
    )


def _rows(source: Source, files: Sequence[SourceFile], max_rows: int | None) -> Iterator[NativeRow]:
    """Native rows of all files, at most `max_rows` of each published split, so that a short run has test rows too."""
    taken: Counter[str] = Counter()
    for file in files:
        split = split_of(file.name)
        if taken[split] == max_rows:
            continue
        for native in source.read(file):
            taken[split] += 1
            yield native
            if taken[split] == max_rows:
                break


def outcomes(
    source: Source, natives: Iterable[NativeRow], work: str, progress: Progress
) -> Iterator[tuple[NativeRow, Sequence[Record] | RowError]]:
    """Each row with its records, all of them sound and new, or with the error that sets it aside as a whole."""
    seen = Seen()
    n_read = 0
    for n_read, native in enumerate(natives, start=1):
        if n_read % _REPORT_EVERY_ROWS == 0:
            progress(work, n_read, None)
        outcome: Sequence[Record] | RowError
        try:
            outcome = _sound_records(source, native, seen)
        except RowError as error:
            outcome = error
        yield native, outcome
    progress(work, n_read, n_read)


def _sound_records(source: Source, native: NativeRow, seen: Seen) -> Sequence[Record]:
    records = records_of(source, native)
    for record in records:
        check_record(record)
    if not seen.is_new(native, records):
        raise RowError("repeated_row", "a row with the same native id was read before")
    return records


def row_aside(source: Source, native: NativeRow, error: RowError) -> SetAside:
    """What is kept of a row that gives no record."""
    return SetAside(source.name, native.file, native.row, error.field, error.reason, error.detail)


def _put_aside(source: Source, native: NativeRow, error: RowError, tally: _Tally, set_aside: JsonlWriter) -> None:
    row = row_aside(source, native, error)
    set_aside.write(asdict(row))
    tally.reasons[error.reason] += 1
    if error.reason not in PUBLISHED_SO and len(tally.first_malformed) < 3:
        tally.first_malformed.append(row)


def _check_malformed(source: Source, tally: _Tally, max_share: float) -> None:
    malformed = {reason: n for reason, n in sorted(tally.reasons.items()) if reason not in PUBLISHED_SO}
    n_malformed = sum(malformed.values())
    too_many = tally.read >= _MIN_ROWS and n_malformed > max_share * tally.read
    if not too_many and tally.records:
        return
    if too_many:
        problem = (
            f"{n_malformed:,} of {tally.read:,} rows ({n_malformed / tally.read:.1%}) cannot be used; "
            f"at most {max_share:.1%} may be (collect.max_malformed_share)"
        )
    else:
        problem = f"{tally.read:,} rows read and none of them gives a record"
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(tally.reasons.items())) or "there are no rows"
    first = "".join(f"\n  {row.words}" for row in tally.first_malformed)
    raise InputError(
        f"{source.name}: {problem}. Reasons: {reasons}.{first}\nCheck that these are the publisher's own files ({source.home})."
    )


def _file_facts(source: Source, root: Path) -> Iterator[FileFact]:
    for file in all_files(source, root):
        yield FileFact(file.name, file.path.stat().st_size, sha256_file(file.path))
