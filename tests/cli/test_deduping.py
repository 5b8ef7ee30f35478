"""`osler dedupe`: plain rows in, those that stay and an account out."""

import json

import pytest
from typer.testing import CliRunner

from osler.cli.app import app
from osler.errors import InputError

_ROWS = [
    {"q": "What is gout?", "a": "A form of arthritis that comes in sudden attacks of pain."},
    {"q": "What is gout?", "a": "A form of  arthritis that comes in sudden attacks of pain."},
    {"q": "What is gout?", "a": "Pain."},
]


def test_copies_and_short_rows_are_dropped_and_counted(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in _ROWS))
    out = tmp_path / "out"
    command = ["dedupe", str(rows), "--out", str(out), "--field", "q", "--field", "a", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"read": 3, "kept": 1, "dropped": 2, "reasons": {"exact_copy": 1, "length": 1}}
    assert (out / "kept.jsonl").read_text() == json.dumps(_ROWS[0]) + "\n"
    assert [json.loads(line)["reason"] for line in (out / "dropped.jsonl").read_text().splitlines()] == [
        "exact_copy",
        "length",
    ]


@pytest.mark.parametrize("wrong", [["--chars", "20-10"], ["--chars", "ten"]])
def test_an_option_that_means_nothing_is_refused(tmp_path, wrong):
    result = CliRunner().invoke(app, ["dedupe", "rows.jsonl", "--out", str(tmp_path), *wrong])
    assert isinstance(result.exception, InputError)
    assert wrong[1] in str(result.exception)


def test_an_engine_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    result = CliRunner().invoke(app, ["dedupe", "rows.jsonl", "--out", str(tmp_path), "--engine", "spark"])
    assert result.exit_code == 2
    assert "'spark' is not one of 'local', 'ray'" in result.output
