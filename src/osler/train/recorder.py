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
from osler.train.config import EvaluationConfig, Sharding
from osler.train.result import save_best
from osler.train.sharding import assert_sharded


@dataclass(frozen=True, slots=True)
class Recording:
    """What is measured and saved, and when."""

    tokens_after: Sequence[int]
    """Tokens read after 0, 1, ... steps, padding not counted."""
    has_validation: bool
    evaluation: EvaluationConfig
    key: str
    """Digest of everything that decides the result; checkpoints of another key are not used."""

    @property
    def n_steps(self) -> int:
        """Steps planned."""
        return len(self.tokens_after) - 1

    def is_measured(self, step: int) -> bool:
        """Whether the loss on validation rows is measured after a step."""
        return self.has_validation and (step % self.evaluation.every_steps == 0 or step == self.n_steps)

    def best(self, measured: Sequence[tuple[int, float]]) -> int | None:
        """Step of the lowest loss, the first of equals; None when the last step is what is kept."""
        if self.evaluation.patience is None or not measured:
            return None
        return min(measured, key=lambda one: (one[1], one[0]))[0]

    def is_over(self, measured: Sequence[tuple[int, float]]) -> bool:
        """Whether the last `patience` measurements brought nothing."""
        best, patience = self.best(measured), self.evaluation.patience
        return best is not None and patience is not None and sum(step > best for step, _ in measured) >= patience


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the trainer, and where it leaves what it finds."""

    trainer: Any
    plan: Recording
    sharding: Sharding
    out: Path
    measured: list[tuple[int, float]]
    """Step and loss of the measurements so far."""
    processes: Any
    """accelerate's PartialState."""
    progress: Progress

    def begin(self, step: int) -> None:
        """Before the first step of this process."""
        assert_sharded(self.sharding, self.trainer.model_wrapped, self.trainer.accelerator.distributed_type.value)
        self.progress("train", self.plan.tokens_after[step], self.plan.tokens_after[-1], "tokens")
        if self.plan.is_measured(0) and not self.measured:
            self._measure(0)

    def learned(self, step: int, loss: float, learning_rate: float) -> bool:
        """After a step; gives whether training is over."""
        _check_finite(step, loss)
        tokens = self.plan.tokens_after[step]
        self._append({"step": step, "loss": round(loss, 6), "learning_rate": learning_rate, "tokens": tokens})
        self.progress("train", tokens, self.plan.tokens_after[-1], "tokens", f"loss {loss:.3f}")
        # Before a checkpoint of this step is written, so that a run that goes on from it has the measurement.
        if self.plan.is_measured(step):
            self._measure(step)
        return self.plan.is_over(self.measured)

    def saved(self, step: int) -> None:
        """After a checkpoint was written."""
        self.processes.wait_for_everyone()  # each process writes its random state
        if self.processes.is_main_process:
            mark_complete(self.out / "checkpoints" / f"checkpoint-{step}", self.plan.key)
        self.processes.wait_for_everyone()

    def _measure(self, step: int) -> None:
        loss = round(self.trainer.measure(), 6)
        self.measured.append((step, loss))
        self._append({"step": step, "eval_loss": loss})
        self.trainer.log({"eval_loss": loss})  # for trackers
        save_best(self.trainer, self.plan.best(self.measured), step, self.out)

    def _append(self, row: dict[str, Any]) -> None:
        if self.processes.is_main_process:
            append_metric(self.out / "metrics.jsonl", row)


def recorder_of(session: Session) -> Any:
    """The trainer's callback that reports to a session."""
    from transformers import TrainerCallback

    # The trainer calls these by name with all it knows; TrainerCallback is its interface, with empty methods.
    class Recorder(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            session.begin(state.global_step)

        def on_log(self, _: Any, state: Any, control: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                control.should_training_stop |= session.learned(state.global_step, logs["loss"], logs["learning_rate"])

        def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            control.should_save &= state.global_step < session.plan.n_steps  # the result itself follows

        def on_save(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            session.saved(state.global_step)

    return Recorder()


def _check_finite(step: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise CheckFailed(
            f"The loss of step {step} is not a number: training went astray and was stopped. Lower train.learning_rate, or "
            "raise train.warmup."
        )
