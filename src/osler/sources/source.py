"""A source: the facts about one data set and the pure mapping from its native rows to records.

The same mapping serves training, benchmarks and decontamination, so a row reads alike wherever it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from osler.errors import RowError
from osler.records.record import Access, Origin, Record, Task, record_id

Use = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source's folder."""

    path: Path
    name: str
    """Path inside the source's folder with forward slashes; what locators and reports show."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a publisher offers at a plain address."""

    url: str
    name: str
    """Path that it gets inside the source's folder."""
    sha256: str = ""
    """Empty where the publisher's file may change."""


@dataclass(frozen=True, slots=True)
class NativeRow:
    """One row as the publisher wrote it, or the reason why it could not be read."""

    file: str
    """`SourceFile.name` of the file it stands in."""
    row: str
    """Locator, unique in the source: `train.jsonl:12`, `1_CancerGov_QA/0000001_1.xml#0000001_1-1`, a PMID."""
    value: Any
    """The raw row, or a `RowError` when the line, record or document could not be read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a native row stands, and in a copy of what: everything about a record that is not in the row itself."""

    source: str
    file: str
    row: str
    revision: str = ""
    license: str = ""
    access: Access = "open"
    generator: str = ""
    task: Task = "qa"
    """The task of most of the source's records."""

    @property
    def id(self) -> str:
        """Id of the record made of this place."""
        return record_id(self.source, self.row)

    def origin(self, url: str = "") -> Origin:
        """The origin that a record made of this place carries."""
        return Origin(
            source=self.source,
            row=self.row,
            revision=self.revision,
            license=self.license,
            access=self.access,
            url=url,
            generator=self.generator,
        )

    def part(self, name: str) -> Self:
        """The place of one of several records that a row gives."""
        return replace(self, row=f"{self.row}#{name}")


def no_notes(row: Any) -> tuple[str, ...]:  # noqa: ARG001 - the shape of `Source.notes`
    """For sources whose rows need no remark."""
    return ()


@dataclass(frozen=True, slots=True)
class Source:
    """Facts about a data set, how its files are found and read, and what its rows become."""

    name: str
    """Also the name of its folder below the root."""
    home: str
    """Where the publisher offers it."""
    revision: str
    """The publisher's (or a named mirror's) version that the mapping was checked against."""
    license: str
    """SPDX id, or `LicenseRef-...` where there is none."""
    access: Access
    language: str
    """BCP 47 tag."""
    citation: str
    known_problems: tuple[str, ...]
    """What a user should know before training or testing on it."""
    files: tuple[tuple[str, ...], ...]
    """Groups of glob patterns, in order of preference: the first group with a match is read, in the order of its patterns."""
    read: Callable[[SourceFile], Iterator[NativeRow]]
    to_records: Callable[[Any, Place], list[Record]]
    """Pure. At least one record per row.

    Raises:
        RowError: the row is set aside; the words never show the row's text.
    """
    folders: tuple[str, ...] = ()
    """Other names that its folder may have."""
    beside: tuple[str, ...] = ()
    """Patterns of files that hold no rows but that `read` looks at; they count as inputs."""
    notes: Callable[[Any], tuple[str, ...]] = no_notes
    """Codes of things worth counting about a row that was kept (`repeated_options`). Pure."""
    synthetic: bool = False
    """Whether a model wrote the text, as far as the publisher says."""
    generator: str = ""
    """The model that wrote it; empty for human text."""
    task: Task = "qa"
    """Task of its records; where there are several, of most of them."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Published number of rows by split, or under `all` where there are no splits; under `about` when it is not exact."""
    overlaps: tuple[str, ...] = ()
    """Names of sources that share questions or answers with it: never one in training and the other in a test unawares."""
    hub: str = ""
    """Id of the hub copy that `osler collect` downloads (`qiaojin/PubMedQA`); empty where there is none to take."""
    hub_files: tuple[str, ...] = ()
    """Patterns of the hub's files to take, where those of `files` would take too many (other configurations, languages)."""
    downloads: tuple[Download, ...] = ()
    """The publisher's own files, where they are better than a hub copy or there is none. Never of a restricted source."""
    use: tuple[Use, ...] = ("train", "test")
    """What it may serve for. A set of questions without answers cannot train, and a self-assessment must not."""

    def place(self, native: NativeRow) -> Place:
        """The place of a native row of this source."""
        return Place(
            self.name, native.file, native.row, self.revision, self.license, self.access, self.generator, self.task
        )


def records_of(source: Source, native: NativeRow) -> list[Record]:
    """The records of one native row, by the source's mapping.

    Raises:
        RowError: the row could not be read or mapped, or the mapping gave nothing.
    """
    if isinstance(native.value, RowError):
        raise native.value
    records = source.to_records(native.value, source.place(native))
    if not records:
        raise RowError("no_record", "the mapping gives no record for this row")
    return records
