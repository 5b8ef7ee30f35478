"""What training leaves: `adapter/`, or `model/` after full fine-tuning. It appears whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osler.models.config import ModelConfig
from osler.models.local import LocalModel, load_local
from osler.runs.files import read_json, write_json


def save_result(trainer: Any, best_step: int | None, out: Path, base_name: str, template: Mapping[str, str]) -> None:
    """Write the trained weights to `out`.

    Args:
        best_step: step whose weights were put aside by `save_best` and are kept; None: the last ones are.
    """
    whole = template["method"] == "full"
    folder = out / ("model" if whole else "adapter")
    partial = out / f"{folder.name}.partial"
    if best_step is None:
        _save(trainer, partial)
    if not trainer.accelerator.is_main_process:
        return
    if best_step is not None and best_folder(out, best_step).exists():  # else a killed call has moved it already
        shutil.rmtree(partial, ignore_errors=True)
        best_folder(out, best_step).rename(partial)
    (partial / "README.md").unlink(missing_ok=True)
    if not whole:
        config = read_json(partial / "adapter_config.json")
        config["base_model_name_or_path"] = base_name
        config["target_modules"] = sorted(config["target_modules"])  # a set in PEFT, in another order each time
        write_json(partial / "adapter_config.json", config)
    write_json(partial / "template.json", dict(template))
    partial.rename(folder)


def save_best(trainer: Any, best: int | None, step: int, out: Path) -> None:
    """Put the weights of a step aside when it is the best, and remove what was put aside before."""
    if best != step:
        return
    _save(trainer, best_folder(out, step))
    if trainer.accelerator.is_main_process:
        for other in (out / "checkpoints").glob("best-*"):
            if other != best_folder(out, step):
                shutil.rmtree(other)


def best_folder(out: Path, step: int) -> Path:
    """Where the weights of a step are put aside."""
    return out / "checkpoints" / f"best-{step}"


def result_folder(train_folder: Path) -> Path:
    """The trained adapter, or the whole model after full fine-tuning."""
    whole = train_folder / "model"
    return whole if whole.is_dir() else train_folder / "adapter"


def base_folder(train_folder: Path, model: ModelConfig) -> Path | str:
    """Where later stages load the base from: a folder, or a hub id.

    Args:
        train_folder: folder of the train stage, where a scratch base lies.
    """
    if model.base.startswith("scratch:"):
        return train_folder / "base"
    if model.base.startswith(("/", ".", "~")):
        return Path(model.base).expanduser()
    return model.base


def trained_parts(train_folder: Path, model: ModelConfig) -> tuple[Path | str, Path | None, str]:
    """What a run trained, as `load_local` takes it: a base with its adapter, or a whole model; and the revision."""
    result = result_folder(train_folder)
    if result.name == "model":
        return result, None, "main"
    return base_folder(train_folder, model), result, model.revision


def load_trained(train_folder: Path, model: ModelConfig) -> LocalModel:
    """The trained model of a run; its `bare()` is the base.

    Raises:
        EnvironmentLacks, InputError: as `load_local`.
    """
    base, adapter, revision = trained_parts(train_folder, model)
    found = load_local(base, adapter, revision=revision, dtype=model.dtype)
    if adapter is None:  # two whole models: the base is loaded when it is asked for
        found.load_base = lambda: load_local(
            base_folder(train_folder, model),
            revision=model.revision,
            dtype=model.dtype,
            system_prompt=found.system_prompt,
        )
    return found


def _save(trainer: Any, folder: Path) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    # Gathering spread weights is the work of all processes.
    sharded = str(trainer.accelerator.distributed_type).rpartition(".")[2] in {"FSDP", "DEEPSPEED"}
    state = {"state_dict": trainer.accelerator.get_state_dict(trainer.model_wrapped)} if sharded else {}
    if not trainer.accelerator.is_main_process:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(model, "peft_config"):
        model.save_pretrained(str(folder), save_embedding_layers=False, **state)
    else:
        model.save_pretrained(str(folder), **state)
        trainer.processing_class.save_pretrained(str(folder))
