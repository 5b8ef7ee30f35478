"""The answers to be reviewed, read from what other stages wrote or from any JSON Lines file.

Known shapes: the red team's `transcripts.jsonl` (prompt, reply, arm), the demo's `answers.json` (question, answer), samples of
open answers (question, text or reply, model), and rows with question, answer and arm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.records.io import read_jsonl
from osler.runs.files import read_json
from osler.text import hash_hex

_QUESTION = ("question", "prompt")
_ANSWER = ("reply", "text", "answer", "response")
_ARM = ("arm", "model")
_TOPIC = ("topic", "intent", "kind")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns where a file has others than the known ones."""

    question: str | None = None
    answer: str | None = None
    arm: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    """Rows that have these values in these columns; empty takes all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one arm."""

    question: str
    answer: str
    arm: str
    """Which model or way of asking wrote it; the file's name where no column tells. Never shown to a rater."""
    group: str
    """Answers of one group are answers to one question, or to disguises of it; they count once."""
    topic: str
    """Answers are drawn so that every topic keeps its share; empty where there is none."""
    artefact: str
    """Id of the artefact that answered, where the row names it: the gate compares it."""
    file: str
    row: int
    """Line, or place in the list, from 1: with `file` this is where the answer came from."""

    @property
    def item(self) -> str:
        """Id of the text, whoever wrote it: equal answers to a question are rated once."""
        return item_id(self.question, self.answer)


def item_id(question: str, answer: str) -> str:
    """Sixteen hex digits that depend on the two texts and nothing else."""
    return hash_hex(f"{question}\n\0{answer}")[:16]


def read_answers(files: Sequence[Path], columns: Columns) -> list[Answer]:
    """All answers of some files, in order.

    Raises:
        InputError: a file is absent or a row has no question or no answer; names file, row and columns, never text.
    """
    answers: list[Answer] = []
    for file in files:
        answers.extend(
            _answer(row, file, number, columns)
            for number, row in _rows(file)
            if all(str(row.get(name)) == value for name, value in columns.only.items())
        )
    if not answers:
        raise InputError(f"{', '.join(map(str, files)) or 'no file'}: there are no answers to review")
    return answers


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.suffix != ".json":
        yield from read_jsonl(file)
        return
    listed = read_json(file)
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise InputError(f"{file}: expected a list of objects")
    yield from enumerate(listed, start=1)


def _answer(row: Mapping[str, Any], file: Path, number: int, columns: Columns) -> Answer:
    place = f"{file}, row {number}"
    question = _text(row, _columns(columns.question, _QUESTION), place)
    if not question.strip():
        raise InputError(f"{place}: the question is empty")
    named = _first(row, _columns(columns.arm, _ARM))
    return Answer(
        question=question,
        answer=_text(row, _columns(columns.answer, _ANSWER), place),
        arm=str(named) if named is not None else file.stem,
        group=str(row.get("id") or question),
        topic=str(_first(row, _TOPIC) or ""),
        artefact=str(row.get("artefact") or ""),
        file=str(file),
        row=number,
    )


def _columns(chosen: str | None, known: Sequence[str]) -> Sequence[str]:
    return known if chosen is None else (chosen,)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _text(row: Mapping[str, Any], names: Sequence[str], place: str) -> str:
    value = _first(row, names)
    if not isinstance(value, str):
        raise InputError(
            f"{place}: no text in {' or '.join(names)}; the columns are {', '.join(row)}. "
            "Name the right ones with --question and --answer."
        )
    return value
