"""A model on this machine, through transformers: greedy replies, streams, and log-likelihoods of continuations.

Base and adapter are loaded once; `bare()` is the same model with the adapter switched off. With
`local_score` and `encoder` the only file outside `train` and `export` that imports torch, inside functions.

Letters in shapes: B batch, T tokens.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from osler.errors import InputError
from osler.models.chat import (
    ChatTokenizer,
    end_token_id,
    render,
    set_template,
    template_fingerprint,
    with_system,
)
from osler.models.libraries import bring_4bit, quiet_libraries
from osler.models.local_score import LikelihoodReader
from osler.models.pieces import TextPieces
from osler.models.pretrained import check_whole, load_pretrained
from osler.models.protocol import ChoicePrompt, Conversation, Reply
from osler.models.score_plan import plan_rows
from osler.runs.files import read_json

if TYPE_CHECKING:
    import torch

_Draw = Callable[["torch.Tensor"], int]
"""Gives the next token from what the model says of each."""

Dtype = Literal["auto", "float32", "bfloat16"]

_REPLY_ROWS = 16

TEXT_KEYS = {r"^model\.language_model\.": "model.", r"^language_model\.(model|lm_head)\.": r"\1."}
"""From names of weights in a model that also sees or hears to those of its text model alone."""

_ONE_THREAD_BELOW = 20_000_000
"""Parameters below which a CPU uses one thread. On matrices this small a second one brings a third at best, and where another
program takes the core it makes the first one wait: 94 s instead of 33 s for the demo's training on two busy cores."""


