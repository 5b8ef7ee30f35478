"""Spreadsheets, archives, tables with tabs, PDFs and large JSON; other encodings; and what is refused."""

import gzip
import io
import json
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import EnvironmentLacks, InputError, RowError
from osler.sources.fields import list_of
from osler.sources.read import (
    Limits,
    load_json,
    read_csv,
    read_json,
    read_rows,
    read_xml,
)
from osler.sources.read.mojibake import is_mojibake
from osler.sources.source import SourceFile


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: bytes) -> SourceFile:
        path = tmp_path / Path(name).name
        path.write_bytes(content)
        return SourceFile(path, name)

    return write


def spreadsheet(*sheets: list[list]) -> bytes:
    book = openpyxl.Workbook()
    for number, lines in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet(f"Sheet{number + 1}")
        for line in lines:
            sheet.append(line)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def reasons(rows) -> list[str]:
    return [row.value.reason if isinstance(row.value, RowError) else "" for row in rows]


def test_a_spreadsheet_gives_a_row_a_line_under_the_names_of_its_first(file):
    content = spreadsheet(
        [[], ["Question", "Dose", ""], ["How much?", 2.0], [], ["Why?", 2.5], ["x", 1, "more"]], [["a"], [1]]
    )
    rows = list(read_rows(file("t.xlsx", content)))
    assert [(row.row, row.value) for row in rows[:2]] == [
        ("t.xlsx:3", {"Question": "How much?", "Dose": 2}),
        ("t.xlsx:5", {"Question": "Why?", "Dose": 2.5}),
    ]
    assert str(rows[2].value) == "line 6 has 3 columns; expected 2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (spreadsheet([["a", "a"], [1, 2]]), "line 1: the column 'a' is there more than once"),
        (spreadsheet([]), "the sheet 'Sheet' is empty"),
        (b"no", "not a readable spreadsheet"),
        (zipped({"x": b"x"}), "not a readable spreadsheet"),
    ],
)
def test_a_spreadsheet_that_cannot_be_read_is_named(file, content, message):
    with pytest.raises(InputError, match=rf"t\.xlsx.*{message}"):
        list(read_rows(file("t.xlsx", content)))


def test_tabs_separate_in_tsv_and_columns_can_be_named(file):
    assert [row.value for row in read_rows(file("t.tsv", b"a\tb\n1,5\t2\n"))] == [{"a": "1,5", "b": "2"}]
    assert [row.value for row in read_csv(file("t.csv", b"1,2\n"), columns=("a", "b"))] == [{"a": "1", "b": "2"}]


def test_members_of_an_archive_read_as_files_of_the_folder(file):
    members = {"a/train.jsonl": b'{"x":1}\n', "a/b/test.csv": b"x\n2\n", "README.md": b"no", "__MACOSX/._t.csv": b"\0"}
    for name, content in (
        ("t.zip", zipped(members)),
        ("t.tar.gz", gzip.compress(tarred(members))),
        ("t.tar", tarred(members)),
    ):
        rows = [(row.file, row.row, row.value) for row in read_rows(file(name, content))]
        assert rows == [
            (f"{name}/a/train.jsonl", "a/train.jsonl:1", {"x": 1}),
            (f"{name}/a/b/test.csv", "a/b/test.csv:2", {"x": "2"}),
        ]
    assert [row.row for row in read_csv(file("t.zip", zipped(members)))] == ["a/b/test.csv:2"]
    with pytest.raises(InputError, match=r"t\.zip: holds no file that matches \*\.xml"):
        list(read_xml(file("t.zip", zipped(members)), "a"))


