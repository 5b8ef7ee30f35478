"""The train stage: a curated file in, an adapter with its manifest out.

Reads `train.jsonl` and `validation.jsonl` of the curate stage. Writes, into the stage's folder, `base/` (scratch bases only),
`set_aside.jsonl`, `metrics.jsonl`, `adapter/` (or `model/`), `rows.jsonl` and, last, `ledger.json`.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.models.chat import system_prompt_of, template_fingerprint
from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.models.local import load_tokenizer, load_weights, read_length
from osler.records.io import read_records
from osler.records.render import as_messages
from osler.runs.files import sha256_file, sha256_json
from osler.runs.progress import Progress
from osler.train.architecture import parse_architecture
from osler.train.attention import keeps_rows_apart
from osler.train.cards import fits
from osler.train.config import MachineConfig, TrainConfig
from osler.train.held_out import stratified
from osler.train.loop import Job, run_loop
from osler.train.manifest import write_manifest, write_set_aside
from osler.train.memory import GIB, Setting, memory_of
from osler.train.order import OrderOptions, plan_order, plan_passes
from osler.train.recorder import Recording
from osler.train.result import base_folder, result_folder
from osler.train.scratch import build_scratch_base
from osler.train.sharding import check_sharding
from osler.train.tokens import DROP_ALL, Limits, Tokens, tokenize
from osler.train.trackers import check_trackers

_CPU_PASS_TOKENS = 512
"""Tiny model, rows of 107 tokens, CPU time of a step: 0.33 s with passes of 166, 0.20 with 512, 0.19 with 2,048."""


def train(
    files: tuple[Path, Path | None],
    model: ModelConfig,
    config: TrainConfig,
    machine: MachineConfig,
    seed: int,
    out: Path,
    progress: Progress,
) -> None:
    """Train an adapter. Killed anywhere and called again, it ends with the same bytes.

    Every process of a run that torchrun started calls it; the first one writes.

    Args:
        files: the rows to train on, and those on which the loss is measured; None, an absent or empty file: no measurement.
        out: the stage's folder; holds nothing, or what an interrupted call with the same arguments left.

    Raises:
        InputError: no row can be trained on, bad rows have no decision, or an option does not fit the model.
        EnvironmentLacks: a package is missing, the base cannot be had, or a sharding cannot become active.
    """
    # oneDNN, on a CPU, keeps a compiled product for each of 1,024 shapes, and PyTorch's layer above it as many again; packed
    # passes have ever new ones (measured: 20 MB a step, and no time saved). Read when the first product is made; a value that
    # the user has set stands.
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(cache, "32")
    check_trackers(machine.trackers)
    with quiet_libraries():
        processes = _join_processes()
    on_gpu = processes.device.type == "cuda"
    check_sharding(machine.sharding, processes.num_processes, on_gpu=on_gpu)
    prompt = system_prompt_of(model)
    base = base_folder(out, model)
    with processes.main_process_first():
        if model.base.startswith("scratch:") and not (out / "base").exists():
            _build_base(files[0], prompt, out / "base", seed, progress)
    tokenizer = load_tokenizer(base, model.revision)
    # Full fine-tuning takes steps that bfloat16 would lose.
    dtype, quantized = "float32" if config.method == "full" else model.dtype, "nf4" if config.method == "qlora" else ""
    weights = load_weights(base, model.revision, dtype, quantized)
    tokens, validation = _tokens(files, tokenizer, prompt, config, read_length(weights), progress)
    if processes.is_main_process:
        write_set_aside(tokens, out / "set_aside.jsonl")
    options = OrderOptions(
        config.batch_size,
        config.accumulate,
        config.epochs,
        config.max_steps,
        packed=_is_packed(config, weights),
        pass_tokens=_pass_tokens(tokens.max_length, config, on_gpu=on_gpu),
        n_processes=processes.num_processes,
    )
    lengths = [len(row.ids) for row in tokens.rows]
    order = plan_order(lengths, options, random.Random(seed))  # noqa: S311 - an order, not a secret
    facts = {
        "fingerprint": template_fingerprint(tokenizer.chat_template),
        "system_prompt": prompt,
        "method": config.method,
    }
    recording = Recording(
        tokens_after=order.tokens_after(lengths),
        has_validation=bool(validation.rows),
        evaluation=config.evaluation,
        key=_key(files[0], model, config, seed, {**facts, "processes": str(processes.num_processes)}),
    )
    job = Job(
        rows=tokens.rows,
        order=order,
        validation=validation.rows,
        validation_passes=plan_passes([len(row.ids) for row in validation.rows], options),
        config=config,
        machine=machine,
        recording=recording,
        mixed_precision=model.dtype == "bfloat16" or (model.dtype == "auto" and on_gpu),
        checkpointing=_is_checkpointed(machine, config, weights, order.largest_pass(lengths)),
        seed=seed,
        base_name=_name(model),
        template=facts,
    )
    n_base = int(weights.num_parameters())
    if not result_folder(out).exists():
        run_loop(weights, tokenizer, job, out, processes, progress)
    if processes.is_main_process:
        # Not where the result is written: a kill between the two would leave them for ever.
        if (out / "checkpoints").exists():
            shutil.rmtree(out / "checkpoints")
        write_manifest(tokens, len(validation.rows), order, n_base, facts["fingerprint"], out)
    processes.wait_for_everyone()


def _join_processes() -> Any:
    """The processes that torchrun or accelerate started, as accelerate's PartialState; one alone is a group of one."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()))


