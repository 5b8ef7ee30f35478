"""MedSafetyBench's requests by Llama-3: JSON lines with a field, or the publisher's plain text, a request a line."""

from collections.abc import Iterator

from osler.errors import RowError
from osler.sources.read import read_rows
from osler.sources.read.opening import Part, each_row
from osler.sources.source import NativeRow, SourceFile


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The rows of a file; of a plain text, its lines that are not blank."""
    return each_row(file, _lines) if ".txt" in file.name else read_rows(file)


def _lines(part: Part) -> Iterator[NativeRow]:
    for number, line in enumerate(part.stream, start=1):
        value: str | RowError
        try:
            value = line.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            value = RowError("bad_encoding", f"line {number}: a byte is not UTF-8")
        if value:
            yield NativeRow(part.file, f"{part.name}:{number}", value)
