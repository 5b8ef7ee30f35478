"""Rows as the model sees them: every token, and which of them it learns from."""

from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from osler.models.chat import end_token_id, system_prompt_of
from osler.models.config import ModelConfig
from osler.records.io import read_records
from osler.train.plan import light_tokenizer_of
from osler.train.tokens import RowSetAside, token_rows


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row."""

    id: str
    source: str
    n_tokens: int
    n_trained: int
    pieces: tuple[tuple[str, bool], ...]
    """Text and whether it is learned, in order; together the whole row."""
    fault: str
    """Why it cannot be trained on; empty for a good row."""


def shown_rows(model: ModelConfig, rows: Path, count: int) -> list[ShownRow]:
    """The first rows of a training file; no torch is loaded.

    Raises:
        InputError: the file is absent, or the chat template has no end token.
        EnvironmentLacks: the tokenizer is not on this machine.
    """
    prompt = system_prompt_of(model)
    tokenizer = light_tokenizer_of(model, rows, prompt)
    records = list(islice(read_records(rows), count))
    found = []
    for row in token_rows(tokenizer, records, prompt, end_token_id(tokenizer)):
        if isinstance(row, RowSetAside):
            found.append(ShownRow(row.id, row.source, 0, 0, (), f"{row.reason}: {row.detail}"))
            continue
        cuts = [0, *(cut for span in row.spans for cut in span), len(row.ids)]
        pieces = tuple(
            (tokenizer.decode(list(row.ids[start:stop])), number % 2 == 1)
            for number, (start, stop) in enumerate(pairwise(cuts))
            if stop > start
        )
        found.append(ShownRow(row.id, row.source, len(row.ids), row.n_trained, pieces, ""))
    return found
