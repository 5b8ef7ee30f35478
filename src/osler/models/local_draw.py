"""Drawing the tokens of a reply instead of taking the likeliest."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Draw:
    """Draws the tokens of one reply, from a stream of its own, so that its neighbours in the batch change nothing."""

    def __init__(self, temperature: float, seed: int) -> None:
        import torch

        self._temperature = temperature
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, logits: "torch.Tensor") -> int:
        """The next token, given what the model says of each."""
        import torch

        shares = (logits.float().cpu() / self._temperature).softmax(-1)
        return int(torch.multinomial(shares, 1, generator=self._generator))
