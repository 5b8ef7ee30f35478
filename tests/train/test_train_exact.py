"""Traced memory: on fake tensors as on real ones, and as PyTorch's own profiler sees the real ones."""

from typing import Any

import pytest
from tests.train.test_train_attention import MORE, model

from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.train.config import TrainConfig
from osler.train.exact import replace_tensors, trace_memory, trace_pass, with_adapter

CONFIG = TrainConfig(rank=4)
POSITIONS = 192


def profiled_peak(weights: Any) -> int:
    """Peak of what PyTorch's allocator gave out on top of the weights, by its own profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        trace_pass(weights, POSITIONS, POSITIONS - 1, checkpointing=False)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize("name", MORE)
def test_fake_tensors_take_what_real_ones_take(name: str) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with quiet_libraries():
        fake = with_adapter(model(name), CONFIG)
        with FakeTensorMode():
            replace_tensors(fake)
            found = trace_pass(fake, POSITIONS, POSITIONS - 1, checkpointing=False)
        real = profiled_peak(with_adapter(model(name), CONFIG))
    assert found.pass_bytes == pytest.approx(real, rel=0.10)


def test_an_8b_model_is_traced_without_its_weights() -> None:
    found = trace_memory(ModelConfig(base="meta-llama/Llama-3.1-8B"), TrainConfig(rank=32), 1024, checkpointing=True)
    assert found.weights_bytes / 1e9 == pytest.approx(16.06 + 0.34, abs=0.1)
    kept = 32 * 1024 * 4096 * 2  # each layer's input
    logits = 2 * 1023 * 128_256 * 2  # and their gradient
    assert kept + logits < found.pass_bytes < 2 * (kept + logits)
