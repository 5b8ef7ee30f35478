"""What ships can be planned and measured: every recipe, and the script for a GPU."""

import json
import runpy
from pathlib import Path

import pytest

from osler.recipe import load_recipe, shipped_recipes
from osler.records.io import write_records
from osler.records.record import Record
from osler.runs.progress import silent
from osler.train.architecture import read_architecture
from osler.train.config import TrainConfig
from osler.train.plan import plan

GPU_PLAN = Path(__file__).parents[2] / "benchmarks" / "gpu_plan.py"


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_recipe_is_planned_without_rows(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(shipped_recipes()[name], [f"collect.root={tmp_path}"])
    found = plan(recipe.model, recipe.train or TrainConfig(), recipe.machine, recipe.seed, (None, None), silent)
    assert not found.problems
    assert found.parameters > 1_000_000
    assert found.runs
    assert all(run.memory.total_bytes > run.memory.weights_bytes > 0 for run in found.runs)


@pytest.mark.parametrize(
    (
        "base",
        "billions",
    ),  # of the text tower, as the publishers' weight files hold them; norms and small gates not counted
    [("google/gemma-3-1b-it", 1.00), ("google/gemma-3n-E4B-it", 6.8), ("meta-llama/Llama-3.1-8B-Instruct", 8.03)],
)
def test_a_shape_that_ships_has_the_size_of_its_weights(base: str, billions: float) -> None:
    shape = read_architecture(base, "main")
    assert (shape.n_linear + shape.n_embedding) / 1e9 == pytest.approx(billions, rel=0.01)


def test_the_script_for_a_gpu_takes_its_way_without_one(
    tiny_base: Path,
    few_records: list[Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_records(tmp_path / "train.jsonl", few_records)
    options = f"--dry-run --base {tiny_base} --rows {tmp_path / 'train.jsonl'} --card h100-80gb --steps 3 --method lora"
    monkeypatch.setattr("sys.argv", [str(GPU_PLAN), *options.split(), "--work", str(tmp_path / "work")])
    assert runpy.run_path(str(GPU_PLAN))["main"]() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ledger"]["steps"] == 3
    assert found["planned_bytes"] > 0
    assert found["tokens_per_s"] > 0
    assert found["peak_bytes"] is None  # no figure without a GPU
