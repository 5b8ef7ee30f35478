"""Other programs as engines: the recipe in their words, and their adapter back into the run folder with the same manifest.

LLaMA-Factory 0.9.5, Axolotl 0.19 and Unsloth 2026.10 each pin other versions of the same libraries than Osler, so they run in
environments of their own. Rows go to them after Osler has set aside what the recipe says, with the chat template that Osler
trains in. What an engine cannot do is an error here, not a difference there.
"""

import shutil
from collections.abc import Mapping
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import yaml

from osler.errors import InputError
from osler.models.chat import as_dicts, end_token_id, system_prompt_of, template_fingerprint
from osler.models.config import ModelConfig
from osler.models.llamafactory import llamafactory_settings, write_rows
from osler.records.io import JsonlWriter, read_records
from osler.records.render import as_messages
from osler.runs.files import made_whole, read_json, write_bytes, write_json
from osler.runs.progress import silent
from osler.text import did_you_mean
from osler.train.architecture import read_architecture
from osler.train.config import TrainConfig
from osler.train.held_out import stratified
from osler.train.light_tokenizer import LightTokenizer
from osler.train.manifest import tensor_elements, write_rows_learned, write_set_aside
from osler.train.plan import light_tokenizer_of
from osler.train.tokens import DROP_ALL, Limits, Tokens, tokenize

ENGINES = ("llamafactory", "axolotl", "unsloth")


def write_engine(
    engine: str, files: tuple[Path, Path], model: ModelConfig, config: TrainConfig, seed: int, out: Path
) -> str:
    """Write rows and configuration for an engine to `out`.

    Returns:
        The command that trains there, to be run in the engine's own environment.

    Raises:
        InputError: the engine is unknown, cannot do what the recipe asks, or `out` holds what an engine has trained.
    """
    _check(engine, model, config)
    if (out / "trained").exists():
        raise InputError(
            f"{out / 'trained'} holds what an engine has trained; take it into the run with --take-back, or remove it, first."
        )
    prompt = system_prompt_of(model)
    tokenizer = light_tokenizer_of(model, files[0], prompt)
    tokens = _tokens(files[0], model, config, prompt, tokenizer)
    kept = {row.id for row in tokens.rows}
    held_out = stratified(files[1], config.evaluation.rows)
    limits = Limits(tokens.max_length, tokens.max_length)
    measured = {row.id for row in tokenize(tokenizer, held_out, prompt, limits, DROP_ALL, silent).rows}
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    write_set_aside(tokens, out / "set_aside.jsonl")
    rows = {
        "train": (as_messages(record, prompt) for record in read_records(files[0]) if record.id in kept),
        "validation": (as_messages(record, prompt) for record in held_out if record.id in measured),
    }
    if engine == "llamafactory":
        write_rows(rows, tokenizer, files[0].name, out)
        options = config.model_dump()
        settings = llamafactory_settings(
            model, options, seed, tokens.max_length, n_steps=None, has_validation=bool(measured)
        )
    else:
        for name, conversations in rows.items():
            with JsonlWriter(out / f"{name}.jsonl") as writer:
                for turns in conversations:
                    writer.write({"messages": as_dicts(turns)})
        if engine == "axolotl":
            settings = _axolotl(model, config, seed, tokens.max_length, has_validation=bool(measured))
        else:
            settings = _unsloth(model, config, seed, tokens.max_length)
            settings["rows"] = ["train", "validation"] if measured else ["train"]
        if not tokenizer.has_own_template:
            settings |= {"chat_template": "jinja", "chat_template_jinja": tokenizer.chat_template}
    if engine == "unsloth":
        write_json(out / "unsloth.json", settings)
        write_bytes(out / "train_unsloth.py", packaged("osler.train").joinpath("unsloth_script.txt").read_bytes())
        return f"cd {out} && python train_unsloth.py"
    write_bytes(out / f"{engine}.yaml", yaml.safe_dump(settings, sort_keys=False).encode())
    return f"cd {out} && {'llamafactory-cli' if engine == 'llamafactory' else 'axolotl'} train {engine}.yaml"


def take_back(engine: str, adapter: Path, train_file: Path, model: ModelConfig, config: TrainConfig, out: Path) -> None:
    """Take an engine's adapter into the train stage's folder, with the manifest that `osler train` writes.

    In which step a row was used is not known of another program; `steps` in `rows.jsonl` is null.

    Raises:
        InputError: the adapter's shape is not what the recipe asks for.
    """
    _check(engine, model, config)
    facts = read_json(adapter / "adapter_config.json")
    _check_adapter(adapter, facts, config)
    prompt = system_prompt_of(model)
    tokenizer = light_tokenizer_of(model, train_file, prompt)
    tokens = _tokens(train_file, model, config, prompt, tokenizer)
    write_set_aside(tokens, out / "set_aside.jsonl")
    fingerprint = template_fingerprint(tokenizer.chat_template)
    with made_whole(out / "adapter") as partial:
        partial.mkdir()
        shutil.copyfile(adapter / "adapter_model.safetensors", partial / "adapter_model.safetensors")
        write_json(
            partial / "adapter_config.json",
            {**facts, "base_model_name_or_path": model.base, "target_modules": _targets(facts)},
        )
        template = {"fingerprint": fingerprint, "system_prompt": prompt, "method": config.method}
        write_json(partial / "template.json", template)
    learned = write_rows_learned(tokens, [None] * len(tokens.rows), out / "rows.jsonl")
    n_adapter = tensor_elements(out / "adapter" / "adapter_model.safetensors")
    shape = read_architecture(model.base, model.revision)
    write_json(
        out / "ledger.json",
        {
            "engine": engine,
            **learned,
            "epochs": config.epochs,
            "batch_size": config.batch_size * config.accumulate,
            "parameters": shape.n_linear + shape.n_embedding + n_adapter,
            "trainable_parameters": n_adapter,
            "template_fingerprint": fingerprint,
        },
    )


