"""Memory and work of training, from formulas: T positions of a pass, S tokens of a row, V vocabulary, H hidden, L layers.

Fitted to traced runs of an 8B model and checked against published measurements (`tests/train/test_train_memory.py`):
within 15 % of each. Bytes are those of one card.
"""

from dataclasses import dataclass

from osler.train.architecture import Architecture
from osler.train.config import Method, Sharding

GIB = 1 << 30
RESERVE = 1.15
"""A card must hold so many times what the formula says: the formula was up to 14 % low."""

NF4_BYTES = 0.5 + 1 / 64 + 4 / 16384  # 4 bits, a byte for 64 weights, a float32 for 256 of those bytes
"""Bytes of a weight in nf4 with double quantisation."""
_ADAM = 4 + 4 + 8  # weight, gradient and two moments in float32
_SLACK, _CONTEXT = 1.05, 0.75 * GIB  # fragments of the allocator; CUDA's own
TILE = 1024
"""Positions that the fused output layer of a GPU holds at once."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What memory and work depend on besides the model."""

    method: Method
    n_adapter: int
    """Parameters of the adapter; 0 for full fine-tuning."""
    dropout: bool
    positions: int
    """Positions of the largest pass, padding included."""
    checkpointing: bool
    tiled_head: bool = True
    """Whether logits are made for a tile of positions at a time, as TRL does on GPUs."""
    cards: int = 1
    sharding: Sharding = "none"


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one card, part by part."""

    weights_bytes: int
    adapter_bytes: int
    """What is trained and its gradients."""
    optimizer_bytes: int
    activation_bytes: int
    logits_bytes: int
    total_bytes: int
    """With fragments and CUDA's context; activations of the backward pass and logits do not stand at the same time."""


def memory_of(model: Architecture, setting: Setting) -> Memory:
    """Peak memory of training."""
    whole = setting.method == "full"
    shared = setting.cards if setting.sharding in {"fsdp2", "zero3"} else 1
    shared_states = setting.cards if setting.sharding != "none" else 1
    weights = _weights(model, setting.method) / shared
    n_trained = (model.n_linear + model.n_embedding) if whole else setting.n_adapter
    # The float32 weights of full fine-tuning are counted as weights.
    states = n_trained * ((4 + 8) if whole else _ADAM) / shared_states
    t = setting.positions
    per_layer = 2 * (7.6 * model.hidden + 5 * model.intermediate)
    per_layer += 3 * (6 * model.hidden + model.intermediate) if setting.dropout else 0
    if setting.checkpointing:
        kept, again = 2.0 * model.n_layers * t * model.hidden, 1.25 * t * per_layer
    else:
        kept, again = model.n_layers * t * per_layer, 0.0
    logits = 12.2 * t * model.vocabulary
    if setting.tiled_head:
        logits = min(logits, 6.0 * TILE * model.vocabulary)
    buffer = 2.0 * model.hidden * model.intermediate if setting.method == "qlora" else 0.0
    total = _SLACK * (weights + states + kept + max(again, logits) + buffer) + _CONTEXT
    optimizer = n_trained * 8 / shared_states
    return Memory(
        weights_bytes=round(weights + buffer),
        adapter_bytes=round(states - optimizer),
        optimizer_bytes=round(optimizer),
        activation_bytes=round(kept + again),
        logits_bytes=round(logits),
        total_bytes=round(total),
    )


def flops_per_token(model: Architecture, setting: Setting, row_tokens: float) -> float:
    """Floating-point operations for one real token, forward and backward.

    Args:
        row_tokens: length of the row that a token stands in, as a mean over tokens.
    """
    products = 2.0 * (model.n_linear + model.vocabulary * model.hidden)
    attention = 2.0 * row_tokens * model.query * model.n_layers
    adapter = 2.0 * setting.n_adapter
    again = 2.0 * model.n_linear + attention + adapter if setting.checkpointing else 0.0
    if setting.method == "full":
        return 3 * (products + attention) + again
    # Nothing flows into frozen weights: the backward pass makes one product where full training makes two.
    return products + attention + adapter + products + 2 * attention + 2 * adapter + again


def dequantise_seconds(model: Architecture, gb_per_s: float) -> float:
    """Seconds that a pass spends on turning 4-bit weights into 16 bits: three times, read and written."""
    return 3 * model.n_linear * (NF4_BYTES + 4) / (gb_per_s * 1e9)


def _weights(model: Architecture, method: Method) -> float:
    if method == "full":
        return 4.0 * (model.n_linear + model.n_embedding)
    per_weight = NF4_BYTES if method == "qlora" else 2.0
    return model.n_linear * per_weight + 2.0 * model.n_embedding
