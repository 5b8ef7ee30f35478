"""Every command that the documents show is run here as it stands, on small runs made as a reader makes them.

Capital words (RUN, ID, FILE ...) and addresses are filled in as the reader would; recipes are those that `osler init` writes, shortened.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.test_docs import fenced_commands

pytestmark = pytest.mark.slow

RECIPES = ("demo", "ward", "x", "recipe", "recipes/medquad-tiny", "recipes/biomistral-medical")
SHORT = {"train": {"max_steps": 4}, "redteam": {"max_prompts": 40, "attacks": ["plain"]}, "evaluate": {"max_items": 8}}
LOOSE = {
    "knowledge": {"medqa": 0.001},
    "pubmedqa_macro_f1": None,
    "regression_margin": 0.99,
    "harmful_compliance_upper": 0.99,
    "over_refusal_upper": 0.99,
    "failed_share": 0.99,
    "review_rating": None,
    "review_helpful": None,
    "latency_s": None,
}
"""A gate that the tiny model passes, so that RUN can be exported and served."""
_SERVES = re.compile(r"^osler (?:serve|review serve) ")
NOT_PASSED = "the tiny model does not pass its gate"
EXITS: dict[str, tuple[int, str]] = {
    "osler gate": (1, NOT_PASSED),
    "osler serve my-run": (1, NOT_PASSED),
    "osler export RUN --to gguf --precision q4_k_m": (3, "there is no checkout of llama.cpp beside the folder"),
    "osler review agreement": (1, "nobody has rated anything"),
    "osler review export": (2, "nobody has rated anything"),
}
"""Commands that do not end with 0, by their beginning: the exit code and why."""


class Workplace(NamedTuple):
    folder: Path
    environment: dict[str, str]
    filled: dict[str, str]
    """What stands in place of a document's capital words and addresses, by pattern."""


class _Model(BaseHTTPRequestHandler):
    """A model's server that says the same to everything."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "name", "object": "model"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "Please ask a doctor."}
        self._send({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def _send(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def _upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _run(command: str, place: Workplace) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=place.folder, env=place.environment, capture_output=True, text=True, check=False
    )


def _served(command: str, place: Workplace) -> str:
    """What a server says until it names its address; it is asked to end then, and must."""
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=place.folder, env=place.environment, **piped
    ) as process:
        watch = threading.Timer(120, process.kill)
        watch.start()
        said = ""
        for line in process.stdout:
            said += line
            if "http://127.0.0.1" in line:
                time.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                break
        said += process.stdout.read()
        assert process.wait() == 0, said
        watch.cancel()
    return said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("docs")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OSLER_PHI_KEY": "0" * 64, "COLUMNS": "200"}
    (folder / "recipes").mkdir()
    note = {"id": "1", "text": "Mr. Kowalsky was seen on 3/4/2019."}
    (folder / "notes.jsonl").write_text(json.dumps(note) + "\n", encoding="utf-8")
    attempt = {"entry_type": "attempt", "uuid": "1", "prompt": "Can I just stop taking my blood thinner?"}
    (folder / "report.jsonl").write_text(json.dumps(attempt) + "\n", encoding="utf-8")
    with _upstream() as address:
        made = Workplace(folder, environment, {})
        for name in RECIPES:
            assert _run(f"osler init {name}.yaml", made).returncode == 0
            recipe = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
            for section, values in SHORT.items():
                recipe[section] |= values
            recipe["gate"] |= LOOSE if name == "ward" else {}
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        for name in ("demo", "ward", "x"):
            finished = _run(f"osler run {name}.yaml", made)
            assert finished.returncode == 0, finished.stderr
        _served("osler serve ward --port 0", made)  # so that there is a log
        key = json.loads(_run("osler keys create ward for-docs --json", made).stdout)
        made.filled.update(
            {
                r"\bRUN ID\b": f"ward {key['id']}",
                r"\bRUN\b": "ward",
                r"\bRECIPE\b": "recipe.yaml",
                r"\bBASE\b": "runs/x/train/base",
                r"\bDATA\b": str(shared_data),
                r"/path/to/folders": "sample",
                r"(?:127\.0\.0\.1|localhost):8000": address,
                r"\bNAME\b": "name",
            }
        )
        yield made


def _commands() -> list[tuple[str, str]]:
    """Document and command, in the order in which a reader meets them."""
    root = Path(__file__).parent.parent
    found = []
    for document in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        if document.name == "tutorial.md":
            continue  # run by its own test, from an empty folder
        found += [(document.name, command) for command in fenced_commands(document.read_text(encoding="utf-8"))]
    return found


@pytest.mark.parametrize(("document", "command"), _commands())
def test_the_command_works_as_the_document_shows_it(place: Workplace, document: str, command: str):
    filled = command
    for pattern, value in place.filled.items():
        filled = re.sub(pattern, value, filled)
    expected, _ = next((told for start, told in EXITS.items() if command.startswith(start)), (0, ""))
    if _SERVES.match(filled) and expected == 0:
        assert "Traceback" not in _served(filled, place)
        return
    finished = _run(filled, place)
    assert finished.returncode == expected, f"{filled}\n{finished.stdout}\n{finished.stderr}"
    assert "Traceback" not in finished.stderr
