"""`osler kill` and `osler audit`: what an operator does beside a server."""

import json
from pathlib import Path

import pytest

from osler.cli.main import run_command
from osler.guard.audit import AuditLog
from osler.guard.chain import head_path
from osler.serve.board import Board
from osler.serve.store import open_store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    (folder / "serve").mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    (folder / "serve" / "audit.key").write_text("k" * 32)
    return folder


def level(run: Path) -> str:
    store = open_store(None, run / "serve")
    turns = store.turns()
    store.close()
    return turns[-1].level if turns else "off"


def test_the_switch_stops_answers_until_it_is_taken_back(run: Path, capsys: pytest.CaptureFixture[str]):
    runs = ["--runs", str(run.parent)]
    assert run_command(["kill", "on", "demo", "--reason", "wrong dose seen", "--level", "template-only", *runs]) == 0
    assert level(run) == "template-only"
    assert run_command(["kill", "status", "demo", *runs]) == 0
    assert "on (template-only): wrong dose seen" in capsys.readouterr().out
    assert run_command(["kill", "off", "demo", *runs]) == 2
    assert level(run) == "template-only"
    (run / "serve" / "kill").touch()
    assert run_command(["kill", "off", "demo", "--reason", "mended", *runs]) == 0
    assert level(run) == "off"
    assert not (run / "serve" / "kill").exists()


@pytest.mark.parametrize("options", [["--reason", " "], ["--reason", "why", "--level", "off"]])
def test_the_switch_asks_for_a_reason_and_a_level_that_stops_something(run: Path, options: list[str]):
    assert run_command(["kill", "on", "demo", *options, "--runs", str(run.parent)]) == 2
    assert level(run) == "off"


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(run: Path, capsys: pytest.CaptureFixture[str]):
    runs = ["--runs", str(run.parent)]
    assert run_command(["keys", "create", "demo", "ward", "--requests", "60", "--accept-terms", "--json", *runs]) == 0
    made = json.loads(capsys.readouterr().out)
    assert run_command(["keys", "list", "demo", *runs]) == 0
    listed = capsys.readouterr().out
    assert made["key"].split("-", 2)[2] not in listed
    assert f"{made['id']}  ward  scopes chat  requests 60" in listed
    assert run_command(["keys", "revoke", "demo", made["id"], *runs]) == 0
    assert run_command(["keys", "revoke", "demo", made["id"], *runs]) == 2
    assert run_command(["keys", "accept", "demo", made["id"], *runs]) == 2
    stored = b"".join(path.read_bytes() for path in (run / "serve").glob("store.db*"))
    assert made["key"].encode() not in stored


def test_a_changed_row_of_the_audit_log_is_named(run: Path, capsys: pytest.CaptureFixture[str]):
    log = run / "serve" / "audit.jsonl"
    with AuditLog(log, b"k" * 32) as audit:
        for number in range(3):
            audit.append("answer", action="allow", number=number)
    command = ["audit", "verify", "demo", "--runs", str(run.parent)]
    assert run_command(command) == 0
    assert "3 rows hold" in capsys.readouterr().out
    log.write_bytes(log.read_bytes().replace(b'"number":1', b'"number":7'))
    assert run_command(command) == 1
    assert "row 2" in capsys.readouterr().err


def test_a_tail_that_was_cut_with_its_head_file_is_named_by_the_store(run: Path, capsys: pytest.CaptureFixture[str]):
    log = run / "serve" / "audit.jsonl"
    head = head_path(log)
    with AuditLog(log, b"k" * 32) as audit:
        audit.append("answer")
        kept = log.read_bytes(), head.read_bytes()
        audit.append("answer")
        Board(open_store(None, run / "serve"), run / "serve", audit).close()
    command = ["audit", "verify", "demo", "--runs", str(run.parent)]
    assert run_command(command) == 0
    log.write_bytes(kept[0])
    head.write_bytes(kept[1])
    assert run_command(command) == 1
    assert "1 rows are missing at the end" in capsys.readouterr().err


@pytest.mark.parametrize("out_format", ["jsonl", "csv"])
def test_the_logs_of_all_replicas_are_exported(run: Path, capsys: pytest.CaptureFixture[str], out_format: str):
    for name in ("audit.jsonl", "audit-two.jsonl"):
        with AuditLog(run / "serve" / name, b"k" * 32) as audit:
            audit.append("answer", prompt="a private question")
    assert run_command(["audit", "export", "demo", "--format", out_format, "--runs", str(run.parent)]) == 0
    out = capsys.readouterr().out
    assert out.count("audit-two.jsonl") == out.count("audit.jsonl") == 1
    assert "private" not in out
