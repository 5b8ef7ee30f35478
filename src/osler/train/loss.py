"""The loss over the vocabulary, without a copy of the logits in float32.

The logits of a pass are its largest tensor: PyTorch's cross entropy holds them in the dtype of the model, in float32, as
log-probabilities and as gradient. Here a block of positions at a time goes to float32, forward and again backward.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

MASKED = -100
"""Label of a token that is read but not learned."""

_BLOCK_NUMBERS = 1 << 22
"""Logits in float32 at once: 16 MB."""


def loss_at_kept(model: Any, inputs: Mapping[str, Any], wanted: Any, kept: Any) -> Any:
    """Summed loss of the positions `kept`, the only ones that go through the output layer.

    Args:
        wanted: B T-1, the token after each position, or `MASKED`.
    """
    logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits  # B kept V
    return summed_loss(logits.flatten(0, 1), wanted[:, kept].flatten())


def summed_loss(logits: Any, wanted: Any) -> Any:
    """Cross entropy in float32, summed over the positions that are not `MASKED`.

    Args:
        logits: N V.
        wanted: N.
    """
    return _block_loss().apply(logits, wanted)


@cache
def _block_loss() -> Any:
    import torch

    def blocks(logits: Any, *others: Any) -> Any:
        size = max(1, _BLOCK_NUMBERS // logits.shape[1])
        return zip(*(whole.split(size) for whole in (logits, *others)), strict=True)

    # PyTorch's interface for an operation that brings its own gradient.
    class BlockLoss(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            context.save_for_backward(logits, wanted)
            total = logits.new_zeros((), dtype=torch.float32)
            for part, labels in blocks(logits, wanted):
                total += torch.nn.functional.cross_entropy(part.float(), labels, ignore_index=MASKED, reduction="sum")
            return total

        @staticmethod
        def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
            logits, wanted = context.saved_tensors
            found = torch.empty_like(logits)
            for part, labels, place in blocks(logits, wanted, found):
                shares = part.float().softmax(dim=1)  # N V
                shares.scatter_add_(1, labels.clamp(min=0)[:, None], shares.new_full((len(labels), 1), -1.0))
                place.copy_(shares.mul_(gradient * (labels != MASKED)[:, None]))
            return found, None

    return BlockLoss
