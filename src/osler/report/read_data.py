"""What the stages collect, curate and train left behind, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from osler.report.fields import Fields, read_as, read_fields, read_lines
from osler.text import shortened

_DETAIL_CHARS = 160
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """One of the publisher's files that were read."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSource:
    """One source as `collect/counts.json` counts it."""

    source: str
    revision: str = ""
    license: str = ""
    access: str = ""
    read: int
    records: int
    set_aside: Mapping[str, int]
    """Rows that became no record, by reason."""
    multiplied: int = 0
    """Records beyond one for each row, where a row gives several."""
    files: tuple[CollectedFile, ...] = ()

    @property
    def n_set_aside(self) -> int:
        """Rows that became no record."""
        return sum(self.set_aside.values())


@dataclass(frozen=True, slots=True)
class Written:
    """What one generator wrote, as `synth/counts.json` counts it."""

    source: str
    generator: str
    model: str
    items: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CuratedSource:
    """One source as `curate/counts.json` counts it."""

    source: str
    read: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of curation."""

    step: str
    read: int
    kept: int
    changed: int = 0
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Overlap:
    """What one benchmark had in common with the records."""

    benchmark: str
    items: int
    items_touched: int
    records_dropped: int


@dataclass(frozen=True, slots=True)
class Example:
    """A record that was dropped or changed. Texts are excerpts, empty where none was kept for the report."""

    id: str
    step: str
    reason: str
    detail: str
    is_change: bool
    question: str = ""
    answer: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """The whole of `curate/`."""

    read: int
    kept: int
    dropped: int
    sources: tuple[CuratedSource, ...]
    steps: tuple[Step, ...]
    splits: Mapping[str, int]
    groups: int | None = None
    largest_group: int | None = None
    overlap: tuple[Overlap, ...] = ()
    identifiers: Mapping[str, int]
    mended: Mapping[str, int]
    """Fields that cleaning changed, by rule."""
    counts: Fields
    """All of `counts.json`."""
    profile: Fields
    """`profile.json`."""
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """The ledger of training and its curve."""

    ledger: Fields
    set_aside: Mapping[str, int]
    losses: tuple[tuple[float, float], ...]
    """Step and training loss."""
    eval_losses: tuple[tuple[float, float], ...]
    n_without_loss: int
    """Steps whose loss was not a finite number; they are missing in the curve."""


def read_written(folder: Path) -> tuple[Written, ...]:
    """The generators of `synth/counts.json`."""
    return tuple(read_as(Written, row) for row in read_fields(folder / "counts.json").children("generators"))


def read_collected(folder: Path) -> tuple[CollectedSource, ...]:
    """The sources of `collect/`, in the order of the file."""
    return tuple(read_as(CollectedSource, row) for row in read_fields(folder / "counts.json").children("sources"))


def read_curated(folder: Path) -> Curated:
    """The counts and the profile of `curate/`, and examples of each reason."""
    counts, profile = read_fields(folder / "counts.json"), read_fields(folder / "profile.json")
    found = read_as(Curated, counts, counts=counts, profile=profile, examples=_examples(folder / "examples.jsonl"))
    order = [
        *(name for name in _SPLITS if name in found.splits),
        *(name for name in found.splits if name not in _SPLITS),
    ]
    return replace(found, splits={name: found.splits[name] for name in order})


def read_trained(folder: Path) -> Trained:
    """The ledger and the metrics of `train/`."""
    ledger = read_fields(folder / "ledger.json")
    losses: list[tuple[float, float]] = []
    eval_losses: list[tuple[float, float]] = []
    n_without_loss = 0
    metrics = folder / "metrics.jsonl"
    for row in read_lines(metrics) if metrics.is_file() else ():  # another engine's steps are not known
        step = float(row.count("step"))
        if row.has("eval_loss"):
            eval_losses.append((step, row.number("eval_loss")))
        if row.has("loss"):
            losses.append((step, row.number("loss")))
        elif "loss" in row.values or not row.has("eval_loss"):
            n_without_loss += 1
    return Trained(
        ledger, ledger.counts("set_aside"), tuple(sorted(losses)), tuple(sorted(eval_losses)), n_without_loss
    )


def _examples(file: Path) -> tuple[Example, ...]:
    rows = ((row, shortened(row.maybe_text("detail"), _DETAIL_CHARS)) for row in read_lines(file))
    return tuple(read_as(Example, row, detail=detail, is_change=row.has("field")) for row, detail in rows)
