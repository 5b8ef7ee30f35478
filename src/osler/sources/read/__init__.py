"""Readers, one format a file: each streams the native rows of one file and never stops at a single bad row.

`read_rows` tells the format by the name; the others are for files whose rows it would not find by itself.

A row that cannot be read comes out as a `NativeRow` whose value is a `RowError`; a file that cannot be read at all
(cut off, not that format) raises `InputError`. `.gz` is understood everywhere, and so are `.zip`, `.tar` and `.tar.gz`, whose
members are read in their order as if they lay in the folder.
"""

from collections.abc import Iterator

from osler.errors import InputError
from osler.sources.read.csv_file import csv_rows, read_csv
from osler.sources.read.json_file import json_rows, load_json, read_json
from osler.sources.read.jsonl_file import jsonl_rows
from osler.sources.read.limits import LIMITS, Limits
from osler.sources.read.opening import Part, RowReader, bare_name, each_row
from osler.sources.read.parquet_file import parquet_rows
from osler.sources.read.pdf_file import pdf_rows
from osler.sources.read.xlsx_file import xlsx_rows
from osler.sources.read.xml_file import read_xml
from osler.sources.source import NativeRow, SourceFile

__all__ = ["LIMITS", "Limits", "load_json", "read_csv", "read_json", "read_rows", "read_xml"]

_READERS: dict[str, RowReader] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".parquet": parquet_rows,
    ".xlsx": xlsx_rows,
    ".pdf": pdf_rows,
}


def read_rows(file: SourceFile, limits: Limits = LIMITS) -> Iterator[NativeRow]:
    """The rows of a file of JSON Lines, JSON, CSV, TSV, Parquet, XLSX or PDF, told by its name, or of such files in an archive.

    Raises:
        InputError: another format, or a file that cannot be read at all.
    """
    return each_row(file, _any_rows, tuple(f"*{suffix}" for suffix in _READERS), limits)


def _any_rows(part: Part) -> Iterator[NativeRow]:
    for suffix, reader in _READERS.items():
        if bare_name(part.name).endswith(suffix):
            return reader(part)
    raise InputError(f"{part.path}: expected one of {', '.join(_READERS)} (or the same with .gz, or in .zip or .tar)")
