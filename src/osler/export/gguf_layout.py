"""Names, order of numbers and facts of a model in GGUF, as llama.cpp reads them.

One layout per architecture. A weight that has no place in it is an error, never left out. Compared tensor by tensor with llama.cpp's
own converter in benchmarks/gguf_agreement.py. What llama.cpp fixes in its code (the order of Gemma 3's windows, its scale of
attention) is checked here, so that no file is written that it would read as another model.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from osler.errors import InputError, missing_package

Facts = dict[str, Any]
"""Keys below the architecture's name, and their values."""

_PLACES = frozenset(
    (
        "token_embd output_norm output attn_norm attn_q attn_k attn_v attn_qkv attn_q_norm attn_k_norm attn_output "
        "post_attention_norm ffn_norm ffn_gate ffn_up ffn_down post_ffw_norm"
    ).split()
)
"""What the weights below may be called in the file; the package knows more, which no model of these layouts has."""
_MOST_BLOCKS = 128
_GEMMA_PERIOD = 6
_GEMMA_27B_BLOCKS = 62


@dataclass(frozen=True, slots=True)
class Layout:
    """How one architecture lies in a file."""

    architecture: str
    has_paired_rotation: bool = False
    """Rotary pairs side by side, as Meta's original has them, where transformers puts the halves one after the other."""
    has_fused_gate: bool = False
    """Gate and up in one matrix, in this order in both."""
    norm_shift: float = 0.0
    """Gemma stores each norm's weight less one."""


LAYOUTS = {
    "LlamaForCausalLM": Layout("llama", has_paired_rotation=True),
    "MistralForCausalLM": Layout("llama", has_paired_rotation=True),
    "Qwen3ForCausalLM": Layout("qwen3"),
    "Phi3ForCausalLM": Layout("phi3", has_fused_gate=True),
    "Gemma3ForCausalLM": Layout("gemma3", norm_shift=1.0),
}
"""By the name of the class in `config.json`."""


def layout_of(config: Mapping[str, Any], folder: Path) -> Layout:
    """The layout of a model's folder.

    Raises:
        InputError: osler has none for this architecture.
    """
    (name, *_) = config.get("architectures") or ["none"]
    if name not in LAYOUTS:
        raise InputError(
            f"{folder} holds a {name}; osler writes GGUF itself for {', '.join(sorted(LAYOUTS))}. For any other, give the folder "
            "of llama.cpp with --llama-cpp; its own converter is then used."
        )
    return LAYOUTS[name]


def gguf_name(layout: Layout, name: str) -> str:
    """A weight's name in the file, as the package `gguf` maps it.

    Raises:
        InputError: the layout has no place for it.
        EnvironmentLacks: the package is missing.
    """
    found: str | None = _names(layout.architecture).get_name(name, try_suffixes=(".weight", ".bias"))
    fused = ".gate_up_proj." in name and not layout.has_fused_gate
    if found is None or fused or found.split(".")[-2] not in _PLACES:
        raise InputError(
            f"The weight {name} has no place in the GGUF layout {layout.architecture}. Give the folder of llama.cpp with "
            "--llama-cpp, whose converter may know it."
        )
    return found


@cache
def _names(architecture: str) -> Any:
    gguf = gguf_package()
    numbers = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    return gguf.get_tensor_name_map(numbers[architecture], _MOST_BLOCKS)


