"""The base that is trained on: loaded as the method needs it."""

from pathlib import Path
from typing import Any

from osler.models.local import Dtype, load_weights
from osler.train.config import Method


def load_base(base: Path | str, revision: str, dtype: Dtype, method: Method) -> Any:
    """The base's weights: in 4 bits for qlora, in float32 for full fine-tuning, whose small steps bfloat16 would lose.

    Raises:
        EnvironmentLacks: bitsandbytes is missing, or as `load_weights`.
    """
    if method == "full":
        return load_weights(base, revision, "float32")
    if method != "qlora":
        return load_weights(base, revision, dtype)
    return load_weights(base, revision, dtype, "nf4")


def is_float32(dtype: Dtype) -> bool:
    """Whether products are made in float32: asked for, or the default without a GPU."""
    import torch

    return dtype == "float32" or (dtype == "auto" and not torch.cuda.is_available())
