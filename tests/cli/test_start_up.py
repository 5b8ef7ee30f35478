"""`osler --help` answers at once and loads nothing heavy."""

import resource
import subprocess
import sys

from osler.cli import main

HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "starlette",
    "uvicorn",
    "pyarrow",
    "numpy",
    "pydantic",
)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom osler.cli.main import run_command\n"
        "try:\n    code = run_command(['--help'])\nexcept SystemExit as stop:\n    code = stop.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in finished.stdout, finished.stdout


def test_help_takes_less_than_half_a_second_of_cpu_time():
    fastest = min(_cpu_seconds_of_help() for _ in range(3))
    assert fastest < 0.5


def _cpu_seconds_of_help() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "osler", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_bug_exits_with_4_and_does_not_show_what_the_error_says(monkeypatch, capsys):
    words = "a patient's words"

    def broken(**_: object) -> None:
        raise ValueError(words)

    monkeypatch.delenv("OSLER_DEBUG", raising=False)
    monkeypatch.setattr(main, "app", broken)
    assert main.run_command(["doctor"]) == 4
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert "this is a bug" in shown
    assert words not in shown
