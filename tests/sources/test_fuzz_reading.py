"""Random damage to real files: never a traceback, never a silent loss, and neighbours of a bad row stay as they were.

Every corruption hits one row of a small slice of a file, which is read and mapped by its source. Rows are counted without the
readers: lines of JSON Lines, members of a JSON list, records as they were written into the CSV slice, pairs of an XML document.
"""

import csv
import gzip
import io
import itertools
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import InputError, OslerError, RowError
from osler.sources.catalog import catalog_sources, source_named
from osler.sources.files import find_files, sample_root
from osler.sources.read import read_csv, read_rows
from osler.sources.source import NativeRow, Source, SourceFile, records_of

SLICE_ROWS = 25


@dataclass(frozen=True)
class Slice:
    """The first rows of a file, each as bytes that can be damaged."""

    source: Source
    name: str
    form: str
    head: bytes
    rows: tuple[bytes, ...]

    def text(self, rows: tuple[bytes, ...] | list[bytes]) -> bytes:
        if self.form == "json":
            return b"[" + b",\n".join(rows) + b"]"
        return self.head + b"".join(row + b"\n" for row in rows)


def slices(root: Path) -> list[Slice]:
    found = []
    for source in catalog_sources():
        try:
            files = find_files(source, root)
        except OslerError:
            continue
        found += [one for one in (slice_of(source, file) for file in files[:3]) if one is not None]
    return found


def slice_of(source: Source, file: SourceFile) -> Slice | None:
    name = file.name.removesuffix(".gz")
    opened = gzip.open if file.name.endswith(".gz") else open
    if name.endswith((".jsonl", ".json", ".csv")):
        with opened(file.path, "rb") as stream:
            content = stream.read(3_000_000)
    if name.endswith(".jsonl"):
        return Slice(source, name, "jsonl", b"", tuple(content.rstrip(b"\n").split(b"\n")[:SLICE_ROWS]))
    if name.endswith(".json"):
        try:
            value = json.loads(content)
        except ValueError:
            return None
        if not isinstance(value, list) or len(value) < SLICE_ROWS:
            return None
        return Slice(source, name, "json", b"", tuple(json.dumps(row).encode() for row in value[:SLICE_ROWS]))
    if name.endswith(".csv"):
        records = list(itertools.islice(csv.reader(io.StringIO(content.decode("utf-8-sig"))), SLICE_ROWS + 1))
        header, *rows = [as_csv(record) for record in records]
        return Slice(source, name, "csv", header + b"\n", tuple(rows))
    return None


