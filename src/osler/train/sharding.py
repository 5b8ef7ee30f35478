"""Weights spread over several cards: the settings, and the proof that they are in force.

transformers ignores `fsdp` without a word where it cannot shard (measured: on a CPU). Here that is an error.
"""

from typing import Any

from osler.errors import CheckFailed, EnvironmentLacks, missing_package
from osler.runs.facts import installed_version
from osler.train.config import Sharding


def check_sharding(wanted: Sharding, n_processes: int, *, on_gpu: bool) -> None:
    """Refuse a sharding that cannot become active.

    Raises:
        EnvironmentLacks: there is one process, no GPU, or DeepSpeed is not installed.
    """
    if wanted == "none":
        return
    if not on_gpu or n_processes < 2:
        found = f"{n_processes} process{'es' if n_processes > 1 else ''} {'with' if on_gpu else 'without'} a GPU"
        raise EnvironmentLacks(
            f"machine.sharding is {wanted}, which needs several processes with a GPU each; this run has {found}. "
            "Start it with torchrun (see docs/training.md), or set machine.sharding to none."
        )
    if wanted.startswith("zero") and installed_version("deepspeed") is None:
        raise missing_package("deepspeed", f"machine.sharding: {wanted}", "deepspeed")


def sharding_settings(wanted: Sharding, weights: Any) -> dict[str, Any]:
    """What the trainer's arguments say for a sharding."""
    if wanted == "fsdp2":
        layers = sorted(getattr(weights, "_no_split_modules", None) or ())
        return {
            "fsdp": True,
            "fsdp_config": {
                "version": 2,
                "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
                "transformer_layer_cls_to_wrap": layers,
                "reshard_after_forward": True,
                "state_dict_type": "FULL_STATE_DICT",
            },
        }
    if wanted.startswith("zero"):
        return {
            "deepspeed": {
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                "gradient_clipping": 1.0,
                "bf16": {"enabled": "auto"},
                "zero_optimization": {"stage": int(wanted[-1]), "stage3_gather_16bit_weights_on_model_save": True},
            }
        }
    return {}


def assert_sharded(wanted: Sharding, model: Any, distributed_type: str) -> None:
    """Check, once the trainer has prepared the model, that it is sharded as the recipe says.

    Args:
        distributed_type: accelerate's name for what is in force (`MULTI_GPU`, `FSDP`, `DEEPSPEED`).

    Raises:
        CheckFailed: it is not.
    """
    if wanted == "none":
        return
    from torch.distributed.tensor import DTensor

    active = distributed_type == ("FSDP" if wanted == "fsdp2" else "DEEPSPEED")
    if wanted == "fsdp2":
        active = active and any(isinstance(weight, DTensor) for weight in model.parameters())
    if not active:
        raise CheckFailed(
            f"machine.sharding is {wanted}, but the trainer runs as {distributed_type} and each process would hold the whole "
            "model. Nothing was trained; see docs/training.md for how to start sharded runs."
        )
