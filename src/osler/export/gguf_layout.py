"""Names, order of numbers and facts of a model in GGUF, as llama.cpp reads them.

One layout per architecture. A weight that a layout does not name is an error, never left out. Compared tensor by tensor with llama.cpp's
own converter in benchmarks/gguf_agreement.py. What llama.cpp fixes in its code (the order of Gemma 3's windows, its scale of
attention) is checked here, so that no file is written that it would read as another model.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.errors import InputError

Facts = dict[str, Any]
"""Keys below the architecture's name, and their values."""

_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_SELF_ATTENTION = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
_MLP = {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
_LLAMA = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    **{f"self_attn.{name}": to for name, to in _SELF_ATTENTION.items()},
    **{f"mlp.{name}": to for name, to in _MLP.items()},
}
_HEAD_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
_GEMMA3 = {
    **_LLAMA,
    **_HEAD_NORMS,
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_PHI3 = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_up_proj": "ffn_up",  # gate and up in one, in this order in both
    "mlp.down_proj": "ffn_down",
}
_BLOCK = re.compile(r"model\.layers\.(?P<number>\d+)\.(?P<part>.+)\.(?P<kind>weight|bias)")
_GEMMA_PERIOD = 6
_GEMMA_27B_BLOCKS = 62


@dataclass(frozen=True, slots=True)
class Layout:
    """How one architecture lies in a file."""

    architecture: str
    blocks: Mapping[str, str]
    """Parts of a block by their name in transformers."""
    has_paired_rotation: bool = False
    """Rotary pairs side by side, as Meta's original has them, where transformers puts the halves one after the other."""
    norm_shift: float = 0.0
    """Gemma stores each norm's weight less one."""


LAYOUTS = {
    "LlamaForCausalLM": Layout("llama", _LLAMA, has_paired_rotation=True),
    "MistralForCausalLM": Layout("llama", _LLAMA, has_paired_rotation=True),
    "Qwen3ForCausalLM": Layout("qwen3", {**_LLAMA, **_HEAD_NORMS}),
    "Phi3ForCausalLM": Layout("phi3", _PHI3),
    "Gemma3ForCausalLM": Layout("gemma3", _GEMMA3, norm_shift=1.0),
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
    """A weight's name in the file.

    Raises:
        InputError: the layout has no place for it.
    """
    stem, _, kind = name.rpartition(".")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{kind}"
    found = _BLOCK.fullmatch(name)
    if found and found["part"] in layout.blocks:
        return f"blk.{found['number']}.{layout.blocks[found['part']]}.{found['kind']}"
    raise InputError(
        f"The weight {name} has no place in the GGUF layout {layout.architecture}. Give the folder of llama.cpp with --llama-cpp, "
        "whose converter may know it."
    )


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
