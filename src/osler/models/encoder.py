"""Vectors of a text's tokens, from an encoder (BERT, RoBERTa and their like) through transformers.

Letters in shapes: B batch, T tokens, H hidden size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.errors import InputError
from osler.models.libraries import quiet_libraries
from osler.models.pretrained import check_whole, load_pretrained


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as an encoder sees it."""

    vectors: NDArray[np.float32]
    """T H, those of the special tokens among them."""
    is_text: NDArray[np.bool_]
    """T; False for the tokens that the tokenizer puts before and behind a text."""
    truncated: bool
    """Whether the text was longer than the encoder can read, and lost its end."""


@dataclass(slots=True, eq=False)
class Encoder:
    """Reads texts with the layers of an encoder up to one of them. Made by `open_encoder`; its weights are loaded when first asked."""

    base: Path | str
    layer: int
    """Whose output is taken, counted from 1; 0 is what goes into the first."""
    n_layers: int
    """That the encoder has in all."""
    max_length: int
    """Tokens that it can read, special ones included."""
    tokenizer: Any
    lead: str
    """A space for tokenizers to which a word after a space is another word than the same at the very beginning; else empty."""
    _config: Any
    _weights: Any = None

    def read(self, texts: Sequence[str], token_budget: int = 4096) -> Iterator[tuple[int, Tokens]]:
        """The tokens of each text with the text's place, the shortest text first.

        Args:
            token_budget: of one batch, padding included. It moves a result by rounding only.

        Raises:
            InputError: the folder lacks weights.
        """
        ids: list[list[int]] = self.tokenizer(list(texts), verbose=False)["input_ids"] if texts else []
        cut = [len(one) > self.max_length for one in ids]
        last = self.max_length - 1
        kept = [[*one[:last], one[-1]] if long else one for one, long in zip(ids, cut, strict=True)]
        special = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        for batch in _by_length([len(one) for one in kept], token_budget):
            for index, vectors in zip(batch, self._vectors([kept[index] for index in batch]), strict=True):
                yield index, Tokens(vectors, np.array([token not in special for token in kept[index]]), cut[index])

    def _vectors(self, batch: list[list[int]]) -> Iterator[NDArray[np.float32]]:
        import torch

        weights = self._loaded()
        longest, padding = max(map(len, batch)), self.tokenizer.pad_token_id or 0
        ids = torch.tensor([one + [padding] * (longest - len(one)) for one in batch], device=weights.device)  # B T
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in batch], device=weights.device)
        with torch.inference_mode():
            states = weights(input_ids=ids, attention_mask=mask).last_hidden_state.cpu().numpy()  # B T H
        return (state[: len(one)] for one, state in zip(batch, states, strict=True))

    def _loaded(self) -> Any:
        if self._weights is None:
            with quiet_libraries():
                import torch
                from transformers import AutoModel

                options = {"config": self._config, "dtype": torch.float32, "output_loading_info": True}
                weights, found = load_pretrained("encoder", AutoModel.from_pretrained, self.base, "main", **options)
            # The pooler stands behind the layers; encoders trained without one come without its weights.
            check_whole(self.base, [name for name in found["missing_keys"] if "pooler" not in name])
            self._weights = weights.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        return self._weights


def open_encoder(base: Path | str, layer: int | None = None, depth: float = 1.0) -> Encoder:
    """The encoder in a folder, or of a hub id.

    Args:
        layer: whose output is taken; None: by `depth`.
        depth: share of the layers, 0 to 1, behind which the output is taken where no layer is named.

    Raises:
        EnvironmentLacks: a package is missing, or a hub model cannot be had.
        InputError: it is no encoder, or has no such layer.
    """
    with quiet_libraries():
        from transformers import AutoConfig, AutoTokenizer

        config = load_pretrained("encoder", AutoConfig.from_pretrained, base, "main")
        tokenizer = load_pretrained("tokenizer", AutoTokenizer.from_pretrained, base, "main")
    n_layers = getattr(config, "num_hidden_layers", 0)
    if config.is_encoder_decoder or not n_layers:
        raise InputError(f"{base} is a {config.model_type}; an encoder is wanted, as BERT and RoBERTa are")
    if layer is not None and not 0 < layer <= n_layers:
        raise InputError(f"{base} has no layer {layer}; it has layers 1 to {n_layers}")
    layer = layer or max(1, round(n_layers * depth))
    # The layers behind the one wanted are not even loaded.
    config.num_hidden_layers = layer
    lead = " " if tokenizer.tokenize(" a")[0].startswith("Ġ") else ""
    return Encoder(base, layer, n_layers, _read_length(config, tokenizer), tokenizer, lead, config)


def _read_length(config: Any, tokenizer: Any) -> int:
    """RoBERTa and its descendants count positions from behind the number of their padding token."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 512)
    if "roberta" in config.model_type or config.model_type in {"camembert", "longformer", "mpnet"}:
        positions -= config.pad_token_id + 1
    return min(positions, int(tokenizer.model_max_length))


def _by_length(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batch and (len(batch) + 1) * lengths[index] > token_budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
