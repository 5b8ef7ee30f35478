"""The training loop: TRL's SFTTrainer on rows that are already tokens. The only file that imports TRL.

TRL brings the optimizer, the schedule, accelerate's processes and devices, the fused output layer on GPUs and checkpoints with
all random states. Ours is what it does not do: the rows of a step are divided into passes beforehand (`order.py`), so that the
same recipe learns the same on one process or several, and a killed run ends with the same bytes.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.models.libraries import quiet_libraries
from osler.runs.metrics import keep_metrics, read_metrics
from osler.runs.progress import Progress
from osler.train.attention import use_by_row_attention
from osler.train.checkpoints import newest_complete, steps_of
from osler.train.config import MachineConfig, TrainConfig
from osler.train.loss import MASKED, loss_at_kept
from osler.train.order import Order, Pass, Share
from osler.train.recorder import Recording, Session, recorder_of
from osler.train.result import save_result
from osler.train.sharding import sharding_settings
from osler.train.tokens import TokenRow
from osler.train.trackers import tracker_callbacks


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained on, and how."""

    rows: Sequence[TokenRow]
    order: Order
    validation: Sequence[TokenRow]
    """Rows on which the loss is measured; may be empty."""
    validation_passes: Share
    config: TrainConfig
    machine: MachineConfig
    recording: Recording
    mixed_precision: bool
    """Whether products are made in bfloat16."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass."""
    seed: int
    base_name: str
    """Stands in the adapter's files for the base, whose path says nothing elsewhere."""
    template: Mapping[str, str]
    """Facts stored with the result as `template.json`: `fingerprint`, `system_prompt`, `method`."""


def run_loop(weights: Any, tokenizer: Any, job: Job, out: Path, processes: Any, progress: Progress) -> None:
    """Train, and write `metrics.jsonl` and then, whole or not at all, `adapter/` (or `model/`) to `out`.

    Args:
        weights: the base model. It is changed and must not be used afterwards.
        processes: accelerate's PartialState.

    Raises:
        InputError: a name in `targets` fits no layer.
        CheckFailed: the loss is not a number, or a sharding that was asked for is not active.
    """
    checkpoints, metrics = out / "checkpoints", out / "metrics.jsonl"
    checkpoints.mkdir(parents=True, exist_ok=True)
    with processes.main_process_first():
        start = newest_complete(checkpoints, job.recording.key)
    if processes.is_main_process:
        keep_metrics(metrics, steps_of(start) if start else -1)
    processes.wait_for_everyone()
    measured = [(row["step"], row["eval_loss"]) for row in read_metrics(metrics) if "eval_loss" in row]
    with quiet_libraries(), _own_randomness():
        trainer = _trainer(weights, tokenizer, job, checkpoints, processes.num_processes)
        trainer.add_callback(
            recorder_of(Session(trainer, job.recording, job.machine.sharding, out, measured, processes, progress))
        )
        for tracker in tracker_callbacks(job.machine.trackers, out.parent / "trackers"):
            trainer.add_callback(tracker)
        # A trainer that goes on from the checkpoint of the step at which it stopped early would learn one step more.
        if not job.recording.is_over(measured):
            with _plain_inputs(trainer.model, job):
                trainer.train(resume_from_checkpoint=str(start) if start else None)
        save_result(trainer, job.recording.best(measured), out, job.base_name, job.template)


def _plain_inputs(model: Any, job: Job) -> AbstractContextManager[None]:
    """Within it, adapters take their inputs as they are.

    PEFT would make a float32 copy for each of them, which the mixed precision turns back: the same numbers, less the time and
    memory of two copies. DoRA's norms are computed in the copy's precision, so it keeps them.
    """
    from peft.helpers import disable_input_dtype_casting

    plain = job.mixed_precision and job.config.method in {"lora", "qlora"}
    return disable_input_dtype_casting(model) if plain else nullcontext()


