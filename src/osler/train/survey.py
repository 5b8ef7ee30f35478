"""The rows of a training file as planning sees them: token lengths and faults, without torch, at a tenth of the tokenizer's cost.

Tokenizers never join two words across the single space between them, so the tokens of a text are the sum over its words, each
word is encoded once, and the rest is looking up. That is checked on a sample of whole rows; where it does not hold (a tokenizer
of another kind) every row is encoded.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from osler.models.chat import end_token_id, render, special_tokens
from osler.records.export import as_messages
from osler.records.io import read_records
from osler.records.record import Message, Record
from osler.runs.progress import Progress
from osler.train.light_tokenizer import LightTokenizer
from osler.train.tokens import Limits, Odds, RowFacts, RowSetAside, TokenRow, fault_of, says, token_rows

_SAMPLE = 256
_CACHED_WORDS = 1_000_000
_CACHED_PIECES = 64
_WORDS = re.compile(r"(?<=\S) (?=\S)")


@dataclass(frozen=True, slots=True)
class Survey:
    """What the rows of a file are like."""

    n_read: int
    lengths: "array[int]"
    """Tokens of each row that would be trained on if every fault were dropped, in the order of the file."""
    sources: tuple[str, ...]
    """Source of each of `lengths`."""
    faults: tuple[RowSetAside, ...]
    """Rows with a fault, in the order of the file."""
    max_length: int
    longest_read: int
    """Tokens of the longest row of all."""
    trained_share: float
    """Share of the tokens that are learned, of the sample."""
    n_checked: int
    """Rows that were encoded whole, and gave the same length."""


def survey(path: Path, tokenizer: LightTokenizer, prompt: str, limits: Limits, progress: Progress) -> Survey:
    """Read a file of records and say what training on it would meet.

    Raises:
        InputError: the file is absent or is not of records, or the chat template has no end token.
    """
    end = end_token_id(tokenizer)
    sample = _sample(path)
    rows = list(token_rows(tokenizer, sample, prompt, end))
    whole = [row for row in rows if isinstance(row, TokenRow)]
    counter = _Counter(tokenizer, end, limits)
    by_words = all(counter.facts(record, prompt) == _facts(row, limits) for record, row in zip(sample, rows, strict=True))
    counter.by_words = by_words
    odds = Odds()
    found: list[RowFacts | RowSetAside] = []
    for record in read_records(path):
        odds.add(record)
        found.append(counter.facts(record, prompt))
        if len(found) % 1000 == 0:
            progress("count tokens", len(found), None, "rows")
    limit, derived = limits.of([row.n_tokens for row in found if isinstance(row, RowFacts)])
    at_odds = odds.found()
    faults = [fault_of(row, limit, derived=derived, at_odds=n in at_odds) for n, row in enumerate(found)]
    good = [row for row, fault in zip(found, faults, strict=True) if fault is None and isinstance(row, RowFacts)]
    n_trained, n_tokens = sum(row.n_trained for row in whole), sum(len(row.ids) for row in whole)
    return Survey(
        n_read=len(found),
        lengths=array("i", (row.n_tokens for row in good)),
        sources=tuple(row.source for row in good),
        faults=tuple(fault for fault in faults if fault is not None),
        max_length=limit,
        longest_read=max((row.n_tokens for row in found if isinstance(row, RowFacts)), default=0),
        trained_share=n_trained / n_tokens if n_tokens else 0.0,
        n_checked=len(whole),
    )


def _facts(row: TokenRow | RowSetAside, limits: Limits) -> RowFacts | RowSetAside:
    if isinstance(row, RowSetAside):
        return row
    return row.facts if len(row.ids) > limits.known else RowFacts(row.id, row.source, len(row.ids), 0, row.asked)


def _sample(path: Path) -> list[Record]:
    """Records at even distances in the file."""
    with path.open("rb") as stream:
        n_lines = sum(1 for _ in stream)
    step = max(1, n_lines // _SAMPLE)
    return [record for number, record in enumerate(read_records(path)) if number % step == 0][:_SAMPLE]


class _Counter:
    """Counts the tokens of records.

    Args:
        end: id of the token that ends an answer.
    """

    def __init__(self, tokenizer: LightTokenizer, end: int, limits: Limits) -> None:
        self.by_words = True
        self._tokenizer = tokenizer
        self._special = special_tokens(tokenizer)
        self._first = tuple(sorted({text[0] for text in self._special}))
        added = tokenizer.added_tokens_decoder
        self._end = added[end].content if end in added else tokenizer.decode([end])
        pattern = "|".join(re.escape(token.content) for token in sorted(added.values(), key=lambda t: -len(t.content)))
        self._added = re.compile(f"({pattern})") if pattern else None
        self._limits = limits
        # Text beside an added token is encoded on its own; what stands first in a text may be encoded in another way.
        self._leading, self._following = _Words(tokenizer, self._end), _Words(tokenizer, f"{self._end}a ")
        self._pieces: dict[str, int] = {}

    def facts(self, record: Record, prompt: str) -> RowFacts | RowSetAside:
        """Length and faults of one record."""
        source = record.origin.source
        if not says(record, "assistant"):
            return RowSetAside(record.id, source, "empty_answer", "the assistant says nothing")
        turns = as_messages(record, prompt)
        whole = self._render(turns, for_reply=False)
        prompts = []
        for number, turn in enumerate(turns):
            if turn.role == "assistant":
                prompts.append(self._render(turns[:number], for_reply=True))
                if not whole.startswith(prompts[-1]) or self._end not in whole[len(prompts[-1]) :]:
                    n = len(prompts)
                    detail = f"assistant turn {n} does not begin where its prompt ends, or has no end token"
                    return RowSetAside(record.id, source, "no_end", detail)
        n_tokens = self._count(whole)
        n_prompt = self._count(prompts[-1]) if n_tokens > self._limits.known else 0
        return RowFacts(record.id, source, n_tokens, n_prompt, says(record, "user"))

    def _render(self, turns: Sequence[Message], *, for_reply: bool) -> str:
        marked = any(first in turn.content for turn in turns for first in self._first)
        return render(self._tokenizer, turns, for_reply=for_reply, special=self._special if marked else ())

    def _count(self, text: str) -> int:
        if not self.by_words:
            return len(self._tokenizer.encode(text, add_special_tokens=False))
        if self._following.n_words > _CACHED_WORDS:
            self._following.clear()
        pieces = self._added.split(text) if self._added is not None else [text]
        return sum(1 if number % 2 else self._count_piece(piece) for number, piece in enumerate(pieces) if piece)

    def _count_piece(self, piece: str) -> int:
        if piece in self._pieces:
            return self._pieces[piece]
        words = piece.split(" ") if "  " not in piece else _WORDS.split(piece)
        n_tokens = (self._leading[words[0]] if words[0] else 0) + sum(map(self._following.__getitem__, words[1:]))
        if len(self._pieces) < _CACHED_PIECES:  # the system prompt is among the first
            self._pieces[piece] = n_tokens
        return n_tokens


class _Words(dict[str, int]):
    """Tokens of each word, encoded when it is first seen.

    Args:
        before: text that stands before the word, which ends where a word may begin.
    """

    def __init__(self, tokenizer: LightTokenizer, before: str) -> None:
        super().__init__()
        self._tokenizer, self._before = tokenizer, before
        self._n_before = self._n(before.rstrip(" "))

    @property
    def n_words(self) -> int:
        """Words known."""
        return len(self)

    def __missing__(self, word: str) -> int:
        self[word] = found = self._n(self._before + word) - self._n_before
        return found

    def _n(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))
