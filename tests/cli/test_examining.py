"""`osler evaluate` and `osler compare` as a user gives them, on the invented sample."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from osler.cli.evaluate import gpu_of
from osler.cli.main import run_command


@pytest.fixture(scope="module")
def examined(tiny_base: Path, tiny_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examined")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSLER_CACHE", str(folder / "cache"))
        code = run_command(
            ["evaluate", "--model", str(tiny_base), "--adapter", str(tiny_adapter), "--benchmark", "medqa", "pubmedqa",
             "medqa@text", "--from", "sample", "--out", str(folder / "out"), "--quiet", "--export", "lm-eval"]
        )  # fmt: skip
    assert code == 0
    return folder / "out"


def test_base_and_tuned_are_scored_from_one_load(examined: Path) -> None:
    scores = json.loads((examined / "evaluate" / "scores.json").read_text())
    assert [(one["benchmark"], one["model"]) for one in scores["scores"]] == [
        (f"{name}", arm)
        for name in ("medqa@letters-0shot", "pubmedqa@letters-0shot", "medqa@text")
        for arm in ("base", "tuned")
    ]
    assert len(list((examined / "lm-eval").glob("*.yaml"))) == 3


def test_two_arms_are_compared(examined: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert (
        run_command(["compare", f"{examined}:base", f"{examined}:tuned", "--out", str(tmp_path / "c.json"), "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [row["benchmark"] for row in found["benchmarks"]] == [
        "medqa@letters-0shot",
        "pubmedqa@letters-0shot",
        "medqa@text",
    ]
    assert json.loads((tmp_path / "c.json").read_text()) == found
    scores = json.loads((examined / "evaluate" / "scores.json").read_text())
    assert [row["p_mcnemar"] for row in found["benchmarks"]] == [row["p_mcnemar"] for row in scores["comparisons"]]
    assert run_command(["compare", f"{examined}:base", f"{examined}:tuned", "--margin", "0.5"]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == f"{examined}:tuned against {examined}:base, in points; Holm over 3 claims"
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == [
        row["benchmark"] for row in found["benchmarks"]
    ]
    assert all("by 50.0 (lower bound" in line for line in lines if not line.startswith(" "))
    assert "--out FILE" in last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "--model", "./nowhere", "--benchmark", "medqa", "--from", "sample"], "there is no folder"),
        (["evaluate", "--model", "./nowhere", "--benchmark", "medqq"], "did you mean 'medqa'"),
        (["evaluate", "--model", "http://127.0.0.1:9/v1", "--benchmark", "medqa", "--from", "sample"], "@generate"),
        (
            ["evaluate", "--model", "./nowhere", "--benchmark", "medqa", "--export", "lm_eval"],
            "expected one of lm-eval",
        ),
        (["compare", "nowhere", "nowhere"], "holds no evaluation"),
    ],
)
def test_mistakes_are_said_in_words(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSLER_CACHE", str(tmp_path / "cache"))
    assert run_command([*arguments, *(["--quiet"] if arguments[0] == "evaluate" else [])]) == 2
    assert words in capsys.readouterr().err


def test_open_answers_are_compared_by_an_encoder_that_is_named(
    tiny_base: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("OSLER_CACHE", str(tmp_path / "cache"))
    rows = [{"question": f"What is invented illness {n}?", "answer": f"An illness, number {n}."} for n in range(3)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "quiz.yaml").write_text("name: quiz\nfile: quiz.jsonl\ntask: open\nattribution: Invented.\n")
    asked = ["evaluate", "--model", str(tiny_base), "--own", str(tmp_path / "quiz.yaml"), "--benchmark", "quiz", "--out", str(tmp_path / "out"),
             "--quiet", "--encoder"]  # fmt: skip
    assert run_command([*asked, f"{tiny_base}@1"]) == 0
    assert f"{tiny_base}, layer 1 of" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "out" / "evaluate" / "scores.json").read_text())["open_answers"]
    assert (row["n"], row["bertscore"]["n"], row["bertscore"]["layer"]) == (3, 3, 1)
    assert run_command([*asked, str(tmp_path / "nowhere")]) in {2, 3}


@pytest.mark.parametrize(
    "asked", [["--model", "http://models.example/v1"], ["--model", "x", "--judge", "http://models.example"]]
)
def test_questions_that_may_not_leave_the_machine_are_sent_to_no_endpoint(
    asked: list[str], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"sentence1": "An invented note.", "sentence2": "It is invented.", "gold_label": "neutral"}
    (tmp_path / "data" / "mednli").mkdir(parents=True)
    (tmp_path / "data" / "mednli" / "mli_test_v1.jsonl").write_text(json.dumps(row) + "\n")
    named = [
        "--benchmark",
        "mednli@generate",
        "--from",
        "data",
        "--agree",
        "mednli=An invented agreement, signed 2026-01-02",
    ]
    assert run_command(["evaluate", *asked, *named, "--quiet"]) == 1
    assert "'models.example' may not be used: mednli must not leave this machine" in capsys.readouterr().err


def test_each_process_has_a_gpu_of_those_that_the_user_named() -> None:
    assert [gpu_of(number, "") for number in range(2)] == ["0", "1"]
    assert [gpu_of(number, "2,GPU-5") for number in range(3)] == ["2", "GPU-5", "2"]


class _Judge(BaseHTTPRequestHandler):
    """A judge that gives the grade of its path to everything (`/3/v1`)."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        grades = dict.fromkeys(("accuracy", "safety", "clarity", "completeness"), int(self.path[1]))
        message = {"role": "assistant", "content": json.dumps(grades)}
        data = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


def test_grades_of_another_judge_are_not_taken_over(tiny_base: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("OSLER_CACHE", str(tmp_path / "cache"))
    rows = [{"question": f"What is invented illness {n}?", "answer": f"An illness, number {n}."} for n in range(3)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "quiz.yaml").write_text("name: quiz\nfile: quiz.jsonl\ntask: open\nattribution: Invented.\n")
    asked = ["evaluate", "--model", str(tiny_base), "--own", str(tmp_path / "quiz.yaml"), "--benchmark", "quiz",
             "--out", str(tmp_path / "out"), "--json", "--fresh", "--judge"]  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Judge)
    threading.Thread(target=server.serve_forever).start()
    try:
        means = []
        for grade in (2, 4):
            assert run_command([*asked, f"http://127.0.0.1:{server.server_port}/{grade}/v1"]) == 0
            means.append(json.loads(capsys.readouterr().out)["judged"][0]["clarity"]["mean"])
    finally:
        server.shutdown()
        server.server_close()
    empty = json.loads((tmp_path / "out" / "evaluate" / "scores.json").read_text())["open_answers"][0]["empty"]
    assert means == ([2, 4] if not empty else [pytest.approx((3 - empty) / 3 * g + empty / 3) for g in (2, 4)])
    assert not (tmp_path / "out" / "answers").exists()
