"""Draw what is reviewed and fix who sees it in which order, before anyone rates.

Writes into the review's folder: `items.jsonl` (what is shown: item, question, answer), `key.json` (which arms an item is from,
which are planted; for whoever runs the review, never for a rater), `plan.json` (rubric, decks, digests of the two and of the
inputs). Nothing that a rater sees depends on the arms: order and places come from the texts and the seed alone, so swapping the
names of two arms leaves every deck as it was.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.evaluate.chance import random_stream
from osler.evaluate.review.items import Answer, item_id
from osler.evaluate.review.rubric import Planted, Rubric
from osler.records.io import JsonlWriter, read_jsonl
from osler.runs.files import read_json, sha256_file, write_json

ITEMS, KEY, PLAN = "items.jsonl", "key.json", "plan.json"


@dataclass(frozen=True, slots=True)
class Design:
    """How a review is laid out."""

    raters: tuple[str, ...]
    adjudicator: str | None
    """A further person who rates what the raters disagree on; None leaves it open."""
    seed: int
    max_questions: int | None = None
    """Most questions that are drawn; all arms' answers to a drawn question are reviewed."""
    repeated_share: float = 0.1
    """Share of items that each rater sees a second time, to tell how far a rater agrees with herself."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The text of one item."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A review as it was laid out."""

    folder: Path
    sha256: str
    rubric: Rubric
    raters: tuple[str, ...]
    adjudicator: str | None
    decks: Mapping[str, tuple[str, ...]]
    """By person, the items in the order in which they are shown; card 1 is the first. Repeated items stand twice."""
    planted: Mapping[str, str]
    """`good` or `bad` by planted item."""
    arms: Mapping[str, Sequence[Mapping[str, Any]]]
    """By item that is not planted, whose answer it is: arm, group, artefact, file, row."""

    def items(self) -> dict[str, Shown]:
        """The texts by item."""
        return {row["item"]: Shown(row["question"], row["answer"]) for _, row in read_jsonl(self.folder / ITEMS)}


def make_review(
    answers: Sequence[Answer], planted: Sequence[Planted], rubric: Rubric, design: Design, folder: Path
) -> Plan:
    """Lay a review out. Made again from the same inputs it is the same, and ratings already given stay valid.

    Raises:
        InputError: the names do not fit, there is nothing to review, or the folder holds the ratings of another plan.
    """
    _check_names(design)
    drawn = _draw(answers, design)
    bad_or_good = {item_id(plant.question, plant.answer): plant for plant in planted}
    texts = {answer.item: Shown(answer.question, answer.answer) for answer in drawn}
    both = sorted(texts.keys() & bad_or_good)
    if both:
        raise InputError(f"{len(both)} planted answers are among the answers to review too; take them out of one")
    arms: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for answer in sorted(drawn, key=lambda one: (one.arm, one.file, one.row)):
        arms[answer.item].append(
            {name: getattr(answer, name) for name in ("arm", "group", "topic", "artefact", "file", "row")}
        )
    shown = {**texts, **{item: Shown(plant.question, plant.answer) for item, plant in bad_or_good.items()}}
    key = {"arms": arms, "planted": {item: plant.expected for item, plant in bad_or_good.items()}}
    decks = {rater: _deck(shown, texts.keys(), design, rater) for rater in design.raters}
    if design.adjudicator is not None:
        decks[design.adjudicator] = _order(sorted(texts), shown, random_stream(design.seed, "deck", design.adjudicator))
    _write(folder, shown, key, rubric, design, decks, sorted({answer.file for answer in answers}))
    return read_plan(folder)


def read_plan(folder: Path) -> Plan:
    """The plan of a review's folder.

    Raises:
        InputError: there is none, or one of its files was changed after it was made.
    """
    if not (folder / PLAN).is_file():
        raise InputError(f"{folder} holds no review; make one with `osler review make FILE --out {folder}`")
    plan = read_json(folder / PLAN)
    for name in (ITEMS, KEY):
        if sha256_file(folder / name) != plan["files"][name]:
            raise InputError(f"{folder / name} is not the file that the review was made with; restore it")
    key = read_json(folder / KEY)
    return Plan(
        folder=folder,
        sha256=sha256_file(folder / PLAN),
        rubric=Rubric.model_validate(plan["rubric"]),
        raters=tuple(plan["raters"]),
        adjudicator=plan["adjudicator"],
        decks={person: tuple(deck) for person, deck in plan["decks"].items()},
        planted=key["planted"],
        arms=key["arms"],
    )


