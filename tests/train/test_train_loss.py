"""The loss in blocks is PyTorch's cross entropy, and so is its gradient."""

import pytest

from osler.train import loss
from osler.train.loss import MASKED, summed_loss


@pytest.mark.parametrize("block", [1 << 22, 150])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_blocks_give_cross_entropy_and_its_gradient(monkeypatch: pytest.MonkeyPatch, block: int, dtype: str) -> None:
    import torch

    monkeypatch.setattr(loss, "_BLOCK_NUMBERS", block)
    number = torch.Generator().manual_seed(1)
    logits = (4 * torch.randn(23, 50, generator=number)).to(getattr(torch, dtype)).requires_grad_()
    wanted = torch.randint(50, (23,), generator=number)
    wanted[[0, 7, 22]] = MASKED
    found = summed_loss(logits, wanted)
    (found * 0.37).backward()
    exact = logits.detach().double().requires_grad_()
    reference = torch.nn.functional.cross_entropy(exact, wanted, ignore_index=MASKED, reduction="sum")
    (reference * 0.37).backward()
    assert float(found.detach()) == pytest.approx(float(reference.detach()), rel=1e-6)
    assert logits.grad is not None
    assert exact.grad is not None
    assert logits.grad.dtype == logits.dtype
    # The gradient is rounded once, to the logits' own type: half of 2^-7 of itself in bfloat16.
    assert torch.allclose(logits.grad.double(), exact.grad, rtol=1e-5 if dtype == "float32" else 2**-8, atol=1e-7)
    assert not logits.grad[[0, 7, 22]].any()
