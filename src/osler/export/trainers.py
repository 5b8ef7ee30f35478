"""A run's training for other programs: LLaMA-Factory 0.9.5 and mlx-lm, with the same rows, prompt, adapter, schedule and seed.

What stays different: the order of the rows, and how batches are padded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from osler.errors import InputError
from osler.models.chat import as_dicts, with_system
from osler.models.config import ModelConfig
from osler.models.llamafactory import llamafactory_settings, write_rows
from osler.models.protocol import Conversation
from osler.records.io import JsonlWriter, read_jsonl
from osler.records.record import Message
from osler.runs.files import write_bytes

_HEAD = "# Made by osler from the run {run}. Start with:  {command}\n"


@dataclass(frozen=True, slots=True)
class Training:
    """What was trained, and how."""

    run: str
    model: ModelConfig
    """`base` is where it lies, also of a scratch base."""
    system_prompt: str
    options: Mapping[str, Any]
    """The recipe's `train` section, with all defaults."""
    ledger: Mapping[str, Any]
    """The content of `train/ledger.json`."""
    seed: int


def write_llamafactory(training: Training, messages: Path, tokenizer: Any, out: Path) -> int:
    """Write `train.jsonl`, `validation.jsonl`, `dataset_info.json` and `train.yaml`. Gives the rows written.

    Args:
        messages: folder with the splits as `{"messages": [...]}` lines, from the data export.
        tokenizer: of the base, with the template that was trained.

    Raises:
        CheckFailed: LLaMA-Factory would cut a row into other tokens.
        InputError: there is no row.
    """
    files = {split: messages / f"{split}.jsonl" for split in ("train", "validation")}
    splits = {name: _conversations(file, training.system_prompt) for name, file in files.items() if file.is_file()}
    written = write_rows(splits, tokenizer, training.run, out)
    if not written.get("train"):
        raise InputError(f"{training.run} has no training row to export.")
    ledger = training.ledger
    settings = llamafactory_settings(
        training.model,
        training.options,
        training.seed,
        ledger["max_length"],
        n_steps=ledger["steps"],
        has_validation=bool(written.get("validation")),
    )
    _write_yaml(out / "train.yaml", training.run, "llamafactory-cli train train.yaml     (in this folder)", settings)
    return sum(written.values())


def write_mlx(training: Training, messages: Path, out: Path) -> int:
    """Write `train.jsonl`, `valid.jsonl` and `lora.yaml` for mlx-lm. Gives the rows written.

    mlx-lm applies the chat template of the base itself; a base without one is refused by it.
    """
    total = 0
    for split, name in (("train", "train"), ("validation", "valid")):
        if (messages / f"{split}.jsonl").is_file():
            with JsonlWriter(out / f"{name}.jsonl") as writer:
                for conversation in _conversations(messages / f"{split}.jsonl", training.system_prompt):
                    writer.write({"messages": as_dicts(conversation)})
                    total += 1
    train, ledger = training.options, training.ledger
    options = {
        "model": training.model.base,
        "train": True,
        "data": ".",
        "adapter_path": "adapter",
        "fine_tune_type": "dora" if train.get("method") == "dora" else "lora",
        "num_layers": -1,
        "lora_parameters": {
            "rank": train["rank"],
            "scale": train["alpha"] / train["rank"],
            "dropout": train["dropout"],
        },
        "mask_prompt": True,
        "max_seq_length": ledger["max_length"],
        "batch_size": train["batch_size"],
        "grad_accumulation_steps": train["accumulate"],
        # mlx-lm counts forward passes.
        "iters": ledger["steps"] * train["accumulate"],
        "learning_rate": train["learning_rate"],
        "lr_schedule": {
            "name": "cosine_decay",
            "warmup": round(train["warmup"] * ledger["steps"]),
            "arguments": [train["learning_rate"], ledger["steps"]],
        },
        "optimizer": "adamw",
        "seed": training.seed,
    }
    _write_yaml(out / "lora.yaml", training.run, "mlx_lm.lora --config lora.yaml     (in this folder)", options)
    return total


def _conversations(file: Path, system_prompt: str) -> Iterator[Conversation]:
    for _, row in read_jsonl(file):
        turns = tuple(Message(turn["role"], turn["content"]) for turn in row["messages"])
        yield with_system(turns, system_prompt)


def _write_yaml(path: Path, run: str, command: str, options: Mapping[str, Any]) -> None:
    text = _HEAD.format(run=run, command=command) + yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())
