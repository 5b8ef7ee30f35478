"""What users give in place of a data set: another kind of file, a wrong folder, a table of another program."""

import gzip
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osler.cli.app import app
from osler.errors import InputError, RowError
from osler.runs.progress import silent
from osler.sources.catalog import catalog_sources, source_named
from osler.sources.collect import collect_copies, copy_of
from osler.sources.config import OwnConfig
from osler.sources.files import all_files, find_files, in_given_folder
from osler.sources.listing import wanted_names
from osler.sources.own import own_source
from osler.sources.read import read_csv, read_rows, read_xml
from osler.sources.source import SourceFile

COPIES = Path(__file__).parent / "copies"
LOGIN = b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: bytes) -> SourceFile:
        (tmp_path / name).write_bytes(content)
        return SourceFile(tmp_path / name, name)

    return write


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.parquet", "t.xlsx", "t.pdf", "t.csv.gz", "t.zip"])
@pytest.mark.parametrize(("content", "told"), [(LOGIN, "is a web page, "), (POINTER, "is Git LFS's pointer to a file")])
def test_a_file_that_is_another_is_called_what_it_is(file, name, content, told):
    given = file(name, content)
    with pytest.raises(InputError, match=told) as error:
        list(read_rows(given))
    assert str(given.path) in str(error.value)


def test_a_pointer_in_a_repositorys_archive_is_named_with_its_member(file):
    with pytest.raises(InputError, match=r"t\.zip: data/x\.parquet is Git LFS's pointer"):
        list(read_rows(file("t.zip", zipped({"data/x.parquet": POINTER}))))


def test_a_web_page_among_documents_is_set_aside_alone(file):
    rows = list(read_xml(file("t.zip", zipped({"a.xml": LOGIN, "b.xml": b"<d><x>1</x></d>"})), "x"))
    assert [isinstance(row.value, RowError) for row in rows] == [True, False]


def test_gzip_without_its_name_is_told(file):
    with pytest.raises(InputError, match=r"packed with gzip, and its name does not say so\. Add \.gz"):
        list(read_rows(file("t.csv", gzip.compress(b"x\n1\n"))))


def test_members_in_capitals_are_read_like_any_other(file):
    members = {"A.CSV": b"x\n1\n", "b/FILE.CSV.GZ": gzip.compress(b"x\n2\n"), "c.Json": b'[{"x": "3"}]'}
    assert [row.value["x"] for row in read_rows(file("t.ZIP", zipped(members)))] == ["1", "2", "3"]


def test_a_bomb_in_an_archive_is_told_before_any_of_it_is_unpacked(file):
    bomb = file("t.zip", zipped({"good.jsonl": b'{"x":1}\n', "t.jsonl": b" " * 100_000_000}))
    with pytest.raises(InputError, match="as in a file made to fill a machine"):
        next(read_rows(bomb))


@pytest.mark.parametrize(
    "content",
    ["q;a\nIs 1,5 mg much?;No\n", '"q";"a"\n"Is 1,5 mg much?";"No"\n', "q\ta\nIs 1,5 mg much?\tNo\n"],
    ids=["semicolons", "quoted", "tabs"],
)
def test_a_table_is_parted_by_what_parts_its_header(file, content):
    assert [row.value for row in read_csv(file("t.csv", content.encode()))] == [{"q": "Is 1,5 mg much?", "a": "No"}]


def test_a_comma_in_the_header_wins_and_one_column_is_one(file):
    assert next(read_csv(file("t.csv", b"a,b;c\n1,2;3\n"))).value == {"a": "1", "b;c": "2;3"}
    assert next(read_csv(file("t.csv", b'"a;b"\n1;2\n'))).value == {"a;b": "1;2"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("q,Größe\n1,2\n".encode("cp1252"), "the names of the columns are not UTF-8"),
        ("q,a\n1,2\n".encode("utf-16-le"), "the names of the columns are not UTF-8"),
        (b"q,a\r1,2\r", "lines end in carriage returns alone"),
    ],
    ids=["windows-1252", "utf-16 without its mark", "carriage returns"],
)
def test_a_header_that_cannot_be_read_stops_in_plain_words(file, content, told):
    with pytest.raises(InputError, match=told):
        list(read_csv(file("t.csv", content)))