@dataclass(slots=True, eq=False)
class LocalModel:
    """A `Model` and a `Scorer`. Made by `load_local`; may be asked from several threads, one forward pass at a time."""

    name: str
    """Name for reports (`scratch:tiny + adapter`)."""
    system_prompt: str
    """Put before every conversation that has no system turn; empty: nothing is."""
    fingerprint: str
    """Of the chat template in use."""
    tokenizer: ChatTokenizer
    weights: Any
    """The transformers or PEFT model, in evaluation mode."""
    stop_tokens: frozenset[int]
    max_length: int
    """Tokens that the model can read, reply included."""
    has_adapter: bool
    adapter_on: bool
    quantized: str = ""
    """How the base's weights are held, as in training: `nf4`; empty: not quantised."""
    token_budget: int = 1024
    """Tokens of one scoring batch, padding included. Of 512 to 4,096, 512 to 1,024 were fastest on a CPU."""
    n_truncated: int = 0
    """Scored sequences so far that were too long and lost their beginning."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    load_base: "Callable[[], LocalModel] | None" = None
    """Loads the model that this one was made from, where no adapter can be switched off."""
    _reader: LikelihoodReader | None = None

    def bare(self) -> "LocalModel":
        """The base model alone, from the same weights in memory; the adapter is off whenever it is asked."""
        if self.load_base is not None:
            return self.load_base()
        return replace(self, name=self.name.removesuffix(" + adapter"), adapter_on=False, n_truncated=0, _reader=None)

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Greedy replies, in the order of the conversations.

        Raises:
            InputError: a conversation leaves no room for a reply.
        """
        return self._replies(conversations, max_tokens)

    def sample(
        self, conversations: Sequence[Conversation], max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Reply]:
        """Replies drawn at a temperature, one seed for each; raises as `reply`."""
        return self._replies(conversations, max_tokens, [_drawing(temperature, seed) for seed in seeds])

    def _replies(
        self, conversations: Sequence[Conversation], max_tokens: int, draws: Sequence[_Draw] | None = None
    ) -> list[Reply]:
        prompts = [self.prompt_tokens(conversation) for conversation in conversations]
        replies: dict[int, Reply] = {}
        order = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index]), index))
        for start in range(0, len(order), _REPLY_ROWS):
            chosen = order[start : start + _REPLY_ROWS]
            own = None if draws is None else [draws[index] for index in chosen]
            made = self._reply_batch([prompts[index] for index in chosen], max_tokens, own)
            replies.update(zip(chosen, made, strict=True))
        return [replies[index] for index in range(len(prompts))]

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The greedy reply in pieces of whole characters; the reader may stop at any time."""
        prompt = self.prompt_tokens(conversation)
        pieces = TextPieces(self.tokenizer)
        for tokens in self._tokens([prompt], self._room(prompt, max_tokens)):
            if tokens[0] in self.stop_tokens:
                break
            if piece := pieces.push(tokens[0]):
                yield piece
        if piece := pieces.rest():
            yield piece

    def log_likelihoods(self, prompts: Sequence[ChoicePrompt]) -> list[tuple[float, ...]]:
        """Log-likelihood of each continuation: log-softmax in float32 at the answer's positions, summed.

        A sequence longer than the model can read loses its beginning, as in lm-eval, and is counted in `n_truncated`.
        """
        import torch

        found = [[0.0] * len(prompt.continuations) for prompt in prompts]
        if self._reader is None:
            self._reader = LikelihoodReader(self.weights)
        with self._lock, torch.inference_mode(), self._adapter_state():
            rows = plan_rows(self.tokenizer, prompts, self.max_length, self._reader.share_limit)
            self.n_truncated += sum(row.truncated for row in rows)
            for row, values in self._reader.read(rows, self.token_budget):
                for place, value in zip(row.places, values, strict=True):
                    found[row.prompt][place] = value
        return [tuple(values) for values in found]

    def prompt_tokens(self, conversation: Conversation) -> list[int]:
        """The conversation as the model reads it, system prompt included, up to the start of the reply.

        Raises:
            InputError: it leaves no room for a reply.
        """
        text = render(self.tokenizer, with_system(conversation, self.system_prompt), for_reply=True)
        tokens = self.tokenizer.encode(text, add_special_tokens=False, verbose=False)
        if len(tokens) >= self.max_length:
            raise InputError(
                f"The conversation has {len(tokens)} tokens; {self.name} can read fewer than {self.max_length}, "
                "reply included. Shorten it."
            )
        return tokens

    def _room(self, prompt: Sequence[int], max_tokens: int) -> int:
        return min(max_tokens, self.max_length - len(prompt))

    def _reply_batch(self, prompts: list[list[int]], max_tokens: int, draws: Sequence[_Draw] | None) -> list[Reply]:
        rooms = [self._room(prompt, max_tokens) for prompt in prompts]
        made: list[list[int]] = [[] for _ in prompts]
        stopped = [False] * len(prompts)
        for tokens in self._tokens(prompts, max(rooms), draws):
            for index, token in enumerate(tokens):
                if stopped[index] or len(made[index]) == rooms[index]:
                    continue
                if token in self.stop_tokens:
                    stopped[index] = True
                else:
                    made[index].append(token)
            if all(end or len(ids) == room for end, ids, room in zip(stopped, made, rooms, strict=True)):
                break
        return [
            Reply(self.tokenizer.decode(ids, skip_special_tokens=True), finish="stop" if end else "length")
            for ids, end in zip(made, stopped, strict=True)
        ]

    def _adapter_state(self) -> AbstractContextManager[None]:
        off = self.has_adapter and not self.adapter_on
        switch: AbstractContextManager[None] = self.weights.disable_adapter() if off else nullcontext()
        return switch

    def _forward(self, inputs: dict[str, "torch.Tensor"], cache: Any) -> tuple["torch.Tensor", Any]:
        """Logits at the last position, and the cache."""
        import torch

        with self._lock, torch.inference_mode(), self._adapter_state():
            output = self.weights(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits, output.past_key_values

    def _tokens(
        self, prompts: list[list[int]], max_tokens: int, draws: Sequence[_Draw] | None = None
    ) -> Iterator[list[int]]:
        """The next token of each prompt, step by step: the likeliest, or a drawn one. Prompts are padded on the left."""
        import torch

        longest = max(len(prompt) for prompt in prompts)
        device = self.weights.device
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)  # B T
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)  # B T
        positions = (mask.cumsum(-1) - 1).clamp(min=0)  # B T
        cache = None
        for _ in range(max_tokens):
            inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
            logits, cache = self._forward(inputs, cache)
            if draws is None:
                ids = logits[:, -1].argmax(-1, keepdim=True)  # B 1
            else:
                ids = torch.tensor([[draw(row)] for draw, row in zip(draws, logits[:, -1], strict=True)], device=device)
            yield ids.squeeze(1).tolist()
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
            positions = positions[:, -1:] + 1


def _drawing(temperature: float, seed: int) -> _Draw:
    """Draws the tokens of one reply, from a stream of its own, so that its neighbours in the batch change nothing."""
    import torch

    stream = torch.Generator().manual_seed(seed)

    def draw(logits: "torch.Tensor") -> int:
        shares = (logits.float().cpu() / temperature).softmax(-1)
        return int(torch.multinomial(shares, 1, generator=stream))

    return draw


def load_local(
    base: Path | str,
    adapter: Path | None = None,
    *,
    revision: str = "main",
    dtype: Dtype = "auto",
    system_prompt: str | None = None,
    name: str | None = None,
) -> LocalModel:
    """Load a base model, and an adapter on top of it.

    Args:
        base: folder or hub id. Taken from here, never from the adapter's own files.
        adapter: folder written by training.
        system_prompt: None: the one that the model was trained with; none, where osler did not train it.
        name: for reports; None: made from the base.

    Raises:
        EnvironmentLacks: a package is missing, or a hub model cannot be had.
        InputError: a folder holds no model, or the adapter was trained with another chat template.
    """
    tokenizer = load_tokenizer(base, revision)
    fingerprint = template_fingerprint(tokenizer.chat_template or "")
    trained = Path(base) / "template.json" if adapter is None else adapter / "template.json"
    facts: dict[str, str] = read_json(trained) if adapter is not None or trained.is_file() else {}
    if facts.get("fingerprint", fingerprint) != fingerprint:
        raise InputError(
            f"{trained.parent} was trained with another chat template (fingerprint {facts['fingerprint'][:12]}) "
            f"than that of {base} ({fingerprint[:12]}). Load it on the base it was trained on, or train it again."
        )
    system_prompt = facts.get("system_prompt") if system_prompt is None else system_prompt
    quantized = "nf4" if facts.get("method") == "qlora" else ""
    weights = load_weights(base, revision, dtype, quantized)
    stop_tokens = stop_tokens_of(tokenizer, getattr(weights.generation_config, "eos_token_id", None))
    max_length = read_length(weights)
    if adapter is not None:
        weights = _with_adapter(weights, adapter)
    return LocalModel(
        name=(name or (base.name if isinstance(base, Path) else base)) + (" + adapter" if adapter is not None else ""),
        system_prompt=system_prompt or "",
        fingerprint=fingerprint,
        tokenizer=tokenizer,
        weights=weights.eval(),
        stop_tokens=stop_tokens,
        max_length=max_length,
        has_adapter=adapter is not None,
        adapter_on=adapter is not None,
        quantized=quantized,
    )


def load_tokenizer(base: Path | str, revision: str = "main") -> Any:
    """The base's tokenizer; one without a chat template gets osler's plain one.

    Raises:
        EnvironmentLacks, InputError: as `load_local`.
    """
    with quiet_libraries():
        from transformers import AutoTokenizer

        tokenizer = load_pretrained("tokenizer", AutoTokenizer.from_pretrained, base, revision)
    set_template(tokenizer)
    return tokenizer


def load_weights(base: Path | str, revision: str = "main", dtype: Dtype = "auto", quantized: str = "") -> Any:
    """The base's weights, on the GPU when there is one. Of a model that also sees or hears, only what reads and writes text.

    Args:
        quantized: `nf4`: the linear layers in 4 bits (arXiv 2305.14314, with double quantisation); empty: not.

    Raises:
        EnvironmentLacks, InputError: as `load_local`.
    """
    if quantized:
        bring_4bit()
    with quiet_libraries():
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        on_gpu = torch.cuda.is_available()
        chosen = ("bfloat16" if on_gpu else "float32") if dtype == "auto" else dtype
        options = _nf4(getattr(torch, chosen), "cuda" if on_gpu else "cpu") if quantized else {}
        config = load_pretrained("model", AutoConfig.from_pretrained, base, revision).get_text_config()
        weights, found = load_pretrained(
            "model",
            AutoModelForCausalLM.from_pretrained,
            base,
            revision,
            config=config,
            key_mapping=TEXT_KEYS,
            dtype=getattr(torch, chosen),
            output_loading_info=True,
            **options,
        )
    check_whole(base, found["missing_keys"])
    if on_gpu and not quantized:
        return weights.to("cuda")
    if quantized:
        for module in weights.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                # bitsandbytes would repack a layer when first asked: other rounding, not all shapes, and no reading back.
                module.support_avx512bf16_for_cpu = False
    if weights.num_parameters() < _ONE_THREAD_BELOW:
        torch.set_num_threads(1)
    return weights


def _nf4(dtype: Any, device: str) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    return {"quantization_config": BitsAndBytesConfig(**nf4, bnb_4bit_compute_dtype=dtype), "device_map": {"": device}}


def read_length(weights: Any) -> int:
    """Tokens that a model can read at once; 4,096 for one that does not say."""
    return int(getattr(weights.config.get_text_config(), "max_position_embeddings", 0) or 4096)


def _with_adapter(weights: Any, adapter: Path) -> Any:
    with quiet_libraries():
        from peft import PeftModel

        try:
            return PeftModel.from_pretrained(weights, str(adapter), is_trainable=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"The adapter {adapter} does not fit its base ({type(error).__name__}). Load it on the base it was "
                "trained on."
            ) from error


def stop_tokens_of(tokenizer: ChatTokenizer, declared: int | list[int] | None) -> frozenset[int]:
    """What ends a reply: the tokens that the generation settings declare, the tokenizer's, and that of the chat template."""
    ids = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in (*ids, tokenizer.eos_token_id, end_token_id(tokenizer)) if token is not None)
