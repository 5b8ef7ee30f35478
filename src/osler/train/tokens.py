"""Records as token ids: only what the assistant says is learned, its end token always.

The prompt of each assistant turn is rendered as it will be when the model is asked, and must be, token for token, the
beginning of the whole row. Rows are never cut: one that does not fit or would teach something wrong is set aside and counted,
by a decision that stands in the recipe.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from osler.errors import CheckFailed, InputError
from osler.models.chat import end_token_id, render, special_tokens
from osler.records.record import Message, Record
from osler.records.render import as_messages
from osler.runs.progress import Progress
from osler.text import hash64
from osler.train.loss import MASKED

BAD_ROWS = ("long_answer", "long_prompt", "empty_answer", "empty_question", "contradictory", "no_end")
"""Classes of rows that would teach something wrong; the keys of `train.bad_rows`."""

DROP_ALL: Mapping[str, str] = dict.fromkeys(BAD_ROWS, "drop")
"""Decisions for rows that are only measured on."""

LONGEST = "longest"
"""Reason of rows beyond the 99.5th percentile when the recipe names no `max_length`."""

NO_END = "assistant turn {} does not begin where its prompt ends, or has no end token"
REFUSED = "the chat template refuses turns in this order"
"""Details of rows of that class."""

_FITTING_SHARE = 0.995
_CHUNK = 256
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One training row."""

    id: str
    source: str
    ids: "array[int]"
    spans: tuple[tuple[int, int], ...]
    """Start and end of what the assistant says, end token included."""
    asked: bool = True
    """Whether each turn of the user says something."""

    @property
    def labels(self) -> list[int]:
        """`ids` where the assistant speaks, `MASKED` elsewhere."""
        found = [MASKED] * len(self.ids)
        for start, stop in self.spans:
            found[start:stop] = self.ids[start:stop]
        return found

    @property
    def n_trained(self) -> int:
        """Tokens that are learned."""
        return sum(stop - start for start, stop in self.spans)

    @property
    def facts(self) -> "RowFacts":
        """What decides whether the row can be trained on; its last answer begins where its prompt ends."""
        return RowFacts(self.id, self.source, len(self.ids), self.spans[-1][0], self.asked)


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row by its figures."""

    id: str
    source: str
    n_tokens: int
    n_prompt_tokens: int
    """Tokens before the last answer; 0 for a row that fits whatever the limit is."""
    asked: bool


@dataclass(frozen=True, slots=True)
class RowSetAside:
    """A record that is not trained on."""

    id: str
    source: str
    reason: str
    """One of `BAD_ROWS`, or `LONGEST`."""
    detail: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """All rows of a file. `rows` and `set_aside` together are what was read."""

    rows: tuple[TokenRow, ...]
    set_aside: tuple[RowSetAside, ...]
    max_length: int
    kept_in_spite: Mapping[str, int]
    """Rows that the recipe says to keep, by class."""

    @property
    def set_aside_counts(self) -> dict[str, int]:
        """Rows set aside by reason."""
        return dict(sorted(Counter(row.reason for row in self.set_aside).items()))

    @property
    def n_read(self) -> int:
        """Records read."""
        return len(self.rows) + len(self.set_aside)


@dataclass(slots=True)
class Odds:
    """Finds questions that have several answers, as rows go by."""

    _answers: dict[int, int] = field(default_factory=dict)
    _questions: list[int] = field(default_factory=list)
    _at_odds: set[int] = field(default_factory=set)

    def add(self, turns: Sequence[Message]) -> None:
        """Note the next row. Case and space are no difference."""
        *before, last = [turn.content for turn in turns if turn.role != "system"] or [""]
        asked, answer = hash64("\0".join(map(_plain, before))), hash64(_plain(last))
        if self._answers.setdefault(asked, answer) != answer:
            self._at_odds.add(asked)
        self._questions.append(asked)

    def found(self) -> set[int]:
        """Numbers of the rows, in the order of adding, whose question another row answers otherwise."""
        return {number for number, asked in enumerate(self._questions) if asked in self._at_odds}


def tokenize(
    tokenizer: Any,
    records: Iterable[Record],
    system_prompt: str,
    limits: "Limits",
    decisions: Mapping[str, str | None],
    progress: Progress,
) -> Tokens:
    """Token rows of all records, in their order.

    Args:
        tokenizer: of transformers, or `LightTokenizer`; with a chat template.
        decisions: by class of `BAD_ROWS`: `drop`, `keep`, or None for none.

    Raises:
        InputError: the chat template has no end token, or there are bad rows of a class without a decision.
        CheckFailed: a row would teach the model a prompt, or not to stop.
    """
    end = end_token_id(tokenizer)
    odds = Odds()
    found: list[TokenRow | RowSetAside] = []
    for chunk in _chunks(records):
        for record, row in zip(chunk, token_rows(tokenizer, chunk, system_prompt, end), strict=True):
            odds.add(as_messages(record))
            found.append(row)
        progress("tokenize", len(found), None, "rows")
    limit, derived = limits.of([len(row.ids) for row in found if isinstance(row, TokenRow)])
    at_odds = odds.found()
    facts = [row.facts if isinstance(row, TokenRow) else row for row in found]
    faults = [fault_of(row, limit, derived=derived, at_odds=n in at_odds) for n, row in enumerate(facts)]
    refuse_undecided(faults, decisions)
    kept, aside = [], []
    for row, fault in zip(found, faults, strict=True):
        if isinstance(row, TokenRow) and (fault is None or decisions.get(fault.reason) == "keep"):
            _check_row(row, end)
            kept.append(row)
        elif fault is not None:
            aside.append(fault)
    in_spite = Counter(f.reason for f in faults if f is not None and decisions.get(f.reason) == "keep")
    return Tokens(tuple(kept), tuple(aside), limit, dict(sorted(in_spite.items())))


@dataclass(frozen=True, slots=True)
class Limits:
    """What decides how long a row may be."""

    asked: int | None
    """The recipe's `max_length`; None: the length that 99.5 % of the rows do not exceed."""
    model: int
    """What the model can read."""

    @property
    def known(self) -> int:
        """The limit that stands before the rows are read."""
        return min(self.asked or self.model, self.model)

    def of(self, lengths: Sequence[int]) -> tuple[int, bool]:
        """The longest row in tokens, and whether it comes from the rows themselves."""
        if self.asked is not None:
            return min(self.asked, self.model), False
        fitting = sorted(lengths)[math.ceil(_FITTING_SHARE * len(lengths)) - 1] if lengths else 1
        return (self.model, False) if fitting > self.model else (fitting, True)


