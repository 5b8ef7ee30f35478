"""What the documents say can be done, can be done."""

import os
import posixpath
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tools import site

from osler.cli.app import app

click_app: Any = typer.main.get_command(app)
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
_PATH = re.compile(r"`((?:src|docs|tests|recipes|benchmarks)/[\w./-]+)`")


def _commands(text: str) -> list[str]:
    return [line[2:] for block in _BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
def test_every_command_of_the_tutorial_works(repository: Path, tmp_path: Path):
    commands = _commands((repository / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    assert len(commands) >= 8
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        expected = 1 if "# exits 1" in command else 0
        finished = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == expected, f"{command}\n{finished.stdout}\n{finished.stderr}"
    assert (tmp_path / "runs" / "my-run" / "report.html").is_file()


def _documents(repository: Path) -> list[Path]:
    return [
        *sorted(repository.glob("*.md")),
        *sorted((repository / "docs").glob("**/*.md")),
        *sorted((repository / "benchmarks").glob("*.md")),
    ]


def test_links_and_paths_in_the_documents_lead_somewhere(repository: Path):
    missing = []
    for document in _documents(repository):
        text = document.read_text(encoding="utf-8")
        missing += [f"{document.name}: {link}" for link in _LINK.findall(text) if not (document.parent / link).exists()]
        missing += [f"{document.name}: {path}" for path in _PATH.findall(text) if not (repository / path).exists()]
    assert missing == []


_FENCED = re.compile(r"```(?:console|text|bash)?\n(.*?)```", re.DOTALL)
_OSLER = re.compile(r"^(?:\$ )?((?:torchrun [^\n]*? -m )?osler [a-z][^\n]*)", re.MULTILINE)
_INLINE = re.compile(r"`(osler [a-z][^`\n]*)`")


def fenced_commands(text: str) -> list[str]:
    """The commands in a document's blocks, in order, without the remarks behind them."""
    blocks = _FENCED.findall(text.replace("\\\n", " "))
    return [command.split("  #")[0].strip() for block in blocks for command in _OSLER.findall(block)]


def _osler_commands(text: str) -> list[str]:
    fenced = [command[command.index("osler ") :] for command in fenced_commands(text)]
    return fenced + _INLINE.findall(_FENCED.sub("", text))


def _complaint(command: str) -> str:
    """What the command line says against the words of a command, which is not run; empty when it takes them."""
    words = shlex.split(re.sub(r"\[[^]]*\]|\.\.\.", "", command), comments=True)[1:]
    group: Any = click_app
    while hasattr(group, "commands"):
        if not words:
            return ""
        name, *rest = words
        choices = name.split("|")
        if any(choice not in group.commands for choice in choices):
            return f"there is no command {name!r}"
        group, words = group.commands[choices[0]], rest
    known = {name for one in group.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in known]
    return f"there is no option {unknown[0]}" if unknown else ""


def test_every_osler_command_in_the_documents_is_one_that_there_is(repository: Path):
    documents = [path for path in _documents(repository) if path.name != "CHANGELOG.md"]
    told = [(path.name, command) for path in documents for command in _osler_commands(path.read_text(encoding="utf-8"))]
    assert len(told) > 60
    assert [f"{name}: {command}: {said}" for name, command in told if (said := _complaint(command))] == []


def test_the_site_is_whole_and_takes_nothing_from_elsewhere(tmp_path: Path):
    site.main(tmp_path)
    pages = {
        path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")
    }
    assert len(pages) > 20
    missing = []
    for name, text in pages.items():
        assert re.findall(r'<(?:script|iframe|img|video|font)\b|@import|url\(|<link [^>]*href="http', text) == []
        for href in re.findall(r'href="(?!https?:|mailto:)([^"]+)"', text):
            path, _, anchor = href.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            there = target in pages or (tmp_path / target).is_file()
            if not there or (anchor and f'id="{anchor}"' not in pages[target]):
                missing.append(f"{name}: {href}")
    assert missing == []


def test_every_document_is_on_the_site(repository: Path):
    on_it = {page.file for page in site.pages()}
    assert {path.relative_to(repository).as_posix() for path in (repository / "docs").glob("**/*.md")} <= on_it


def test_the_table_of_contributing_says_where_each_thing_is_added(repository: Path):
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = {row.split(" | ")[0].strip("| "): _LINK.findall(row) for row in text.splitlines() if row.startswith("| a")}
    wanted = {"a data set", "a cleaning rule", "a benchmark", "a guard rule", "an export of data", "an endpoint"}
    assert wanted <= rows.keys()
    assert [name for name, links in rows.items() if not all((repository / link).exists() for link in links)] == []
    assert [
        name
        for name, links in rows.items()
        if not any(link.startswith(("src/", "docs/", "benchmarks/")) for link in links)
    ] == []


def test_readme_is_short(repository: Path):
    assert len((repository / "README.md").read_text(encoding="utf-8").splitlines()) < 200
