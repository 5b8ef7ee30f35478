"""The rows of a training file as planning sees them: token lengths and faults, without torch, at a tenth of the tokenizer's cost.

Tokenizers never join two words across the single space between them, so the tokens of a text are the sum over its words, each
word is encoded once, and the rest is looking up. That is checked on a sample of whole rows; where it does not hold (a tokenizer
of another kind) every row is encoded.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from osler.errors import InputError
from osler.models.chat import end_token_id, render, special_tokens
from osler.records.io import from_dict, parse_jsonl, read_records
from osler.records.record import Message, Record, Role
from osler.records.render import as_messages
from osler.runs.progress import Progress
from osler.train.light_tokenizer import LightTokenizer
from osler.train.tokens import (
    NO_END,
    REFUSED,
    Limits,
    Odds,
    RowFacts,
    RowSetAside,
    TokenRow,
    fault_of,
    says,
    token_rows,
)

_SAMPLE = 256
_CACHED_WORDS = 1_000_000
_CACHED_PIECES = 64
_COMPARED = 64
_WORDS = re.compile(r"(?<=\S) (?=\S)")


@dataclass(frozen=True, slots=True)
class Survey:
    """What the rows of a file are like."""

    n_read: int
    lengths: "array[int]"
    """Tokens of each row that would be trained on, in the order of the file."""
    sources: tuple[str, ...]
    """Source of each of `lengths`."""
    faults: tuple[RowSetAside, ...]
    """Rows with a fault, in the order of the file."""
    max_length: int
    trained_share: float
    """Share of the tokens that are learned, of the sample."""


def survey(
    path: Path,
    tokenizer: LightTokenizer,
    prompt: str,
    limits: Limits,
    decisions: Mapping[str, str | None],
    progress: Progress,
) -> Survey:
    """Read a file of records and say what training on it would meet.

    Args:
        decisions: as for `tokenize`; rows of a class without one are counted as dropped.

    Raises:
        InputError: the file is absent or is not of records, or the chat template has no end token.
    """
    end = end_token_id(tokenizer)
    sample = _sample(path)
    rows = list(token_rows(tokenizer, sample, prompt, end))
    whole = [row for row in rows if isinstance(row, TokenRow)]
    counter = _Counter(tokenizer, end, limits)
    by_words = all(
        counter.facts(record, as_messages(record, prompt)) == _facts(row, limits)
        for record, row in zip(sample, rows, strict=True)
    )
    counter.by_words = by_words
    odds = Odds()
    found: list[RowFacts | RowSetAside] = []
    for record in read_records(path):
        turns = as_messages(record, prompt)
        odds.add(turns)
        found.append(counter.facts(record, turns))
        if len(found) % 1000 == 0:
            progress("count tokens", len(found), None, "rows")
    limit, derived = limits.of([row.n_tokens for row in found if isinstance(row, RowFacts)])
    at_odds = odds.found()
    faults = [fault_of(row, limit, derived=derived, at_odds=n in at_odds) for n, row in enumerate(found)]
    good = [
        row
        for row, fault in zip(found, faults, strict=True)
        if isinstance(row, RowFacts) and (fault is None or decisions.get(fault.reason) == "keep")
    ]
    n_trained, n_tokens = sum(row.n_trained for row in whole), sum(len(row.ids) for row in whole)
    return Survey(
        n_read=len(found),
        lengths=array("i", (row.n_tokens for row in good)),
        sources=tuple(row.source for row in good),
        faults=tuple(fault for fault in faults if fault is not None),
        max_length=limit,
        trained_share=n_trained / n_tokens if n_tokens else 0.0,
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
    with path.open("rb") as stream:
        chosen = [line for number, line in enumerate(stream) if number % step == 0][:_SAMPLE]
    return [from_dict(row) for _, row in parse_jsonl(chosen, str(path))]


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
        self._frames: dict[tuple[Role, ...], _Frame] = {}

    def facts(self, record: Record, turns: Sequence[Message]) -> RowFacts | RowSetAside:
        """Length and faults of one record."""
        source = record.origin.source
        if not says(record, "assistant"):
            return RowSetAside(record.id, source, "empty_answer", "the assistant says nothing")
        try:
            return self._rendered(record, turns)
        except InputError:
            return RowSetAside(record.id, source, "no_end", REFUSED)

    def _rendered(self, record: Record, turns: Sequence[Message]) -> RowFacts | RowSetAside:
        # Only text that spells out a control token is looked into, and may be rendered in a way of its own.
        marked = any(first in turn.content for turn in turns for first in self._first)
        roles = tuple(turn.role for turn in turns)
        frame = self._frames.get(roles) or self._frames.setdefault(roles, _Frame(self._render(_Frame.probe(roles))))
        whole = None if marked else frame.fill(turns)
        if whole is None:
            whole = self._render(turns, special=self._special if marked else ())
            answers = (place for place, turn in enumerate(turns) if turn.role == "assistant")
            for number, place in enumerate(answers, start=1):
                prompt = self._render(turns[:place], for_reply=True)
                if not whole.startswith(prompt) or self._end not in whole[len(prompt) :]:
                    return RowSetAside(record.id, record.origin.source, "no_end", NO_END.format(number))
            frame.compare(turns, whole)
        n_tokens = self._count(whole)
        long = n_tokens > self._limits.known
        n_prompt = self._count(self._render(turns[:-1], for_reply=True)) if long else 0
        return RowFacts(record.id, record.origin.source, n_tokens, n_prompt, says(record, "user"))

    def _render(
        self, turns: Sequence[Message], *, for_reply: bool = False, special: Sequence[str] | None = None
    ) -> str:
        return render(
            self._tokenizer, turns, for_reply=for_reply, special=self._special if special is None else special
        )

    def _count(self, text: str) -> int:
        if not self.by_words:
            return len(self._tokenizer.encode(text, add_special_tokens=False))
        if len(self._following) > _CACHED_WORDS:
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


class _Frame:
    """What a chat template puts around the turns of a conversation with these roles.

    The first rows are rendered by the template and compared; after that the frame is filled without it.

    Args:
        rendered: the conversation `probe` of the roles, by the template.
    """

    def __init__(self, rendered: str) -> None:
        self._pieces = re.split(r"\x02\d+\x03", rendered)
        self._n_equal = 0
        self._differs = False

    @staticmethod
    def probe(roles: Sequence[Role]) -> list[Message]:
        """A conversation whose texts can be told from what the template adds."""
        return [Message(role, f"\x02{number}\x03") for number, role in enumerate(roles)]

    def fill(self, turns: Sequence[Message]) -> str | None:
        """The conversation as text; None while the template is still asked."""
        return None if self._differs or self._n_equal < _COMPARED else self._filled(turns)

    def compare(self, turns: Sequence[Message], rendered: str) -> None:
        """Note whether the template gave what the frame gives."""
        if len(self._pieces) != len(turns) + 1 or self._filled(turns) != rendered:
            self._differs = True
        self._n_equal += 1

    def _filled(self, turns: Sequence[Message]) -> str:
        texts = (f"{turn.content.strip()}{piece}" for turn, piece in zip(turns, self._pieces[1:], strict=True))
        return self._pieces[0] + "".join(texts)


class _Words(dict[str, int]):
    """Tokens of each word, encoded when it is first seen.

    Args:
        before: text that stands before the word, which ends where a word may begin.
    """

    def __init__(self, tokenizer: LightTokenizer, before: str) -> None:
        super().__init__()
        self._tokenizer, self._before = tokenizer, before
        self._n_before = self._n(before.rstrip(" "))

    def __missing__(self, word: str) -> int:
        self[word] = found = self._n(self._before + word) - self._n_before
        return found

    def _n(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))
