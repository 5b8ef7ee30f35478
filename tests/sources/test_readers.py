"""Readers stream rows, and one bad row never costs the rest of the file."""

import gzip
import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import InputError, RowError
from osler.sources.read import load_json, read_csv, read_rows, read_xml
from osler.sources.source import NativeRow, SourceFile


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: bytes) -> SourceFile:
        path = tmp_path / Path(name).name
        path.write_bytes(content)
        return SourceFile(path, name)

    return write


def problem(native: NativeRow) -> tuple[str, str]:
    assert isinstance(native.value, RowError)
    return native.value.reason, str(native.value)


def test_json_lines_are_located_by_file_and_line(file):
    rows = list(read_rows(file("a/train.jsonl", b'{"x":1}\n\n{"x":2}')))
    assert rows == [
        NativeRow("a/train.jsonl", "a/train.jsonl:1", {"x": 1}),
        NativeRow("a/train.jsonl", "a/train.jsonl:3", {"x": 2}),
    ]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\u000b", "\u000c"])
def test_only_a_line_feed_ends_a_line(file, mark):
    escaped = mark if mark > "\u001f" else f"\\u{ord(mark):04x}"
    rows = list(read_rows(file("t.jsonl", f'{{"x":"one{escaped}two"}}\n{{"x":"three"}}\n'.encode())))
    assert [row.value["x"] for row in rows] == [f"one{mark}two", "three"]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_a_row(file):
    rows = list(read_rows(file("t.jsonl", b'\xef\xbb\xbf{"x":1}\r\n{"x":2}\r\n')))
    assert [row.value for row in rows] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (b'{"x": NaN}', "not_json", "line 2, column 7: unexpected character, expected a JSON value"),
        (b'{"x": "cut of', "not_json", "line 2, column 14: unexpected control character in string"),
        (b'{"x":"caf\xe9"}', "bad_encoding", "line 2, byte 10: 0xe9 there is not UTF-8"),
        (b"[1, 2]", "not_an_object", "line 2 holds no object"),
    ],
)
def test_a_bad_line_is_one_bad_row_with_line_and_column(file, line, reason, message):
    rows = list(read_rows(file("t.jsonl", b'{"x":1}\n' + line + b'\n{"x":3}\n')))
    assert problem(rows[1]) == (reason, message)
    assert [rows[0].value, rows[2].value] == [{"x": 1}, {"x": 3}]


def test_gzip_is_unpacked_and_a_cut_off_one_is_named(file):
    packed = gzip.compress(b'{"x":1}\n' * 5000, mtime=0)
    assert len(list(read_rows(file("t.jsonl.gz", packed)))) == 5000
    cut = file("cut.jsonl.gz", packed[:-20])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz: not a whole gzip file .* Fetch it again\."):
        list(read_rows(cut))
    with pytest.raises(InputError, match="not a whole gzip file"):
        list(read_rows(file("no.jsonl.gz", b"plain")))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jsonl: cannot be read \(No such file or directory\)"):
        list(read_rows(SourceFile(tmp_path / "gone.jsonl", "gone.jsonl")))


def test_json_is_a_list_an_object_or_lines(file):
    assert [row.row for row in read_rows(file("t.json", b'[{"x":1},{"x":2}]'))] == ["t.json[0]", "t.json[1]"]
    assert [row.row for row in read_rows(file("t.json", b'{"900": {"x":1}}'))] == ["t.json[900]"]
    assert [row.row for row in read_rows(file("t.json", b'{"x":1}\n{"x":2}\n'))] == ["t.json:1", "t.json:2"]
    assert [row.row for row in read_rows(file("t.json", b'[\n{"x":1},\n{"x":2}\n]'))] == ["t.json[0]", "t.json[1]"]
    assert [row.row for row in read_rows(file("t.json", b'{\n"a":{\n"x":1}}'))] == ["t.json[a]"]


def test_json_that_is_broken_is_named_with_line_and_column(file):
    with pytest.raises(InputError, match=r"t\.json, line 2, column \d+: not JSON\. Fetch the publisher's file again\."):
        load_json(file("t.json", b'[{"x":1},\n{"x"]'))
    with pytest.raises(InputError, match=r"t\.json: expected a list or an object, found int"):
        load_json(file("t.json", b"12"))


def test_csv_rows_are_located_by_their_first_line(file):
    rows = list(read_csv(file("t.csv", b'\xef\xbb\xbflabel,text\r\na,"two\nlines"\r\n\r\nb,one\r\n')))
    assert [(row.row, row.value) for row in rows] == [
        ("t.csv:2", {"label": "a", "text": "two\nlines"}),
        ("t.csv:5", {"label": "b", "text": "one"}),
    ]


