"""Which token sequences a model must read to score continuations, and in which batches. No torch here.

Tokens are split as lm-eval 0.4.13 does (`lm_eval/api/model.py`, `_encode_pair`): trailing spaces of the prefix move to the
continuation, and the continuation's tokens are what `encode(prefix + continuation)` has beyond the length of
`encode(prefix)`. A sequence that is too long loses its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from osler.errors import InputError
from osler.models.chat import TextTokenizer
from osler.models.protocol import ChoicePrompt

_MIN_SHARED = 32
"""A shorter common beginning is read again for each question: keeping it apart costs more than it saves."""
_SHARED_STEP = 16
"""The common beginning is cut to a multiple of this, so that the chunks of one benchmark mostly have the same."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One sequence to read: a stem, and behind it the continuations, each without its last token and blind to the others."""

    prompt: int
    """Index of the prompt."""
    places: tuple[int, ...]
    """Index of each option among the prompt's continuations."""
    stem: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    """Tokens of the continuations that this row scores."""
    truncated: bool
    """Whether the beginning was cut off."""

    @property
    def n_tokens(self) -> int:
        """What the model reads."""
        return len(self.stem) + sum(len(option) - 1 for option in self.options)

    @property
    def is_packed(self) -> bool:
        """Whether options must be kept from seeing each other: one of several tokens may follow the stem as plain text."""
        return sum(len(option) > 1 for option in self.options) > 1


def plan_rows(
    tokenizer: TextTokenizer, prompts: Sequence[ChoicePrompt], max_length: int, pack_limit: int
) -> list[ScoreRow]:
    """The rows of all prompts: one for a prompt, or one for each continuation where they cannot be packed or are too long.

    Args:
        max_length: tokens that the model can read.
        pack_limit: tokens of the longest row in which options of several tokens may be packed; 0 packs none.
    """
    rows: list[ScoreRow] = []
    for index, prompt in enumerate(prompts):
        pairs = list(enumerate(_encode_pairs(tokenizer, prompt)))
        longest = max(len(option) for _, (_, option) in pairs)
        for stem, group in groupby(pairs, key=lambda pair: pair[1][0]):
            options = [(place, option) for place, (_, option) in group]
            n_tokens = len(stem) + sum(len(option) - 1 for _, option in options)
            together = longest == 1 or n_tokens <= min(pack_limit, max_length)
            apart = [options] if together else [[one] for one in options]
            rows.extend(_row(index, stem, own, max_length) for own in apart)
    return rows


def in_batches(
    rows: Sequence[ScoreRow], token_budget: int, n_shared: int = 0, min_fill: float = 0.0
) -> list[list[ScoreRow]]:
    """Rows grouped by length, longest first; a batch holds at most `token_budget` tokens with padding, or one row.

    Args:
        n_shared: tokens at the beginning of every row that are not read again.
        min_fill: least share of the longest row's length that a row of the same batch has.
    """
    batches: list[list[ScoreRow]] = []
    for row in sorted(rows, key=lambda row: (-row.n_tokens, row.prompt, row.places)):
        longest = batches[-1][0].n_tokens - n_shared if batches else 0
        fits = bool(batches) and longest * (len(batches[-1]) + 1) <= token_budget
        if fits and row.n_tokens - n_shared >= min_fill * longest:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def like_beginnings(rows: Sequence[ScoreRow]) -> list[list[ScoreRow]]:
    """Rows apart by what they begin with (the examples of one subject), and last all rows that begin like no other."""
    groups: dict[tuple[int, ...], list[ScoreRow]] = {}
    for row in rows:
        groups.setdefault(row.stem[:_MIN_SHARED], []).append(row)
    alone = [row for group in groups.values() if len(group) == 1 for row in group]
    return [group for group in groups.values() if len(group) > 1] + ([alone] if alone else [])


def shared_beginning(rows: Sequence[ScoreRow]) -> tuple[int, ...]:
    """The tokens that all stems begin with and that are worth reading once; at least one token of every stem is left."""
    if len(rows) < 2:
        return ()
    # Of sorted sequences the first and the last differ soonest.
    first, last = min(row.stem[:-1] for row in rows), max(row.stem[:-1] for row in rows)
    n_common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    n_shared = n_common // _SHARED_STEP * _SHARED_STEP
    return first[:n_shared] if n_shared >= _MIN_SHARED else ()


def _row(
    prompt: int, stem: tuple[int, ...], options: Sequence[tuple[int, tuple[int, ...]]], max_length: int
) -> ScoreRow:
    for place, option in options:
        if not 0 < len(option) <= max_length:
            raise InputError(
                f"Continuation {place + 1} of prompt {prompt + 1} has {len(option)} tokens; expected 1 to {max_length} "
                "(what the model can read). Shorten it, or score it as text."
            )
    room = max_length - max(len(option) for _, option in options) + 1
    return ScoreRow(
        prompt,
        tuple(place for place, _ in options),
        stem[-room:],
        tuple(option for _, option in options),
        truncated=len(stem) > room,
    )


def _encode_pairs(tokenizer: TextTokenizer, prompt: ChoicePrompt) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The tokens of the stem and of the continuation, for each continuation."""
    stripped = prompt.prefix.rstrip()
    ends = [prompt.prefix[len(stripped) :] + continuation for continuation in prompt.continuations]
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if not stripped:
        return [(((start or 0),), tuple(_encode(tokenizer, end, add_special_tokens=False))) for end in ends]
    # A prefix that already spells out its first token (a rendered chat template) gets no second one.
    add = start is None or not stripped.startswith(tokenizer.decode([start]))
    n_prefix = len(_encode(tokenizer, stripped, add_special_tokens=add))
    wholes = [_encode(tokenizer, stripped + end, add_special_tokens=add) for end in ends]
    return [(tuple(whole[:n_prefix]), tuple(whole[n_prefix:])) for whole in wholes]


def _encode(tokenizer: TextTokenizer, text: str, *, add_special_tokens: bool) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=add_special_tokens, verbose=False)
