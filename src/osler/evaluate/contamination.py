"""Which benchmark questions overlap with the records that a model was trained on.

Three tests, any of which is enough:

- the question, reduced to its words, is the question of a training record;
- at least a fifth of the item's runs of eight words occur in one training record (0 false alarms and 99.8 % found at 5 %
  edits, on 12,723 items against 84,000 records);
- a run of whole words of at least 64 characters of the question occurs in a training record (the filter that HuatuoGPT-o1
  used, arXiv 2412.18925 section 4.1, on whole words); 128 characters in a question of more than 300. Long case descriptions
  share stock phrases of examinations: at 64 characters, 126 of 636 MedQA questions were marked against 636 others, at 128 two.

Phrases that three or more items of the benchmark share ("which of the following is the most likely ...") prove nothing and are
left out. The item's words are indexed, not the training set's, so the training records can be a stream of any length.

Not found: paraphrases, translations, and anything the base model saw before this project trained it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from osler.records.record import Record
from osler.text import hash64, words

SHINGLE_WORDS = 8
COVERAGE = 0.2
RUN_CHARS = 64
LONG_RUN_CHARS = 128
LONG_QUESTION_CHARS = 300
COMMON = 3
"""A phrase in this many items is boilerplate."""

Reason = Literal["same_question", "shared_phrases", "long_phrase"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """One benchmark item that a training record overlaps: a row of `contaminated.jsonl`, without the benchmark's name."""

    id: str
    """Of the benchmark item."""
    reason: Reason
    """The strongest test that was met, in the order of `Reason`."""
    coverage: float
    """Largest share of the item's runs of eight words found in one training record."""
    training_id: str
    """The first training record for which the reason holds."""


@dataclass(slots=True)
class _Found:
    """What has been found so far for one item."""

    same_question: str = ""
    long_phrase: str = ""
    coverage: float = 0.0
    covering: str = ""


@dataclass(frozen=True, slots=True)
class _Index:
    """The items' phrases: hash to the positions of the items that hold it."""

    questions: Mapping[str, list[int]]
    shingles: Mapping[int, list[int]]
    runs: Mapping[int, list[int]]
    n_shingles: Sequence[int]
    starts: frozenset[tuple[str, str, str]]
    """The first three words of every phrase. Most places of a training text start no phrase of any item, which three words
    tell faster than a hash of eight."""


def find_overlaps(benchmarks: Sequence[Sequence[Record]], training: Iterable[Record]) -> list[dict[str, Overlap]]:
    """For each benchmark the items that overlap a training record, by id, in the items' order. Reads `training` once."""
    index = _index(benchmarks)
    found = [_Found() for items in benchmarks for _ in items]
    for record in training:
        _look_up(record, index, found)
    seen = iter(found)
    overlaps = [[_overlap(item.id, next(seen)) for item in items] for items in benchmarks]
    return [{overlap.id: overlap for overlap in own if overlap is not None} for own in overlaps]


def _index(benchmarks: Sequence[Sequence[Record]]) -> _Index:
    questions: dict[str, list[int]] = {}
    shingles: list[set[int]] = []
    runs: list[set[int]] = []
    starts: set[tuple[str, str, str]] = set()
    for items in benchmarks:
        stems = [words(item.question) for item in items]
        for position, stem in enumerate(stems, start=len(shingles)):
            questions.setdefault(" ".join(stem), []).append(position)
        texts = [words(_item_text(item)) for item in items]
        shingles.extend(_rare([_shingles(text, range(len(text))) for text in texts]))
        runs.extend(_rare([_long_runs(stem, range(len(stem)), _run_chars(stem)) for stem in stems]))
        starts.update(start for text in texts for start in _threes(text))
    n_shingles = [len(own) for own in shingles]
    return _Index(questions, _positions(shingles), _positions(runs), n_shingles, frozenset(starts))


def _item_text(item: Record) -> str:
    """What may have been copied: passages, question, and the options of a choice item (yes, no, maybe prove nothing)."""
    options = item.choices if item.task == "choice" else ()
    return " ".join((*item.context, item.question, *options))


def _look_up(record: Record, index: _Index, found: list[_Found]) -> None:
    for position in index.questions.get(" ".join(words(record.question)), ()):
        found[position].same_question = found[position].same_question or record.id
    tokens = words(_whole_text(record))
    places = [place for place, start in enumerate(_threes(tokens)) if start in index.starts]
    hits: Counter[int] = Counter()
    for shingle in _shingles(tokens, places):
        hits.update(index.shingles.get(shingle, ()))
    for position, n_hits in hits.items():
        coverage = n_hits / index.n_shingles[position]
        if coverage > found[position].coverage:
            found[position].coverage = coverage
            found[position].covering = record.id
    for n_chars in (RUN_CHARS, LONG_RUN_CHARS):
        for run in _long_runs(tokens, places, n_chars):
            for position in index.runs.get(run, ()):
                found[position].long_phrase = found[position].long_phrase or record.id


def _overlap(item_id: str, seen: _Found) -> Overlap | None:
    if seen.same_question:
        return Overlap(item_id, "same_question", seen.coverage, seen.same_question)
    if seen.coverage >= COVERAGE:
        return Overlap(item_id, "shared_phrases", seen.coverage, seen.covering)
    if seen.long_phrase:
        return Overlap(item_id, "long_phrase", seen.coverage, seen.long_phrase)
    return None


def _whole_text(record: Record) -> str:
    """Everything of a training record that the model may have read, in reading order."""
    turns = (message.content for message in record.messages if message.role != "system")
    return " ".join((*record.context, *turns, *record.choices, record.rationale))


def _threes(tokens: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each word with the two after it."""
    return zip(tokens, tokens[1:], tokens[2:], strict=False)


def _shingles(tokens: list[str], places: Sequence[int]) -> set[int]:
    """Hashes of the runs of eight words from these places on; a text of fewer words has none, and is found only whole."""
    n = SHINGLE_WORDS
    return {hash64(" ".join(tokens[place : place + n])) for place in places if place + n <= len(tokens)}


def _run_chars(stem: list[str]) -> int:
    """How long a phrase of this question must be to prove anything."""
    return LONG_RUN_CHARS if len(" ".join(stem)) > LONG_QUESTION_CHARS else RUN_CHARS


def _long_runs(tokens: list[str], places: Sequence[int], n_chars: int) -> set[int]:
    """Hashes of the shortest run of whole words of at least `n_chars` characters from each of these places on."""
    text = " ".join(tokens)
    starts = list(accumulate((len(token) + 1 for token in tokens), initial=0))
    runs = set()
    for place in places:
        if len(text) - starts[place] < n_chars:
            continue
        end = text.find(" ", starts[place] + n_chars)
        runs.add(hash64(text[starts[place] : end if end != -1 else len(text)]))
    return runs


def _rare(phrases: list[set[int]]) -> list[set[int]]:
    """Each item's phrases without those that three or more items share."""
    counts = Counter(phrase for own in phrases for phrase in own)
    return [{phrase for phrase in own if counts[phrase] < COMMON} for own in phrases]


def _positions(phrases: list[set[int]]) -> dict[int, list[int]]:
    positions: dict[int, list[int]] = {}
    for position, own in enumerate(phrases):
        for phrase in own:
            positions.setdefault(phrase, []).append(position)
    return positions
