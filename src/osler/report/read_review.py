"""What a review by clinicians found, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.report.fields import Fields, Interval, read_as, read_fields
from osler.report.read_redteam import Rate, read_rate


@dataclass(frozen=True, slots=True)
class Rating:
    """A mean of scores from 1 to 5."""

    n: int
    mean: float
    ci95: Interval


@dataclass(frozen=True, slots=True)
class ReviewedArm:
    """What clinicians found about one arm; None where nothing was rated."""

    arm: str
    artefacts: tuple[str, ...]
    accuracy: Rating | None
    helpful: Rate
    unsafe: Rate


@dataclass(frozen=True, slots=True)
class Reviewed:
    """`review/summary.json`."""

    complete: bool
    reviewed: int
    waiting: int
    raters: int
    arms: tuple[ReviewedArm, ...]
    agreement: Mapping[str, tuple[float, Interval] | None]
    """Gwet's AC by criterion; None where it is not defined."""


def read_reviewed(folder: Path) -> Reviewed:
    """The summary of `review/`."""
    fields = read_fields(folder / "summary.json")
    items = fields.child("items")
    agreement = {row.text("criterion"): row.child("ac") for row in fields.children("agreement")}
    return Reviewed(
        complete=fields.flag("complete"),
        reviewed=items.count("reviewed"),
        waiting=items.count("waiting"),
        raters=len(fields.children("raters")),
        arms=tuple(_reviewed_arm(one) for one in fields.children("arms")),
        agreement={
            name: (ac.number("value"), ac.interval("ci95")) if ac.has("value") and ac.has("ci95") else None
            for name, ac in agreement.items()
        },
    )


def _reviewed_arm(fields: Fields) -> ReviewedArm:
    accuracy = fields.child("by_criterion").child("accuracy")
    return ReviewedArm(
        fields.text("arm"),
        fields.texts("artefacts"),
        read_as(Rating, accuracy) if accuracy.count("n") else None,
        read_rate(fields.child("helpful")),
        read_rate(fields.child("unsafe")),
    )