def _trainer(weights: Any, tokenizer: Any, job: Job, checkpoints: Path, n_processes: int) -> Any:
    import huggingface_hub.constants
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig

    # TRL reports each trainer's use to its makers. The environment variable is without effect when another package imported
    # huggingface_hub before osler set it.
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    if job.order.packed:
        use_by_row_attention(weights)
    on_gpu = torch.cuda.is_available()
    settings = SFTConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,  # one share of a step
        max_steps=job.order.n_steps,
        learning_rate=job.config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=job.config.warmup,
        train_sampling_strategy="sequential",
        seed=job.seed,
        data_seed=job.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=job.machine.save_every_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=not (on_gpu or torch.backends.mps.is_available()),
        bf16=job.mixed_precision,
        activation_checkpointing=job.checkpointing,
        gradient_checkpointing=job.checkpointing,
        dataloader_pin_memory=on_gpu,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        eval_strategy="no",  # measured by the recorder, the same on one process and several
        **sharding_settings(job.machine.sharding, weights),
    )
    places = [{"step": step, "process": process} for step in range(job.order.n_steps) for process in range(n_processes)]
    trainer = _trainer_class(job, fused=on_gpu)(
        model=weights,
        args=settings,
        train_dataset=Dataset.from_list(places),
        data_collator=lambda places: _share(job, places[0]["step"], places[0]["process"]),
        processing_class=tokenizer,
        peft_config=None if job.config.method == "full" else adapter_config(weights, job.config),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _trainer_class(job: Job, *, fused: bool) -> Any:
    """SFTTrainer that reads a step in passes, and on a CPU takes another way to the same loss.

    TRL and transformers name overriding `training_step` and `compute_loss` as the way to change them; hence the inheritance.
    """
    import torch
    from trl import SFTTrainer

    class PassTrainer(SFTTrainer):  # type: ignore[misc]
        def training_step(
            self,
            model: Any,
            inputs: dict[str, Any],
            num_items_in_batch: Any = None,  # noqa: ARG002 - counted beforehand, over all passes and processes
        ) -> torch.Tensor:
            total = torch.zeros((), device=self.args.device)
            last = len(inputs["passes"]) - 1
            for number, part in enumerate(inputs["passes"]):
                # Gradients are shared between the processes once a step.
                with nullcontext() if number == last else self.accelerator.no_sync(model):
                    total += super().training_step(model, part, num_items_in_batch=inputs["n_trained"])
            return total

        def measure(self) -> float:
            """Mean loss per learned token of the validation rows; each process reads its part."""
            processes, number = self.accelerator.num_processes, self.accelerator.process_index
            found = torch.zeros(2, dtype=torch.float64, device=self.args.device)
            training = self.model_wrapped.training
            self.model_wrapped.eval()
            own = job.validation_passes[number::processes]
            # A process with one pass less reads its first one again, uncounted: sharded weights are gathered together.
            rounds = -(-len(job.validation_passes) // processes)
            for place in range(rounds):
                rows = own[place] if place < len(own) else job.validation_passes[0]
                part = self._prepare_inputs(_inputs(rows, job.validation, packed=job.order.packed))
                with torch.no_grad(), self.compute_loss_context_manager():
                    loss = self.compute_loss(self.model_wrapped, part, num_items_in_batch=torch.tensor(1))
                if place < len(own):
                    n_trained = sum(job.validation[row].n_trained for row in rows)
                    found += torch.tensor([float(loss) / processes, n_trained], dtype=torch.float64)
            self.model_wrapped.train(training)
            loss_sum, n_tokens = self.accelerator.reduce(found.float()).tolist()
            return float(loss_sum / n_tokens)

    class CpuTrainer(PassTrainer):
        """Puts only the positions that some row learns through the output layer, once.

        Without Triton, TRL puts all of them through it, in four passes: half of the time of a small model.
        """

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,  # noqa: ARG002 - the trainer's interface; never asked for the outputs
            num_items_in_batch: Any = None,
        ) -> torch.Tensor:
            labels = inputs["labels"][:, 1:]  # B T-1, each the token after its position
            kept = (labels != MASKED).any(dim=0).nonzero().squeeze(1)
            rest = {name: value for name, value in inputs.items() if name != "labels"}
            total = loss_at_kept(model, rest, labels, kept)
            loss: torch.Tensor = total.div(num_items_in_batch) * self.accelerator.num_processes
            return loss

    return PassTrainer if fused else CpuTrainer


def _share(job: Job, step: int, process: int) -> dict[str, Any]:
    """What one process reads in one step."""
    import torch

    n_trained = sum(job.rows[row].n_trained for row in job.order.rows_of(step))
    passes = [_inputs(rows, job.rows, packed=job.order.packed) for rows in job.order.steps[step][process]]
    return {"passes": passes, "n_trained": torch.tensor(n_trained)}


def _inputs(chosen: Pass, rows: Sequence[TokenRow], *, packed: bool) -> dict[str, Any]:
    """One forward pass. The first token of a row is never learned, so the end of one row predicts nothing of the next."""
    import torch

    ids = [list(rows[row].ids) for row in chosen]
    labels = [rows[row].labels for row in chosen]
    if packed:
        return {
            "input_ids": torch.tensor([list(chain.from_iterable(ids))]),  # 1 T
            "labels": torch.tensor([list(chain.from_iterable(labels))]),
            "position_ids": torch.cat([torch.arange(len(row)) for row in ids])[None],
            "row_lengths": tuple(len(row) for row in ids),
        }
    longest = max(len(row) for row in ids)
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in ids]),  # B T
        "labels": torch.tensor([row + [MASKED] * (longest - len(row)) for row in labels]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
    }


def adapter_config(weights: Any, config: TrainConfig) -> Any:
    """PEFT's description of the recipe's adapter.

    Raises:
        InputError: a target fits no layer.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        use_dora=config.method == "dora",
        target_modules=_targets(weights, config.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )


def _targets(weights: Any, wanted: str | tuple[str, ...]) -> str | list[str]:
    if isinstance(wanted, str):
        return wanted
    import torch

    layers = {
        name.rpartition(".")[2] for name, module in weights.named_modules() if isinstance(module, torch.nn.Linear)
    }
    if unknown := sorted(set(wanted) - layers):
        raise InputError(
            f"train.targets names {', '.join(unknown)}, which fits no linear layer of the model; "
            f"it has {', '.join(sorted(layers))}. Choose among these, or write all-linear."
        )
    return sorted(set(wanted))


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Within it, the libraries may seed Python, numpy and torch globally; afterwards all three are as they were."""
    import numpy as np
    import torch

    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 - the state that transformers seeds
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002 - as above
