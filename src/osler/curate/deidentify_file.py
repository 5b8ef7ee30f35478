"""A file with identifiers replaced: JSON Lines, CSV or plain text in, the same out, with a report beside it.

Rows stream, so memory does not grow with the file; every output appears whole or not at all. Written beside `OUT`:
`OUT.risk.jsonl` (a line per row: how many identifiers, the residual risk), `OUT.review.jsonl` (rows for a person to read: those of
the highest risk and some at random) and `OUT.report.json`. None of them holds an original value.
"""

import csv
import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.phi import find, replace, residual_risk
from osler.phi.find import Finder
from osler.phi.spans import Span
from osler.phi.surrogates import surrogates
from osler.records.io import JsonlWriter, read_jsonl, write_rows
from osler.runs.files import made_whole, write_json
from osler.runs.progress import Progress, silent
from osler.text import separator_of

_RISKY = 0.5
"""Residual risk from which a row counts as one to be read."""
_REVIEWED = 25
"""Rows in the queue for each of the two reasons."""
_MOST_TEXT_CHARS = 200_000
"""A plain text is cut at line ends into pieces of this size."""
_MOST_FIELD_CHARS = 1 << 27
"""Of a column; Python's own limit of 131,072 is a long note."""


@dataclass(frozen=True, slots=True)
class How:
    """How a file is de-identified."""

    field: str = "text"
    """Field or column with the text; plain text has none."""
    key: bytes | None = None
    """The secret for surrogates; None writes typed tags."""
    has_spans: bool = False
    """Whether each row of JSON Lines gets `phi`."""
    also: tuple[Finder, ...] = ()
    every_kind: bool = False
    """Whether what Safe Harbor leaves is replaced, too."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was done to a file."""

    rows: int
    changed: int
    identifiers: dict[str, int]
    risky_rows: int
    """Rows whose residual risk is 0.5 or more."""
    mean_risk: float
    out: str
    review: str
    note: str = (
        "Some identifiers are missed. Safe Harbor (45 CFR 164.514(b)(2)) also needs the absence of actual knowledge that the rest "
        "could identify somebody; no tool certifies that. Residual risk is an estimate by the same model that may have missed them."
    )


@dataclass(frozen=True, slots=True)
class _Cleaned:
    text: str
    spans: list[Span]
    replacements: list[str]


def deidentify_file(file: Path, out: Path, how: How, progress: Progress = silent) -> Report:
    """Write `file` with identifiers replaced to `out`, and the three files beside it.

    Raises:
        InputError: the file is absent or of an unknown kind, a row lacks the field (names the line), or spans are asked for where
            a row has no place for them.
    """
    kinds: dict[str, Callable[[Path, Path, How, _Tally], None]] = {
        ".jsonl": _rows_of_json, ".ndjson": _rows_of_json, ".csv": _rows_of_csv, ".txt": _pieces_of_text, ".md": _pieces_of_text,
    }  # fmt: skip
    kind = kinds.get(file.suffix.lower())
    if kind is None:
        raise InputError(
            f"{file}: files of kind {file.suffix!r} are not read; expected one of {', '.join(sorted(kinds))}"
        )
    if how.has_spans and kind is not _rows_of_json:
        raise InputError(
            f"--spans is for rows of JSON Lines, and {file} has none. Leave it out, or give a .jsonl file."
        )
    if not file.is_file():
        raise InputError(f"{file} does not exist")
    if out.exists() and out.samefile(file):
        raise InputError(f"--out is the file that is read, {file}; choose another, so that the original is not lost")
    review = out.with_name(out.name + ".review.jsonl")
    with JsonlWriter(out.with_name(out.name + ".risk.jsonl")) as risks:
        tally = _Tally(risks, progress)
        kind(file, out, how, tally)
    write_rows(review, tally.queue())
    report = Report(
        rows=tally.rows,
        changed=tally.changed,
        identifiers=dict(sorted(tally.identifiers.items())),
        risky_rows=tally.risky_rows,
        mean_risk=round(tally.total_risk / tally.rows, 4) if tally.rows else 0.0,
        out=str(out),
        review=str(review),
    )
    write_json(out.with_name(out.name + ".report.json"), asdict(report))
    return report