def tarred(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return content.getvalue()


def test_packed_members_parquet_and_spreadsheets_inside_an_archive_are_read(file, tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    members = {
        "x.parquet": (tmp_path / "x.parquet").read_bytes(),
        "y.xlsx": spreadsheet([["x"], [2]]),
        "z.jsonl.gz": gzip.compress(b'{"x":3}\n'),
    }
    assert [row.value for row in read_rows(file("t.zip", zipped(members)))] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert [row.value for row in read_rows(file("t.tar", tarred(members)))] == [{"x": 1}, {"x": 2}, {"x": 3}]


@pytest.mark.parametrize("name", ["../x.jsonl", "/etc/x.jsonl", "a/../../x.jsonl", "C:\\x.jsonl", "..\\x.jsonl"])
def test_members_that_lead_out_of_an_archive_are_refused_and_the_others_read(file, name):
    members = {name: b'{"x":1}\n', "good.jsonl": b'{"x":2}\n'}
    for archive in (file("t.zip", zipped(members)), file("t.tar", tarred(members))):
        rows = list(read_rows(archive))
        assert reasons(rows) == ["unsafe_member", ""]
        assert rows[1].value == {"x": 2}


def test_links_in_an_archive_are_refused(file):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(f"{number}.jsonl")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    rows = list(read_rows(file("t.tar", content.getvalue())))
    assert reasons(rows) == ["unsafe_member"] * 3
    assert str(rows[0].value) == "is a link"
    link = zipfile.ZipInfo("x.jsonl")
    link.external_attr = 0o120777 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert str(next(iter(read_rows(file("t.zip", packed.getvalue())))).value) == "is a link"


def test_bombs_are_refused_before_they_fill_the_machine(file):
    blanks = b" " * 20_000_000
    for name, content in (("t.jsonl.gz", gzip.compress(blanks)), ("t.zip", zipped({"t.jsonl": blanks}))):
        with pytest.raises(InputError, match="over 200 times as many, as in a file made to fill a machine"):
            list(read_rows(file(name, content), limits=Limits(unchecked_bytes=1_000_000)))
        with pytest.raises(InputError, match="unpacks to more than 5,000,000 bytes, which is refused"):
            list(read_rows(file(name, content), limits=Limits(max_unpacked_bytes=5_000_000)))
    many = {f"{number}.jsonl": b'{"x":1}' for number in range(20)}
    for name, content in (("t.zip", zipped(many)), ("t.tar", tarred(many))):
        with pytest.raises(InputError, match="holds more than 9 files, which is refused"):
            list(read_rows(file(name, content), limits=Limits(max_members=9)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_encodings_with_a_byte_order_mark_are_read(file, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    text = "one é two 💊"
    assert [
        row.value
        for row in read_rows(file("t.jsonl", (mark + json.dumps({"x": text}, ensure_ascii=False)).encode(encoding)))
    ] == [{"x": text}]
    assert [row.value for row in read_csv(file("t.csv", f"{mark}x\n{text}\n".encode(encoding)))] == [{"x": text}]
    assert load_json(file("t.json", (mark + json.dumps([text])).encode(encoding))) == [text]


def test_another_encoding_is_never_guessed(file):
    content = "x\ncaf\u00e9 \u201cau lait\u201d\n".encode("cp1252")
    assert reasons(read_csv(file("t.csv", content))) == ["bad_encoding"]
    cut = json.dumps({"x": 1}).encode("utf-16") + b"\x00"
    assert reasons(read_rows(file("t.jsonl", cut))) == ["bad_encoding"]


def test_mojibake_is_told_and_sound_letters_are_not():
    assert all(is_mojibake(text) for text in ("Itâ€™s", "cafÃ©", "about Â½ inch", "lost \ufffd letter"))
    assert not any(is_mojibake(text) for text in ("It’s", "café", "½", "NÃO", "Ärzte", "38 °C", "糖尿病"))


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (b'{"x": 1, "y": {"z": 1, "z": 2}}', "repeated_key", "y.z: line 2: the object has this key more than once"),
        (b'{"x": 1, "\\u0078": 2}', "repeated_key", "x: line 2: the object has this key more than once"),
        (b'{"x": "a\\u003ab", "x": 1}', "repeated_key", "x: line 2: the object has this key more than once"),
        (
            b'{"x": [{"a": 1}, {"a": "b:c", "a": ":"}]}',
            "repeated_key",
            "x[1].a: line 2: the object has this key more than once",
        ),
        (
            b'{"x": [1, -99999999999999999999]}',
            "number_too_large",
            "x[1]: line 2: a whole number of 20 digits; 64 bits hold 19",
        ),
        (b'{"x": "a\\u0000b"}', "nul_character", "x: line 2: holds the character NUL"),
        (b'{"x": "a\0b"}', "not_json", "line 2, column 9: unexpected control character in string"),
        (b'{"x": "\\ud800"}', "not_json", "line 2, column 8: no low surrogate in string"),
        (b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not_json", "line 2, column 1031: depth limit exceeded"),
        (b'{"x": -Infinity}', "not_json", "line 2, column 8: no digit after sign"),
    ],
)
def test_what_a_fast_parser_would_change_or_lose_is_one_bad_row(file, line, reason, message):
    rows = list(read_rows(file("t.jsonl", b'{"x":1}\n' + line + b'\n{"x":3}\n')))
    assert reasons(rows) == ["", reason, ""]
    assert str(rows[1].value) == message


def test_long_numbers_and_colons_in_text_are_no_fault(file):
    value = {
        "x": "9" * 40 + ": \u003a",
        "y": {"a:b": 18446744073709551615, "c": 0.12345678901234567890123, "d": "\\u0000"},
    }
    assert [row.value for row in read_rows(file("t.jsonl", json.dumps(value).encode()))] == [value]


def test_a_line_without_end_is_one_bad_row(file, monkeypatch):
    monkeypatch.setattr("osler.sources.read.jsonl_file.MAX_ROW_BYTES", 100)
    rows = list(read_rows(file("t.jsonl", b'{"x":1}\n{"x":"' + b"y" * 1000 + b'"}\n{"x":3}\n')))
    assert reasons(rows) == ["", "row_too_long", ""]
    assert rows[2].row == "t.jsonl:3"


def test_rows_of_json_are_read_one_by_one_and_a_bad_one_is_set_aside_alone(file):
    content = b'[{"x":1}, {"x":NaN}, {"x":"caf\xe9"}, {"x":1,"x":2}, [3], "a]", 5 , null,{"x":"}]\\""}]'
    rows = list(read_rows(file("t.json", content)))
    assert reasons(rows) == ["", "not_json", "bad_encoding", "repeated_key", "", "", "", "", ""]
    assert [row.value for row in rows[4:]] == [[3], "a]", 5, None, {"x": '}]"'}]
    assert str(rows[1].value) == "[1], column 6: unexpected character, expected a JSON value"
    rows = list(read_rows(file("t.json", b' {"a b": {"x":1}, "c": NaN} ')))
    assert [(row.row, reason) for row, reason in zip(rows, reasons(rows), strict=True)] == [
        ("t.json[a b]", ""),
        ("t.json[c]", "not_json"),
    ]


def test_rows_of_json_under_a_key(file):
    content = b'{"version": "1 ]}", "other": [[{}]], "intents": [{"x":1},{"x":2}], "last": {"intents": 3}}'
    rows = [(row.row, row.value) for row in read_json(file("t.json", content), inside="intents")]
    assert rows == [("t.json:intents[0]", {"x": 1}), ("t.json:intents[1]", {"x": 2})]
    assert list(read_json(file("t.json", b'{"intents": []}'), inside="intents")) == []
    with pytest.raises(
        InputError, match="expected the key 'rows' once in the top-level object; its keys are: 'version'"
    ):
        list(read_json(file("t.json", content), inside="rows"))


@pytest.mark.parametrize(
    "content",
    [b"", b"12", b"[", b'[{"x":1}', b'[{"x":1},', b'[{"x":1}]]', b'[{"x":1} {"x":2}]', b'{"x" 1}', b"{x:1}", b'["x', b"[1,]", b"[}"],
)  # fmt: skip
def test_json_whose_brackets_or_quotes_do_not_match_is_refused(file, content):
    with pytest.raises(InputError, match=r"t\.json"):
        list(read_rows(file("t.json", content)))


def test_a_missing_quote_in_json_does_not_swallow_rows_unseen(file):
    content = b'[{"x":"a}, {"x":"b"}, {"x":"c"}, {"x":"d}, {"x":"e"}]'
    with pytest.raises(InputError, match="a quote is missing before here"):
        list(read_rows(file("t.json", content)))


@pytest.mark.parametrize("step", [1, 7, 64])
def test_json_reads_the_same_in_pieces_of_any_size(file, monkeypatch, step):
    value = [{"a": '\\" [', "b": [{}, {"c": "}é"}], "d": 1.5}, "x\\\\", 12, [], {}, "\u2028"]
    monkeypatch.setattr("osler.sources.read.json_stream._PIECE_BYTES", step)
    monkeypatch.setattr("osler.sources.read.json_file._MAX_FIRST_LINE_BYTES", 1)
    for ascii_only in (True, False):
        content = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()
        assert [row.value for row in read_rows(file("t.json", content))] == value


def test_memory_does_not_grow_with_a_json_file(file):
    def peak(n_rows: int) -> int:
        row = json.dumps({"question": "Invented?", "answer": "Yes. " * 100})
        one = file("t.json", ("[" + ",".join([row] * n_rows) + "]").encode())
        tracemalloc.start()
        assert sum(1 for _ in read_rows(one)) == n_rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # What threads of other tests take is counted too, so a second and a third look are allowed; growth would fail all three.
    assert any(peak(40_000) < min(peak(4_000) * 1.1 + 100_000, 8_000_000) for _ in range(3))


@pytest.mark.slow
def test_a_json_file_of_200_megabytes_needs_no_more_memory_than_one_of_20(tmp_path):
    import subprocess

    if not Path("/proc/self/status").exists():
        pytest.skip("the most memory used is read from /proc")
    script = (
        "import sys; from pathlib import Path; from osler.sources.read import read_rows; "
        "from osler.sources.source import SourceFile; path = Path(sys.argv[1]); "
        "n = sum(1 for _ in read_rows(SourceFile(path, path.name))); "
        "status = Path('/proc/self/status').read_text(); print(n, status.partition('VmHWM:')[2].split()[0])"
    )
    row = json.dumps({"question": "Invented?", "answer": "Yes. " * 400}) + ","
    used = []
    for n_rows in (10_000, 100_000):
        path = tmp_path / f"{n_rows}.json"
        path.write_text("[" + row * n_rows + "{}]")
        done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
        n_read, kilobytes = map(int, done.stdout.split())
        assert n_read == n_rows + 1
        used.append(kilobytes)
    assert path.stat().st_size > 190_000_000
    assert used[1] < used[0] + 5_000
    assert used[1] < 300_000


def test_memory_does_not_grow_with_an_xml_file(file):
    def peak(n_rows: int) -> int:
        one = file("t.xml", b"<r><list>" + b"<note><t>word</t></note><row><a>text</a></row>" * n_rows + b"</list></r>")
        tracemalloc.start()
        assert sum(1 for _ in read_xml(one, "row")) == n_rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # Ten bytes a row at most: an emptied element that is kept takes fifty. Threads of other tests may take more, but not each time.
    assert any(peak(62_000) < peak(2_000) + 600_000 for _ in range(3))


def test_xml_without_the_element_and_in_an_unknown_encoding_is_one_bad_row(file):
    assert reasons(read_xml(file("t.xml", b"<r><b/></r>"), "a")) == ["no_element"]
    assert reasons(read_xml(file("t.xml", b'<?xml version="1.0" encoding="no-such"?><a/>'), "a")) == ["bad_xml"]
    found = list(read_xml(file("t.xml", b'<r xmlns="urn:x"><a>1<a>2</a></a><b/></r>'), ("{*}a", "{urn:x}b")))
    assert [(row.row, "".join(row.value.itertext())) for row in found] == [("t.xml#1", "12"), ("t.xml#2", "")]


@pytest.mark.parametrize("deep", [b"<a>" * 100_000 + b"</a>" * 100_000, b"<r>" * 100_000])
def test_deeply_nested_xml_ends_no_process(file, deep):
    assert len(list(read_xml(file("t.xml", deep), "a"))) == 1


def test_parquet_columns_of_one_name_are_an_error_and_a_bad_value_one_bad_row(file, tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="the column 'x' is there more than once"):
        list(read_rows(SourceFile(tmp_path / "t.parquet", "t.parquet")))
    words = pa.array([b"one", b"caf\xe9", b"three"]).view(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, words.buffers())
    pq.write_table(pa.table({"x": text}), tmp_path / "t.parquet")
    rows = list(read_rows(SourceFile(tmp_path / "t.parquet", "t.parquet")))
    assert reasons(rows) == ["", "bad_value", ""]


def test_a_huge_csv_field_is_one_bad_row_and_an_open_quote_is_not(file, monkeypatch):
    monkeypatch.setattr("osler.sources.read.csv_file._MAX_FIELD_CHARS", 1000)
    rows = list(read_csv(file("t.csv", b'a,b\n1,2\n3,"' + b"x" * 5000 + b'"\n5,6\n')))
    assert reasons(rows) == ["", "not_csv", ""]
    assert str(rows[1].value) == "line 3: field larger than field limit (1000)"
    with pytest.raises(InputError, match="the record that starts on line 3 never ends"):
        list(read_csv(file("t.csv", b'a,b\n1,2\n3,"' + b"x\n" * 5000)))


def test_lists_in_a_cell_are_data_and_never_run():
    assert list_of({"x": "['Cough', 'Fever: high']"}, "x") == ["Cough", "Fever: high"]
    assert list_of({"x": ""}, "x") == []
    assert list_of({"x": ["a"]}, "x") == ["a"]
    for text in (
        "__import__('os').getcwd()",
        "[open('x')]",
        "[" * 5000,
        "{1, 2}",
        "['\\ud800']",
        "x" * 200_000,
        "b'x'",
    ):
        with pytest.raises(RowError):
            list_of({"x": text}, "x")


def test_pages_of_a_pdf_are_rows(file, monkeypatch):
    pytest.importorskip("pypdfium2")
    page = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length 52>>stream\nBT /F1 12 Tf 10 50 Td (An invented page of text) Tj ET\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
        b"6 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )
    rows = list(read_rows(file("t.pdf", page)))
    assert [(row.row, reason) for row, reason in zip(rows, reasons(rows), strict=True)] == [
        ("t.pdf#page=1", ""),
        ("t.pdf#page=2", "no_text"),
    ]
    assert rows[0].value == {"page": 1, "text": "An invented page of text"}
    with pytest.raises(InputError, match=r"t\.pdf: not a readable PDF"):
        list(read_rows(file("t.pdf", b"no")))
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(EnvironmentLacks, match=r"Reading PDF files needs the package 'pypdfium2'.*\[synth\]"):
        list(read_rows(file("t.pdf", page)))
