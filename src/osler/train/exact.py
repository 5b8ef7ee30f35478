"""Memory of one training pass, traced: the true architecture is built on fake tensors and run forward and backward.

Nothing is computed and no weight is held; every storage that PyTorch would make is counted while it lives. Idea and check:
`reference` figures in benchmarks/README.md. 4-bit weights are reckoned, not traced: their kernels know no fake tensors.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from osler.errors import InputError
from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.train.architecture import read_config
from osler.train.attention import keeps_rows_apart, use_by_row_attention
from osler.train.config import TrainConfig
from osler.train.loop import adapter_config
from osler.train.loss import loss_at_kept
from osler.train.memory import NF4_BYTES, TILE
from osler.train.scratch import SHAPE


@dataclass(frozen=True, slots=True)
class Traced:
    """Bytes of one pass."""

    weights_bytes: int
    states_bytes: int
    """Optimizer's moments."""
    pass_bytes: int
    """Activations, gradients and logits at their peak."""
    total_bytes: int


def trace_memory(model: ModelConfig, config: TrainConfig, positions: int, *, checkpointing: bool) -> Traced:
    """Trace one pass of `positions` tokens in a single row, as on a GPU: bfloat16, the output layer in tiles.

    Raises:
        InputError: the model's class cannot be built from its config.json.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    kept = min(positions - 1, TILE)
    dtype = torch.float32 if config.method == "full" else torch.bfloat16
    with quiet_libraries():
        with torch.device("meta"):
            weights = with_adapter(build_from_config(_config(model), dtype), config)
        with FakeTensorMode():
            replace_tensors(weights)
            traced = trace_pass(weights, positions, kept, checkpointing=checkpointing)
    if config.method != "qlora":
        return traced
    linear = sum(
        module.weight.numel()
        for name, module in weights.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head") and "lora_" not in name
    )
    largest = max(p.numel() for n, p in weights.named_parameters() if "embed" not in n and "lm_head" not in n)
    saved = round(linear * (2 - NF4_BYTES)) - 2 * largest
    return Traced(traced.weights_bytes - saved, traced.states_bytes, traced.pass_bytes, traced.total_bytes - saved)


def build_from_config(config: dict[str, Any], dtype: Any) -> Any:
    """A model of the true class with whatever weights the surrounding mode makes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        shape = AutoConfig.for_model(**config)
        return AutoModelForCausalLM.from_config(shape.get_text_config(), dtype=dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The model cannot be built from its config.json ({type(error).__name__}). Plan without --exact."
        ) from error


def with_adapter(weights: Any, config: TrainConfig) -> Any:
    """The model as it is trained: with packed attention, and with its adapter unless all weights are trained."""
    if keeps_rows_apart(weights):
        use_by_row_attention(weights)
    if config.method == "full":
        return weights
    from peft import get_peft_model

    return get_peft_model(weights, adapter_config(weights, config))


def replace_tensors(weights: Any) -> None:
    """Give a model new tensors of the surrounding mode in the place of its own, shared where they were shared."""
    import torch

    made: dict[int, Any] = {}
    for module in weights.modules():
        for name, old in list(module.named_parameters(recurse=False)):
            if id(old) not in made:
                fresh = torch.empty(old.shape, dtype=old.dtype)
                made[id(old)] = torch.nn.Parameter(fresh, requires_grad=old.requires_grad)
            setattr(module, name, made[id(old)])
        for name, old in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(old.shape, dtype=old.dtype))


def trace_pass(weights: Any, positions: int, kept: int, *, checkpointing: bool) -> Traced:
    """Count the storages of one forward and backward pass; on fake tensors or on real ones.

    Args:
        weights: from `with_adapter`.
        kept: positions that go through the output layer.
    """
    import torch

    weights.train()
    if checkpointing:
        weights.gradient_checkpointing_enable({"use_reentrant": False})
        weights.enable_input_require_grads()
    n_weights = _bytes_of(weights.parameters()) + _bytes_of(weights.buffers())
    trained = [weight for weight in weights.parameters() if weight.requires_grad]
    labels = torch.full((1, positions), -100)
    ids = torch.ones((1, positions), dtype=torch.int64)
    with count_storages() as counted:
        inputs = {"input_ids": ids, "position_ids": torch.arange(positions)[None]}
        chosen = torch.arange(positions - 1 - kept, positions - 1)
        loss = loss_at_kept(weights, inputs, labels[:, 1:].clamp(min=0), chosen)
        loss.backward()
        del loss
    states = sum(2 * 4 * weight.numel() for weight in trained)
    return Traced(n_weights, states, counted.peak, n_weights + states + counted.peak)


@dataclass(slots=True)
class Counted:
    """Bytes that live now and at most lived."""

    now: int = 0
    peak: int = 0


@contextmanager
def count_storages() -> Iterator[Counted]:
    """Count the storages that operations make within the block, each while it lives."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    counted = Counted()
    # Keyed by address, which a storage keeps while it lives.
    known: set[int] = set()

    def note(storage: Any) -> None:
        place = storage._cdata  # noqa: SLF001 - the storage's identity; data_ptr is 0 for fake tensors
        if place in known:
            return
        known.add(place)
        size = storage.nbytes()
        counted.now += size
        counted.peak = max(counted.peak, counted.now)
        weakref.finalize(storage, forget, place, size)

    def forget(place: int, size: int) -> None:
        known.discard(place)
        counted.now -= size

    # The interface of torch for watching operations.
    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            inputs = {
                leaf.untyped_storage()._cdata  # noqa: SLF001 - as above
                for leaf in tree_leaves((args, kwargs or {}))
                if isinstance(leaf, torch.Tensor)
            }
            made = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(made):
                if isinstance(leaf, torch.Tensor) and leaf.untyped_storage()._cdata not in inputs:  # noqa: SLF001
                    note(leaf.untyped_storage())
            return made

    with Watch():  # type: ignore[no-untyped-call]
        yield counted


def _bytes_of(tensors: Any) -> int:
    sizes = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}  # noqa: SLF001
    return sum(sizes.values())


def _config(model: ModelConfig) -> dict[str, Any]:
    if model.base.startswith("scratch:"):
        return {"model_type": "llama", **SHAPE}
    return read_config(model.base, model.revision)
