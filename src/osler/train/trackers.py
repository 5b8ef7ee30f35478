"""Experiment trackers by name, none by default. Metrics stand in the run folder in any case."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from osler.errors import missing_package
from osler.runs.facts import installed_version


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker whose package is missing.

    Raises:
        EnvironmentLacks: names it and how to install it.
    """
    for name in names:
        if installed_version(name) is None:
            raise missing_package(name, f"machine.trackers: {name}", name)


def tracker_callbacks(names: Sequence[str], folder: Path) -> list[Any]:
    """The trainer's callbacks for these trackers.

    Args:
        folder: where TensorBoard's files go; the others have places of their own, set by their own variables.
    """
    from transformers.integrations import (
        MLflowCallback,
        TensorBoardCallback,
        TrackioCallback,
        WandbCallback,
    )

    others = {"wandb": WandbCallback, "mlflow": MLflowCallback, "trackio": TrackioCallback}
    found = [others[name]() for name in names if name in others]
    if "tensorboard" in names:
        from torch.utils.tensorboard import SummaryWriter

        found.append(TensorBoardCallback(SummaryWriter(str(folder))))
    return found
