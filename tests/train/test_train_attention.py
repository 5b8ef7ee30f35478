"""Rows of a packed pass do not read each other, in any of the families that are trained."""

from typing import Any

import pytest

from osler.models.libraries import quiet_libraries
from osler.train.attention import keeps_rows_apart, use_by_row_attention

SHAPE: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
MORE: dict[str, dict[str, Any]] = {
    "LlamaConfig": {},
    "MistralConfig": {"sliding_window": 8},
    "Phi3Config": {},
    "Qwen3Config": {"head_dim": 8},
    "Gemma3TextConfig": {
        "head_dim": 8,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "Gemma3nTextConfig": {
        "head_dim": 8,
        "sliding_window": 8,
        "vocab_size_per_layer_input": 300,
        "hidden_size_per_layer_input": 8,
        "num_kv_shared_layers": 1,
        "laurel_rank": 4,
        "altup_num_inputs": 2,
        "activation_sparsity_pattern": [0.0] * 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
}


def model(name: str) -> Any:
    import torch
    import transformers

    shape = {**SHAPE, **MORE.get(name, {})}
    shape["num_hidden_layers"] = len(shape.get("layer_types", [0] * 3))
    with quiet_libraries(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        return transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**shape)).eval()


@pytest.mark.parametrize("name", MORE)
def test_each_row_is_read_as_if_it_were_alone(name: str) -> None:
    import torch

    weights = model(name)
    assert keeps_rows_apart(weights)
    rows = [torch.arange(2 + n, 2 + n + length) for n, length in enumerate((20, 5, 13))]
    with torch.no_grad():
        alone = torch.cat([weights(input_ids=row[None], use_cache=False).logits[0] for row in rows])
        use_by_row_attention(weights)
        packed = weights(
            input_ids=torch.cat(rows)[None],
            position_ids=torch.cat([torch.arange(len(row)) for row in rows])[None],
            row_lengths=tuple(map(len, rows)),
            use_cache=False,
        ).logits[0]
    # The same products in the same order: no tolerance is needed but that of another kernel.
    assert torch.allclose(packed, alone, atol=1e-5)


def test_attention_of_another_kind_is_not_packed() -> None:
    assert not keeps_rows_apart(model("Gemma2Config"))  # its scores are capped
