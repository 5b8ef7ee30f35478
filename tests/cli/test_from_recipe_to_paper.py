"""From `osler init` to a trained run and its papers, each step as a person types it."""

import json
import shutil
from pathlib import Path

import pytest

from osler.cli.main import run_command

SMALL = (
    "collect.max_rows=8",
    "collect.sources=[medquad, symptom_to_diagnosis]",
    "train.max_steps=2",
    "train.evaluation.rows=2",
    "train.bad_rows.contradictory=keep",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `first`, trained by the recipe that `osler init` writes."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = folder / "first.yaml"
    assert run_command(["init", str(recipe)]) == 0
    settings = [word for one in SMALL for word in ("--set", one)]
    assert run_command(["train", str(recipe), *settings, "--runs", str(folder), "--json"]) == 0
    return folder


def test_a_recipe_that_is_there_is_not_overwritten_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe, schema = tmp_path / "r.yaml", tmp_path / "r.json"
    recipe.write_text("mine")
    assert run_command(["init", str(recipe)]) == 2
    assert "--force" in capsys.readouterr().err
    assert recipe.read_text() == "mine"
    assert run_command(["init", str(recipe), "--force"]) == 0
    assert "osler run" in capsys.readouterr().out
    assert f"osler run {recipe}" in recipe.read_text()
    assert "\nname: r\n" in recipe.read_text()
    assert run_command(["init", str(schema), "--schema"]) == 0
    assert json.loads(schema.read_text())["title"] == "Osler recipe"


def test_a_finished_stage_is_told_as_done_and_the_next_command_is_named(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [word for one in SMALL for word in ("--set", one)]
    command = ["run", str(runs / "first.yaml"), *settings, "--runs", str(runs), "--until", "train"]
    assert run_command(command) == 0
    shown = capsys.readouterr()
    assert shown.err.count("(already done)") == 3
    assert f"osler report first --runs {runs}" in shown.out
    assert run_command([*command, "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [(one["stage"], one["skipped"]) for one in stages] == [
        (name, True) for name in ("collect", "curate", "train")
    ]


def test_what_training_needs_is_told_before_it_starts(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["plan", str(runs / "first.yaml"), "--set", "train.bad_rows.contradictory=keep", "--runs", str(runs)]
    assert run_command(plan) == 0
    shown = capsys.readouterr().out
    assert "source    medquad:" in shown
    assert "next      osler train" in shown
    assert run_command([*plan, "--set", "machine.card=h100-81gb"]) == 2
    assert "mistake   machine.card: is \"h100-81gb\". Did you mean 'h100-80gb'?" in capsys.readouterr().err


def test_rows_are_shown_as_the_model_sees_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", str(runs / "first.yaml"), "--show", "1", "--runs", str(runs)]) == 0
    shown = capsys.readouterr().out
    row = json.loads((runs / "first/curate/train.jsonl").read_bytes().splitlines()[0])
    assert shown.startswith(f"{row['id']}: ")
    assert f"[[{row['messages'][-1]['content'][:20]}" in shown


def test_memory_is_traced_on_the_true_architecture_when_asked(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = [
        "plan",
        str(runs / "first.yaml"),
        "--set",
        "train.bad_rows.contradictory=keep",
        "--runs",
        str(runs),
        "--exact",
    ]
    assert run_command([*plan, "--json"]) == 0
    traced = json.loads(capsys.readouterr().out)["exact"]
    assert traced["total_bytes"] == sum(n for part, n in traced.items() if part != "total_bytes")
    assert run_command(plan) == 0
    assert f"traced    {traced['total_bytes'] / 2**30:.2f} GiB" in capsys.readouterr().out


def test_of_several_processes_the_first_alone_speaks(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [word for one in SMALL for word in ("--set", one)]
    command = ["train", str(runs / "first.yaml"), *settings, "--runs", str(runs)]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert run_command(command) == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("RANK", "0")
    assert run_command(command) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"run      {runs / 'first'}")
    assert "train" in shown.err


def test_an_adapter_that_another_engine_trained_is_taken_into_the_run(
    runs: Path, tiny_base: Path, tiny_adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "first", tmp_path / "first")
    settings = (*SMALL, f"model.base={tiny_base}", "train.rank=4", "train.alpha=8")
    command = ["train", str(runs / "first.yaml"), "--runs", str(tmp_path), "--engine", "axolotl"]
    command += [word for one in settings for word in ("--set", one)]
    assert run_command(command) == 0
    assert "axolotl train axolotl.yaml" in capsys.readouterr().out
    assert (tmp_path / "first/engine/axolotl.yaml").is_file()
    assert run_command([*command, "--take-back", str(tiny_adapter)]) == 0
    assert f"took     {tiny_adapter}" in capsys.readouterr().out
    assert json.loads((tmp_path / "first/train/ledger.json").read_bytes())["engine"] == "axolotl"


def test_another_engine_is_refused_for_a_model_that_osler_builds(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["train", str(runs / "first.yaml"), "--engine", "axolotl", "--runs", str(runs)]) == 2
    assert "scratch:tiny" in capsys.readouterr().err


def test_what_was_not_examined_does_not_pass_the_gate(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["gate", "first", "--runs", str(runs)]) == 1
    *checks, verdict = capsys.readouterr().out.splitlines()
    assert verdict == "the gate is NOT passed"
    assert checks
    assert all(line.startswith("FAILED") for line in checks)
    assert run_command(["gate", "absent", "--runs", str(runs)]) == 2
    assert "runs there: first" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["data", "model", "system"])
def test_a_card_goes_to_the_screen_or_to_a_file(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert run_command(["card", kind, "first", "--runs", str(runs)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("---\n")
    assert run_command(["card", kind, "first", "--runs", str(runs), "--out", str(tmp_path / "README.md")]) == 0
    assert (tmp_path / "README.md").read_text() == shown


def test_documents_count_their_open_decisions_and_leave_what_a_person_edited(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "first", tmp_path / "first")
    command = ["documents", "first", "--runs", str(tmp_path)]
    assert run_command([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["open_decisions"]) > 5
    assert all(one["missing"] for one in found["documents"])
    edited = tmp_path / "first/documents/intended_use.md"
    edited.write_text("Written by hand.")
    assert run_command(command) == 0
    shown = capsys.readouterr()
    assert "intended_use.md was edited by hand" in shown.err
    assert f"{len(found['open_decisions'])} decisions open" in shown.out
    assert edited.read_text() == "Written by hand."


def test_rows_leave_in_another_form_and_what_may_not_is_told(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ["export", "first", "--runs", str(runs), "--out", str(tmp_path / "out")]
    assert run_command([*export, "--to", "guides,messages"]) == 0
    shown = capsys.readouterr().out
    assert "license  Apache-2.0" in shown
    written = len((tmp_path / "out/messages/train.jsonl").read_bytes().splitlines())
    assert f"messages           {written} train" in shown
    assert run_command([*export, "--to", "guides", "--for", "profit"]) == 2
    assert run_command([*export, "--to", "hub"]) == 2
    assert "--repo" in capsys.readouterr().err
    assert run_command([*export, "--to", "guides,safetensor"]) == 2
    assert "no form 'safetensor'; the forms are: merged, gguf" in capsys.readouterr().err
