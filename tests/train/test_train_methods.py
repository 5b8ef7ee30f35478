"""What the other methods leave, and what stops a training early."""

from pathlib import Path

import pytest

from osler.errors import EnvironmentLacks
from osler.export.merge import export_merged
from osler.models.config import ModelConfig
from osler.records.io import write_records
from osler.records.record import Message, Record
from osler.runs.files import digest_folder, read_json
from osler.runs.metrics import read_metrics
from osler.runs.progress import silent
from osler.train.config import EvaluationConfig, MachineConfig, TrainConfig
from osler.train.result import load_trained
from osler.train.train import train

ASKED = ((Message("user", "What does the heart do?"),),)


def trained(folder: Path, base: Path, records: list[Record], *, validation: int = 0, **options: object) -> ModelConfig:
    folder.mkdir(exist_ok=True)
    write_records(folder / "train.jsonl", records[:12])
    write_records(folder / "validation.jsonl", records[-validation:] if validation else [])
    model = ModelConfig(base=str(base), system_prompt="Be kind.")
    config = TrainConfig.model_validate({"rank": 4, "batch_size": 4, "max_steps": 2, "learning_rate": 0.01, **options})
    files = (folder / "train.jsonl", folder / "validation.jsonl")
    train(files, model, config, MachineConfig(save_every_steps=1), 7, folder, silent)
    return model


def test_full_leaves_a_whole_model_that_is_loaded_compared_and_exported(
    tmp_path: Path, tiny_base: Path, few_records: list[Record]
) -> None:
    model = trained(tmp_path, tiny_base, few_records, method="full", learning_rate=1e-3)
    loaded = load_trained(tmp_path, model)
    assert loaded.system_prompt == "Be kind."
    assert not loaded.has_adapter
    before, after = loaded.bare().weights.state_dict(), loaded.weights.state_dict()
    assert any(not before[name].equal(after[name]) for name in before)
    parity = export_merged(tmp_path / "model", None, ASKED, tmp_path / "out", silent)
    assert (parity.top1_agreement, parity.max_abs_logit_difference) == (1.0, 0.0)


@pytest.mark.parametrize("method", ["qlora", "dora"])
def test_an_adapter_of_each_method_is_loaded_as_it_was_trained_and_merges(
    method: str, tmp_path: Path, tiny_base: Path, few_records: list[Record]
) -> None:
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    model = trained(tmp_path, tiny_base, few_records, method=method)
    assert read_json(tmp_path / "adapter" / "adapter_config.json")["use_dora"] == (method == "dora")
    loaded = load_trained(tmp_path, model)
    assert loaded.quantized == ("nf4" if method == "qlora" else "")
    four_bit = [name for name, module in loaded.weights.named_modules() if type(module).__name__ == "Linear4bit"]
    assert bool(four_bit) == (method == "qlora")
    assert export_merged(tiny_base, tmp_path / "adapter", ASKED, tmp_path / "out", silent).passed


IN_VAIN = {
    "validation": 4,
    "max_steps": None,
    "epochs": 4,
    "learning_rate": 0.9,
    "warmup": 0,
    "evaluation": EvaluationConfig(every_steps=1, patience=2).model_dump(),
}


def test_training_that_brings_nothing_stops_and_keeps_the_best(
    tmp_path: Path, tiny_base: Path, few_records: list[Record]
) -> None:
    trained(tmp_path, tiny_base, few_records, **IN_VAIN)
    losses = [row["eval_loss"] for row in read_metrics(tmp_path / "metrics.jsonl") if "eval_loss" in row]
    best = losses.index(min(losses))
    ledger = read_json(tmp_path / "ledger.json")
    assert (ledger["steps"], ledger["planned_steps"]) == (best + 2, 12)
    assert len(losses) == best + 3  # the start has one too


@pytest.mark.parametrize("killed_in", ["osler.train.loop.save_result", "osler.train.result.write_json"])
def test_a_kill_after_training_stopped_loses_nothing_and_adds_no_step(
    killed_in: str, tmp_path: Path, tiny_base: Path, few_records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    trained(undisturbed, tiny_base, few_records, **IN_VAIN)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(killed_in, kill)
        with pytest.raises(KeyboardInterrupt):
            trained(killed, tiny_base, few_records, **IN_VAIN)
    trained(killed, tiny_base, few_records, **IN_VAIN)
    assert digest_folder(killed) == digest_folder(undisturbed)


def test_a_tracker_that_is_not_installed_is_named_before_any_work(
    tmp_path: Path, tiny_base: Path, few_records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osler.train.trackers.installed_version", lambda _: None)
    write_records(tmp_path / "train.jsonl", few_records)
    machine = MachineConfig(trackers=("mlflow",))
    with pytest.raises(EnvironmentLacks, match="mlflow"):
        train(
            (tmp_path / "train.jsonl", None),
            ModelConfig(base=str(tiny_base)),
            TrainConfig(),
            machine,
            7,
            tmp_path,
            silent,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]
