"""What a generator is asked about, one item after the other, in an order that the seed decides."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from osler.errors import InputError
from osler.phi import find
from osler.phi import replace as replace_spans
from osler.records.record import Message, Record
from osler.synth.config import GeneratorConfig
from osler.synth.generator import Generator, ItemKind, render
from osler.synth.index import Index
from osler.synth.passage import Passage
from osler.text import hash64, words

Collected = Callable[[str], Iterable[Record]]
"""Name of a collected source to its records."""

_HELD_OUT = frozenset({"validation", "test"})
"""Published splits that are for examination: nothing is written about them."""
_MIN_PASSAGE_WORDS = 30
_MIN_OWN_WORDS = 20
_MAX_OWN_WORDS = 400


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask about."""

    text: str
    """Topic, term or question; empty where the passage itself is the item."""
    passages: tuple[Passage, ...]
    record: Record | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What the templates see as `record`."""


def items_of(
    generator: Generator,
    config: GeneratorConfig,
    passages: Sequence[Passage],
    index: Index | None,
    n_passages: int,
    collected: Collected,
    seed: int,
) -> Iterator[Item]:
    """The items of one generator.

    Raises:
        InputError: the generator does not take what the recipe gives it, or there are no documents to look in.
    """
    kind = _kind(generator, config)
    if kind == "passages":
        long_enough = [passage for passage in passages if len(words(passage.text)) >= _MIN_PASSAGE_WORDS]
        for passage in _drawn(long_enough, lambda one: one.id, config, seed):
            near = index.find(passage.text, n_passages + 1) if index is not None else []
            others = [one for one in near if one.id != passage.id][: n_passages - 1]
            yield Item("", (passage, *others))
        return
    if kind == "topics":
        for topic in _drawn(_topics(config), lambda one: one, config, seed):
            yield Item(topic, tuple(_found(generator, topic, {}, index, n_passages)))
        return
    records = _drawn(
        [one for one in collected(config.records) if one.split not in _HELD_OUT], lambda one: one.id, config, seed
    )
    for record in map(_without_identifiers, records):
        facts = {"question": record.question, "choices": record.choices, "target": record.target, "key": _key(record)}
        own = _own_passage(record)
        found = _found(generator, record.question, facts, index, n_passages)
        yield Item(record.question, (*own, *found)[:n_passages], record, facts)


def _kind(generator: Generator, config: GeneratorConfig) -> ItemKind:
    topics = config.topics or config.topics_file is not None
    kind: ItemKind = "topics" if topics else "records" if config.records else "passages"
    if kind not in generator.items:
        ways = {
            "passages": "no items (it goes over the passages)",
            "topics": "topics or topics_file",
            "records": "records",
        }
        listed = " or ".join(ways[one] for one in generator.items)
        raise InputError(f"the generator {generator.name} takes {listed}; the recipe gives {ways[kind]}")
    return kind


def _without_identifiers(record: Record) -> Record:
    """The record as curation makes it: what a model elsewhere is asked about names no patient."""

    def clean(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(replace_spans(text, find(text)) for text in texts)

    spoken = clean([message.content for message in record.messages])
    messages = tuple(Message(message.role, text) for message, text in zip(record.messages, spoken, strict=True))
    return replace(record, messages=messages, context=clean(record.context), choices=clean(record.choices))


def _found(generator: Generator, item: str, facts: dict[str, Any], index: Index | None, n: int) -> list[Passage]:
    return index.find(render(generator.query, {"item": item, "record": facts}), n) if index is not None else []


def _own_passage(record: Record) -> list[Passage]:
    """A record's own text, where it has one: an abstract, an article about a term."""
    text = "\n\n".join(record.context) or (record.target if record.task == "qa" else "")
    cut = " ".join(text.split(" ")[:_MAX_OWN_WORDS])
    if len(words(cut)) < _MIN_OWN_WORDS:
        return []
    origin = record.origin
    return [Passage(record.id, f"{origin.source} {origin.row}", 0, 0, len(cut), "", cut, origin.license, origin.access)]


def _key(record: Record) -> str:
    return record.choices[record.answer] if record.answer is not None and record.choices else record.target


def _drawn(things: Sequence[Any], name: Callable[[Any], str], config: GeneratorConfig, seed: int) -> list[Any]:
    """All in their order, or as many as asked for, drawn by a hash, so that more of them later keep those drawn before."""
    if config.count is None or config.count >= len(things):
        return list(things)
    ranked = sorted(range(len(things)), key=lambda at: (hash64(f"{seed}\n{config.source}\n{name(things[at])}"), at))
    return [things[at] for at in sorted(ranked[: config.count])]


def _topics(config: GeneratorConfig) -> list[str]:
    if config.topics_file is None:
        return list(dict.fromkeys(config.topics))
    try:
        lines = config.topics_file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list of topics {config.topics_file} cannot be read as UTF-8 text") from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))
