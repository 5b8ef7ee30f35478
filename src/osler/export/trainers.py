"""A run's training for other programs: LLaMA-Factory 0.9.5 and mlx-lm, with the same rows, prompt, adapter, order of magnitude and seed.

LLaMA-Factory has chat templates of its own, which can differ from the tokenizer's by a space. It is therefore given what the model
reads, already rendered, under its template `empty`; that it cuts every row into the same tokens is checked here, row by row.
What stays different: the order of the rows, and how batches are padded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from osler.errors import CheckFailed, InputError
from osler.models.chat import end_token_id, render, with_system
from osler.models.protocol import Conversation
from osler.records.io import JsonlWriter, read_jsonl
from osler.records.record import Message
from osler.runs.files import write_bytes, write_json

_HEAD = "# Made by osler from the run {run}. Start with:  {command}\n"
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


@dataclass(frozen=True, slots=True)
class Training:
    """What was trained, and how."""

    run: str
    base: str
    revision: str
    system_prompt: str
    options: Mapping[str, Any]
    """The recipe's `train` section, with all defaults."""
    ledger: Mapping[str, Any]
    """The content of `train/ledger.json`."""
    dtype: str
    quantized: str
    """`nf4`, or empty."""
    seed: int


def write_llamafactory(training: Training, messages: Path, tokenizer: Any, out: Path) -> int:
    """Write `train.json`, `validation.json`, `dataset_info.json` and `train.yaml`. Gives the rows written.

    Args:
        messages: folder with the splits as `{"messages": [...]}` lines, from the data export.
        tokenizer: of the base, with the template that was trained.

    Raises:
        CheckFailed: LLaMA-Factory would cut a row into other tokens.
        InputError: there is no row.
    """
    info, total = {}, 0
    for split in ("train", "validation"):
        file = messages / f"{split}.jsonl"
        if not file.is_file():
            continue
        n_rows = 0
        with JsonlWriter(out / f"{split}.jsonl") as writer:
            for conversation in _conversations(file, training.system_prompt):
                writer.write({"messages": _rendered(tokenizer, conversation, training.run)})
                n_rows += 1
        if n_rows:
            columns = {"messages": "messages"}
            entry = {"file_name": f"{split}.jsonl", "formatting": "sharegpt", "columns": columns, "tags": _TAGS}
            info[f"{training.run}_{split}"] = entry
        total += n_rows
    if f"{training.run}_train" not in info:
        raise InputError(f"{training.run} has no training row to export.")
    write_json(out / "dataset_info.json", info)
    options = _llamafactory_options(training, has_validation=f"{training.run}_validation" in info)
    _write_yaml(out / "train.yaml", training.run, "llamafactory-cli train train.yaml     (in this folder)", options)
    return total


def write_mlx(training: Training, messages: Path, out: Path) -> int:
    """Write `train.jsonl`, `valid.jsonl` and `lora.yaml` for mlx-lm. Gives the rows written.

    mlx-lm applies the chat template of the base itself; a base without one is refused by it.
    """
    total = 0
    for split, name in (("train", "train"), ("validation", "valid")):
        if (messages / f"{split}.jsonl").is_file():
            with JsonlWriter(out / f"{name}.jsonl") as writer:
                for conversation in _conversations(messages / f"{split}.jsonl", training.system_prompt):
                    writer.write({"messages": [{"role": turn.role, "content": turn.content} for turn in conversation]})
                    total += 1
    train, ledger = training.options, training.ledger
    options = {
        "model": training.base,
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


def _llamafactory_options(training: Training, *, has_validation: bool) -> dict[str, Any]:
    train, ledger = training.options, training.ledger
    targets = train["targets"]
    quantization = {
        "quantization_bit": 4,
        "quantization_method": "bnb",
        "quantization_type": "nf4",
        "double_quantization": True,
    }
    evaluation = {"eval_dataset": f"{training.run}_validation", "eval_strategy": "epoch"}
    return {
        "model_name_or_path": training.base,
        "model_revision": training.revision,
        "trust_remote_code": False,
        **(quantization if training.quantized else {}),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "use_dora": train.get("method") == "dora",
        "lora_rank": train["rank"],
        "lora_alpha": train["alpha"],
        "lora_dropout": train["dropout"],
        "lora_target": "all" if isinstance(targets, str) else ",".join(targets),
        "dataset_dir": ".",
        "dataset": f"{training.run}_train",
        **(evaluation if has_validation else {}),
        "template": "empty",
        "cutoff_len": ledger["max_length"],
        "train_on_prompt": False,
        "mask_history": False,
        "packing": False,
        "per_device_train_batch_size": train["batch_size"],
        "gradient_accumulation_steps": train["accumulate"],
        "max_steps": ledger["steps"],
        "learning_rate": train["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(train["warmup"] * ledger["steps"]),
        "weight_decay": 0.0,
        "bf16": training.dtype == "bfloat16",
        "seed": training.seed,
        "output_dir": "adapter",
        "save_strategy": "epoch",
        "logging_steps": 1,
        "report_to": "none",
    }


def _conversations(file: Path, system_prompt: str) -> Iterator[Conversation]:
    for _, row in read_jsonl(file):
        turns = tuple(Message(turn["role"], turn["content"]) for turn in row["messages"])
        yield with_system(turns, system_prompt)


def _rendered(tokenizer: Any, conversation: Conversation, run: str) -> list[dict[str, str]]:
    """The whole rendered text in turns: what is read, what is learned with its end token, what is read, ...

    Raises:
        CheckFailed: cut one by one, the turns give other tokens than the whole.
    """
    whole = render(tokenizer, conversation, for_reply=False)
    end = tokenizer.decode([end_token_id(tokenizer)])
    turns: list[dict[str, str]] = []
    place = 0
    for number, turn in enumerate(conversation):
        if turn.role == "assistant":
            prompt = render(tokenizer, conversation[:number], for_reply=True)
            stop = whole.find(end, len(prompt)) + len(end)
            if not whole.startswith(prompt) or stop < len(prompt) + len(end):
                raise CheckFailed(
                    f"A row of {run} does not continue its prompt under the chat template; osler sets it aside too."
                )
            turns += [
                {"role": "user", "content": whole[place : len(prompt)]},
                {"role": "assistant", "content": whole[len(prompt) : stop]},
            ]
            place = stop
    if _ids(tokenizer, [whole[:place]]) != _ids(tokenizer, [turn["content"] for turn in turns]):
        raise CheckFailed(
            f"LLaMA-Factory encodes question and answer apart, and for a row of {run} that gives other tokens than osler trained on. "
            "Train with osler, or use the data exports with a template of LLaMA-Factory's own."
        )
    return turns


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    return [token for text in texts for token in tokenizer.encode(text, add_special_tokens=False, verbose=False)]


def _write_yaml(path: Path, run: str, command: str, options: Mapping[str, Any]) -> None:
    text = _HEAD.format(run=run, command=command) + yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())
