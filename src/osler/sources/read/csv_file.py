"""Comma- and tab-separated values with a header: one object a record."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TextIO

from osler.errors import InputError, RowError
from osler.sources.fields import shown_name
from osler.sources.read.opening import Part, as_utf8, bare_name, each_row
from osler.sources.source import NativeRow, SourceFile

_MAX_FIELD_CHARS = 16 * 1024 * 1024
"""A clinical note is below this; a field above it is a quote that was never closed."""
_MAX_LINE_CHARS = 4 * _MAX_FIELD_CHARS


def read_csv(file: SourceFile, columns: tuple[str, ...] = ()) -> Iterator[NativeRow]:
    """One row a record, located as `name:line` by the line on which the record starts; blank lines are not rows.

    Args:
        columns: names of the columns of a file without a header.

    Raises:
        InputError: no header, two columns of one name, or a quote that is never closed.
    """
    return each_row(file, partial(csv_rows, columns=columns), ("*.csv", "*.tsv"))


def csv_rows(part: Part, columns: tuple[str, ...] = ()) -> Iterator[NativeRow]:
    """The rows of a stream of separated values: by tabs in files named `.tsv`, else by what parts the names of the columns."""
    csv.field_size_limit(_MAX_FIELD_CHARS)
    delimiter = "\t" if bare_name(part.name).endswith(".tsv") else ","
    # Bytes that cannot be decoded come through as lone surrogates, so that one bad row does not stop the file. Lines end at
    # the line feed only: a carriage return alone, in a file with line feeds, would cut a row in two.
    text = io.TextIOWrapper(as_utf8(part.stream), encoding="utf-8", errors="surrogateescape", newline="\n")
    lines = _Lines(text)
    try:
        yield from _records(part, lines, delimiter if columns else _delimiter(lines, delimiter), list(columns))
    finally:
        text.detach()  # also when nobody reads on: the stream is closed by who opened it


def _records(part: Part, lines: "_Lines", delimiter: str, header: list[str]) -> Iterator[NativeRow]:
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    while True:
        lines.start_record()
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if not header:
                why = "lines end in carriage returns alone; save it anew" if "new-line" in str(error) else error
                raise InputError(f"{part.path}, line {lines.first}: the header is not CSV ({why})") from error
            problem = _spoilt(part, lines, delimiter, len(header), error)
            yield NativeRow(part.file, f"{part.name}:{lines.first}", problem)
            reader = csv.reader(lines, strict=True, delimiter=delimiter)
            continue
        if not fields:
            continue
        if header:
            yield NativeRow(part.file, f"{part.name}:{lines.first}", _row(header, fields, lines.first))
        else:
            header = checked_header(part, fields, lines.first)
    if not header:
        raise InputError(f"{part.path}: the file is empty; expected a header line with the names of the columns")


def _delimiter(lines: "_Lines", usual: str) -> str:
    """What parts the names of the columns. Spreadsheets write semicolons where the comma is the decimal mark."""
    names = _QUOTED.sub("", next(lines, ""))
    lines.put_back(0)
    return next((mark for mark in (usual, ";", "\t") if mark in names), usual)


_QUOTED = re.compile('"[^"]*"')


def checked_header(part: Part, names: list[str], line: int) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: a name is no text in UTF-8, or two columns have one name.
    """
    if any(_ESCAPED.search(name) or "\0" in name for name in names):
        raise InputError(f"{part.path}, line {line}: the names of the columns are not UTF-8. Save the file as UTF-8.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{part.path}, line {line}: the column {', '.join(map(repr, map(shown_name, repeated)))} is there more than once; "
            "which one is meant cannot be told. Rename or remove one."
        )
    return names


@dataclass(slots=True)
class _Lines:
    """The lines of a text, those of the record at hand kept, so that they can be read once more."""

    text: TextIO
    first: int = 0
    """Number of the first line of the record at hand."""
    record: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    """Lines to be read once more, the next one last."""

    def start_record(self) -> None:
        self.first += len(self.record) or (self.first == 0)
        self.record = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self.text.readline(_MAX_LINE_CHARS)
        if not line:
            raise StopIteration
        self.record.append(line)
        return line

    def put_back(self, n_kept: int) -> None:
        """Give back all lines of the record but the first `n_kept`."""
        self.again += reversed(self.record[n_kept:])
        del self.record[n_kept:]


