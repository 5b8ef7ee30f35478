"""Training: equal twice, equal after a kill, and counted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from osler.errors import InputError
from osler.models.config import ModelConfig
from osler.models.local import load_local
from osler.records.io import read_jsonl, write_records
from osler.records.record import Message, Origin, Record
from osler.runs.files import digest_folder, read_json
from osler.runs.metrics import read_metrics
from osler.runs.progress import silent
from osler.train.config import BadRowsConfig, EvaluationConfig, MachineConfig, TrainConfig
from osler.train.result import base_folder
from osler.train.train import train

CONFIG = TrainConfig(
    rank=4,
    alpha=8,
    dropout=0.1,
    learning_rate=5e-3,
    batch_size=2,
    accumulate=2,
    epochs=2,
    max_steps=14,
    evaluation=EvaluationConfig(every_steps=6, rows=4),
    bad_rows=BadRowsConfig(long_answer="drop"),
)
MACHINE = MachineConfig(save_every_steps=4)
MODEL = ModelConfig(system_prompt="Be kind.")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, few_records: list[Record]) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("curated")
    long = Record(
        "invented:long", "qa", (Message("user", "Why?"), Message("assistant", "x " * 3000)), Origin("invented", "l")
    )
    write_records(folder / "train.jsonl", [*few_records[:30], long])
    write_records(folder / "validation.jsonl", few_records[30:])
    return folder / "train.jsonl", folder / "validation.jsonl"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, files: tuple[Path, Path]) -> Path:
    out = tmp_path_factory.mktemp("run") / "train"
    out.mkdir()
    train(files, MODEL, CONFIG, MACHINE, 7, out, silent)
    return out


def test_the_folder_holds_what_later_stages_read(undisturbed: Path) -> None:
    assert sorted(path.name for path in undisturbed.iterdir()) == [
        "adapter",
        "base",
        "ledger.json",
        "metrics.jsonl",
        "rows.jsonl",
        "set_aside.jsonl",
    ]
    assert set(digest_folder(undisturbed / "adapter")) == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "template.json",
    }
    assert base_folder(undisturbed, MODEL) == undisturbed / "base"
    assert base_folder(undisturbed, ModelConfig(base="org/name")) == "org/name"


def test_the_ledger_adds_up(undisturbed: Path) -> None:
    ledger = read_json(undisturbed / "ledger.json")
    aside = [row for _, row in read_jsonl(undisturbed / "set_aside.jsonl")]
    assert ledger["read"] == 31 == ledger["kept"] + sum(ledger["set_aside"].values())
    assert [(row["id"], row["source"], row["reason"]) for row in aside] == [
        ("invented:long", "invented", "long_answer")
    ]
    assert ledger["steps"] == 14
    assert ledger["batch_size"] == 4
    assert 0 < ledger["trained_tokens"] < ledger["tokens"]
    assert 0 < ledger["trainable_parameters"] < ledger["parameters"]
    assert ledger["last_loss"] < ledger["first_loss"]


def test_each_step_has_its_row_and_the_last_is_measured(undisturbed: Path) -> None:
    rows = read_metrics(undisturbed / "metrics.jsonl")
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 15))
    assert [row["step"] for row in rows if "eval_loss" in row] == [0, 6, 12, 14]
    tokens = [row["tokens"] for row in rows if "tokens" in row]
    assert tokens == sorted(set(tokens))


def test_the_adapter_loads_changes_the_base_and_names_no_folder(undisturbed: Path) -> None:
    model = load_local(undisturbed / "base", undisturbed / "adapter")
    question = (Message("user", "What does the heart do?"),)
    assert model.system_prompt == "Be kind."
    assert model.reply([question], 6) != model.bare().reply([question], 6)
    config = read_json(undisturbed / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "scratch:tiny"
    assert not [
        path
        for path in undisturbed.rglob("*")
        if path.is_file() and str(undisturbed.parent).encode() in path.read_bytes()
    ]


def test_a_killed_run_ends_with_the_same_bytes(undisturbed: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "train"
    out.mkdir()
    # After step 10: a checkpoint at 8 is whole, metrics of 9 and 10 are written and must be taken back.
    assert run_killed_at(10, files, out) == -signal.SIGKILL
    assert (out / "checkpoints" / "checkpoint-8").is_dir()
    assert not (out / "adapter").exists()
    (out / "checkpoints" / "checkpoint-12").mkdir()  # as if the kill had come while the next one was written
    train(files, MODEL, CONFIG, MACHINE, 7, out, silent)
    assert digest_folder(out) == digest_folder(undisturbed)


def test_a_finished_adapter_is_not_trained_again(undisturbed: Path, files: tuple[Path, Path]) -> None:
    before = digest_folder(undisturbed)
    (undisturbed / "ledger.json").unlink()  # as if the kill had come between adapter and ledger
    (undisturbed / "checkpoints" / "checkpoint-8").mkdir(parents=True)  # and while checkpoints were being removed
    steps: list[str] = []
    train(
        files,
        MODEL,
        CONFIG,
        MACHINE,
        7,
        undisturbed,
        lambda name, done, total, unit="rows", note="": steps.append(unit),
    )
    assert "tokens" not in steps
    assert digest_folder(undisturbed) == before


def test_training_leaves_the_global_random_state_alone(
    files: tuple[Path, Path], tmp_path: Path, tiny_base: Path
) -> None:
    import random

    import torch

    before = random.getstate(), torch.random.get_rng_state()
    config = CONFIG.model_copy(update={"max_steps": 1})
    train((files[0], None), ModelConfig(base=str(tiny_base)), config, MACHINE, 7, tmp_path, silent)
    assert before[0] == random.getstate()
    assert torch.equal(before[1], torch.random.get_rng_state())
    assert not (tmp_path / "base").exists()
    assert read_json(tmp_path / "adapter" / "adapter_config.json")["base_model_name_or_path"] == "base"


def test_a_target_that_fits_no_layer_is_an_error(files: tuple[Path, Path], tmp_path: Path, tiny_base: Path) -> None:
    config = CONFIG.model_copy(update={"targets": ("q_proj", "qkv_proj")})
    with pytest.raises(InputError, match=r"qkv_proj.*q_proj"):
        train(files, ModelConfig(base=str(tiny_base)), config, MACHINE, 7, tmp_path, silent)


def test_a_file_without_a_usable_row_is_an_error(files: tuple[Path, Path], tmp_path: Path, tiny_base: Path) -> None:
    config = CONFIG.model_copy(
        update={"max_length": 3, "bad_rows": BadRowsConfig(long_prompt="drop", long_answer="drop")}
    )
    with pytest.raises(InputError, match="max_length"):
        train(files, ModelConfig(base=str(tiny_base)), config, MACHINE, 7, tmp_path, silent)


def run_killed_at(step: int, files: tuple[Path, Path], out: Path) -> int:
    """Train in another process that kills itself with SIGKILL after a step."""
    program = (
        "import json, os, signal, sys\n"
        "from pathlib import Path\n"
        "from osler.models.config import ModelConfig\n"
        "from osler.train.config import BadRowsConfig, EvaluationConfig, MachineConfig, TrainConfig\n"
        "from osler.train.train import train\n"
        "train_file, validation_file, model, config, out, step = sys.argv[1:]\n"
        "reports = []\n"
        "def killing(name, done, total, unit='rows', note=''):\n"
        "    reports.append(name)\n"
        "    if reports.count('train') == int(step) + 2:\n"  # the first report comes before the first step
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "train((Path(train_file), Path(validation_file)), ModelConfig(**json.loads(model)),\n"
        "      TrainConfig(**json.loads(config)), MachineConfig(save_every_steps=4), 7, Path(out), killing)\n"
    )
    arguments = [*map(str, files), MODEL.model_dump_json(), CONFIG.model_dump_json(), str(out), str(step)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], env=os.environ, check=False, capture_output=True)
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 1, 4, 5, 12, 13])
def test_killed_at_any_step_it_ends_with_the_same_bytes(
    undisturbed: Path, files: tuple[Path, Path], tmp_path: Path, step: int
) -> None:
    out = tmp_path / "train"
    out.mkdir()
    assert run_killed_at(step, files, out) == -signal.SIGKILL
    train(files, MODEL, CONFIG, MACHINE, 7, out, silent)
    assert digest_folder(out) == digest_folder(undisturbed)
    assert json.loads((out / "ledger.json").read_bytes())["steps"] == 14
