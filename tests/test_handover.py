"""From a run to other programs: the gate and the licenses decide, and what leaves trains and answers as the run did."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.families import build, family

from osler.cli.main import run_command
from osler.errors import CheckFailed, InputError
from osler.export.data import Permission
from osler.export.model import Choices
from osler.handover import hand_over, hand_over_training, publish
from osler.models.local import load_tokenizer
from osler.pipeline.run import run_stages
from osler.recipe import load_recipe, shipped_recipes
from osler.records.io import read_jsonl, read_records, write_records
from osler.runs.files import digest_folder, read_json, write_json
from osler.runs.progress import silent
from osler.serve.start import artefact_of, load_run_policy, served_sections
from osler.train.tokens import BAD_ROWS, MASKED, Limits, tokenize

RESEARCH = Permission("research", leave_out_forbidden=False, include_local_only=False)
SMALL = (
    "collect.max_rows=12",
    "collect.sources=[medquad, symptom_to_diagnosis]",
    "evaluate.benchmarks=[medqa]",
    "train.max_steps=3",
    "train.evaluation={rows: 2}",
    "train.batch_size=4",
)


def make_run(folder: Path, name: str, extra: Sequence[str] = ()) -> Path:
    from osler.models.libraries import quiet_libraries

    base = folder / f"base-{name}"
    with quiet_libraries():
        build(family(name), ["What does the heart do? It keeps the body well, day and night."], base)
    recipe = load_recipe(shipped_recipes()["demo.yaml"], [*SMALL, f"model.base={base}", f"name={name}", *extra])
    list(run_stages(recipe, folder / "runs" / name, "train", silent))
    return folder / "runs" / name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("handover"), "phi-4")


def pass_the_gate(run: Path) -> None:
    sections = served_sections(run, {})
    artefact = artefact_of(sections.model, load_run_policy(sections.guard), run)
    check = {"name": "safety.over_refusal", "value": 0.0, "bound": 0.1, "ci95": [0.0, 0.05], "passed": True, "note": ""}
    write_json(run / "gate" / "run.json", {"stage": "gate"})
    write_json(run / "gate" / "verdict.json", {"passed": True, "artefact": artefact, "checks": [check]})
    write_json(run / "gate" / "done", {"key": ""})


@pytest.fixture
def passed(run: Path) -> Path:
    pass_the_gate(run)
    return run


class FakeHub:
    def __init__(self) -> None:
        self.uploaded: list[str] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert private

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        self.uploaded = sorted(path.name for path in Path(folder_path).iterdir())


def test_a_model_that_has_not_passed_leaves_only_with_a_reason(run: Path, tmp_path: Path) -> None:
    (run / "gate" / "verdict.json").unlink(missing_ok=True)
    with pytest.raises(CheckFailed, match="gate was not run"):
        hand_over(run, Choices(("vllm",)), 2, None, tmp_path, silent)
    assert not list(tmp_path.iterdir())
    hand_over(run, Choices(("vllm",)), 2, "a look", tmp_path, silent)
    assert read_json(tmp_path / "override.json")["reason"] == "a look"


def test_the_forms_lie_side_by_side_and_a_second_call_merges_nothing_anew(passed: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    choices = Choices(("merged", "gguf", "ollama", "vllm"), verify=True)
    found = hand_over(passed, choices, 4, None, tmp_path, silent)
    assert found["checks"]["phi-4-q8_0.gguf"]["passed"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Modelfile",
        "export.json",
        "gguf",
        "merged",
        "parity.json",
        "system_prompt.txt",
        "vllm.yaml",
    ]
    options = yaml.safe_load((tmp_path / "vllm.yaml").read_text())
    assert options["dtype"] == "float32"
    assert (tmp_path / options["chat-template"]).is_file()
    before = digest_folder(tmp_path)
    written = (tmp_path / "merged" / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "gguf.partial").mkdir()
    (tmp_path / "gguf.partial" / "half").write_text("as a kill would leave it")
    hand_over(passed, choices, 4, None, tmp_path, silent)
    assert digest_folder(tmp_path) == before
    assert (tmp_path / "merged" / "model.safetensors").stat().st_mtime_ns == written


def test_an_unknown_form_or_precision_is_refused_before_any_work(passed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no form 'onnx'"):
        hand_over(passed, Choices(("onnx",)), 2, None, tmp_path, silent)
    with pytest.raises(InputError, match="--llama-cpp"):
        hand_over(passed, Choices(("gguf",), ("q4_k_m",)), 2, None, tmp_path, silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    ["phi-4", *(pytest.param(name, marks=pytest.mark.slow) for name in ("biomistral-7b", "gemma-3-1b", "qwen3"))],
)
def test_llama_factory_gets_the_very_tokens_that_were_trained(name: str, run: Path, tmp_path: Path) -> None:
    """Encoded turn by turn as LLaMA-Factory's template `empty` does it, with the turns of the assistant learned."""
    made = run if name == "phi-4" else make_run(tmp_path, name)
    written = hand_over_training(made, ("llamafactory", "mlx"), RESEARCH, tmp_path / "out", silent)
    folder = tmp_path / "out" / "llamafactory"
    options = yaml.safe_load((folder / "train.yaml").read_text())
    assert options["template"] == "empty"
    assert options["max_steps"] == 3
    assert options["dataset"] in read_json(folder / "dataset_info.json")
    sections = served_sections(made, {})
    tokenizer: Any = load_tokenizer(sections.model.base)
    rows = tokenize(
        tokenizer,
        read_records(made / "curate" / "train.jsonl"),
        read_json(made / "train" / "adapter" / "template.json")["system_prompt"],
        Limits(10**6, 10**6),
        dict.fromkeys(BAD_ROWS, "keep"),
        silent,
    ).rows
    theirs = [row["messages"] for _, row in read_jsonl(folder / "train.jsonl")]
    assert len(theirs) == len(rows) > 5
    for row, turns in zip(rows, theirs, strict=True):
        ids: list[int] = []
        labels: list[int] = []
        for turn in turns:
            part = tokenizer.encode(turn["content"], add_special_tokens=False)
            ids += part
            labels += part if turn["role"] == "assistant" else [MASKED] * len(part)
        assert ids == list(row.ids[: len(ids)])
        assert labels == list(row.labels[: len(ids)])
        assert all(label == MASKED for label in row.labels[len(ids) :])
    assert written["llamafactory"] == written["mlx"]
    mlx = yaml.safe_load((tmp_path / "out" / "mlx" / "lora.yaml").read_text())
    assert mlx["mask_prompt"] is True
    (_, first), *_ = read_jsonl(tmp_path / "out" / "mlx" / "train.jsonl")
    assert [turn["role"] for turn in first["messages"]] == ["system", "user", "assistant"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["llamafactory", "mlx"]


def test_nothing_is_published_without_a_gate_passed_whatever_the_reason(run: Path, tmp_path: Path) -> None:
    (run / "gate" / "verdict.json").unlink(missing_ok=True)
    hub = FakeHub()
    with pytest.raises(CheckFailed, match="whatever the reason"):
        publish(run, "me/mine", RESEARCH, None, tmp_path, hub)
    assert hub.uploaded == []


def test_a_model_is_published_with_its_card(passed: Path, tmp_path: Path) -> None:
    hand_over(passed, Choices(("merged",)), 2, None, tmp_path, silent)
    hub = FakeHub()
    publish(passed, "me/mine", RESEARCH, None, tmp_path, hub)
    assert {"README.md", "model.safetensors", "chat_template.jinja", "tokenizer.json"} <= set(hub.uploaded)
    card = (tmp_path / "merged" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "Not a medical device" in card
    assert "safety.over_refusal" in card
    assert str(tmp_path) not in card
    with pytest.raises(InputError, match="ORG/NAME"):
        publish(passed, "mine", RESEARCH, None, tmp_path, hub)


def test_a_source_that_forbids_it_keeps_the_model_here(passed: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    file = passed / "curate" / "train.jsonl"
    kept = file.read_bytes()
    records = list(read_records(file))
    hub = FakeHub()
    try:
        barred = replace(records[0], origin=replace(records[0].origin, license="CC-BY-ND-4.0"))
        write_records(file, [barred, *records[1:]])
        with pytest.raises(CheckFailed, match="no derivatives"):
            publish(passed, "me/mine", RESEARCH, None, tmp_path, hub)
    finally:
        file.write_bytes(kept)
    local = passed / "collect" / "local_only.json"
    kept = local.read_bytes()
    try:
        row = {"source": "mimic", "access": "credentialed", "agreement": "DUA 1.5", "trained_on": True}
        local.write_text(json.dumps({"sources": [row]}))
        with pytest.raises(CheckFailed, match="mimic"):
            publish(passed, "me/mine", RESEARCH, "yes, it is fine by me", tmp_path, hub)
    finally:
        local.write_bytes(kept)
    assert hub.uploaded == []


def test_the_command_tells_each_check_and_refuses_a_push_without_a_name(
    passed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(passed.parent), "--out", str(tmp_path / "out")]
    assert run_command(["export", "phi-4", "--to", "merged", *runs]) == 0
    assert "merged" in capsys.readouterr().out
    assert run_command(["export", "phi-4", "--to", "hub", *runs]) == 2
    assert "go together" in capsys.readouterr().err
    assert run_command(["export", "phi-4", "--to", "hub", "--repo", "a/b", "--override", "x", *runs]) == 2
    assert run_command(["export", "phi-4", "--to", "llamafactory,parquet", *runs]) == 2
    (passed / "gate" / "verdict.json").unlink()
    assert run_command(["export", "phi-4", "--to", "merged", *runs]) == 1
    assert "--override" in capsys.readouterr().err
