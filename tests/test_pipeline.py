"""A whole run: stages in order, finished ones skipped, killed ones continued, and a gate that holds."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from osler.errors import CheckFailed, InputError
from osler.evaluate.review.items import Columns, read_answers
from osler.evaluate.review.plan import Design, make_review
from osler.evaluate.review.ratings import Rating, append_rating
from osler.evaluate.review.rubric import load_rubric
from osler.evaluate.review.summary import summarise_review
from osler.guard.policy import Policy
from osler.guard.stronger import StrongerGuard
from osler.models.action import Verdict
from osler.pipeline import run as pipeline
from osler.pipeline.run import run_stages
from osler.recipe import Recipe, load_recipe, shipped_recipes
from osler.runs.files import digest_folder, read_json
from osler.runs.progress import silent

STAGES = tuple(stage for stage in pipeline.STAGES if stage != "synth")
"""Those of the demo: it writes no records from documents."""

SMALL = [
    "collect.max_rows=12",
    "collect.sources=[medquad, symptom_to_diagnosis]",
    "evaluate.benchmarks=[medqa]",
    "evaluate.max_items=6",
    "train.epochs=1",
    "train.max_steps=6",
    "machine.save_every_steps=2",
    "train.evaluation.rows=2",
    "redteam.max_prompts=4",
    "redteam.attacks=[plain]",
    "redteam.max_tokens=4",
    "export.parity_prompts=2",
]
NOT_COMPARED = frozenset({"run.json", "done"})


def _recipe(*settings: str) -> Recipe:
    return load_recipe(shipped_recipes()["demo.yaml"], [*SMALL, *settings])


def _run(folder: Path, *settings: str, until: str | None = None) -> dict[str, bool]:
    return {o.stage: o.skipped for o in run_stages(_recipe(*settings), folder, until, silent)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "demo"
    assert _run(folder) == dict.fromkeys(STAGES, False)
    return folder


def test_every_stage_leaves_its_files_and_the_report(finished: Path):
    for stage in STAGES:
        assert (finished / stage / "run.json").is_file()
        assert (finished / stage / "done").is_file()
    assert (finished / "report.html").is_file()
    assert not (finished / "train" / "checkpoints").exists()


def test_a_guard_model_of_the_recipe_stands_in_the_red_team_too(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def second_look(guard: StrongerGuard, policy: Policy, text: str) -> Verdict:
        asked.append(text)
        return Verdict("allow")

    monkeypatch.setattr(StrongerGuard, "second_look", second_look)
    shutil.copytree(finished, tmp_path / "run")
    assert not _run(tmp_path / "run", "guard.stronger_url=http://127.0.0.1:9/v1", until="redteam")["redteam"]
    assert asked


def test_a_source_that_may_be_absent_is_left_out_and_named(tmp_path: Path):
    settings = ("collect.sources=[medquad, meddialog]", "collect.max_rows=12", "curate.mix.caps={meddialog: 5}")
    recipe = load_recipe(shipped_recipes()["demo.yaml"], [*settings, "collect.may_be_absent=[meddialog]"])
    (collected, _) = run_stages(recipe, tmp_path / "run", "curate", silent)
    assert "absent: meddialog" in collected.summary
    assert read_json(tmp_path / "run/collect/counts.json")["absent"] == ["meddialog"]
    assert [row["source"] for row in read_json(tmp_path / "run/curate/counts.json")["sources"]] == ["medquad"]
    assert "may be absent: meddialog" in (tmp_path / "run/report.html").read_text("utf-8")
    with pytest.raises(InputError, match="meddialog"):
        list(run_stages(load_recipe(shipped_recipes()["demo.yaml"], settings), tmp_path / "other", "curate", silent))


def test_answers_that_the_policy_blocks_are_dropped_when_asked(tmp_path: Path):
    rows = [
        {"q": f"What helps against invented pain {i}?", "a": f"Rest and time help most, {i} days of it."}
        for i in range(20)
    ]
    rows[3]["a"] = "You should take 500 mg of amoxicillin three times a day."
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = f"{{name: mine, file: {tmp_path}/own.jsonl, question: q, answer: a, license: MIT, access: open}}"
    settings = ("collect.sources=[]", f"collect.own=[{own}]", "curate.filter.drop_blocked=true")
    recipe = load_recipe(shipped_recipes()["demo.yaml"], settings)
    list(run_stages(recipe, tmp_path / "run", "curate", silent))
    dropped = [json.loads(line) for line in (tmp_path / "run/curate/dropped.jsonl").read_bytes().splitlines()]
    assert [(row["reason"], row["detail"]) for row in dropped] == [("blocked_by_policy", "rule output.dose")]


def test_a_finished_run_is_skipped_whole(finished: Path):
    assert _run(finished) == dict.fromkeys(STAGES, True)


def test_a_changed_section_makes_anew_what_depends_on_it_and_nothing_else(finished: Path):
    skipped = _run(finished, "gate.over_refusal_upper=0.2")
    assert [stage for stage in STAGES if not skipped[stage]] == ["gate", "export"]
    _run(finished)


def test_the_gate_is_decided_anew_when_a_review_of_this_artefact_has_ended(finished: Path):
    artefact = read_json(finished / "gate" / "verdict.json")["artefact"]
    lines = (finished / "redteam/transcripts.jsonl").read_bytes().splitlines()
    named = {json.loads(line).get("artefact") for line in lines}
    assert named == {None, artefact}, "rows of the guarded model name it, so that their review counts"
    columns = Columns(only={"arm": "guarded", "attack": "plain"})
    answers = read_answers([finished / "redteam/transcripts.jsonl"], columns)
    plan = make_review(answers, (), load_rubric(), Design(("anna",), None, 1), finished / "review")
    for card in range(1, len(plan.decks["anna"]) + 1):
        append_rating(
            plan.folder, "anna", Rating(card=card, seq=1, scores=dict.fromkeys(plan.rubric.names, 5), helpful="yes")
        )
    assert summarise_review(plan)["complete"]
    assert pipeline.decide(finished)
    checks = {check["name"]: check for check in read_json(finished / "gate" / "verdict.json")["checks"]}
    n = len(plan.arms)
    assert (checks["review.accuracy"]["value"], checks["review.helpful"]["value"]) == (5.0, 1.0)
    assert f"{n} of {n} questions answered helpfully" in checks["review.helpful"]["note"]
    shutil.rmtree(finished / "review")
    _run(finished)


def test_the_gate_takes_no_results_of_a_section_that_the_recipe_no_longer_has(finished: Path):
    """The red team's files of an earlier run stay on disk; they are of another model or policy and may not count."""
    without = _recipe().model_copy(update={"redteam": None})
    assert [outcome.stage for outcome in run_stages(without, finished, "gate", silent)][-2:] == ["evaluate", "gate"]
    checks = {check["name"]: check for check in read_json(finished / "gate" / "verdict.json")["checks"]}
    of_redteam = [check for name, check in checks.items() if "harmful" in name or "refus" in name]
    assert of_redteam
    assert all(not check["passed"] and "not run" in check["note"] for check in of_redteam)
    page = (finished / "report.html").read_text("utf-8")
    assert "The stage redteam belongs to an earlier state of this run" in page
    assert "The stage export belongs to an earlier state of this run" in page
    assert "The stage evaluate belongs" not in page
    _run(finished)
    assert "belongs to an earlier state" not in (finished / "report.html").read_text("utf-8")