def test_csv_columns_of_one_name_are_an_error(file):
    with pytest.raises(InputError, match=r"t\.csv, line 1: the column 'text' is there more than once"):
        list(read_csv(file("t.csv", b"text,label,text\n1,2,3\n")))
    with pytest.raises(InputError, match="expected a header line"):
        list(read_csv(file("t.csv", b"")))


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (b"a,b,c", "wrong_columns", "line 3 has 3 columns; expected 2"),
        (b"a", "wrong_columns", "line 3 has 1 columns; expected 2"),
        (b"a,caf\xe9", "bad_encoding", "text: line 3: 0xe9 at character 4 is not UTF-8"),
        (b'a,"b"c', "not_csv", "line 3: ',' expected after '\"'"),
    ],
)
def test_a_bad_csv_row_is_one_bad_row(file, line, reason, message):
    rows = list(read_csv(file("t.csv", b"label,text\nx,1\n" + line + b"\ny,2\n")))
    assert problem(rows[1]) == (reason, message)
    assert [rows[0].value["label"], rows[2].value["label"]] == ["x", "y"]


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest_of_the_file(file):
    rows = list(read_csv(file("t.csv", b'label,text\na,1\nb,"2\nc,3\nd,4\n')))
    assert problem(rows[1]) == ("not_csv", "line 3: unexpected end of data")
    assert [(row.row, row.value["label"]) for row in (rows[0], *rows[2:])] == [
        ("t.csv:2", "a"),
        ("t.csv:4", "c"),
        ("t.csv:5", "d"),
    ]
    rows = list(read_csv(file("t.csv", b'label,text\na,1\nb,"2\nc,3\n"d","4\n5"\ne,6\n')))
    assert problem(rows[1]) == ("not_csv", "line 3: ',' expected after '\"'")
    assert [row.value["label"] for row in (rows[0], *rows[2:])] == ["a", "c", "d", "e"]


def test_a_quote_that_is_never_closed_before_prose_is_an_error_not_a_guess(file):
    with pytest.raises(InputError, match=r"t\.csv: the record that starts on line 3 never ends"):
        list(read_csv(file("t.csv", b'label,text\na,1\nb,"2\nHello, doctor, I\nam ill\n')))


def test_xml_gives_the_elements_of_a_name(file):
    rows = [(row.row, row.value.text) for row in read_xml(file("d/t.xml", b"<r><a>1</a><b/><a>2</a></r>"), "a")]
    assert rows == [("d/t.xml#1", "1"), ("d/t.xml#2", "2")]


def test_a_broken_document_is_one_bad_row(file):
    rows = list(read_xml(file("t.xml", b"<r><a>1</a>\n<a>2</r>"), "a"))
    assert problem(rows[1]) == ("bad_xml", "line 2, column 7: not well-formed XML")
    assert rows[1].row == "t.xml"


@pytest.mark.parametrize("entity", ['"lol"', 'SYSTEM "file:///etc/passwd"'])
def test_entities_are_refused(file, entity):
    rows = list(read_xml(file("t.xml", f"<!DOCTYPE r [<!ENTITY e {entity}>]><r><a>&e;</a></r>".encode()), "a"))
    assert [problem(row)[0] for row in rows] == ["bad_xml"]
    assert "documents that define entities are not read" in problem(rows[0])[1]


def test_an_archive_gives_the_documents_in_it(file):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (
            ("1/x.xml", b"<r><a>1</a></r>"),
            ("1/readme.txt", b"no"),
            ("y.xml", b"<r><a>2</a></r>"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    rows = [(row.file, row.row, row.value.text) for row in read_xml(file("t.tar.gz", packed.getvalue()), "a")]
    assert rows == [("t.tar.gz/1/x.xml", "1/x.xml#1", "1"), ("t.tar.gz/y.xml", "y.xml#1", "2")]
    for n_bytes in (100, len(packed.getvalue()) - 12):
        cut = file("t.tar.gz", packed.getvalue()[:n_bytes])
        with pytest.raises(InputError, match="not a whole gzip file"):
            list(read_xml(cut, "a"))
    with pytest.raises(InputError, match="not a whole tar archive"):
        list(read_xml(file("t.tar.gz", gzip.compress(b"x" * 600)), "a"))


def test_parquet_rows_come_as_plain_values(file, tmp_path):
    pq.write_table(pa.table({"x": [1, 2], "y": [["a"], None]}), tmp_path / "t.parquet")
    rows = list(read_rows(SourceFile(tmp_path / "t.parquet", "t.parquet")))
    assert [(row.row, row.value) for row in rows] == [
        ("t.parquet:1", {"x": 1, "y": ["a"]}),
        ("t.parquet:2", {"x": 2, "y": None}),
    ]
    with pytest.raises(InputError, match="not a readable Parquet file, stopped after row 0"):
        list(read_rows(file("bad.parquet", b"no")))


def test_the_name_tells_the_format(file):
    assert [row.value for row in read_rows(file("t.NDJSON", b'{"x":1}\n'))] == [{"x": 1}]
    assert [row.value for row in read_rows(file("t.csv.gz", gzip.compress(b"x\n1\n")))] == [{"x": "1"}]
    with pytest.raises(InputError, match=r"expected one of \.jsonl, \.ndjson, \.json, \.csv, \.tsv, \.parquet"):
        list(read_rows(file("t.txt", b"")))
