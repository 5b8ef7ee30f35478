"""A tokenizer in GGUF: tokens, types, scores or merges, and which way of splitting text llama.cpp must follow.

Read from the tokenizer that trained (its fast backend), not from its files, which differ between publishers. The way of splitting
is known by its regular expression; one that llama.cpp has no name for is an error, because a wrong one would go unnoticed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from osler.errors import InputError
from osler.export.gguf_layout import gguf_package
from osler.models.chat import end_token_id, render
from osler.records.record import Message

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_LLAMA3 = rf"{_CONTRACTIONS}|{_LETTERS}|\p{{N}}{{1,3}}|{_REST}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {
    (_LLAMA3,): "dbrx",
    (rf"{_CONTRACTIONS}|{_LETTERS}|\p{{N}}|{_REST}",): "qwen2",
    (_GPT4O,): "gpt-4o",
    ("gpt-2",): "gpt-2",
    (r"\d", "gpt-2"): "smollm",
}
"""llama.cpp's names, by the expressions that cut a text in turn. With `ignore_merges`, as Llama 3 has it, the first is `llama-bpe`."""

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


_NO_BOS = "{%- set bos_token = '' -%}\n"
"""Put before a template whose tokenizer has no such token: llama.cpp takes the token numbered 11 for it, whatever that is."""


def write_vocabulary(writer: Any, tokenizer: Any, n_tokens: int) -> None:
    """Write what stands below `tokenizer.` in a file.

    Args:
        writer: a `gguf.GGUFWriter`.
        n_tokens: rows of the embedding; those beyond the tokenizer's tokens are marked as unused.

    Raises:
        InputError: llama.cpp does not know this kind of tokenizer.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    model = backend["model"]
    if model["type"] != "BPE":
        raise InputError(f"A tokenizer of type {model['type']} cannot be written to GGUF by osler; BPE can.")
    # `llama`: pieces by scores, bytes where no piece fits. `gpt2`: byte-level pairs by merges.
    has_bytes = bool(model.get("byte_fallback"))
    tokens, types = _tokens(backend, tokenizer, n_tokens, has_bytes=has_bytes)
    writer.add_tokenizer_model("llama" if has_bytes else "gpt2")
    writer.add_tokenizer_pre("default" if has_bytes else _split(backend))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if has_bytes:
        writer.add_token_scores(_scores(tokens, model["merges"]))
    elif model["merges"]:
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_add_space_prefix(has_bytes and _puts_space_everywhere(backend))
    # The program that runs the file puts the first token where the chat template begins with it.
    writer.add_add_bos_token(starts_with_bos(tokenizer))
    writer.add_add_eos_token(False)
    for role, number in _roles(tokenizer).items():
        writer.add_uint32(f"tokenizer.ggml.{role}_token_id", number)
    writer.add_chat_template(tokenizer.chat_template if tokenizer.bos_token else _NO_BOS + tokenizer.chat_template)


def starts_with_bos(tokenizer: Any) -> bool:
    """Whether the chat template begins with the tokenizer's first token."""
    text = render(tokenizer, (Message("user", "question"),), for_reply=True)
    return bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)


def _tokens(
    backend: Mapping[str, Any], tokenizer: Any, n_tokens: int, *, has_bytes: bool
) -> tuple[list[str], list[int]]:
    kinds = gguf_package().TokenType
    learned = {number: piece for piece, number in backend["model"]["vocab"].items()}
    added = {token["id"]: token for token in backend["added_tokens"]}
    highest = max(*learned, *added)
    if highest >= n_tokens:
        raise InputError(
            f"The tokenizer has a token {highest}, and the model's embedding {n_tokens} rows; the two do not belong together."
        )
    tokens, types = [], []
    for number in range(n_tokens):
        if number in added:
            text = added[number]["content"]
            kind = kinds.CONTROL if added[number]["special"] else kinds.USER_DEFINED
            if number == tokenizer.unk_token_id and has_bytes:
                kind = kinds.UNKNOWN
        elif number in learned:
            text = learned[number]
            kind = kinds.BYTE if has_bytes and _BYTE.fullmatch(text) else kinds.NORMAL
        else:
            text, kind = f"[PAD{number}]", kinds.UNUSED
        tokens.append(text)
        types.append(int(kind))
    return tokens, types


def _scores(tokens: Sequence[str], merges: Sequence[Any]) -> list[float]:
    """A piece's score is how early it is merged: llama.cpp joins the pair with the highest score, tokenizers the earliest."""
    rank: dict[str, int] = {}
    for number, merge in enumerate(merges):
        rank.setdefault("".join(merge.split(" ") if isinstance(merge, str) else merge), number)
    return [-float(rank.get(token, len(merges))) for token in tokens]


def _split(backend: Mapping[str, Any]) -> str:
    steps = backend["pre_tokenizer"] or {}
    cuts: list[str] = []
    for step in steps.get("pretokenizers", [steps]):
        if step.get("type") == "Split":
            cuts.append(step["pattern"].get("Regex") or step["pattern"]["String"])
        elif step.get("type") == "ByteLevel" and step["use_regex"]:
            cuts.append("gpt-2")
    name = _SPLITS.get(tuple(cuts))
    if name is None:
        raise InputError(
            f"The tokenizer cuts text by {cuts or steps.get('type')}, for which osler knows no name in llama.cpp; a file with another "
            "way of cutting would read the same text as other tokens. Give the folder of llama.cpp with --llama-cpp."
        )
    return "llama-bpe" if name == "dbrx" and backend["model"].get("ignore_merges") else name


def _puts_space_everywhere(backend: Mapping[str, Any]) -> bool:
    """Whether a space is put before the text after each control token (llama.cpp's `add_space_prefix`).

    A tokenizer that puts one only where the whole text begins puts none in a chat, which begins with a control token.
    """
    shown = json.dumps([backend["normalizer"], backend["pre_tokenizer"]])
    return '"prepend_scheme": "always"' in shown or '"type": "Prepend"' in shown


def _roles(tokenizer: Any) -> dict[str, int]:
    found = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "eot": end_token_id(tokenizer),
        "padding": tokenizer.pad_token_id,
        "unknown": tokenizer.unk_token_id,
    }
    return {role: number for role, number in found.items() if number is not None}
