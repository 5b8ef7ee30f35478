"""The key of a record: all that the whole-set steps know of it. Texts stay on disk; keys of all records fit in memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from sys import intern

import pyarrow as pa

from osler.curate.facts import fingerprint
from osler.records.license import terms_of
from osler.records.record import Origin, Record
from osler.text import digest_bytes, hash64, words

_YES_NO = re.compile(r"\s*(yes|no)\b(?=[,.;:!]|\s*$)", re.IGNORECASE)

_NOTHING: frozenset[int] = frozenset()
Preference = tuple[int, int, bool, str, str]

_ACCESS = ("open", "unclear", "application", "credentialed")


@dataclass(frozen=True, slots=True)
class Key:
    """What the whole-set steps know of one record."""

    id: str
    source: str
    license: str
    split: str
    """The published split."""
    group: str
    """The source's own leakage group, or empty."""
    exact: bytes
    """Equal for records that say the same word for word, with the same numbers and signs."""
    question: bytes
    """Equal for records that ask the same of the same passages."""
    facts: int
    """Equal for records with the same passages and options, and the same numbers, units, negations and sides."""
    preference: Preference
    """Of copies, the one with the smallest stays."""
    says: int = 0
    """Hash of the answer where there are few to choose from: of the right option, or of yes or no; else 0."""
    offers: frozenset[int] = frozenset()
    """Hashes of the answers to choose from."""
    page: str = ""
    """Address of the page it was taken from, as far as the source says."""


KEY_FIELDS = [
    pa.field("license", pa.string()),
    pa.field("split", pa.string()),
    pa.field("group", pa.string()),
    pa.field("exact", pa.binary(16)),
    pa.field("question", pa.binary(16)),
    pa.field("facts", pa.uint64()),
    pa.field("access_rank", pa.int8()),
    pa.field("is_generated", pa.bool_()),
    pa.field("says", pa.uint64()),
    pa.field("offers", pa.list_(pa.uint64())),
    pa.field("page", pa.string()),
]
"""Columns that hold keys beside `id` and `source`."""


def key_columns(keys: Sequence[Key | None]) -> list[pa.Array]:
    """The columns of `KEY_FIELDS`; a record that was dropped has no key and nulls."""
    rows = [(None,) * len(KEY_FIELDS) if key is None else _row(key) for key in keys]
    columns = zip(*rows, strict=True) if rows else ((),) * len(KEY_FIELDS)
    return [pa.array(column, field.type) for column, field in zip(columns, KEY_FIELDS, strict=True)]


def keys_of(table: pa.Table) -> Iterator[Key]:
    """The keys of the records of a table that were not dropped, in order."""
    there = table.filter(table["exact"].is_valid())
    names = ["id", "source", *(field.name for field in KEY_FIELDS)]
    for row in zip(*(there[name].to_pylist() for name in names), strict=True):
        identity, source, license_id, split, group, exact, question, facts, access, generated, says, offers, page = row
        yield Key(
            id=identity,
            source=intern(source),
            license=intern(license_id),
            split=intern(split),
            group=intern(group),
            exact=exact,
            question=question,
            facts=facts,
            preference=(access, _strictness(license_id), generated, intern(source), identity),
            says=says,
            offers=frozenset(offers) if offers else _NOTHING,
            page=page,
        )


def read_key(record: Record) -> Key:
    """The key of a record that has been cleaned."""
    turns = [message.content for message in record.messages if message.role != "system"]
    asked = turns[:-1] if record.target else turns
    question = [words(text) for text in asked]
    answer = words(record.target)
    passages = [words(text) for text in record.context]
    choices = [words(text) for text in record.choices]
    parts = [*question, answer, *passages, *choices]
    stated = fingerprint([*turns, *record.context, *record.choices], (word for part in parts for word in part))
    facts = hash64(f"{stated}\n{record.task}\n{record.answer}\n{_joined([*passages, *choices])}")
    says, offers = _stance(record)
    return Key(
        id=record.id,
        source=record.origin.source,
        license=record.origin.license,
        split=record.split,
        group=record.group,
        exact=digest_bytes(f"{_joined(parts)}\n{facts}"),
        question=digest_bytes(_joined([*question, *passages])),
        facts=facts,
        preference=preference(record.id, record.origin),
        says=says,
        offers=offers,
        page=record.origin.url,
    )


def preference(identity: str, origin: Origin) -> Preference:
    """Open access first, then the license that asks less, human text before generated, then source and id."""
    return (
        _ACCESS.index(origin.access),
        _strictness(origin.license),
        bool(origin.generator),
        origin.source,
        identity,
    )


@cache
def _strictness(license_id: str) -> int:
    return terms_of(license_id).strictness


def _stance(record: Record) -> tuple[int, frozenset[int]]:
    """What the record answers, and what it could have answered. Signs count: "+1" and "-1" are two options."""
    if record.answer is not None:
        offers = [_plain(choice) for choice in record.choices]
        return offers[record.answer], frozenset(offers)
    opening = _YES_NO.match(record.target)
    return (_plain(opening[1]), frozenset(map(_plain, ("yes", "no")))) if opening else (0, frozenset())


def _row(key: Key) -> tuple[object, ...]:
    access, _, generated, *_ = key.preference
    own = (key.license, key.split, key.group, key.exact, key.question, key.facts, access, generated, key.says)
    return (*own, sorted(key.offers), key.page)


def _plain(answer: str) -> int:
    return hash64(" ".join(answer.casefold().split()).rstrip("."))


def _joined(parts: list[list[str]]) -> str:
    return "\n".join(" ".join(part) for part in parts)