def _tokens(
    train_file: Path, model: ModelConfig, config: TrainConfig, prompt: str, tokenizer: LightTokenizer
) -> Tokens:
    end_token_id(tokenizer)
    limits = Limits(config.max_length, read_architecture(model.base, model.revision).read_length)
    return tokenize(tokenizer, read_records(train_file), prompt, limits, config.bad_rows.model_dump(), silent)


def _check(engine: str, model: ModelConfig, config: TrainConfig) -> None:
    if engine not in ENGINES:
        raise InputError(f"--engine is {engine!r}.{did_you_mean(engine, ENGINES)} Known: {', '.join(ENGINES)}")
    if model.base.startswith("scratch:"):
        raise InputError(f"{model.base} is built by osler itself; an engine of its own needs a model of its own")
    asked = {
        "train.evaluation.patience": config.evaluation.patience is not None,
        "train.method: full": config.method == "full",
    }
    if cannot := [name for name, is_asked in asked.items() if is_asked]:
        raise InputError(
            f"{engine} would not do as the recipe says in {', '.join(cannot)}. Train with osler, or take it out."
        )


def _check_adapter(adapter: Path, facts: Mapping[str, Any], config: TrainConfig) -> None:
    wanted: dict[str, Any] = {"r": config.rank, "lora_alpha": config.alpha, "use_dora": config.method == "dora"}
    if config.targets != "all-linear":
        wanted["target_modules"] = sorted(config.targets)
    found = {**facts, "target_modules": _targets(facts)}
    if wrong := [
        f"{name} is {found.get(name)}, the recipe says {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]:
        raise InputError(f"The adapter in {adapter} is not what the recipe asks for: {'; '.join(wrong)}.")


def _targets(facts: Mapping[str, Any]) -> str | list[str]:
    """The layers of an adapter, in order; or, as Unsloth may write them, one regular expression."""
    targets = facts.get("target_modules") or ()
    return targets if isinstance(targets, str) else sorted(targets)


def _axolotl(
    model: ModelConfig, config: TrainConfig, seed: int, max_length: int, *, has_validation: bool
) -> dict[str, Any]:
    rows = {
        "type": "chat_template",
        "field_messages": "messages",
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
    }
    all_linear = config.targets == "all-linear"
    targets = {"lora_target_linear": True} if all_linear else {"lora_target_modules": list(config.targets)}
    validation = {"test_datasets": [{"path": "validation.jsonl", "split": "train", **rows}]}
    return {
        "base_model": model.base,
        "adapter": "qlora" if config.method == "qlora" else "lora",
        "load_in_4bit": config.method == "qlora",
        "lora_r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "peft_use_dora": config.method == "dora",
        **targets,
        "datasets": [{"path": "train.jsonl", **rows}],
        **(validation if has_validation else {}),
        "chat_template": "tokenizer_default",
        "sequence_len": max_length,
        "sample_packing": config.packing != "by-length",
        "eval_steps": config.evaluation.every_steps,
        "output_dir": "trained",
        "bf16": True,
        "seed": seed,
        "micro_batch_size": config.batch_size,
        "optimizer": "adamw_torch_fused",
        "warmup_ratio": config.warmup,
        "gradient_accumulation_steps": config.accumulate,
        "learning_rate": config.learning_rate,
        **_most_steps(config),
        "lr_scheduler": "cosine",
        "num_epochs": config.epochs,
    }


def _unsloth(model: ModelConfig, config: TrainConfig, seed: int, max_length: int) -> dict[str, Any]:
    return {
        "model": {"model_name": model.base, "max_seq_length": max_length, "load_in_4bit": config.method == "qlora"},
        "adapter": {
            "r": config.rank,
            "lora_alpha": config.alpha,
            "lora_dropout": config.dropout,
            "use_dora": config.method == "dora",
            "target_modules": "all-linear" if config.targets == "all-linear" else list(config.targets),
            "random_state": seed,
        },
        "trainer": {
            "output_dir": "trained",
            "per_device_train_batch_size": config.batch_size,
            "max_length": max_length,
            "packing": config.packing != "by-length",
            "assistant_only_loss": True,
            "report_to": "none",
            "seed": seed,
            "warmup_steps": config.warmup,
            "gradient_accumulation_steps": config.accumulate,
            "learning_rate": config.learning_rate,
            "lr_scheduler_type": "cosine",
            "num_train_epochs": config.epochs,
            **_most_steps(config),
        },
    }


def _most_steps(config: TrainConfig) -> dict[str, int]:
    return {} if config.max_steps is None else {"max_steps": config.max_steps}
