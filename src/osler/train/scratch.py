"""`scratch:tiny`: a Llama-architecture model of a few million parameters and its tokenizer, made from the run's own text.

It stands in for a hub model where nothing can be downloaded: same files, same loading, same chat template handling. Equal
texts and seed give equal bytes. It knows nothing; what it learns of a language comes from the adapter alone.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from osler.models.chat import ROLE_TOKENS, plain_template
from osler.runs.files import made_whole
from osler.train.light_tokenizer import LightTokenizer

VOCABULARY = 4096
"""Tokens at most; little text gives fewer."""
MAX_LENGTH = 2048
"""Positions the model can read."""
END, PAD = "<|end|>", "<|pad|>"

_HIDDEN = 192

SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": _HIDDEN,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 48,
    "max_position_embeddings": MAX_LENGTH,
    "tie_word_embeddings": True,
}
"""The model's `config.json`, as far as its size goes."""


def build_scratch_base(texts: Iterable[str], out: Path, seed: int) -> None:
    """Write a tokenizer trained on `texts` and a model with seeded random weights to the folder `out`.

    The folder appears whole or not at all. The global random state is left as it was.
    """
    with made_whole(out) as partial:
        partial.mkdir()
        _write_model(_write_tokenizer(texts, partial), partial, seed)


def light_scratch_tokenizer(texts: Iterable[str]) -> LightTokenizer:
    """The tokenizer that `build_scratch_base` writes for these texts, without transformers."""
    return LightTokenizer(_learn_tokenizer(texts), plain_template(), {"eos_token": END, "pad_token": PAD})


def _learn_tokenizer(texts: Iterable[str]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # Digits one by one: 15 mg and 150 mg share no token that would blur the dose.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, *ROLE_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([PAD, END, *ROLE_TOKENS])
    return tokenizer


def _write_tokenizer(texts: Iterable[str], folder: Path) -> int:
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=_learn_tokenizer(texts),
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLE_TOKENS),
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = plain_template()
    fast.save_pretrained(folder)
    return len(fast)


def _write_model(n_tokens: int, folder: Path, seed: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **{**SHAPE, "vocab_size": n_tokens},
        # 1/sqrt(hidden) instead of the usual 0.02: the embedding stays frozen under LoRA and is also the output layer. With
        # 0.02 the largest logit it can give is about 4, so that no adapter could make a token likelier than one in a hundred.
        initializer_range=_HIDDEN**-0.5,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