class _Tally:
    """Counts as rows go by, and the rows to be read: a bounded number, however long the file."""

    def __init__(self, risks: JsonlWriter, progress: Progress) -> None:
        self.rows = self.changed = self.risky_rows = 0
        self.identifiers: Counter[str] = Counter()
        self.total_risk = 0.0
        self._risks = risks
        self._progress = progress
        self._riskiest: list[tuple[float, int, str]] = []
        self._sampled: list[tuple[int, int, str, float]] = []

    def add(self, row: int, cleaned: _Cleaned) -> None:
        risk = residual_risk(cleaned.text)
        self.rows += 1
        self.changed += bool(cleaned.spans)
        self.risky_rows += risk >= _RISKY
        self.total_risk += risk
        self.identifiers.update(span.type for span in cleaned.spans)
        self._risks.write({"row": row, "identifiers": len(cleaned.spans), "risk": risk})
        readable = cleaned.text.encode("utf-8", "replace").decode()
        _keep(self._riskiest, (risk, -row, readable))
        # A sample by the hash of the text is the same however often the command runs.
        digest = hashlib.sha256(f"{row}\0{cleaned.text}".encode("utf-8", "surrogatepass")).digest()
        _keep(self._sampled, (-int.from_bytes(digest[:8], "big"), row, readable, risk))
        self._progress("deidentify", self.rows, None)

    def queue(self) -> Iterator[dict[str, Any]]:
        rows = {-row: (risk, "risk", text) for risk, row, text in self._riskiest if risk > 0}
        for _, row, text, risk in self._sampled:
            rows.setdefault(row, (risk, "sample", text))
        for row in sorted(rows, key=lambda row: (-rows[row][0], row)):
            risk, reason, text = rows[row]
            yield {"row": row, "reason": reason, "risk": risk, "text": text}


def _keep(heap: list[Any], entry: Any) -> None:
    """Add an entry; of more than `_REVIEWED` the smallest goes."""
    heapq.heappush(heap, entry)
    if len(heap) > _REVIEWED:
        heapq.heappop(heap)


def _clean(text: str, how: How, document: str) -> _Cleaned:
    spans = find(text, how.also, every_kind=how.every_kind)
    replacements = (
        [f"[{span.type}]" for span in spans] if how.key is None else surrogates(text, spans, how.key, document)
    )
    return _Cleaned(replace(text, spans, replacements), spans, replacements)


def _document(row: dict[str, Any], text: str) -> str:
    """The name of a row's document: its `id`, or the hash of its text."""
    identity = row.get("id")
    return str(identity) if identity else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _rows_of_json(file: Path, out: Path, how: How, tally: _Tally) -> None:
    with JsonlWriter(out) as writer:
        for number, row in read_jsonl(file):
            text = row.get(how.field)
            if not isinstance(text, str):
                raise InputError(
                    f"{file}, line {number}: the field {how.field!r} is {type(text).__name__}; expected text. Name it with --field."
                )
            cleaned = _clean(text, how, _document(row, text))
            row[how.field] = cleaned.text
            if how.has_spans:
                row["phi"] = [
                    {"start": s.start, "end": s.end, "type": s.type, "replacement": replacement, "by": s.by}
                    for s, replacement in zip(cleaned.spans, cleaned.replacements, strict=True)
                ]
            writer.write(row)
            tally.add(number, cleaned)


def _rows_of_csv(file: Path, out: Path, how: How, tally: _Tally) -> None:
    with (
        file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
        made_whole(out) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as written,
    ):
        csv.field_size_limit(_MOST_FIELD_CHARS)
        delimiter = separator_of(stream.readline())
        stream.seek(0)
        rows = csv.DictReader(stream, strict=True, delimiter=delimiter)
        try:
            columns: Sequence[str] = rows.fieldnames or ()
        except csv.Error as error:
            raise InputError(f"{file}, line 1: the header is not CSV ({error})") from error
        if how.field not in columns:
            raise InputError(
                f"{file}: there is no column {how.field!r}; it has {', '.join(columns)}. Name it with --field."
            )
        table = csv.DictWriter(written, columns, delimiter=delimiter, lineterminator="\n")
        table.writeheader()
        for number, row in enumerate(_checked(rows, file, len(columns)), 1):
            cleaned = _clean(row[how.field], how, _document(row, row[how.field]))
            table.writerow({**row, how.field: cleaned.text})
            tally.add(number, cleaned)


def _checked(rows: "csv.DictReader[str]", file: Path, n_columns: int) -> Iterator[dict[str, str]]:
    try:
        for number, row in enumerate(rows, 1):
            if None in row or None in row.values():
                raise InputError(f"{file}, row {number}: expected {n_columns} columns, as in the first line")
            yield row
    except csv.Error as error:
        raise InputError(f"{file}, line {rows.line_num}: it is not CSV ({error})") from error


def _pieces_of_text(file: Path, out: Path, how: How, tally: _Tally) -> None:
    with (
        file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream,
        made_whole(out) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as written,
    ):
        for number, piece in enumerate(_pieces(stream), 1):
            cleaned = _clean(piece, how, file.name)
            written.write(cleaned.text)
            tally.add(number, cleaned)


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for line in lines:
        if held and size + len(line) > _MOST_TEXT_CHARS:
            yield "".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line)
    if held:
        yield "".join(held)
