"""Training in LLaMA-Factory's words (0.9.5): the rows as the model reads them, and the settings.

It has chat templates of its own, which can differ from the tokenizer's by a space. It is therefore given what the model reads,
already rendered, under its template `empty`; that it cuts every row into the same tokens is checked here, row by row.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.errors import CheckFailed
from osler.models.chat import ChatTokenizer, end_token_id, render
from osler.models.config import ModelConfig
from osler.models.protocol import Conversation
from osler.records.io import JsonlWriter
from osler.runs.files import write_json

_TAGS = {f"{name}_tag": name for name in ("role", "content", "user", "assistant", "system")}


def write_rows(
    splits: Mapping[str, Iterable[Conversation]], tokenizer: ChatTokenizer, run: str, out: Path
) -> dict[str, int]:
    """Write `NAME.jsonl` for each split and `dataset_info.json`; gives the rows by split.

    Raises:
        CheckFailed: LLaMA-Factory would cut a row into other tokens.
    """
    written = dict.fromkeys(splits, 0)
    for name, conversations in splits.items():
        with JsonlWriter(out / f"{name}.jsonl") as writer:
            for conversation in conversations:
                writer.write({"messages": _rendered(tokenizer, conversation, run)})
                written[name] += 1
    entry = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _TAGS}
    write_json(out / "dataset_info.json", {name: {"file_name": f"{name}.jsonl", **entry} for name in splits})
    return written


def llamafactory_settings(
    model: ModelConfig,
    options: Mapping[str, Any],
    seed: int,
    max_length: int,
    *,
    n_steps: int | None,
    has_validation: bool,
) -> dict[str, Any]:
    """The content of its YAML.

    Args:
        options: the recipe's `train` section, with all defaults.
        n_steps: where a run is repeated: its steps.
    """
    targets, packed = options["targets"], options["packing"] == "best-fit"
    quantized = {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
    validation = {
        "eval_dataset": "validation",
        "eval_strategy": "steps",
        "eval_steps": options["evaluation"]["every_steps"],
    }
    n_steps = n_steps or options["max_steps"]
    return {
        "model_name_or_path": model.base,
        "model_revision": model.revision,
        "trust_remote_code": False,
        **(quantized if options["method"] == "qlora" else {}),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "use_dora": options["method"] == "dora",
        "lora_rank": options["rank"],
        "lora_alpha": options["alpha"],
        "lora_dropout": options["dropout"],
        "lora_target": "all" if isinstance(targets, str) else ",".join(targets),
        "dataset_dir": ".",
        "dataset": "train",
        **(validation if has_validation else {}),
        "template": "empty",
        "cutoff_len": max_length,  # no row is longer: osler has set those aside
        "packing": packed,
        "neat_packing": packed,
        "per_device_train_batch_size": options["batch_size"],
        "gradient_accumulation_steps": options["accumulate"],
        "num_train_epochs": options["epochs"],
        **({"max_steps": n_steps} if n_steps else {}),
        "learning_rate": options["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_ratio": options["warmup"],
        "weight_decay": 0.0,
        "bf16": model.dtype != "float32",
        "seed": seed,
        "output_dir": "trained",
        "save_strategy": "epoch",
        "logging_steps": 1,
        "report_to": "none",
    }


def _rendered(tokenizer: ChatTokenizer, conversation: Conversation, run: str) -> list[dict[str, str]]:
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


def _ids(tokenizer: ChatTokenizer, texts: Sequence[str]) -> list[int]:
    return [token for text in texts for token in tokenizer.encode(text, add_special_tokens=False, verbose=False)]