def _check_names(design: Design) -> None:
    names = [*design.raters, *([design.adjudicator] if design.adjudicator else [])]
    wrong = [name for name in names if not (name.isascii() and name.replace("-", "").isalnum() and name.islower())]
    if not design.raters or wrong or len(set(names)) < len(names):
        raise InputError(
            f"raters are {', '.join(names) or 'nobody'}; give each person one short name of lower-case letters, digits and dashes"
        )


def _draw(answers: Sequence[Answer], design: Design) -> list[Answer]:
    """All answers to the drawn questions; each topic keeps its share of them."""
    by_topic: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        by_topic[answer.topic].add(answer.group)
    ranked: list[tuple[float, str, str]] = []
    for topic, groups in by_topic.items():
        order = sorted(groups)
        random_stream(design.seed, "draw", topic).shuffle(order)
        ranked += [((place + 0.5) / len(order), topic, group) for place, group in enumerate(order)]
    drawn = {group for _, _, group in sorted(ranked)[: design.max_questions]}
    return [answer for answer in answers if answer.group in drawn]


def _deck(shown: Mapping[str, Shown], own: Collection[str], design: Design, rater: str) -> list[str]:
    """Every item once in random order, and some of the rater's first half again half a deck later."""
    rng = random_stream(design.seed, "deck", rater)
    once = _order(sorted(shown), shown, rng)
    repeatable = [item for item in once[: len(once) // 2] if item in own]
    again = rng.sample(repeatable, min(len(repeatable), round(design.repeated_share * len(own))))
    half = len(once) / 2
    places = [(float(place), item) for place, item in enumerate(once)]
    places += [(once.index(item) + half + rng.random() * (half - once.index(item)), item) for item in again]
    return _apart([item for _, item in sorted(places)], shown)


def _order(items: Sequence[str], shown: Mapping[str, Shown], rng: random.Random) -> list[str]:
    order = list(items)
    rng.shuffle(order)
    return _apart(order, shown)


def _apart(order: list[str], shown: Mapping[str, Shown]) -> list[str]:
    """Answers to one question do not follow each other where that can be had: side by side they would be compared."""
    for place in range(1, len(order)):
        before = shown[order[place - 1]].question
        if shown[order[place]].question == before:
            other = next((at for at in range(place + 1, len(order)) if shown[order[at]].question != before), None)
            if other is not None:
                order[place], order[other] = order[other], order[place]
    return order


def _write(
    folder: Path,
    shown: Mapping[str, Shown],
    key: Mapping[str, Any],
    rubric: Rubric,
    design: Design,
    decks: Mapping[str, Sequence[str]],
    inputs: Sequence[str],
) -> None:
    plan = {
        "version": 1,
        "seed": design.seed,
        "raters": list(design.raters),
        "adjudicator": design.adjudicator,
        "rubric": rubric.model_dump(mode="json"),
        "inputs": {name: sha256_file(Path(name)) for name in inputs},
        "decks": decks,
    }
    rated = sorted(path.name for path in (folder / "ratings").glob("*.jsonl"))
    made = read_json(folder / PLAN) if rated and (folder / PLAN).is_file() else {}
    if rated and {name: made.get(name) for name in plan} != plan:
        raise InputError(
            f"{folder} holds ratings ({', '.join(rated)}) of another plan, which would no longer fit. Take another folder."
        )
    with JsonlWriter(folder / ITEMS) as writer:
        for item in sorted(shown):
            writer.write({"item": item, "question": shown[item].question, "answer": shown[item].answer})
    write_json(folder / KEY, key)
    write_json(folder / PLAN, {**plan, "files": {name: sha256_file(folder / name) for name in (ITEMS, KEY)}})
