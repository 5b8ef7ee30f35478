"""Spreadsheets (.xlsx): the first row names the columns. Read whole into memory; a sheet has at most 1,048,576 rows."""

import zipfile
from collections.abc import Iterator
from typing import IO, Any

from osler.errors import InputError, RowError
from osler.sources.read.csv_file import checked_header
from osler.sources.read.limits import Limits, Meter
from osler.sources.read.opening import Part, seekable
from osler.sources.source import NativeRow

_SHEET_LIMITS = Limits(max_unpacked_bytes=2 * 1024**3)
"""A full sheet of a million rows has about 1 GB of XML."""


def xlsx_rows(part: Part) -> Iterator[NativeRow]:
    """One row a line of the first sheet, located as `name:line` as the spreadsheet numbers it.

    Empty cells are empty texts, whole numbers come without a fraction, dates as ISO 8601. Empty lines are not rows.

    Raises:
        InputError: not a spreadsheet, no header, or two columns of one name.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    with seekable(part) as stream:
        _check_size(part, stream)
        stream.seek(0)
        try:
            table = CalamineWorkbook.from_filelike(stream).get_sheet_by_index(0)
            lines = table.iter_rows()
        except (CalamineError, IndexError) as error:
            raise InputError(f"{part.path}: not a readable spreadsheet ({type(error).__name__})") from error
        if table.start is None:
            raise InputError(
                f"{part.path}: the sheet {table.name!r} is empty; expected a line with the names of the columns"
            )
        header: list[str] = []
        for number, cells in enumerate(lines, start=1):
            if not any(cell != "" for cell in cells):
                continue
            if not header:
                header = checked_header(part, [str(_plain(cell)) for cell in _trimmed(cells)], number)
            else:
                yield NativeRow(part.file, f"{part.name}:{number}", _row(header, cells, number))


def _check_size(part: Part, stream: IO[bytes]) -> None:
    """The sheets are read whole, so what they unpack to is looked at before."""
    n_packed = stream.seek(0, 2)
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            Meter(part.path, _SHEET_LIMITS, lambda: n_packed).add(sum(info.file_size for info in archive.infolist()))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(f"{part.path}: not a readable spreadsheet ({error})") from error


def _row(header: list[str], cells: list[Any], number: int) -> Any:
    if any(cell != "" for cell in cells[len(header) :]):
        return RowError("wrong_columns", f"line {number} has {len(_trimmed(cells))} columns; expected {len(header)}")
    filled = [*cells[: len(header)], *[""] * (len(header) - len(cells))]
    return {name: _plain(cell) for name, cell in zip(header, filled, strict=True)}


def _trimmed(cells: list[Any]) -> list[Any]:
    """Without the empty cells at the end, which formatting leaves behind."""
    last = max((index for index, cell in enumerate(cells) if cell != ""), default=-1)
    return cells[: last + 1]


def _plain(cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, str | int | float | bool):
        return cell
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
