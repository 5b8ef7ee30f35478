"""What is done to each record by itself: the row steps, then its key, its word runs and its contacts with benchmarks.

One pure function over batches, lines of records in, one row out for each: the record that stays, or the drop. A local pool and
Ray run the same function, and so could anything that maps a function over Arrow batches.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from osler.curate.decontaminate import BenchmarkIndex, Contact
from osler.curate.key import KEY_FIELDS, key_columns, read_key
from osler.curate.shards import LineError
from osler.curate.sketch import Bands, Hashes, Ragged, distinct, hash_words, word_runs
from osler.curate.step import Step
from osler.curate.store import band_columns, band_fields
from osler.errors import RowError
from osler.records.drop import Change, Drop
from osler.records.io import from_dict, to_dict
from osler.records.record import Record

VERSION = 4
"""Raised when this pass, or one of its steps, gives another result for the same records and options."""

_ROW_FIELDS = [
    pa.field("id", pa.string()),
    pa.field("source", pa.string()),
    pa.field("line", pa.large_binary()),  # the record that stays, as JSON; null where it was dropped
    pa.field("drop", pa.large_binary()),  # step, reason and detail, as JSON; null where it stays
    pa.field("changes", pa.large_binary()),  # rows of changes.jsonl; null where there are none
    pa.field("contacts", pa.large_binary()),  # with benchmarks' items, as JSON; null where there are none
    pa.field("account", pa.large_binary()),  # of the batch, as JSON, in its first row
]


@dataclass(slots=True)
class Account:
    """What the steps did to the records of a batch, or of all batches, besides dropping them."""

    changed: Counter[str] = field(default_factory=Counter)
    """Records changed and not dropped, by step."""
    tallies: dict[str, Counter[str]] = field(default_factory=dict)
    """What each step counted."""
    test_groups: set[str] = field(default_factory=set)
    """Leakage groups of records of a published test split, dropped or not."""

    def add(self, line: bytes) -> None:
        """Add the account of a batch."""
        other = orjson.loads(line)
        self.changed.update(other["changed"])
        for name, tally in other["tallies"].items():
            self.tallies.setdefault(name, Counter()).update(tally)
        self.test_groups.update(other["test_groups"])

    def to_bytes(self) -> bytes:
        """For `add`."""
        plain = {"changed": self.changed, "tallies": self.tallies, "test_groups": sorted(self.test_groups)}
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


@dataclass(slots=True)
class _Passed:
    """What came of one record."""

    record: Record
    """As the last step left it."""
    drop: Drop | None = None
    changes: list[Change] = field(default_factory=list)
    """In the order of the steps."""


@dataclass(frozen=True, slots=True)
class RowPass:
    """The pass over lines of records."""

    steps: tuple[Step, ...]
    index: BenchmarkIndex
    shingle_words: int
    bands: Bands

    @property
    def schema(self) -> pa.Schema:
        """Of a batch that comes out. The columns of keys and word runs are empty for records that were dropped."""
        return pa.schema([*_ROW_FIELDS, *KEY_FIELDS, *band_fields(self.bands)])

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take in a batch of `shards.LINES`."""
        records = [_record(*row) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
        account = Account(test_groups={r.group for r in records if r.split == "test" and r.group})
        passed = self._follow(records, account)
        stays = [one.record if one.drop is None else None for one in passed]
        runs = word_runs(hash_words([_said(record) for record in stays]), self.shingle_words)
        columns = {
            "id": [record.id for record in records],
            "source": [record.origin.source for record in records],
            "line": [None if record is None else orjson.dumps(to_dict(record)) for record in stays],
            "drop": [_drop_line(one.drop) for one in passed],
            "changes": [_change_lines(one.changes) for one in passed],
            "contacts": self._contacts(stays),
            "account": [account.to_bytes(), *[None] * (len(records) - 1)],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in _ROW_FIELDS]
        keys = key_columns([None if record is None else read_key(record) for record in stays])
        return pa.RecordBatch.from_arrays([*arrays, *keys, *band_columns(runs, self.bands)], schema=self.schema)

    def _follow(self, records: Sequence[Record], account: Account) -> list[_Passed]:
        passed = [_Passed(record) for record in records]
        # Step by step, not record by record: what a step looks up stays in the core's cache.
        for step in self.steps:
            tallies = account.tallies.setdefault(step.name, Counter())
            for one in passed:
                if one.drop is None:
                    outcome = step(one.record)
                    one.record, one.drop = outcome.record, outcome.drop
                    one.changes += sorted(outcome.changes, key=lambda change: change.field)
                    account.changed[step.name] += bool(outcome.changes)
                    tallies.update(outcome.tallies)
        return passed

    def _contacts(self, records: Sequence[Record | None]) -> list[bytes | None]:
        if self.index.is_empty:
            return [None] * len(records)
        everything = [_said(record) + _more(record) for record in records]
        runs = self.index.without_strangers(word_runs(hash_words(everything), self.index.ngram_words))
        return [_contact_line(self._touched(record, runs, row)) for row, record in enumerate(records)]

    def _touched(self, record: Record | None, runs: Ragged, row: int) -> tuple[Contact, ...]:
        own: Hashes = distinct(runs, row)
        return () if record is None else self.index.contacts(record, own)


def _record(line: bytes, start: int) -> Record:
    try:
        row: Any = orjson.loads(line)
        return from_dict(row)
    except (orjson.JSONDecodeError, RowError) as error:
        raise LineError(start, f"{error}. The file was not written by osler, or was changed since.") from error


def _said(record: Record | None) -> str:
    """Question and answer, which near copies are judged by."""
    if record is None:
        return ""
    return "\n".join(message.content for message in record.messages if message.role != "system")


def _more(record: Record | None) -> str:
    """Passages, options and rationale."""
    return "" if record is None else "\n".join(["", *record.context, *record.choices, record.rationale])


def _drop_line(drop: Drop | None) -> bytes | None:
    return None if drop is None else orjson.dumps([drop.step, drop.reason, drop.detail])


def _change_lines(changes: Sequence[Change]) -> bytes | None:
    lines = [orjson.dumps(asdict(change), option=orjson.OPT_APPEND_NEWLINE) for change in changes]
    return b"".join(lines) if lines else None


def _contact_line(contacts: Sequence[Contact]) -> bytes | None:
    return orjson.dumps([astuple(one) for one in contacts]) if contacts else None
