"""A model by its shape: what memory and work are reckoned from, read from `config.json` alone."""

import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from osler.errors import EnvironmentLacks, InputError
from osler.runs.files import read_json

_FUSED = frozenset({"phi3"})
"""Families whose layers hold query, key and value in one matrix, and gate and up in another."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder of like layers."""

    n_layers: int
    hidden: int
    query: int
    """Width of all query heads together."""
    key_value: int
    """Width of the keys (and of the values) of all heads together."""
    intermediate: int
    vocabulary: int
    tied: bool
    """Whether the output layer is the embedding."""
    read_length: int
    fused: bool
    n_per_layer: int = 0
    """Parameters of the embeddings that go into each layer (Gemma 3n)."""

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of the linear layers of one decoder layer, by their last name."""
        h, q, kv, i = self.hidden, self.query, self.key_value, self.intermediate
        attention = (
            {"qkv_proj": (h, q + 2 * kv)} if self.fused else {"q_proj": (h, q), "k_proj": (h, kv), "v_proj": (h, kv)}
        )
        gate = {"gate_up_proj": (h, 2 * i)} if self.fused else {"gate_proj": (h, i), "up_proj": (h, i)}
        return {**attention, "o_proj": (q, h), **gate, "down_proj": (i, h)}

    @property
    def n_linear(self) -> int:
        """Parameters of the linear layers, the output layer not counted."""
        return self.n_layers * sum(rows * columns for rows, columns in self.linear.values())

    @property
    def n_embedding(self) -> int:
        """Parameters of embeddings and output layer."""
        return (1 if self.tied else 2) * self.vocabulary * self.hidden + self.n_per_layer

    def n_adapter(self, rank: int, targets: str | tuple[str, ...], *, dora: bool = False) -> int:
        """Parameters of an adapter.

        Raises:
            InputError: a target names no layer.
        """
        names = self.linear if isinstance(targets, str) else targets
        if unknown := sorted(set(names) - set(self.linear)):
            raise InputError(
                f"train.targets names {', '.join(unknown)}, which the model does not have; it has "
                f"{', '.join(sorted(self.linear))}. Choose among these, or write all-linear."
            )
        sizes = [self.linear[name] for name in names]
        return self.n_layers * sum(rank * (rows + columns) + (columns if dora else 0) for rows, columns in sizes)


def read_architecture(base: str, revision: str) -> Architecture:
    """The shape of a base: of its folder, of the local Hugging Face cache, or of the list that ships.

    Raises:
        EnvironmentLacks: it is in none of these.
        InputError: its config.json is not that of a decoder of like layers.
    """
    return parse_architecture(read_config(base, revision), base)


def read_config(base: str, revision: str) -> dict[str, Any]:
    """The `config.json` of a base; of one in the list that ships, as far as its size goes.

    Raises:
        EnvironmentLacks: it is neither here nor in the list.
    """
    folder = model_folder(base, revision)
    if folder is not None:
        config: dict[str, Any] = read_json(folder / "config.json")
        return config
    known = _known()
    if base in known:
        return known[base]
    raise EnvironmentLacks(
        f"The shape of {base} is not known here: it is not in the local Hugging Face cache nor in the list that ships "
        f"({', '.join(sorted(known))}). Put its config.json into a folder and give that as model.base."
    )


def model_folder(base: str, revision: str) -> Path | None:
    """The folder of a local base, or of a hub model's snapshot in the cache; None when it is not here."""
    if base.startswith(("/", ".", "~")):
        return Path(base).expanduser()
    # huggingface_hub itself takes half a second to import, and a plan is to answer before that.
    home = os.environ.get("HF_HOME") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/huggingface"
    cache_folder = os.environ.get("HF_HUB_CACHE") or f"{home}/hub"
    repository = Path(cache_folder).expanduser() / f"models--{base.replace('/', '--')}"
    reference = repository / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    folder = repository / "snapshots" / commit
    return folder if (folder / "config.json").is_file() else None


def parse_architecture(config: dict[str, Any], name: str) -> Architecture:
    """The shape that a `config.json` states.

    Raises:
        InputError: it lacks a size.
    """
    config = {**config, **config.get("text_config", {})}
    try:
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        return Architecture(
            n_layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            query=heads * width,
            key_value=(config.get("num_key_value_heads") or heads) * width,
            intermediate=_first(config["intermediate_size"]),
            vocabulary=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", True)),
            read_length=config.get("max_position_embeddings", 4096),
            fused=config.get("model_type") in _FUSED,
            n_per_layer=config["num_hidden_layers"]
            * config.get("vocab_size_per_layer_input", 0)
            * config.get("hidden_size_per_layer_input", 0),
        )
    except KeyError as error:
        raise InputError(
            f"The config.json of {name} has no {error}; a plan needs the sizes of a decoder of like layers. "
            "Use --exact, which builds the model itself without its weights."
        ) from error


def _first(size: Any) -> int:
    """Gemma 3n states the width of each layer."""
    return int(size[0] if isinstance(size, list) else size)


@cache
def _known() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = yaml.safe_load(
        files("osler.train").joinpath("architectures.yaml").read_text(encoding="utf-8")
    )
    return content
