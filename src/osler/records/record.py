"""The record: one example, used alike for training, testing, decontamination and serving with citations.

Everything that flows through the rooms is a `Record`. It is plain and frozen; text enters through `sources` only.
"""

from dataclasses import dataclass
from typing import Literal

from osler.errors import RowError
from osler.text import hash_hex

Role = Literal["system", "user", "assistant"]
Task = Literal["qa", "choice", "yesno", "dialogue", "summary", "classify", "note"]
Access = Literal["open", "unclear", "application", "credentialed"]

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
TASKS: tuple[Task, ...] = ("qa", "choice", "yesno", "dialogue", "summary", "classify", "note")


SAMPLE_REVISION = "osler-sample-1"
"""Revision of the invented sample that ships; raised when its rows change."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from. Travels with the record through every step."""

    source: str
    """Name of the source in the catalog (`medquad`)."""
    row: str
    """Place in the publisher's own files: file and line, XML path, or native id."""
    revision: str = ""
    """Commit or file digest of the copy that was read."""
    license: str = ""
    """SPDX id, or `LicenseRef-...` where there is none."""
    access: Access = "open"
    url: str = ""
    generator: str = ""
    """Name of the model that wrote the text; empty for human text."""

    @property
    def is_sample(self) -> bool:
        """Whether the record is of the invented sample, in the shape of its source but not its text."""
        return self.revision == SAMPLE_REVISION


@dataclass(frozen=True, slots=True)
class Record:
    """One example."""

    id: str
    """`source:` and 16 hex digits; stable for the same native row, unique in a run."""
    task: Task
    messages: tuple[Message, ...]
    """The conversation. For a training record the last turn is the target, by the assistant. Options of a `choice` record
    are not written into the turns: they stand in `choices` and are rendered once, by `records.render.as_messages`."""
    origin: Origin
    context: tuple[str, ...] = ()
    """Passages that belong to the question (an abstract, a note)."""
    choices: tuple[str, ...] = ()
    """Options of a choice, classify or yesno record, without letters."""
    answer: int | None = None
    """Index into `choices`; None where there are none or the label is hidden."""
    rationale: str = ""
    """Published explanation of the answer; empty where there is none."""
    split: str = ""
    """The published split: train, validation, test, or empty where the publisher has none."""
    group: str = ""
    """Leakage group: records of one group never stand in two splits. Empty: a group of its own."""
    subject: str = ""
    """The publisher's name for what it is about (an examination's subject); empty where there is none."""

    @property
    def question(self) -> str:
        """Text of the last user turn, or empty."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.content
        return ""

    @property
    def target(self) -> str:
        """Text of the last turn when the assistant speaks it, or empty (a question without an answer)."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "assistant" else ""


def record_id(source: str, row: str) -> str:
    """The id of the record that `source` makes of its native row `row`: content-free, so it survives cleaning."""
    digest = hash_hex(f"{source}\n{row}")
    return f"{source}:{digest[:16]}"


def check_record(record: Record) -> None:
    """Hold a record to the promises of its type.

    Raises:
        RowError: with the field at fault; the message never shows the record's text.
    """
    if record.task not in TASKS:
        raise RowError("bad_task", f"task is {record.task!r}; expected one of {', '.join(TASKS)}", "task")
    if not record.messages:
        raise RowError("no_messages", "has no messages", "messages")
    for index, message in enumerate(record.messages):
        if message.role not in ROLES:
            raise RowError(
                "bad_role", f"role is {message.role!r}; expected one of {', '.join(ROLES)}", f"messages[{index}]"
            )
    if not record.messages[-1].content.strip():
        raise RowError("empty_answer", "the last turn is empty", f"messages[{len(record.messages) - 1}]")
    if not record.question.strip():
        raise RowError("empty_question", "there is no question", "messages")
    if record.answer is not None and not 0 <= record.answer < len(record.choices):
        raise RowError(
            "answer_outside_choices", f"answer is {record.answer}, with {len(record.choices)} choices", "answer"
        )