def _row(header: list[str], fields: list[str], line: int) -> Any:
    if len(fields) != len(header):
        return RowError("wrong_columns", f"line {line} has {len(fields)} columns; expected {len(header)}")
    for name, text in zip(header, fields, strict=True):
        if not text.isascii() and (bad := _ESCAPED.search(text)):
            byte = ord(bad[0]) - 0xDC00
            return RowError(
                "bad_encoding", f"line {line}: 0x{byte:02x} at character {bad.start() + 1} is not UTF-8", name
            )
        if "\0" in text:
            return RowError("nul_character", f"line {line}: holds the character NUL", name)
    return dict(zip(header, fields, strict=True))


_ESCAPED = re.compile("[\udc80-\udcff]")


def _spoilt(part: Part, lines: _Lines, delimiter: str, n_columns: int, error: csv.Error) -> RowError:
    """What is wrong with the record at hand. Lines that prove to be records of their own are given back to be read.

    A stray quote ends a field too early, a missing one lets the record swallow those after it. Where the next record starts
    is told by lines that are whole records with the right number of columns, and by a quote that opens a field. Where that
    cannot be told, nothing is guessed.

    Raises:
        InputError: the record never ends, or where the next one starts cannot be told.
    """
    record = lines.record
    whole = _whole_record(delimiter, n_columns)
    never_ends = InputError(f"{part.path}: the record that starts on line {lines.first} never ends ({error})")
    if "unexpected end" in str(error) or "field larger" in str(error):
        closed = bool(record) and record[0].count('"') % 2 == 0
        if not n_columns or not all(map(whole, record[1:])) or (not closed and "field larger" in str(error)):
            raise never_ends from error
        lines.put_back(1)
    elif len(record) > 1 and _opens_field(record[-1], delimiter):
        lines.put_back(1 if all(map(whole, record[1:-1])) else len(record) - 1)
    elif not _take_rest_of_field(lines, delimiter, whole):
        raise never_ends from error
    last = lines.first + len(lines.record) - 1
    where = f"line {lines.first}" if last == lines.first else f"lines {lines.first} to {last}"
    return RowError("not_csv", f"{where}: {error}")


def _take_rest_of_field(lines: _Lines, delimiter: str, whole: Callable[[str], bool]) -> bool:
    """After a stray quote, take the lines that may belong to its field; False where the next record cannot be found.

    Quotes come in pairs, so a record with an odd number of them may go on to the next line with one. So may a record before a
    line that is none. Such lines are set aside with it, because prose that happens to have the right number of commas must
    not become a record.
    """
    n_before = len(lines.record)
    odd = sum(line.count('"') for line in lines.record) % 2 == 1
    follower = next((line for line in lines if line.strip()), "")
    lines.put_back(n_before)
    if not odd and n_before == 1 and (whole(follower) or _opens_field(follower, delimiter)):
        return True
    ends = False
    n_chars = 0
    for line in lines:
        n_chars += len(line)
        ends = line.count('"') % 2 == 1
        if ends or n_chars > _MAX_FIELD_CHARS:
            break
    between = lines.record[n_before : -1 if ends else None]
    if ends and not _opens_field(lines.record[-1], delimiter):
        return True
    if all(map(whole, between)):
        lines.put_back(n_before)
        return True
    if ends:
        lines.put_back(len(lines.record) - 1)
    return ends


def _opens_field(line: str, delimiter: str) -> bool:
    """Whether the first quote of the line stands where a field starts."""
    before, quote, _ = line.partition('"')
    return bool(quote) and (not before or before.endswith(delimiter))


def _whole_record(delimiter: str, n_columns: int) -> Callable[[str], bool]:
    """Tells whether a line is blank or a whole record, by the strict rules of RFC 4180, of so many columns."""
    mark = re.escape(delimiter)
    text = rf'(?:"(?:[^"]|"")*+"|[^"{mark}\r\n]*+)'
    pattern = re.compile(rf"(?:{text}{mark}){{{max(n_columns - 1, 0)}}}{text}[\r\n]*")
    return lambda line: not line.strip() or pattern.fullmatch(line) is not None
