"""`osler deidentify`: files in, files out, and what is said of them."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from osler.curate.deidentify_file import How, deidentify_file
from osler.errors import InputError

_NOTE = "Mr. Kowalsky, MRN 1234567, was seen on 3/4/2019. Aspirin 81 mg."
_TAGGED = "Mr. [NAME], MRN [MRN], was seen on [DATE]. Aspirin 81 mg."


def _jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_json_lines_keep_their_other_fields_and_say_what_was_replaced(tmp_path):
    file = _jsonl(tmp_path / "in.jsonl", [{"id": "a", "text": _NOTE, "n": 1}])
    report = deidentify_file(file, tmp_path / "out.jsonl", How(has_spans=True))
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row["text"] == _TAGGED
    assert row["n"] == 1
    assert [_NOTE[span["start"] : span["end"]] for span in row["phi"]] == ["Kowalsky", "1234567", "3/4/2019"]
    assert report.identifiers == {"DATE": 1, "MRN": 1, "NAME": 1}


@pytest.mark.parametrize("row", ['id,text\n1,"{}"\n', "id;text\n1;{}\n"])
def test_csv_keeps_its_columns_and_what_separates_them(tmp_path, row):
    (tmp_path / "in.csv").write_text(row.format(_NOTE), encoding="utf-8")
    deidentify_file(tmp_path / "in.csv", tmp_path / "out.csv", How())
    assert (tmp_path / "out.csv").read_text() == row.format(_TAGGED)


def test_a_long_note_in_a_table_is_read(tmp_path):
    (tmp_path / "in.csv").write_text(f'id,text\n1,"{"Take it with water. " * 8000}{_NOTE}"\n', encoding="utf-8")
    assert deidentify_file(tmp_path / "in.csv", tmp_path / "out.csv", How()).identifiers == {
        "DATE": 1,
        "MRN": 1,
        "NAME": 1,
    }


@pytest.mark.parametrize("name", ["in.csv", "in.txt"])
def test_spans_are_refused_where_they_would_be_left_out(tmp_path, name):
    (tmp_path / name).write_text(f"text\n{_NOTE}\n", encoding="utf-8")
    with pytest.raises(InputError, match="--spans is for rows of JSON Lines"):
        deidentify_file(tmp_path / name, tmp_path / "out", How(has_spans=True))


def test_progress_is_told_row_by_row(tmp_path):
    told = []
    file = _jsonl(tmp_path / "in.jsonl", [{"text": _NOTE}] * 3)
    deidentify_file(file, tmp_path / "out.jsonl", How(), lambda *where: told.append(where))
    assert told == [("deidentify", done, None) for done in (1, 2, 3)]


def test_plain_text_keeps_every_other_byte(tmp_path):
    before = b"\xef\xbb\xbfPatient: Roe, Jane\r\n\r\n\tHb 9.1 \xff\n"
    (tmp_path / "in.txt").write_bytes(before)
    deidentify_file(tmp_path / "in.txt", tmp_path / "out.txt", How())
    assert (tmp_path / "out.txt").read_bytes() == before.replace(b"Roe, Jane", b"[NAME]")


def test_no_report_holds_an_original_value(tmp_path):
    file = _jsonl(tmp_path / "in.jsonl", [{"text": _NOTE}, {"text": "Take it with water."}])
    deidentify_file(file, tmp_path / "out.jsonl", How())
    for path in tmp_path.glob("out*"):
        assert "Kowalsky" not in path.read_text()
        assert "1234567" not in path.read_text()


def test_every_row_has_a_risk_and_the_queue_starts_with_the_riskiest(tmp_path):
    rows = [{"text": "Take it with water."}] * 60 + [{"text": "Hess and Grey, q.v., 1244 Ortmund"}]
    deidentify_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", How())
    risks = [json.loads(line) for line in (tmp_path / "out.jsonl.risk.jsonl").read_text().splitlines()]
    queue = [json.loads(line) for line in (tmp_path / "out.jsonl.review.jsonl").read_text().splitlines()]
    assert [row["row"] for row in risks] == list(range(1, 62))
    assert all(0 <= row["risk"] <= 1 for row in risks)
    assert [row["risk"] for row in queue] == sorted((row["risk"] for row in queue), reverse=True)
    assert len(queue) <= 50


def test_the_same_file_gives_the_same_bytes(tmp_path):
    file = _jsonl(tmp_path / "in.jsonl", [{"text": f"{_NOTE} {number}"} for number in range(40)])
    for name in ("one", "two"):
        deidentify_file(file, tmp_path / name / "out.jsonl", How(key=b"0123456789abcdef"))
    for path in (tmp_path / "one").iterdir():
        if path.name != "out.jsonl.report.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.docx", "x", "files of kind"),
        ("a.jsonl", '{"text": 3}\n', "line 1: the field 'text' is int"),
        ("a.csv", "id,note\n1,x\n", "no column 'text'"),
        ("a.csv", "id,text\n1\n", "expected 2 columns"),
        ("a.csv", '"id"x,text\n1,2\n', "line 1: the header is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path, name, content, says):
    (tmp_path / name).write_text(content, encoding="utf-8")
    out = tmp_path / "out" / name
    with pytest.raises(InputError, match=says):
        deidentify_file(tmp_path / name, out, How())
    assert not list(tmp_path.glob("out/*"))


def test_the_original_is_never_overwritten(tmp_path):
    file = _jsonl(tmp_path / "in.jsonl", [{"text": _NOTE}])
    with pytest.raises(InputError, match="choose another"):
        deidentify_file(file, file, How())
    assert "Kowalsky" in file.read_text()


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for n_rows in (100, 1000):
        file = _jsonl(tmp_path / f"{n_rows}.jsonl", [{"text": f"Take {number} mg of it."} for number in range(n_rows)])
        deidentify_file(file, tmp_path / "warm.jsonl", How())
        tracemalloc.start()
        deidentify_file(file, tmp_path / "out.jsonl", How())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000


def test_the_command_reads_the_key_from_the_environment_only(tmp_path):
    file = _jsonl(tmp_path / "in.jsonl", [{"text": _NOTE}])
    command = [sys.executable, "-c", "from osler.cli.main import main; main()", "deidentify", str(file), "--out", str(tmp_path / "o.jsonl"), "--mode", "surrogate", "--json"]  # fmt: skip
    import os

    bare = {key: value for key, value in os.environ.items() if key != "OSLER_PHI_KEY"}
    failed = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert failed.returncode == 3
    assert "OSLER_PHI_KEY" in failed.stderr
    done = subprocess.run(command, env={**bare, "OSLER_PHI_KEY": "0123456789abcdef"}, capture_output=True, text=True, check=True)  # fmt: skip
    assert json.loads(done.stdout)["rows"] == 1
    assert "Kowalsky" not in (tmp_path / "o.jsonl").read_text()
