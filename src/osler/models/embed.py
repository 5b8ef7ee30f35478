"""Texts to unit vectors: a local model folder, or an endpoint."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osler.errors import EnvironmentLacks, InputError
from osler.models.encoder import open_encoder
from osler.models.endpoint import Endpoint

_BATCH = 64
_MAX_TOKENS = 512


def embedder(
    kind: Literal["openai", "cohere", "local"], at: str, model: str, key_variable: str
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """A function from texts to unit vectors, float32, one row a text.

    Args:
        at: address with /v1 (`/v2` for Cohere), or the folder of a sentence-transformers model.
        key_variable: environment variable with the endpoint's key; empty for none.

    Raises:
        InputError: the folder is not a model.
        EnvironmentLacks: the key or a package is missing.
    """
    if kind == "local":
        return _local(Path(at).expanduser())
    key = os.environ.get(key_variable, "") if key_variable else ""
    if key_variable and not key:
        raise EnvironmentLacks(f"the embedder's key is to be in the environment variable {key_variable}; it is not set")
    endpoint = Endpoint(at, key)
    ask = endpoint.embed if kind == "openai" else endpoint.embed_cohere
    return lambda texts: _unit(
        [vector for start in range(0, len(texts), _BATCH) for vector in ask(texts[start : start + _BATCH], model)]
    )


def _unit(vectors: Any) -> NDArray[np.float32]:
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: NDArray[np.float32] = np.ascontiguousarray(rows / np.maximum(lengths, 1e-12))
    return result


def _local(folder: Path) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Mean of the last layer over the words, as sentence-transformers' mean pooling; the first token where its files say so."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no model (no config.json). Give the folder of a sentence-transformers model.")
    encoder = open_encoder(folder)
    encoder.max_length = min(encoder.max_length, _MAX_TOKENS)
    pooling = folder / "1_Pooling" / "config.json"
    by_first = pooling.is_file() and json.loads(pooling.read_text("utf-8")).get("pooling_mode_cls_token", False)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        found = {place: one.vectors[0] if by_first else one.vectors.mean(0) for place, one in encoder.read(texts)}
        return _unit([found[place] for place in range(len(texts))])

    return embed