def test_kept_and_dropped_are_what_was_read(finished: Path):
    counts = read_json(finished / "curate" / "counts.json")
    assert counts["kept"] + counts["dropped"] == counts["read"]
    assert sum(counts["splits"].values()) == counts["kept"]
    ledger = read_json(finished / "train" / "ledger.json")
    assert ledger["kept"] + sum(ledger["set_aside"].values()) == ledger["read"] == counts["splits"]["train"]


def test_the_tiny_model_does_not_pass_and_the_override_of_the_export_is_recorded(finished: Path):
    assert read_json(finished / "gate" / "verdict.json")["passed"] is False
    override = read_json(finished / "export" / "override.json")
    assert override["reason"].startswith("the demo exports")
    assert any("knowledge.medqa" in check for check in override["failed_checks"])
    assert override["reason"].partition(",")[0] in (finished / "report.html").read_text(encoding="utf-8")


def test_export_without_an_override_is_refused(finished: Path):
    with pytest.raises(CheckFailed, match=r"knowledge\.medqa"):
        _run(finished, "export.override=null")
    _run(finished)


def test_serve_refuses_and_names_the_failed_checks(finished: Path):
    command = [sys.executable, "-m", "osler", "serve", "demo", "--runs", str(finished.parent), "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "knowledge.medqa" in refused.stderr
    assert "--override" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (finished / "serve" / "audit.jsonl").exists()


def test_gate_command_exits_with_1_and_gives_the_machine_format(finished: Path):
    command = [sys.executable, "-m", "osler", "gate", "demo", "--runs", str(finished.parent), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    verdict = json.loads(answer.stdout)
    assert verdict["passed"] is False
    assert all({"name", "value", "bound", "ci95", "passed"} <= set(check) for check in verdict["checks"])


def test_an_unknown_stage_names_the_nearest(tmp_path: Path):
    with pytest.raises(InputError, match="did you mean 'curate'"):
        _run(tmp_path / "demo", until="curat")


def test_a_recipe_asks_a_benchmark_of_the_users_own(tmp_path: Path):
    from osler.evaluate.evidence import Evidence
    from osler.evaluate.gate import gate
    from osler.pipeline.data import _source_names
    from osler.pipeline.stages import own_digests, questions_of
    from osler.recipe import parse_recipe

    (tmp_path / "quiz.yaml").write_text("{name: ward-quiz, file: quiz.jsonl, attribution: Ward 7.}")
    rows = tmp_path / "quiz.jsonl"
    rows.write_text('{"question": "What helps?", "choices": ["Rest", "Haste"], "answer": "A"}\n')
    text = b"{name: a, collect: {sources: [medquad]}, evaluate: {own: [quiz.yaml], benchmarks: [ward-quiz@text]}}"
    recipe = parse_recipe(text, "a.yaml", tmp_path)
    (record,) = questions_of(recipe, tmp_path)["ward-quiz@text"].records
    assert (record.question, record.answer) == ("What helps?", 0)
    assert _source_names(recipe) == ["medquad"]
    before = own_digests(recipe)
    rows.write_text(rows.read_text().replace("Rest", "Sleep"))
    assert own_digests(recipe).keys() == before.keys()
    assert own_digests(recipe) != before
    bound = text.replace(b"}}", b"}, gate: {own: [quiz.yaml], knowledge: {ward-quiz: 0.8}}}")
    gated = parse_recipe(bound, "a.yaml", tmp_path).gate
    assert gated is not None
    (check,) = [one for one in gate(Evidence(), "a" * 64, gated).checks if one.name.startswith("knowledge.ward")]
    assert (check.name, check.bound, check.passed) == ("knowledge.ward-quiz", 0.8, False)
    with pytest.raises(InputError, match="unknown benchmark 'ward-quiz'"):
        parse_recipe(bound.replace(b"gate: {own: [quiz.yaml], ", b"gate: {"), "a.yaml", tmp_path)
    with pytest.raises(InputError, match="ward-quiz"):
        parse_recipe(text.replace(b"ward-quiz@text", b"ward-quizz"), "a.yaml", tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        parse_recipe(text.replace(b"quiz.yaml", b"no.yaml"), "a.yaml", tmp_path)


def test_a_stage_whose_input_is_missing_says_which_section_to_add(tmp_path: Path):
    text = b"{name: a, collect: {sources: [medquad], max_rows: 3}, train: {}}"
    from osler.recipe import parse_recipe

    recipe = parse_recipe(text, "a.yaml", tmp_path)
    with pytest.raises(InputError, match="Add a section `curate:`"):
        list(run_stages(recipe, tmp_path / "a", None, silent))


def test_two_runs_of_the_same_recipe_are_the_same_to_the_byte(finished: Path, tmp_path: Path):
    _run(tmp_path / "demo", until="curate")
    for stage in ("collect", "curate"):
        assert digest_folder(tmp_path / "demo" / stage, NOT_COMPARED) == digest_folder(finished / stage, NOT_COMPARED)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(finished: Path, tmp_path: Path):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    recipe = str(shipped_recipes()["demo.yaml"])
    command = [sys.executable, "-m", "osler", "run", recipe, "--runs", str(tmp_path), "--quiet", *settings]
    rng = random.Random(20261121)
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, 14.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for stage in STAGES:
        assert digest_folder(tmp_path / "demo" / stage, NOT_COMPARED) == digest_folder(finished / stage, NOT_COMPARED)