def _build_base(train_file: Path, prompt: str, folder: Path, seed: int, progress: Progress) -> None:
    def texts() -> Iterator[str]:
        yield prompt
        for record in read_records(train_file):
            yield from (turn.content for turn in as_messages(record))

    progress("base model", 0, 1, "models")
    with quiet_libraries():
        build_scratch_base(texts(), folder, seed)
    progress("base model", 1, 1, "models")


def _tokens(
    files: tuple[Path, Path | None],
    tokenizer: object,
    prompt: str,
    config: TrainConfig,
    model_length: int,
    progress: Progress,
) -> tuple[Tokens, Tokens]:
    """Rows to train on, and rows to measure on."""
    decisions = config.bad_rows.model_dump()
    limits = Limits(config.max_length, model_length)
    tokens = tokenize(tokenizer, read_records(files[0]), prompt, limits, decisions, progress)
    held_out = stratified(files[1], config.evaluation.rows)
    limits = Limits(tokens.max_length, model_length)
    return tokens, tokenize(tokenizer, held_out, prompt, limits, DROP_ALL, progress)


def _pass_tokens(max_length: int, config: TrainConfig, *, on_gpu: bool) -> int:
    """A CPU gains nothing from more tokens at once than hide the work of starting a pass, and memory grows with them."""
    return max_length * config.batch_size if on_gpu else max(max_length, _CPU_PASS_TOKENS)


def _is_packed(config: TrainConfig, weights: object) -> bool:
    able = keeps_rows_apart(weights)
    if config.packing == "best-fit" and not able:
        raise InputError(
            "train.packing is best-fit, but this model's attention cannot keep packed rows apart: they would read each "
            "other. Set it to by-length, or to auto."
        )
    return able and config.packing != "by-length"


def _is_checkpointed(machine: MachineConfig, config: TrainConfig, weights: Any, positions: int) -> bool:
    """Whether activations are computed again: asked for, or by the plan's formula where the card would not hold them."""
    import torch

    if machine.checkpointing != "auto" or not torch.cuda.is_available():
        return machine.checkpointing == "on"
    try:
        shape = parse_architecture(weights.config.to_dict(), "the base")
    except InputError:
        return True  # of a shape that the formula does not know: slower, but no memory runs out
    n_adapter = 0 if config.method == "full" else shape.n_adapter(config.rank, "all-linear")
    setting = Setting(config.method, n_adapter, config.dropout > 0, positions, checkpointing=False)
    memory = torch.cuda.get_device_properties(0).total_memory / GIB
    return not fits(memory, memory_of(shape, setting))


def _key(train_file: Path, model: ModelConfig, config: TrainConfig, seed: int, facts: dict[str, str]) -> str:
    return sha256_json(
        {
            "rows": sha256_file(train_file),
            "model": model.model_dump(mode="json"),
            "train": config.model_dump(mode="json"),
            "seed": seed,
            "template": facts,
        }
    )


def _name(model: ModelConfig) -> str:
    return Path(model.base).name if model.base.startswith(("/", ".", "~")) else model.base