def gguf_package() -> Any:
    """The module `gguf`.

    Raises:
        EnvironmentLacks: it is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise missing_package("gguf", "Writing GGUF", "gguf") from error
    return gguf


def n_rotated_heads(layout: Layout, name: str, config: Mapping[str, Any]) -> int:
    """Heads whose rows `paired` must reorder; 0 for a weight that stays as it is."""
    if not layout.has_paired_rotation or not re.search(r"self_attn\.[qk]_proj\.", name):
        return 0
    return int(config["num_attention_heads" if ".q_proj." in name else "num_key_value_heads"])


def paired(weight: Any, n_heads: int) -> Any:
    """Rows of each head from halves (x1.. xn y1.. yn) to pairs (x1 y1 .. xn yn)."""
    rows = weight.reshape(n_heads, 2, weight.shape[0] // n_heads // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def facts_of(layout: Layout, config: Mapping[str, Any]) -> Facts:
    """The file's facts about the model.

    Raises:
        InputError: the configuration asks for something that llama.cpp does not do for this architecture.
    """
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    rope = _rope(config)
    facts: Facts = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "block_count": config["num_hidden_layers"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config.get("num_key_value_heads") or config["num_attention_heads"],
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "attention.key_length": head,
        "attention.value_length": head,
        "rope.dimension_count": int(head * rope.get("partial_rotary_factor", 1.0)),
        "rope.freq_base": float(rope["rope_theta"]),
        "vocab_size": config["vocab_size"],
    }
    facts |= _scaling(rope)
    if layout.architecture == "gemma3":
        facts |= _gemma_facts(config, head)
    elif layout.architecture == "phi3":
        facts |= _phi_facts(config, rope)
    elif config.get("sliding_window") and config.get("use_sliding_window", True):
        # llama.cpp has no window for these architectures. Within one window of text the two are the same.
        facts["context_length"] = min(facts["context_length"], config["sliding_window"])
    return facts


def rope_tensors(layout: Layout, config: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """The factors by which long-context models stretch their rotary frequencies."""
    rope = _rope(config)
    kind = rope.get("rope_type", "default")
    if kind == "llama3":
        yield "rope_freqs.weight", _llama3_factors(config, rope)
    elif kind == "longrope" and layout.architecture == "phi3":
        yield "rope_factors_long.weight", [float(factor) for factor in rope["long_factor"]]
        yield "rope_factors_short.weight", [float(factor) for factor in rope["short_factor"]]


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    rope: Mapping[str, Any] = config["rope_parameters"]
    found: Mapping[str, Any] = rope.get("full_attention", rope)
    return found


def _scaling(rope: Mapping[str, Any]) -> Facts:
    kind = rope.get("rope_type", "default")
    if kind == "linear":
        return {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
    if kind == "longrope":
        return {"rope.scaling.type": "longrope"}
    if kind not in ("default", "llama3"):
        raise InputError(
            f"The model's rotary scaling {kind!r} is not written by osler (default, linear, llama3, longrope are). Give the folder "
            "of llama.cpp with --llama-cpp."
        )
    return {}


def _gemma_facts(config: Mapping[str, Any], head: int) -> Facts:
    """Facts of Gemma 3, with what llama.cpp takes for granted held against them."""
    n_blocks = config["num_hidden_layers"]
    wanted = ["full_attention" if (n + 1) % _GEMMA_PERIOD == 0 else "sliding_attention" for n in range(n_blocks)]
    scale = config["hidden_size"] // config["num_attention_heads"] if n_blocks == _GEMMA_27B_BLOCKS else head
    if config["layer_types"] != wanted or config["query_pre_attn_scalar"] != scale:
        raise InputError(
            "llama.cpp reads a Gemma 3 with five windowed blocks before each full one and attention scaled by the size of a head; "
            "this model differs (layer_types or query_pre_attn_scalar), and would answer otherwise there."
        )
    local = config["rope_parameters"]["sliding_attention"]["rope_theta"]
    return {"attention.sliding_window": config["sliding_window"], "rope.freq_base_swa": float(local)}


def _phi_facts(config: Mapping[str, Any], rope: Mapping[str, Any]) -> Facts:
    original = rope.get("original_max_position_embeddings") or config["original_max_position_embeddings"]
    longest = config["max_position_embeddings"]
    # 0 tells llama.cpp that Phi-4 has no window; it ignores the window of the other Phi-3 models.
    facts: Facts = {"attention.sliding_window": 0, "rope.scaling.original_context_length": original}
    if rope.get("rope_type") == "longrope":
        stretch = longest / original
        given = rope.get("attention_factor")
        factor = given or (math.sqrt(1 + math.log(stretch) / math.log(original)) if stretch > 1 else 1.0)
        facts["rope.scaling.attn_factor"] = factor
    return facts


def _llama3_factors(config: Mapping[str, Any], rope: Mapping[str, Any]) -> list[float]:
    """As in transformers' `_compute_llama3_parameters`, but the factor by which a frequency is divided."""
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    factors = []
    for place in range(0, head, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (place / head)
        if wave < original / high:
            factors.append(1.0)
        elif wave > original / low:
            factors.append(float(factor))
        else:
            smooth = (original / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors
