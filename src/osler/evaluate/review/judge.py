"""A judge's ratings of the same items, to be compared with the clinicians'.

One JSON object a line: `item` (from `items.jsonl`, which holds question and answer and no arm), `scores` by criterion from 1 to 5.
A criterion that the judge could not rate is left out or null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osler.errors import InputError
from osler.evaluate.review.plan import Plan
from osler.evaluate.review.rubric import SCALE
from osler.records.io import read_jsonl
from osler.runs.files import sha256_file


@dataclass(frozen=True, slots=True)
class JudgeRatings:
    """One judge's scores."""

    name: str
    sha256: str
    """Of the file."""
    scores: Mapping[str, Mapping[str, int]]
    """By item and criterion."""


def read_judge(file: Path, plan: Plan) -> JudgeRatings:
    """The scores of a file.

    Raises:
        InputError: the file is absent, a row is not a rating, or none is about an item of this review.
    """
    scores: dict[str, dict[str, int]] = {}
    for number, row in read_jsonl(file):
        item, given = row.get("item"), row.get("scores")
        if not isinstance(item, str) or not isinstance(given, dict) or item in scores:
            raise InputError(f'{file}, line {number}: expected {{"item": ..., "scores": {{...}}}}, each item once')
        wrong = [name for name, score in given.items() if score is not None and (score is True or score not in SCALE)]
        if wrong:
            raise InputError(
                f"{file}, line {number}: the score of {wrong[0]!r} is not a whole number from 1 to 5, or null"
            )
        scores[item] = {name: score for name, score in given.items() if score is not None}
    if not scores.keys() & plan.arms.keys():
        raise InputError(f"{file}: none of its {len(scores)} items is in this review; take `item` from items.jsonl")
    return JudgeRatings(file.stem, sha256_file(file), scores)