def fault_of(row: RowFacts | RowSetAside, limit: int, *, derived: bool, at_odds: bool) -> RowSetAside | None:
    """What is wrong with a row, the worst first; None for a good one."""
    if isinstance(row, RowSetAside):
        return row
    reason = detail = ""
    if row.n_tokens > limit:
        reason = LONGEST if derived else "long_prompt" if row.n_prompt_tokens >= limit else "long_answer"
        detail = f"{row.n_tokens} tokens, limit {limit}"
    elif not row.asked:
        reason, detail = "empty_question", "the user says nothing"
    elif at_odds:
        reason, detail = "contradictory", "another row answers the same question otherwise"
    return RowSetAside(row.id, row.source, reason, detail) if reason else None


def refuse_undecided(faults: Sequence[RowSetAside | None], decisions: Mapping[str, str | None]) -> None:
    """Raise for classes of bad rows that the recipe does not decide about.

    Raises:
        InputError: names each class, its rows and what may be written.
    """
    open_classes: dict[str, list[str]] = {}
    for fault in faults:
        if fault is not None and fault.reason in BAD_ROWS and decisions.get(fault.reason) is None:
            open_classes.setdefault(fault.reason, []).append(fault.id)
    if not open_classes:
        return
    lines = [
        f"  {name}: {len(ids):,} rows, such as {', '.join(ids[:_SHOWN])}"
        for name in BAD_ROWS
        if (ids := open_classes.get(name))
    ]
    raise InputError(
        "Some rows would teach the model something wrong, and the recipe does not say what to do with them:\n"
        + "\n".join(lines)
        + "\nDecide for each class in train.bad_rows (drop; empty_question and contradictory may also say keep), or mend "
        "the rows. `osler plan` shows more of them."
    )


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    stream = iter(records)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk


def token_rows(
    tokenizer: Any, records: Sequence[Record], system_prompt: str, end: int
) -> Iterator[TokenRow | RowSetAside]:
    """The row of each record, or why there is none."""
    special = special_tokens(tokenizer)
    texts: list[str] = []
    spans: list[slice] = []
    for record in records:
        first = len(texts)
        texts += _whole_and_prompts(tokenizer, as_messages(record, system_prompt), special)
        spans.append(slice(first, len(texts)))
    # verbose=False: no note about rows that are longer than the model reads; they are set aside and counted.
    batch = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
    encoded: list[list[int]] = batch["input_ids"]
    for record, span in zip(records, spans, strict=True):
        yield _row(record, encoded[span], end)


def _whole_and_prompts(tokenizer: Any, turns: Sequence[Message], special: Sequence[str]) -> list[str]:
    """The row as text, and what the model has read before each answer; nothing where the template refuses the turns."""
    answers = [number for number, turn in enumerate(turns) if turn.role == "assistant"]
    try:
        whole = render(tokenizer, turns, for_reply=False, special=special)
        return [whole, *(render(tokenizer, turns[:number], for_reply=True, special=special) for number in answers)]
    except InputError:
        return []


def _row(record: Record, encoded: Sequence[list[int]], end: int) -> TokenRow | RowSetAside:
    source = record.origin.source
    if not says(record, "assistant"):
        return RowSetAside(record.id, source, "empty_answer", "the assistant says nothing")
    if not encoded:
        return RowSetAside(record.id, source, "no_end", REFUSED)
    whole, *prompts = encoded
    spans: list[tuple[int, int]] = []
    for number, prompt in enumerate(prompts, start=1):
        if whole[: len(prompt)] != prompt or end not in whole[len(prompt) :]:
            return RowSetAside(record.id, source, "no_end", NO_END.format(number))
        spans.append((len(prompt), whole.index(end, len(prompt)) + 1))
    return TokenRow(record.id, source, array("i", whole), tuple(spans), says(record, "user"))


def says(record: Record, role: str) -> bool:
    """Whether there is a turn of this role, and none is empty."""
    said = [turn.content.strip() for turn in record.messages if turn.role == role]
    return bool(said) and all(said)


def _plain(text: str) -> str:
    return text.casefold().replace(" ", "").replace("\n", "").replace("\t", "").replace("\r", "")


def _check_row(row: TokenRow, end: int) -> None:
    """What is asserted of every row that is trained on: masked prompt, each answer learned to its end token."""
    ends = all(row.ids[stop - 1] == end and stop - start > 1 for start, stop in row.spans)
    apart = all(left[1] <= right[0] for left, right in zip(row.spans, row.spans[1:], strict=False))
    if not row.spans or row.spans[0][0] == 0 or row.spans[-1][1] > len(row.ids) or not ends or not apart:
        raise CheckFailed(
            f"Row {row.id} would be learned wrongly: its prompt must be masked and each answer end with token {end}. "
            "This is a fault of osler or of the model's chat template; please report it with the name of the model."
        )