def test_the_first_row_of_a_table_without_a_header_is_not_shown(file):
    table = file("t.csv", b"Invented: I have had a sore throat since Tuesday?,Rest and drink.\nq,a\n")
    own = OwnConfig(name="mine", file=table.path, question="q", answer="a")
    with pytest.raises(InputError, match=r"no column question: 'q'.*first line seems to hold no names") as error:
        list(own_source(own).read(table))
    assert "Rest" not in str(error.value)


def test_an_xml_element_without_end_is_one_bad_row_in_flat_memory(file, monkeypatch):
    monkeypatch.setattr("osler.sources.read.xml_file.MAX_ROW_BYTES", 1_000_000)
    long = file("t.xml", b"<d><x>1</x><x>" + b"a" * 30_000_000 + b"</x></d>")
    tracemalloc.start()
    rows = list(read_xml(long, "x"))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert rows[0].row == "t.xml#1"
    assert rows[1].value.reason == "row_too_long"
    assert len(list(read_xml(file("u.xml", b"<d>" + b"<x>a</x>" * 500_000 + b"</d>"), "x"))) == 500_000


def test_what_is_hidden_beside_the_files_is_not_read(write_copy):
    hidden = ("._train.jsonl", ".cache/huggingface/download/data/train.parquet.metadata")
    root = write_copy("medqa", {"train.jsonl": b"{}\n", **dict.fromkeys(hidden, b"\0")})
    (root / "medqa" / ".#train.jsonl").symlink_to("somebody@editing:1")
    assert [one.name for one in find_files(source_named("medqa"), root)] == ["train.jsonl"]


def test_a_link_that_leads_nowhere_is_not_passed_over(write_copy):
    root = write_copy("medqa", {"train.jsonl": b"{}\n"})
    (root / "medqa" / "test.jsonl").symlink_to("../.git/annex/objects/gone")
    with pytest.raises(InputError, match=r"test\.jsonl is a link to .*gone, which is not there"):
        find_files(source_named("medqa"), root)


def test_what_is_downloaded_is_what_is_read():
    sources = [source for source in catalog_sources() if (COPIES / source.name).is_dir()]
    assert len(sources) > 50
    for source in sources:
        folder = COPIES / source.name
        there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        wanted = wanted_names(replace(source, hub_files=()), there)
        assert wanted == [one.name for one in all_files(source, COPIES)] != []


@pytest.mark.parametrize(("name", "told"), [("gone", "is not there"), ("file", "is a file")])
def test_a_folder_that_is_none_is_told(tmp_path, name, told):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=rf"{name} {told}; expected a folder that holds medqa/, or is it"):
        find_files(in_given_folder(source_named("medqa")), tmp_path / name)


def test_restricted_records_never_stay_behind_without_their_mark(copies, tmp_path):
    stated = {"mednli": "An invented agreement, signed 2026-01-02"}
    out = tmp_path / "out"
    collect_copies([copy_of(source_named("mednli"), COPIES, stated)], out, silent)
    given = ["collect", "mqp", "--from", str(COPIES), "--out", str(out)]
    refused = CliRunner().invoke(app, given)
    assert isinstance(refused.exception, InputError)
    assert "holds records of mednli, which would be removed" in str(refused.exception)
    assert json.loads((out / "local_only.json").read_bytes())["sources"][0]["source"] == "mednli"
    collect_copies([copy_of(source_named("mqp"), COPIES, {})], out, silent)
    assert [path.name for path in (out / "records").iterdir()] == ["mqp.jsonl"]
