"""The loss depends on the rows of a step alone: not on batch and accumulation, packing, or the number of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.models.local import load_weights
from osler.records.io import write_records
from osler.records.record import Record
from osler.runs.files import read_json
from osler.runs.metrics import read_metrics
from osler.runs.progress import silent
from osler.train.config import EvaluationConfig, MachineConfig, TrainConfig
from osler.train.train import train

CONFIG = TrainConfig(
    rank=4,
    alpha=8,
    learning_rate=5e-3,
    batch_size=8,
    epochs=2,
    max_steps=6,
    evaluation=EvaluationConfig(every_steps=3, rows=8),
)
PROMPT = "Be kind."
TOLERANCE = 1e-5
"""Sums in another order; float32 leaves about 1e-7 a step."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, few_records: list[Record]) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("curated")
    write_records(folder / "train.jsonl", few_records[:30])
    write_records(folder / "validation.jsonl", few_records[30:])
    return folder / "train.jsonl", folder / "validation.jsonl"


def curve(out: Path) -> list[float]:
    return [row.get("loss", row.get("eval_loss")) for row in read_metrics(out / "metrics.jsonl")]


def losses(files: tuple[Path, Path], base: Path, out: Path, **changes: Any) -> list[float]:
    train(
        files,
        ModelConfig(base=str(base), system_prompt=PROMPT),
        CONFIG.model_copy(update=changes),
        MachineConfig(),
        7,
        out,
        silent,
    )
    return curve(out)


@pytest.fixture(scope="module")
def whole(files: tuple[Path, Path], tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses(files, tiny_base, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("size", [(4, 2), (2, 4)])
def test_batch_and_accumulation_are_one_step(
    size: tuple[int, int], whole: list[float], files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    divided = losses(files, tiny_base, tmp_path, batch_size=size[0], accumulate=size[1])
    assert len(whole) == 9
    assert divided == pytest.approx(whole, abs=TOLERANCE)


def test_packed_rows_do_not_read_each_other(
    whole: list[float], files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    # One epoch in one step: the order of padded training, which gathers like lengths, has the same rows there.
    packed = losses(files, tiny_base, tmp_path / "packed", batch_size=30, epochs=1)
    padded = losses(files, tiny_base, tmp_path / "padded", batch_size=30, epochs=1, packing="by-length")
    assert len(packed) == 3
    assert padded == pytest.approx(packed, abs=TOLERANCE)
    assert whole[0] == pytest.approx(padded[0], abs=TOLERANCE)
    ledger = json.loads((tmp_path / "packed" / "ledger.json").read_bytes())
    assert ledger["packed"] is True
    assert ledger["padding_share"] == 0


PROGRAM = """
import json, sys
from pathlib import Path
from osler.models.config import ModelConfig
from osler.runs.progress import silent
from osler.train.config import MachineConfig, TrainConfig
from osler.train.train import train
files, base, config, out = sys.argv[1:]
kill = None
if "@" in out:
    out, kill = out.split("@")
def report(name, done, total, unit="rows", note=""):
    import os, signal
    if kill and name == "train" and note and done >= int(kill):
        os.kill(os.getpid(), signal.SIGKILL)
train(tuple(map(Path, json.loads(files))), ModelConfig(base=base, system_prompt='Be kind.'), TrainConfig(**json.loads(config)),
      MachineConfig(save_every_steps=2), 7, Path(out), report)
"""


def two_processes(files: tuple[Path, Path], base: Path, out: Path, *, kill_at: int | None = None) -> int:
    """Train with torchrun on gloo; `kill_at`: tokens after which the processes kill themselves."""
    program = out.parent / "program.py"
    program.write_text(PROGRAM)
    place = f"{out}@{kill_at}" if kill_at else str(out)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    arguments = [json.dumps([str(file) for file in files]), str(base), CONFIG.model_dump_json(), place]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], env=environment, check=False, capture_output=True).returncode


@pytest.mark.slow
def test_two_processes_learn_the_same_as_one(
    whole: list[float], files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "two"
    out.mkdir()
    assert two_processes(files, tiny_base, out) == 0
    assert curve(out) == pytest.approx(whole, abs=TOLERANCE)


@pytest.mark.slow
def test_two_processes_that_were_killed_end_with_the_same_bytes(
    files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    from osler.runs.files import digest_folder

    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    assert two_processes(files, tiny_base, tmp_path / "undisturbed") == 0
    tokens = [row["tokens"] for row in read_metrics(tmp_path / "undisturbed" / "metrics.jsonl") if "tokens" in row]
    assert two_processes(files, tiny_base, tmp_path / "killed", kill_at=tokens[3]) != 0
    assert not (tmp_path / "killed" / "adapter").exists()
    assert two_processes(files, tiny_base, tmp_path / "killed") == 0
    assert digest_folder(tmp_path / "killed") == digest_folder(tmp_path / "undisturbed")


def test_a_zero_adapter_is_the_base(whole: list[float], files: tuple[Path, Path], tiny_base: Path) -> None:
    import torch

    from osler.models.local import load_tokenizer
    from osler.train.held_out import stratified
    from osler.train.tokens import BAD_ROWS, Limits, tokenize

    tokenizer, weights = load_tokenizer(tiny_base), load_weights(tiny_base)
    records = stratified(files[1], 8)
    rows = tokenize(tokenizer, records, PROMPT, Limits(None, 2048), dict.fromkeys(BAD_ROWS, "drop"), silent).rows
    total, n = 0.0, 0
    with quiet_libraries(), torch.no_grad():
        for row in rows:
            ids, labels = torch.tensor([list(row.ids)]), torch.tensor([row.labels])
            total += float(weights(input_ids=ids, labels=labels).loss) * row.n_trained
            n += row.n_trained
    assert whole[0] == pytest.approx(total / n, abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_at_random_moments_packed_rows_of_several_epochs_end_with_the_same_bytes(
    files: tuple[Path, Path], tmp_path: Path, processes: str
) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "train_kill.py"
    places = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "result.json")]
    command = [sys.executable, str(script), "--rows", str(files[0]), "--kills", "3", "--processes", processes, *places]
    subprocess.run(command, check=True)
    (found,) = read_json(tmp_path / "result.json").values()
    assert len(found["kills"]) == 3
    assert found["files_compared"] >= 10
    assert found["files_different"] == []
