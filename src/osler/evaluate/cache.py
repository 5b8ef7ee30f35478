"""Answers kept by content: the same model asked the same thing is not asked again, whatever run it was asked in.

A folder a model, with one JSON Lines file for each process that asks. A key covers the prompt and how it is asked; what stands
in the file is what the model said, not what was made of it, so that a better reading of replies applies to old ones too.
"""

from collections.abc import Sequence
from pathlib import Path

import orjson

from osler.evaluate.rows import append_rows

Answer = list[float] | list[str]
"""Log-likelihoods of the continuations, or replies."""


class AnswerCache:
    """The answers of one model.

    Args:
        folder: of its own for each model (weights, adapter, number type, template, system prompt).
        part: number of the process that writes; each has its own file, and reads all.
    """

    def __init__(self, folder: Path, part: int = 0) -> None:
        self._path = folder / f"answers-{part}.jsonl"
        self._known: dict[str, Answer] = {}
        for path in sorted(folder.glob("answers-*.jsonl")):
            for line in path.read_bytes().split(b"\n"):
                try:
                    row = orjson.loads(line)
                    self._known[row["key"]] = row["answer"]
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    continue  # a line that a kill cut off

    def all_of(self, keys: Sequence[str]) -> list[Answer] | None:
        """The answers to these, or None when one is missing.

        What is asked together always comes from one asking, so that a killed run gives the same bits as an undisturbed one.
        """
        return [self._known[key] for key in keys] if all(key in self._known for key in keys) else None

    def add(self, keys: Sequence[str], answers: Sequence[Answer]) -> None:
        """Keep answers."""
        append_rows(self._path, [{"key": key, "answer": answer} for key, answer in zip(keys, answers, strict=True)])
        self._known.update(zip(keys, answers, strict=True))
