"""The part of the demo that talks to a server of its own, against a small program that stands for `osler serve`."""

import json
import sys
from pathlib import Path

import pytest

from osler import demo
from osler.cli.main import run_command
from osler.errors import CheckFailed
from osler.pipeline import run as pipeline
from osler.pipeline.run import Outcome
from osler.runs.files import write_json

SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

if "--override" not in sys.argv:
    print("osler: the gate has not passed: knowledge.medqa", file=sys.stderr)
    sys.exit(1)

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        right = self.headers["Authorization"] == f"Bearer {os.environ['OSLER_API_KEY']}" and self.headers["X-Consent-Version"] == "7"
        reply = {"choices": [{"message": {"role": "assistant", "content": f"{right}: {asked}"}, "finish_reason": "stop"}],
                 "osler": {"action": "allow", "intent": "none", "rule": ""}}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_): pass

server = HTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}", "terms": "7"}), flush=True)
server.serve_forever()
"""


def use(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(demo, "_command", lambda folder: [sys.executable, "-c", program, folder.name])


def test_the_refusal_is_kept_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, SERVER)
    refusal = demo.try_to_serve(tmp_path)
    assert (refusal.exit_code, refusal.message) == (1, "osler: the gate has not passed: knowledge.medqa")
    assert json.loads((tmp_path / "demo/refusal.json").read_bytes())["exit_code"] == 1


def test_a_server_that_does_not_refuse_is_a_failed_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "")
    with pytest.raises(CheckFailed, match=r"expected to refuse .* exit code 1, and left with 0"):
        demo.try_to_serve(tmp_path)


def test_a_server_that_does_not_start_is_told_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "import sys; sys.exit('the port is taken')")
    with pytest.raises(CheckFailed, match="did not start:\nthe port is taken"):
        demo.ask_the_server(tmp_path)


def test_the_demo_shows_refusal_questions_and_answers_and_names_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, SERVER)
    write_json(tmp_path / "demo/collect/run.json", {"options": {}})
    outcomes = [Outcome("collect", True, 0.0, "36 records")]
    monkeypatch.setattr(pipeline, "run_stages", lambda *_: iter(outcomes))
    assert run_command(["demo", "--runs", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "collect   36 records (already done)" in shown.err
    assert "    osler: the gate has not passed: knowledge.medqa" in shown.err
    for _, question in demo.QUESTIONS:
        assert f"    True: {question}" in shown.out
    assert f"report   {tmp_path / 'demo/report.html'}" in shown.out
    assert run_command(["demo", "--runs", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["serve_refused"] is True
    assert [one["kind"] for one in found["answers"]] == [kind for kind, _ in demo.QUESTIONS]
