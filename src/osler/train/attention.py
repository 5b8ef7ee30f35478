"""Attention that keeps the rows of a packed pass apart: each row attends to itself alone.

Rows are laid end to end in one sequence; this function cuts queries, keys and values at the boundaries and runs the usual
causal kernel on each. The work is that of the rows alone: a block mask over the whole sequence costs its square (measured: a
packed row of 4,096 tokens was slower than padding).
"""

from collections.abc import Sequence
from typing import Any

NAME = "osler_by_row"

_LAYERS = {"full_attention", "sliding_attention"}


def keeps_rows_apart(weights: Any) -> bool:
    """Whether a model's attention can be replaced by this one: softmax attention through the library's own interface."""
    config = weights.config.get_text_config()
    plain = set(getattr(config, "layer_types", None) or _LAYERS) <= _LAYERS
    capped = getattr(config, "attn_logit_softcapping", None)
    return bool(plain and not capped and getattr(weights, "_supports_attention_backend", False))


def use_by_row_attention(weights: Any) -> None:
    """Let the model attend by row, from the `row_lengths` that are given with each pass; the model is changed."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import flash_attention_mask

    # The library's own place for attention of others; entering the same function again changes nothing.
    AttentionInterface.register(NAME, _attend_by_row)
    # Like flash attention, it needs no mask when nothing is padded; sliding windows are handled below.
    AttentionMaskInterface.register(NAME, flash_attention_mask)
    weights.set_attn_implementation(NAME)


def _attend_by_row(
    module: Any,
    query: Any,  # B heads T width, with B = 1
    key: Any,
    value: Any,
    attention_mask: Any,
    row_lengths: Sequence[int] | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Any, None]:
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if attention_mask is not None:
        raise ValueError("rows that attention keeps apart are not padded")
    lengths = list(row_lengths or [query.shape[2]])
    options.pop("is_causal", None)
    found = []
    # One split for all rows: its backward pass is one concatenation, that of a slice a whole sequence of zeros.
    for q, k, v in zip(*(part.split(lengths, dim=2) for part in (query, key, value)), strict=True):
        n = q.shape[2]
        mask = _window(n, sliding_window, q) if sliding_window and n > sliding_window else None
        found.append(sdpa_attention_forward(module, q, k, v, mask, is_causal=True, **options)[0])
    return torch.cat(found, dim=1), None  # B T heads width


def _window(n: int, width: int, like: Any) -> Any:
    """True where a position may look: at itself and the `width - 1` positions before it."""
    import torch

    place = torch.arange(n, device=like.device)
    distance = place[:, None] - place[None, :]
    return ((distance >= 0) & (distance < width))[None, None]
