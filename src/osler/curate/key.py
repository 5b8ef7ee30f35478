"""The key of a record: all that the whole-set steps know of it. Texts stay on disk; keys of all records fit in memory."""

import re
from dataclasses import dataclass

from osler.curate.facts import fingerprint
from osler.records.record import Origin, Record
from osler.text import hash64, hash_hex, words

_YES_NO = re.compile(r"\s*(yes|no)\b(?=[,.;:!]|\s*$)", re.IGNORECASE)

Preference = tuple[int, int, bool, str, str]

_ACCESS = ("open", "unclear", "application", "credentialed")
_FREE = (
    "cc0",
    "pddl",
    "cc-by-",
    "mit",
    "apache",
    "bsd",
    "odc-by",
    "isc",
    "us-gov",
    "licenseref-public-domain",
    "unlicense",
)


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
    exact: str
    """Equal for records that say the same word for word, with the same numbers and signs."""
    question: str
    """Equal for records that ask the same of the same passages."""
    facts: int
    """Equal for records with the same passages and options, and the same numbers, units, negations and sides."""
    preference: Preference
    """Of copies, the one with the smallest stays."""
    says: int = 0
    """Hash of the answer where there are few to choose from: of the right option, or of yes or no; else 0."""
    offers: frozenset[int] = frozenset()
    page: str = ""
    """Address of the page it was taken from, as far as the source says."""
    """Hashes of the answers to choose from."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A record's key and the words it was made from."""

    key: Key
    words: list[str]
    """Of question and answer, which near copies are judged by."""
    more_words: list[str]
    """Of passages, options and rationale."""


def read_key(record: Record) -> Reading:
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
    key = Key(
        id=record.id,
        source=record.origin.source,
        license=record.origin.license,
        split=record.split,
        group=record.group,
        exact=hash_hex(f"{_joined(parts)}\n{facts}"),
        question=hash_hex(_joined([*question, *passages])),
        facts=facts,
        preference=preference(record.id, record.origin),
        says=says,
        offers=offers,
        page=record.origin.url,
    )
    more = [word for part in (*passages, *choices, words(record.rationale)) for word in part]
    return Reading(key, [word for part in (*question, answer) for word in part], more)


def preference(identity: str, origin: Origin) -> Preference:
    """Open access first, then the freer license, human text before generated, then source and id."""
    return (
        _ACCESS.index(origin.access),
        license_rank(origin.license),
        bool(origin.generator),
        origin.source,
        identity,
    )


def license_rank(license_id: str) -> int:
    """0 free to use, 1 share alike, 2 not for commerce or not to be changed, 3 unknown."""
    folded = license_id.lower()
    if "-nc" in folded or "-nd" in folded:
        return 2
    if "-sa" in folded or "gpl" in folded or "gfdl" in folded:
        return 1
    return 0 if folded.startswith(_FREE) else 3


def _stance(record: Record) -> tuple[int, frozenset[int]]:
    """What the record answers, and what it could have answered. Signs count: "+1" and "-1" are two options."""
    if record.answer is not None:
        offers = [_plain(choice) for choice in record.choices]
        return offers[record.answer], frozenset(offers)
    opening = _YES_NO.match(record.target)
    return (_plain(opening[1]), frozenset(map(_plain, ("yes", "no")))) if opening else (0, frozenset())


def _plain(answer: str) -> int:
    return hash64(" ".join(answer.casefold().split()).rstrip("."))


def _joined(parts: list[list[str]]) -> str:
    return "\n".join(" ".join(part) for part in parts)
