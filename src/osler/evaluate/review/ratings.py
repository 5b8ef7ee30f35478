"""What raters said: one line for every save, appended and handed to the disk before the page is told that it is kept.

`ratings/<person>.jsonl` is never rewritten. Of a card's lines the one with the highest `seq` counts, so a line that a browser
sends twice, or late from a second device, changes nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import Field, StrictInt, StrictStr, ValidationError

from osler.errors import InputError
from osler.evaluate.review.plan import Plan
from osler.evaluate.review.rubric import CANNOT_JUDGE, SCALE
from osler.evaluate.rows import append_rows
from osler.runs.section import Section

Score = Annotated[StrictInt, Field(ge=CANNOT_JUDGE, le=SCALE[-1])]
Helpful = Literal["", "yes", "no", "cannot"]


class Rating(Section):
    """One save of one card."""

    card: Annotated[StrictInt, Field(ge=1)]
    """Place in the rater's deck, from 1."""
    seq: Annotated[StrictInt, Field(ge=1)]
    """Rises with every save of a card."""
    scores: dict[str, Score] = Field(max_length=20)
    """By criterion; 0 is "cannot judge", and what is not yet rated is absent."""
    helpful: Helpful = ""
    comment: Annotated[StrictStr, Field(max_length=4000)] = ""
    correction: Annotated[StrictStr, Field(max_length=8000)] = ""
    """How the answer should read, in the rater's words; empty for none."""
    seconds: Annotated[StrictInt, Field(ge=0)] = 0
    """How long the card was in sight."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """The ratings of one person that count, by card."""

    by_card: dict[int, Rating]

    def complete(self, plan: Plan) -> dict[int, Rating]:
        """Those in which everything was rated."""
        names = set(plan.rubric.names)
        return {card: one for card, one in self.by_card.items() if one.helpful and names <= one.scores.keys()}


def check_rating(rating: Rating, plan: Plan, person: str) -> None:
    """Hold a rating to the plan.

    Raises:
        InputError: the card or a criterion does not exist.
    """
    unknown = sorted(rating.scores.keys() - set(plan.rubric.names))
    if unknown:
        raise InputError(f"there is no criterion {', '.join(unknown)}; the rubric has {', '.join(plan.rubric.names)}")
    if rating.card > len(plan.decks[person]):
        raise InputError(f"card {rating.card} does not exist; the deck has {len(plan.decks[person])}")


def append_rating(folder: Path, person: str, rating: Rating) -> None:
    """Keep a rating; on return it is on the disk."""
    # A line that was cut off by a kill was never confirmed, and the browser sends it again.
    append_rows(_file(folder, person), [rating.model_dump()])


def read_ratings(folder: Path, person: str) -> Ratings:
    """What a person has rated so far; nothing for a person who has not begun.

    Raises:
        InputError: a whole line is not a rating; names file and line.
    """
    path = _file(folder, person)
    found: dict[int, Rating] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n") if path.is_file() else (), start=1):
        try:
            rating = Rating.model_validate(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue  # empty, or cut off by a kill before it was confirmed
        except ValidationError as error:
            raise InputError(f"{path}, line {number}: not a rating; restore the file") from error
        if rating.card not in found or rating.seq > found[rating.card].seq:
            found[rating.card] = rating
    return Ratings(found)


def _file(folder: Path, person: str) -> Path:
    return folder / "ratings" / f"{person}.jsonl"
