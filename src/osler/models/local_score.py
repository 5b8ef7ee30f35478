"""Log-likelihoods from a transformers model, reading no token twice that need not be.

The beginning that all prompts share is read once, options stand packed behind their stem, and the vocabulary, like the last
layer's feed-forward part, is looked at in float32 at the answers' positions only.

A beginning is kept as keys and values. Packed options restart their positions after the stem, and a mask keeps them from
seeing each other, so each is scored as if it stood there alone. Whether a model bears both is found out by asking it, not
by its name: a probe is scored the plain way and the shared way.

Letters in shapes: B batch, T tokens, H hidden size, N answer positions of a batch, V vocabulary.
"""

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from osler.models.score_plan import ScoreRow, in_batches, like_beginnings, shared_beginning

if TYPE_CHECKING:
    import torch

_VOCABULARY_BLOCK = 16_384
_LOGITS_AT_ONCE = 2**20
_CPU_MIN_FILL = 0.9
"""A CPU is busy with one row of a hundred tokens; padding then costs more than a larger batch brings."""
_PROBE_TOLERANCE = 1e-3
_PROBE_TOLERANCE_HALF = 0.25
"""For 16-bit weights, whose rounding alone moves a sum of three by a tenth."""


@dataclass(slots=True, eq=False)
class LikelihoodReader:
    """Reads rows with one model in one state (its adapter on, or off)."""

    weights: Any
    """The transformers or PEFT model, in evaluation mode."""
    _may_share: bool | None = None
    """Whether packing and a shared beginning give what plain reading gives; None until it was tried."""
    _shared: tuple[tuple[int, ...], Any] = field(default=((), None))
    """The beginning that was read last, with its keys and values."""
    _last: Any = None
    """The last layer's feed-forward part, where it may be asked at the answers' positions only."""

    def __post_init__(self) -> None:
        """Find out at once what the model bears, if that is not known."""
        if self._may_share is None:
            self._may_share = self._probe()
        elif self._may_share:
            self._last = _last_feed_forward(self.weights)

    @property
    def share_limit(self) -> int:
        """Tokens of the longest row that may be packed or share its beginning: what a sliding window lets through, or 0."""
        window = getattr(self.weights.config.get_text_config(), "sliding_window", None)
        return (window or sys.maxsize) if self._may_share else 0

    def read(self, rows: Sequence[ScoreRow], token_budget: int) -> Iterator[tuple[ScoreRow, list[float]]]:
        """Each row with the summed log-likelihood of its options, in no particular order."""
        longest = max((row.n_tokens for row in rows), default=0)
        is_shared = longest <= self.share_limit
        min_fill = _CPU_MIN_FILL if self.weights.device.type == "cpu" else 0.0
        for group in like_beginnings(rows) if is_shared else [rows]:
            start = shared_beginning(group) if is_shared else ()
            if start and self._shared[0] != start:
                self._shared = (start, self._keys_and_values(start))
            for batch in in_batches(group, token_budget, len(start), min_fill):
                yield from zip(batch, self._score(batch, *(self._shared if start else ((), None))), strict=True)

    def _keys_and_values(self, tokens: tuple[int, ...]) -> Any:
        import torch

        ids = torch.tensor([tokens], device=self.weights.device)
        nowhere = torch.zeros(1, dtype=torch.long)
        with answer_positions(self.weights, nowhere, nowhere, self._last):
            return self.weights(input_ids=ids, use_cache=True).past_key_values

    def _score(self, rows: Sequence[ScoreRow], start: tuple[int, ...], cache: Any) -> list[list[float]]:
        import torch

        device, n_start = self.weights.device, len(start)
        longest = max(row.n_tokens for row in rows) - n_start
        laid = [_lay_out(row, n_start, longest) for row in rows]
        inputs: dict[str, Any] = {
            "input_ids": torch.tensor([one.tokens for one in laid], device=device),  # B T
            "position_ids": torch.tensor([one.positions for one in laid], device=device),  # B T
            "use_cache": cache is not None,
        }
        if any(row.is_packed for row in rows):
            parts = torch.tensor([one.parts for one in laid], device=device)
            inputs["attention_mask"] = _block_mask(parts, n_start, self.weights.dtype)
        if cache is not None:
            inputs["past_key_values"] = _spread(cache, len(rows))
        # Padding stands behind what is read, where a causal model cannot see it: without packing no mask is needed.
        where = torch.tensor([(index, place) for index, one in enumerate(laid) for place in one.read_at], device=device)
        wanted = torch.tensor([token for row in rows for option in row.options for token in option], device=device)
        with answer_positions(self.weights, where[:, 0], where[:, 1], self._last):
            logits = self.weights(**inputs).logits[0].float()  # N V
        # logsumexp takes as much memory again as it is given, so it is given a few rows of a large vocabulary at a time.
        n_at_once = max(1, _LOGITS_AT_ONCE // logits.shape[1])
        totals = torch.cat([logits[at : at + n_at_once].logsumexp(-1) for at in range(0, len(logits), n_at_once)])
        log_p = (logits.gather(1, wanted[:, None])[:, 0] - totals).double()  # N
        sums = iter(part.sum().item() for part in log_p.split([len(option) for row in rows for option in row.options]))
        return [[next(sums) for _ in row.options] for row in rows]

    def _probe(self) -> bool:
        stem, options = tuple(range(3, 43)), ((5, 6, 7), (8, 9))
        packed = ScoreRow(0, (0, 1), stem, options, truncated=False)
        plain = [ScoreRow(0, (place,), stem, (option,), truncated=False) for place, option in enumerate(options)]
        expected = [self._score([row], (), None)[0][0] for row in plain]
        is_exact = str(self.weights.dtype) == "torch.float32"
        tolerance = _PROBE_TOLERANCE if is_exact else _PROBE_TOLERANCE_HALF
        for last in (_last_feed_forward(self.weights), None):
            self._last = last
            try:
                found = self._score([packed, packed], stem[:32], self._keys_and_values(stem[:32]))
            except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
                continue  # what other architectures say of a mask or a cache that they do not take
            if all(abs(a - b) < tolerance for row in found for a, b in zip(row, expected, strict=True)):
                return True
        return False


@contextmanager
def answer_positions(weights: Any, rows: "torch.Tensor", places: "torch.Tensor", last: Any = None) -> Iterator[None]:
    """Within it the model's last layer sees only these positions, and its logits have the shape 1 N V, in float32.

    What a model does after its last layer (soft caps, scales) still happens.

    Args:
        last: a part that treats each position by itself; it sees only these too, and gives zeros elsewhere.
    """
    import torch

    head = weights.get_output_embeddings()
    own_head, own_last = head.forward, getattr(last, "forward", head.forward)

    def at_answers(hidden: "torch.Tensor") -> "torch.Tensor":
        chosen = hidden[rows.to(hidden.device), places.to(hidden.device)]  # N H
        return _in_float32(head, own_head, chosen)[None]

    def zero_elsewhere(hidden: "torch.Tensor") -> "torch.Tensor":
        at = rows.to(hidden.device), places.to(hidden.device)
        everywhere = torch.zeros_like(hidden)
        everywhere[at] = own_last(hidden[at][None])[0]
        return everywhere

    head.forward = at_answers
    if last is not None:
        last.forward = zero_elsewhere
    try:
        yield
    finally:
        del head.forward
        if last is not None:
            del last.forward


def _last_feed_forward(weights: Any) -> Any:
    """The part of the last layer that comes after attention, by the name that most architectures give it; None elsewhere."""
    n_layers = getattr(weights.config.get_text_config(), "num_hidden_layers", 0)
    stacks = [part for part in weights.modules() if type(part).__name__ == "ModuleList" and len(part) == n_layers]
    return getattr(stacks[0][-1], "mlp", None) if len(stacks) == 1 else None


def _in_float32(head: Any, own: Any, hidden: "torch.Tensor") -> "torch.Tensor":
    """The last layer in float32, a block of the vocabulary at a time; a quantised one as it computes itself."""
    import torch

    if type(head) is not torch.nn.Linear or head.weight.dtype == torch.float32:
        result: torch.Tensor = own(hidden)
        return result
    starts = range(0, len(head.weight), _VOCABULARY_BLOCK)
    blocks = [hidden.float() @ head.weight[start : start + _VOCABULARY_BLOCK].float().T for start in starts]
    logits = torch.cat(blocks, dim=-1)
    return logits if head.bias is None else logits + head.bias.float()


@dataclass(frozen=True, slots=True)
class _Laid:
    """One row as the model reads it, without the shared beginning and padded."""

    tokens: list[int]
    positions: list[int]
    parts: list[int]
    """0 for the stem, the option's number from 1, -1 for padding."""
    read_at: list[int]
    """Where each answer token is predicted, option after option."""


def _lay_out(row: ScoreRow, n_start: int, length: int) -> _Laid:
    n_stem = len(row.stem) - n_start
    tokens = list(row.stem[n_start:])
    positions, parts, read_at = list(range(n_start, len(row.stem))), [0] * n_stem, []
    for number, option in enumerate(row.options, start=1):
        read_at += [n_stem - 1, *range(len(tokens), len(tokens) + len(option) - 1)]
        tokens += option[:-1]
        positions += range(len(row.stem), len(row.stem) + len(option) - 1)
        parts += [number] * (len(option) - 1)
    n_padding = length - len(tokens)
    # Positions go on: where they start again, transformers takes what follows for another text and builds a mask.
    positions += range(positions[-1] + 1, positions[-1] + 1 + n_padding)
    return _Laid(tokens + [0] * n_padding, positions, parts + [-1] * n_padding, read_at)


def _block_mask(parts: "torch.Tensor", n_start: int, dtype: Any) -> "torch.Tensor":
    """What each token may see: the shared beginning, its stem, and what stands before it in its own option."""
    import torch

    before = torch.ones(parts.shape[1], parts.shape[1], dtype=torch.bool, device=parts.device).tril()
    seen = before & ((parts[:, None, :] == 0) | (parts[:, None, :] == parts[:, :, None]))  # B T T
    mask = torch.zeros(seen.shape, dtype=dtype, device=parts.device).masked_fill(~seen, torch.finfo(dtype).min)
    return torch.nn.functional.pad(mask, (n_start, 0))[:, None]  # B 1 T start+T


def _spread(cache: Any, n_rows: int) -> Any:
    """The keys and values of the beginning for each row of a batch, without a copy; reading on leaves the original as it is."""
    spread = copy.copy(cache)
    spread.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in spread.layers:
        layer.keys = layer.keys.expand(n_rows, -1, -1, -1)
        layer.values = layer.values.expand(n_rows, -1, -1, -1)
        layer.update = partial(_read_on, layer)
    return spread


def _read_on(layer: Any, *new: Any, **more: Any) -> Any:
    """The keys and values of the beginning and of what is new; nothing is kept of it, as no token follows."""
    beginning = layer.keys, layer.values
    whole = type(layer).update(layer, *new, **more)
    layer.keys, layer.values = beginning
    return whole
