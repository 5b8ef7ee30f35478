"""What is written while the trainer runs: metrics, whole checkpoints, measurements on validation rows, and when to stop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.errors import CheckFailed
from osler.runs.metrics import append_metric
from osler.runs.progress import Progress
from osler.train.checkpoints import mark_complete
from osler.train.config import Sharding
from osler.train.processes import Processes
from osler.train.result import save_best
from osler.train.sharding import assert_sharded


@dataclass(frozen=True, slots=True)
class Recording:
    """What is measured and saved, and when."""

    tokens_after: Sequence[int]
    """Tokens read after 0, 1, ... steps, padding not counted."""
    has_validation: bool
    evaluate_every_steps: int
    patience: int | None
    """Measurements without progress after which training stops; None: never."""
    save_every_steps: int
    sharding: Sharding
    key: str
    """Digest of everything that decides the result; checkpoints of another key are not used."""

    @property
    def n_steps(self) -> int:
        """Steps planned."""
        return len(self.tokens_after) - 1

    def is_measured(self, step: int) -> bool:
        """Whether the loss on validation rows is measured after a step."""
        return self.has_validation and (step % self.evaluate_every_steps == 0 or step == self.n_steps)

    def best(self, measured: Sequence[tuple[int, float]]) -> int | None:
        """Step of the lowest loss, the first of equals; None when the last step is what is kept."""
        if self.patience is None or not measured:
            return None
        return min(measured, key=lambda one: (one[1], one[0]))[0]

    def is_over(self, measured: Sequence[tuple[int, float]]) -> bool:
        """Whether the last `patience` measurements brought nothing."""
        best = self.best(measured)
        return (
            self.patience is not None and sum(step > best for step, _ in measured if best is not None) >= self.patience
        )


def record_training(
    trainer: Any,
    plan: Recording,
    out: Path,
    measured: list[tuple[int, float]],
    processes: Processes,
    progress: Progress,
) -> Any:
    """The trainer's callback.

    Args:
        measured: step and loss of the measurements so far; grows as training goes on.
    """
    from transformers import TrainerCallback

    metrics = out / "metrics.jsonl"

    def measure(step: int) -> None:
        loss = round(trainer.measure(), 6)
        measured.append((step, loss))
        if processes.is_main:
            append_metric(metrics, {"step": step, "eval_loss": loss})
        trainer.log({"eval_loss": loss})  # for trackers
        if plan.best(measured) == step:
            save_best(trainer, step, out)

    # The trainer calls these by name with all it knows; TrainerCallback is its interface, with empty methods.
    class Recorder(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            assert_sharded(plan.sharding, trainer.model_wrapped, trainer.accelerator.distributed_type.value)
            progress("train", plan.tokens_after[state.global_step], plan.tokens_after[-1], "tokens")
            if plan.is_measured(0) and not measured:
                measure(0)

        def on_log(self, _: Any, state: Any, control: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" not in logs:
                return
            step, loss = state.global_step, logs["loss"]
            _check_finite(step, loss)
            if processes.is_main:
                row = {
                    "loss": round(loss, 6),
                    "learning_rate": logs["learning_rate"],
                    "tokens": plan.tokens_after[step],
                }
                append_metric(metrics, {"step": step, **row})
            progress("train", plan.tokens_after[step], plan.tokens_after[-1], "tokens", f"loss {loss:.3f}")
            # Before a checkpoint of this step is written, so that a run that goes on from it has the measurement.
            if plan.is_measured(step):
                measure(step)
                control.should_training_stop = control.should_training_stop or plan.is_over(measured)

        def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            control.should_save = control.should_save and state.global_step < plan.n_steps  # the result itself follows

        def on_save(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            processes.wait()  # each process writes its random state
            if processes.is_main:
                mark_complete(out / "checkpoints" / f"checkpoint-{state.global_step}", plan.key)
            processes.wait()

    return Recorder()


def _check_finite(step: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise CheckFailed(
            f"The loss of step {step} is not a number: training went astray and was stopped. Lower train.learning_rate, or "
            "raise train.warmup."
        )
