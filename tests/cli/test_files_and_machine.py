"""Commands on single files, the state of the machine, and how the command line ends."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from osler.cli import doctor as doctors
from osler.cli import screen
from osler.cli.main import run_command
from osler.errors import CheckFailed, EnvironmentLacks, InputError

NOTE = "Patient John Smith was seen on 03/04/2021; call him at 555-123-4567."


def test_identifiers_leave_a_file_and_the_rest_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.jsonl").write_text(json.dumps({"id": 1, "text": NOTE}) + "\n")
    clean = tmp_path / "clean.jsonl"
    assert run_command(["deidentify", str(tmp_path / "notes.jsonl"), "--out", str(clean), "--spans"]) == 0
    assert f"next: read {clean}.review.jsonl" in capsys.readouterr().out
    row = json.loads(clean.read_text())
    assert row["text"] == "Patient [NAME] was seen on [DATE]; call him at [PHONE]."
    assert [NOTE[one["start"] : one["end"]] for one in row["phi"]] == ["John Smith", "03/04/2021", "555-123-4567"]


def test_surrogates_need_a_key_and_are_the_same_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text(NOTE)
    command = ["deidentify", str(tmp_path / "note.txt"), "--mode", "surrogate", "--json", "--out"]
    monkeypatch.delenv("OSLER_PHI_KEY", raising=False)
    assert run_command([*command, str(tmp_path / "one.txt")]) == 3
    assert "OSLER_PHI_KEY" in capsys.readouterr().err
    monkeypatch.setenv("OSLER_PHI_KEY", "k" * 32)
    for name in ("one.txt", "two.txt"):
        assert run_command([*command, str(tmp_path / name)]) == 0
        assert json.loads(capsys.readouterr().out)["identifiers"] == {"DATE": 1, "NAME": 1, "PHONE": 1}
    text = (tmp_path / "one.txt").read_text()
    assert text == (tmp_path / "two.txt").read_text()
    assert "Smith" not in text
    assert text.startswith("Patient ")


def test_what_is_missing_is_named_with_the_command_that_brings_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctors, "installed_version", lambda name: None if name == "trl" else "1.0")
    assert run_command(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "lacks  train, evaluate, export: trl. Install with: " in shown
    assert "ready  serve: starlette 1.0, uvicorn 1.0" in shown
    assert run_command(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {one["feature"]: one["missing"] for one in facts["features"]}["train, evaluate, export"] == ["trl"]
    assert facts["cpus"] >= 1


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (InputError("the row is wrong"), 2, "osler: the row is wrong"),
        (EnvironmentLacks("no GPU"), 3, "osler: no GPU"),
        (CheckFailed("not passed"), 1, "osler: not passed"),
        (KeyboardInterrupt(), 130, "the same command goes on from there"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (PermissionError(13, "Permission denied", "runs/x"), 3, "Permission denied (runs/x)"),
    ],
)
def test_every_way_to_fail_has_its_exit_code_and_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, words: str
) -> None:
    def failing(_: str) -> None:
        raise raised

    monkeypatch.setattr(doctors, "say", failing)
    assert run_command(["doctor"]) == code
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown


def test_a_wrong_option_exits_with_2_and_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["doctor", "--jsn"]) == 2
    assert "--jsn" in capsys.readouterr().err


def shown_progress(quiet: bool, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen.time, "monotonic", clock)
    with screen.Screen(quiet=quiet) as progress:
        for done in range(0, 60, 2):
            progress("collect medqa", done, 60)


def test_progress_is_a_line_every_five_seconds_with_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(10, 1000))
    shown_progress(False, lambda: float(next(seconds)), monkeypatch)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0] == "  collect medqa: 0 of 60 rows"
    assert lines[1] == "  collect medqa: 10 of 60 rows, 2.0/s, 25 s left"
    shown_progress(True, lambda: 0.0, monkeypatch)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_progress_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = io.StringIO()
    console = screen.Console
    monkeypatch.setattr(screen, "Console", lambda **_: console(file=drawn, force_terminal=True, width=120))
    with screen.Screen() as progress:
        progress("collect medqa", 0, 60)
        progress("train", 30, 60, "tokens", "loss 1.20")
    assert "loss 1.20" in drawn.getvalue()
    assert capsys.readouterr().err == ""


def test_text_goes_out_whole_in_any_locale_and_nowhere_when_stdout_is_closed() -> None:
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    osler = f"{sys.executable} -m osler"
    shown = subprocess.run(
        [*osler.split(), "sources", "show", "meddialog_zh"], capture_output=True, env=plain, check=True
    )
    assert "医" in shown.stdout.decode("utf-8")
    closed = subprocess.run(f"{osler} sources list >&-", shell=True, capture_output=True, check=True)
    assert closed.stderr == b""
