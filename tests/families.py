"""Every model family that osler trains, built tiny: the true config class with random weights, a tokenizer of the true kind with
the family's own chat template.

What is true of them: architecture, names of modules, kind of tokenizer (pre-tokenizer, byte fallback, prefix space), control
tokens and their roles, the template's wording. What is not: sizes, vocabulary, and every weight.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LLAMA3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PHI4 = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
PHI4_MINI = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {{- message['content'] | trim }}
    {{- '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"""
QWEN3 = """{%- for message in messages %}
    {%- if message.role == "assistant" and loop.last %}
        {{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + message.content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()[]<>|/-_ \n"


@dataclass(frozen=True)
class Family:
    """One family, and what is expected of it."""

    name: str
    build_config: Callable[[int, Any], Any]
    """From the size of the vocabulary and the tokenizer."""
    build_tokenizer: Callable[[list[str]], Any]
    end: str
    """The text of the token that ends an answer."""
    gguf: str | None
    """Architecture in GGUF; None: only through llama.cpp's own converter."""
    is_multimodal: bool = False


def byte_level(
    texts: Iterable[str],
    split: str,
    *,
    control: tuple[str, ...],
    template: str | None,
    llama3: bool = False,
    **roles: str,
) -> Any:
    """Byte-level BPE as in Llama 3, Qwen and Phi-4: control tokens after the learned ones."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(ignore_merges=llama3))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=480, initial_alphabet=alphabet, show_progress=False)
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, additional_special_tokens=list(control), clean_up_tokenization_spaces=False, **roles
    )
    if llama3:
        bos = roles["bos_token"]
        fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, fast.bos_token_id)]
        )
    fast.chat_template = template
    return fast


def sentence_pieces(texts: list[str], kind: str, template: str | None) -> Any:
    """A tokenizer as converted from SentencePiece: byte fallback, and a merge for each split of each piece."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import GemmaTokenizer, LlamaTokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=260, initial_alphabet=list(LETTERS), show_progress=False)
    trained.train_from_iterator(texts, trainer)
    learned = [piece for piece, _ in sorted(trained.get_vocab().items(), key=lambda pair: pair[1])]
    first = ["<unk>", "<s>", "</s>"]
    if kind == "gemma":
        first = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
    pieces = [*first, *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [piece for piece in learned if len(piece) > 1] + [piece for piece in learned if len(piece) == 1]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in learned
        if len(piece) > 1
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    made = (GemmaTokenizer if kind == "gemma" else LlamaTokenizer)(vocab=vocab, merges=merges)
    if kind == "gemma":
        made.add_special_tokens({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})
    made.chat_template = template
    return made


def _rope(theta: float = 10000.0, **more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta, **more}


_SMALL = {
    # Multiples of 64 and 32: the blocks of 4-bit weights, and of the kernels that read them.
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    # Peaked outputs: with the usual 0.02 all tokens are about equally likely, and which comes first is rounding.
    "initializer_range": 0.09,
}


def _ids(tokenizer: Any) -> dict[str, Any]:
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _phi4(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Phi3Config

    return Phi3Config(
        vocab_size=n_tokens,
        original_max_position_embeddings=1024,
        rope_parameters=_rope(250000.0),
        **_SMALL,
        **_ids(tokenizer),
    )


def _phi4_mini(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Phi3Config

    n_factors = 12  # half of the rotated part of a head: 32 x 0.75 / 2
    small = {**_SMALL, "max_position_embeddings": 2048}
    return Phi3Config(
        vocab_size=n_tokens,
        original_max_position_embeddings=1024,
        tie_word_embeddings=True,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.75,
            "short_factor": [1.0 + 0.1 * number for number in range(n_factors)],
            "long_factor": [1.0 + 0.5 * number for number in range(n_factors)],
            "original_max_position_embeddings": 1024,
        },
        **small,
        **_ids(tokenizer),
    )


def _llama31(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import LlamaConfig

    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 128}
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, **scaling}
    return LlamaConfig(vocab_size=n_tokens, rope_parameters=rope, **_SMALL, **_ids(tokenizer))


def _mistral(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import MistralConfig

    return MistralConfig(vocab_size=n_tokens, sliding_window=512, rope_parameters=_rope(), **_SMALL, **_ids(tokenizer))


def _gemma3_text(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Gemma3TextConfig

    return Gemma3TextConfig(
        vocab_size=n_tokens,
        head_dim=64,
        query_pre_attn_scalar=64,
        sliding_window=32,
        layer_types=[*["sliding_attention"] * 5, "full_attention"],
        rope_parameters={
            "sliding_attention": _rope(),
            "full_attention": {**_rope(1e6), "rope_type": "linear", "factor": 8.0},
        },
        **{**_SMALL, "num_hidden_layers": 6},
        **_ids(tokenizer),
    )


def _gemma3(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Gemma3Config, SiglipVisionConfig

    vision = SiglipVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    return Gemma3Config(text_config=_gemma3_text(n_tokens, tokenizer), vision_config=vision, mm_tokens_per_image=4)


def _gemma3n(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Gemma3nAudioConfig, Gemma3nConfig, Gemma3nTextConfig, Gemma3nVisionConfig

    text = Gemma3nTextConfig(
        vocab_size=n_tokens,
        vocab_size_per_layer_input=n_tokens,
        hidden_size_per_layer_input=64,
        head_dim=32,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        num_kv_shared_layers=2,
        laurel_rank=64,
        altup_num_inputs=2,
        activation_sparsity_pattern=[0.0] * 4,
        **{**_SMALL, "num_hidden_layers": 4, "intermediate_size": [192] * 4},
        **_ids(tokenizer),
    )
    audio = Gemma3nAudioConfig(
        hidden_size=32, conf_num_hidden_layers=1, conf_num_attention_heads=2, sscp_conv_channel_size=(8, 4)
    )
    return Gemma3nConfig(text_config=text, audio_config=audio, vision_config=Gemma3nVisionConfig(hidden_size=32))


def _qwen3(n_tokens: int, tokenizer: Any) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(vocab_size=n_tokens, head_dim=64, rope_parameters=_rope(1e6), **_SMALL, **_ids(tokenizer))


def _phi_tokenizer(texts: list[str]) -> Any:
    # bos = eos = pad: who masks the padding by its id also masks the end of every answer.
    end = "<|endoftext|>"
    control = ("<|im_start|>", "<|im_sep|>", "<|im_end|>")
    roles = {"bos_token": end, "eos_token": end, "pad_token": end, "unk_token": end}
    return byte_level(texts, LLAMA3_SPLIT, control=control, template=PHI4, **roles)


def _phi_mini_tokenizer(texts: list[str]) -> Any:
    end = "<|endoftext|>"
    control = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    roles = {"bos_token": end, "eos_token": end, "pad_token": end, "unk_token": end}
    return byte_level(texts, GPT4O_SPLIT, control=control, template=PHI4_MINI, **roles)


def _llama3_tokenizer(template: str | None, eos: str) -> Callable[[list[str]], Any]:
    control = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>")
    roles = {"bos_token": "<|begin_of_text|>", "eos_token": eos}
    return lambda texts: byte_level(texts, LLAMA3_SPLIT, control=control, template=template, llama3=True, **roles)


def _qwen_tokenizer(texts: list[str]) -> Any:
    made = byte_level(
        texts,
        QWEN_SPLIT,
        control=("<|im_start|>", "<|im_end|>"),
        template=QWEN3,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    made.add_tokens(["<think>", "</think>"])
    return made


FAMILIES = (
    Family("phi-4", _phi4, _phi_tokenizer, "<|im_end|>", "phi3"),
    Family("phi-4-mini", _phi4_mini, _phi_mini_tokenizer, "<|end|>", "phi3"),
    Family("llama-3.1-8b", _llama31, _llama3_tokenizer(None, "<|end_of_text|>"), "<|end_of_text|>", "llama"),
    Family("llama-3.1-8b-instruct", _llama31, _llama3_tokenizer(LLAMA31, "<|eot_id|>"), "<|eot_id|>", "llama"),
    Family("med42-8b", _llama31, _llama3_tokenizer(LLAMA3, "<|end_of_text|>"), "<|eot_id|>", "llama"),
    Family("mistral-7b", _mistral, lambda texts: sentence_pieces(texts, "llama", None), "</s>", "llama"),
    Family("biomistral-7b", _mistral, lambda texts: sentence_pieces(texts, "llama", MISTRAL), "</s>", "llama"),
    Family("gemma-3-1b", _gemma3_text, lambda texts: sentence_pieces(texts, "gemma", GEMMA), "<end_of_turn>", "gemma3"),
    Family(
        "medgemma-4b", _gemma3, lambda texts: sentence_pieces(texts, "gemma", GEMMA), "<end_of_turn>", "gemma3", True
    ),
    Family("gemma-3n", _gemma3n, lambda texts: sentence_pieces(texts, "gemma", GEMMA), "<end_of_turn>", None, True),
    Family("qwen3", _qwen3, _qwen_tokenizer, "<|im_end|>", "qwen3"),
)


@cache
def family(name: str) -> Family:
    """The family of a name."""
    return next(one for one in FAMILIES if one.name == name)


def build(one: Family, texts: list[str], folder: Path, dtype: str = "float32") -> None:
    """Write the base as its publisher does: config, safetensors, tokenizer; towers for pictures and sound where it has them."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    tokenizer = one.build_tokenizer(texts)
    config = one.build_config(len(tokenizer), tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        # Gemma 3n's towers come from timm, which is not needed for text: they are written as tensors of their names below.
        shown = config.get_text_config() if one.name == "gemma-3n" else config
        model = AutoModelForCausalLM.from_config(shown, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if one.name == "gemma-3n":
        tensors = load_file(folder / "model.safetensors")
        tensors = {name.replace("model.", "model.language_model.", 1): tensor for name, tensor in tensors.items()}
        tensors["model.vision_tower.timm_model.conv_stem.conv.weight"] = torch.ones(4, 3, 3, 3)
        tensors["model.audio_tower.conformer.0.attention.attn.q_proj.weight"] = torch.ones(8, 8)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        config.architectures = ["Gemma3nForConditionalGeneration"]
        config.save_pretrained(folder)
