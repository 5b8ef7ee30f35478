"""The user's own benchmark: a YAML file that says what it is, beside a JSONL file of questions.

    name: ward-quiz
    file: ward_quiz.jsonl        # beside this file
    task: choice                 # choice, yesno or open
    fields: {question: stem, choices: options, answer: key}
    labels: []                   # for yesno: its words in order, as ["yes", "no"]
    attribution: Ward 7, 2026. Internal.

An answer is a number from 0, a letter, or the text of an option; choices are a list, or an object by letter. `context`, `subject`,
`id` and, for open answers, `must_have` (a list of statements) may be named too.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from osler.errors import InputError, RowError
from osler.evaluate.benchmarks import BENCHMARKS, Benchmark, Style
from osler.evaluate.form import read_form
from osler.records.io import read_jsonl
from osler.records.record import Message, Origin, Record, Task, record_id
from osler.records.render import LETTERS
from osler.runs.files import sha256_file
from osler.runs.section import Section

FieldName = Literal["id", "question", "choices", "answer", "context", "subject", "must_have"]


class OwnBenchmark(Section):
    """The content of a benchmark's YAML file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    file: str
    task: Literal["choice", "yesno", "open"] = "choice"
    fields: dict[FieldName, str] = Field(default_factory=dict)
    """The file's name of each field; one that is not named has its own."""
    labels: tuple[Annotated[str, Field(pattern=r"^[a-z]+$")], ...] = ()
    """Lower-case words: replies and options are read without regard to case."""
    attribution: Annotated[str, Field(min_length=1)]

    @field_validator("labels", mode="before")
    @classmethod
    def _are_words(cls, labels: Any) -> Any:
        if isinstance(labels, list) and any(isinstance(one, bool) for one in labels):
            raise ValueError('YAML reads yes and no as true and false; write them as "yes" and "no"')
        return labels


def load_own(path: Path) -> tuple[Benchmark, list[Record]]:
    """A benchmark and its questions.

    Raises:
        InputError: the YAML or a row is wrong; names file, row and field, never the text.
    """
    own = _read(path)
    rows = path.parent / own.file
    revision = f"sha256:{sha256_file(rows)[:16]}" if rows.is_file() else ""
    records = []
    for number, row in read_jsonl(rows):
        try:
            records.append(_record(own, number, row, revision))
        except RowError as error:
            raise InputError(f"{rows}, line {number}: {error}") from error
    return _benchmark(own), records


def own_records(paths: Iterable[Path]) -> dict[str, list[Record]]:
    """The questions of the user's benchmarks, by their names; raises as `load_own`."""
    return {benchmark.name: records for benchmark, records in map(load_own, paths)}


def own_benchmark(path: Path) -> Benchmark:
    """What the YAML file says, without its questions.

    Raises:
        InputError: the YAML is wrong.
    """
    return _benchmark(_read(path))


def _read(path: Path) -> OwnBenchmark:
    own = read_form(OwnBenchmark, path)
    if any(own.name == known.name for known in BENCHMARKS):
        raise InputError(f"{path}: name: {own.name!r} is a benchmark that ships; choose another")
    is_named = len(own.labels) >= 2 and len(set(own.labels)) == len(own.labels)
    if not is_named if own.task == "yesno" else own.labels:
        raise InputError(
            f"{path}: labels: name the words of a yesno benchmark, two or more, each once, and of no other"
        )
    return own


def _benchmark(own: OwnBenchmark) -> Benchmark:
    styles: dict[str, tuple[Task, Style]] = {
        "choice": ("choice", "medqa"),
        "yesno": ("yesno", "pubmedqa"),
        "open": ("qa", "open"),
    }
    task, style = styles[own.task]
    return Benchmark(own.name, own.name, task, "test", style, own.attribution, own.labels)


def _record(own: OwnBenchmark, number: int, row: Mapping[str, Any], revision: str) -> Record:
    values: dict[str, Any] = {name: row.get(own.fields.get(name, name)) for name in get_args(FieldName)}
    question = _text(values["question"], "question")
    choices = () if own.task == "open" else own.labels or _choices(values["choices"])
    answer = None if own.task == "open" else _answer(values["answer"], choices, lettered=not own.labels)
    target = _text(values["answer"], "answer") if own.task == "open" else ""
    context, must_have = values["context"] or [], values["must_have"] or []
    key = str(values["id"] if values["id"] is not None else number)
    return Record(
        id=record_id(own.name, key),
        task=_benchmark(own).task,
        messages=(Message("user", question), *((Message("assistant", target),) if target else ())),
        origin=Origin(own.name, key, revision),
        context=tuple(_text(part, "context") for part in ([context] if isinstance(context, str) else context)),
        choices=choices,
        answer=answer,
        rationale="\n".join(f"- {_text(one, 'must_have')}" for one in must_have),
        split="test",
        subject=_text(values["subject"], "subject") if values["subject"] else "",
    )


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RowError("wrong_type", f"is {type(value).__name__} or empty; expected text", field)
    return value


def _choices(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list) or not 2 <= len(value) <= len(LETTERS):
        raise RowError("bad_options", f"expected a list or an object of 2 to {len(LETTERS)} texts", "choices")
    return tuple(_text(one, "choices") for one in value)


def _answer(value: Any, choices: tuple[str, ...], *, lettered: bool) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
        return value
    if isinstance(value, str):
        text = value.strip()
        if lettered and len(text) == 1 and text.upper() in LETTERS[: len(choices)]:
            return LETTERS.index(text.upper())
        matching = [index for index, choice in enumerate(choices) if choice.strip().casefold() == text.casefold()]
        if len(matching) == 1:
            return matching[0]
    raise RowError(
        "answer_not_an_option", f"is no number from 0 to {len(choices) - 1}, letter or text of one option", "answer"
    )
