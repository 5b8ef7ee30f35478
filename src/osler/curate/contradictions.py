"""Records that answer one question differently.

The same question on the same passages, with the same answers to choose from, and another answer: which one is right cannot be
known here. Such records are reported and kept together in one leakage group; none is chosen silently.
"""

from collections.abc import Sequence
from typing import Any

from osler.curate.key import Key

_SHOWN = 200


def find_contradictions(keys: Sequence[Key]) -> list[list[Key]]:
    """The records of each question that contradict another record of it, by id; in the order of the first ids."""
    by_question: dict[bytes, list[Key]] = {}
    for key in keys:
        if key.says:
            by_question.setdefault(key.question, []).append(key)
    found = []
    for asked in by_question.values():
        if len({key.says for key in asked}) > 1:
            at_odds = [key for key in asked if any(_contradict(key, other) for other in asked)]
            if at_odds:
                found.append(sorted(at_odds, key=lambda key: key.id))
    return sorted(found, key=lambda group: group[0].id)


def to_dict(found: Sequence[Sequence[Key]]) -> dict[str, Any]:
    """As it stands in `counts.json`: how many, and the first 200 questions with the ids and sources of their records."""
    return {
        "questions": len(found),
        "records": sum(len(group) for group in found),
        "first": [
            {"ids": [key.id for key in group], "sources": sorted({key.source for key in group})}
            for group in found[:_SHOWN]
        ],
    }


def _contradict(left: Key, right: Key) -> bool:
    """Whether each could have given the other's answer and did not."""
    if left.says == right.says:
        return False
    return left.says in right.offers and right.says in left.offers