def as_csv(record: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(record)
    return line.getvalue().removesuffix("\n").encode()


def cut(row: bytes, rng: random.Random) -> bytes:
    return row[: rng.randrange(1, len(row))]


def wrong_encoding(row: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(1, len(row))
    return row[:place] + rng.choice([b"\xe9", b"\xff\xfe", b"\x93quoted\x94", b"\xc3("]) + row[place:]


def stray(row: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(1, len(row))
    marks = [b'"', b"\\", b"{", b"}", b"]", b"\0", b",", b"\t", b"\x1a", b"\r", "\u2028".encode(), b"NaN", b"'"]
    return row[:place] + rng.choice(marks) + row[place:]


def swapped_type(row: bytes, rng: random.Random) -> bytes:
    value = json.loads(row)
    other = rng.choice([None, 3, -1.5, True, [], ["x"], {}, {"x": [1]}, "", " ", "x", [[["x"]]]])
    if isinstance(value, dict) and value:
        value[rng.choice(sorted(value))] = other
    return json.dumps(value).encode()


def missing_field(row: bytes, rng: random.Random) -> bytes:
    value = json.loads(row)
    if isinstance(value, dict) and value:
        del value[rng.choice(sorted(value))]
    return json.dumps(value).encode()


def huge_field(row: bytes, rng: random.Random) -> bytes:
    value = json.loads(row)
    if isinstance(value, dict) and value:
        value[rng.choice(sorted(value))] = rng.choice(["x", "é ", "[", '"']) * 300_000
    return json.dumps(value).encode()


def repeated_key(row: bytes, rng: random.Random) -> bytes:
    value = json.loads(row)
    key = rng.choice(sorted(value)) if isinstance(value, dict) and value else "x"
    return row.rstrip()[:-1] + b", " + json.dumps(key).encode() + b': "another"}'


def strange_value(row: bytes, rng: random.Random) -> bytes:
    strange = [
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 40,
        b"9" * 6000,
        b'"\\ud800"',
        b'"\\u0000"',
        b"[" * 3000 + b"]" * 3000,
    ]
    return row.rstrip()[:-1] + b', "more": ' + rng.choice(strange) + b"}"


def csv_cell(row: bytes, rng: random.Random) -> bytes:
    [record] = csv.reader(io.StringIO(row.decode()))
    record[rng.randrange(len(record))] = rng.choice(
        ["", "x" * 400_000, "['a', __import__('os')]", "((((" * 500, "\0", "-1"]
    )
    return as_csv(record)


def csv_column(row: bytes, rng: random.Random) -> bytes:
    return rng.choice([row + b",more", row.rpartition(b",")[0] or b"x,y,z,", row + b'"', b'"' + row])


ANY = (cut, wrong_encoding, stray)
DAMAGE: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
    "jsonl": (*ANY, swapped_type, missing_field, huge_field, repeated_key, strange_value),
    "json": (*ANY, swapped_type, missing_field, huge_field, repeated_key, strange_value),
    "csv": (*ANY, csv_cell, csv_column),
}


def read_lines(path: Path, name: str) -> tuple[list[NativeRow], bool]:
    """As `read_all`, by the reader alone: some sources locate their rows by id and not by line."""
    return read_all(replace(catalog_sources()[0], read=read_csv, to_records=lambda row, place: [row]), path, name)


def read_all(source: Source, path: Path, name: str) -> tuple[list[NativeRow], bool]:
    """The rows that came out, each mapped or set aside, and whether the file was then refused."""
    rows, told, refused = [], [], False
    try:
        for native in source.read(SourceFile(path, name)):
            assert isinstance(native, NativeRow)
            try:
                assert records_of(source, native)
            except RowError as error:
                told.append(error.reason and error.detail)
            rows.append(native)
    except InputError as error:
        told.append(str(path) in str(error))
        refused = True
    assert all(told), "an error that does not say what or where"
    return rows, refused


def fuzz(found: list[Slice], n_corruptions: int, folder: Path) -> None:
    rng = random.Random(20)
    sound, lines = {}, {}
    for index, one in enumerate(found):
        path = folder / f"{index}" / one.name
        path.parent.mkdir(parents=True)
        path.write_bytes(one.text(one.rows))
        rows, refused = read_all(one.source, path, one.name)
        assert not refused, one.name
        sound[index] = rows
        if one.form == "csv":
            lines[index], _ = read_lines(path, one.name)
            assert len(lines[index]) == len(one.rows)
    for _ in range(n_corruptions):
        index = rng.randrange(len(found))
        one = found[index]
        at = rng.randrange(len(one.rows))
        damage = rng.choice(DAMAGE[one.form])
        rows = list(one.rows)
        rows[at] = damage(rows[at], rng)
        path = folder / f"{index}" / one.name
        path.write_bytes(one.text(rows))
        out, refused = read_all(one.source, path, one.name)
        told = f"{one.source.name} {one.name} row {at} {damage.__name__}"
        if one.form == "csv":
            check_csv(lines[index], *read_lines(path, one.name), at, one, rows, told)
        else:
            check_rows(sound[index], out, refused, at, told)


def check_rows(before: list[NativeRow], after: list[NativeRow], refused: bool, at: int, told: str) -> None:
    """Each row comes out once, in its place; of a text that is refused, those before the damage."""
    assert after[:at] == before[:at], told
    if not refused:
        assert len(after) == len(before), told
        assert after[at + 1 :] == before[at + 1 :], told


def check_csv(
    before: list[NativeRow], after: list[NativeRow], refused: bool, at: int, one: Slice, rows: list[bytes], told: str
) -> None:
    """Each record comes out unchanged, or stands in the lines that a row set aside names; and no record is made up."""
    first_lines = list(itertools.accumulate((row.count(b"\n") + 1 for row in rows), initial=one.head.count(b"\n") + 1))
    assert [native.value for native in after[:at]] == [native.value for native in before[:at]], told
    if refused:
        return
    by_line = {int(native.row.rpartition(":")[2]): native for native in after}
    aside = [lines_named(native) for native in after if isinstance(native.value, RowError)]
    for index, native in enumerate(before):
        line = first_lines[index]
        if index != at and not any(start <= line <= end for start, end in aside):
            assert by_line[line].value == native.value, f"{told}: record {index}"
    sound = [line for line, native in by_line.items() if not isinstance(native.value, RowError)]
    assert set(sound) <= set(first_lines), f"{told}: a record was made up"


def lines_named(native: NativeRow) -> tuple[int, int]:
    found = re.search(r"lines (\d+) to (\d+)", native.value.detail)
    line = int(native.row.rpartition(":")[2])
    return (int(found[1]), int(found[2])) if found else (line, line)


def test_damaged_rows_of_the_sample_are_set_aside_alone(tmp_path):
    found = slices(sample_root())
    assert {one.form for one in found} >= {"jsonl"}
    fuzz(found, 200, tmp_path)


@pytest.mark.slow
def test_damaged_rows_of_real_files_are_set_aside_alone(shared_data, tmp_path):
    found = slices(shared_data)
    assert {one.form for one in found} == {"jsonl", "json", "csv"}
    assert len({one.source.name for one in found}) >= 15
    fuzz(found, 2000, tmp_path)


def test_a_damaged_document_of_an_archive_is_set_aside_alone(tmp_path):
    rng = random.Random(21)
    medquad = source_named("medquad")
    paths = sorted((sample_root() / "medquad").rglob("*.xml"))[:6]
    documents = {path.name: path.read_bytes() for path in paths}

    def rows_of(content: dict[str, bytes]) -> dict[str, list[NativeRow]]:
        path = tmp_path / "raw.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, document in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(document)
                archive.addfile(member, io.BytesIO(document))
        rows, refused = read_all(medquad, path, path.name)
        assert not refused
        return {name: [row for row in rows if row.row.partition("#")[0] == name] for name in content}

    before = rows_of(documents)
    for _ in range(60):
        name = rng.choice(sorted(documents))
        damaged = rng.choice(ANY)(documents[name], rng)
        after = rows_of({**documents, name: damaged})
        assert after[name], "the document is gone without a word"
        assert {**after, name: None} == {**before, name: None}


@pytest.mark.parametrize(
    "suffix", [".xlsx", ".parquet", ".jsonl.gz", ".zip", ".tar", ".tar.gz", ".json", ".csv", ".pdf"]
)
def test_random_bytes_in_a_packed_file_are_an_error_of_ours_or_rows(tmp_path, suffix):
    rng = random.Random(22)
    sound = packed(tmp_path, suffix)
    for number in range(40):
        content = bytearray(sound)
        for _ in range(rng.choice([1, 3, 30])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if number % 4 == 0:
            del content[rng.randrange(len(content)) :]
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(content)
        try:
            told = [isinstance(row, NativeRow) for row in read_rows(SourceFile(path, path.name))]
        except InputError as error:
            told = [str(path) in str(error)]
        assert all(told)


def packed(folder: Path, suffix: str) -> bytes:
    """Fifty invented rows in a format."""
    rows = [{"question": f"Invented {number}?", "answer": "Yes, é. " * 9} for number in range(50)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path = folder / f"sound{suffix}"
    if suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
            book.active.append(row)
        book.save(path)
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.jsonl", lines)
    elif suffix.startswith(".tar"):
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
            member = tarfile.TarInfo("train.jsonl")
            member.size = len(lines)
            archive.addfile(member, io.BytesIO(lines))
    elif suffix == ".pdf":
        pytest.importorskip("pypdfium2")
        path.write_bytes(INVENTED_PDF)
    else:
        path.write_bytes(
            {
                ".jsonl.gz": gzip.compress(lines),
                ".json": json.dumps(rows).encode(),
                ".csv": b"question,answer\n" + b"\n".join(as_csv(list(row.values())) for row in rows),
            }[suffix]
        )
    return path.read_bytes()


INVENTED_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 52>>stream\nBT /F1 12 Tf 10 50 Td (An invented page of text) Tj ET\nendstream endobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
