"""What happened to a record in a step: dropped with a reason, or changed with before and after."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drop:
    """A record that left the data set: a row of `dropped.jsonl`. Every record that leaves does so as one of these."""

    id: str
    source: str
    step: str
    reason: str
    """Code for counting (`empty_answer`, `near_duplicate`)."""
    detail: str = ""
    """Words for a reviewer: a length, the id of the record that was kept, the benchmark item touched. No record text."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a step made to one field of a record that was kept: a row of `changes.jsonl`, which holds record text, so no log."""

    id: str
    step: str
    field: str
    """Place in the record: `messages[1]`, `context[0]`, `choices[2]`, `rationale`."""
    reason: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """A native row that did not become a record: a row of `set_aside.jsonl`."""

    source: str
    file: str
    row: str
    field: str
    reason: str
    detail: str

    @property
    def words(self) -> str:
        """Where it stands and what is wrong with it."""
        return f"{self.file}, row {self.row}: " + (f'"{self.field}" {self.detail}' if self.field else self.detail)
