"""A GGUF file through llama-cpp-python: greedy and drawn replies by the file's own chat template, and log-likelihoods.

Log-likelihoods read one continuation at a time, so options are slower than with a transformers model; letters share one reading.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.errors import EnvironmentLacks, InputError
from osler.models.chat import as_dicts
from osler.models.protocol import ChoicePrompt, Conversation, Reply
from osler.models.score_plan import plan_rows

_CONTEXT = 4096


class GgufModel:
    """A `Model`, a `Sampler` and a `Scorer` over an opened `llama_cpp.Llama`.

    Args:
        llama: opened with `logits_all=True`, so that every position's output can be read.
    """

    def __init__(self, llama: Any, name: str) -> None:
        self._llama = llama
        self._name = name

    @property
    def name(self) -> str:
        """Name for reports."""
        return self._name

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Greedy replies, one after another."""
        return [self._reply(conversation, max_tokens, temperature=0.0) for conversation in conversations]

    def sample(
        self, conversations: Sequence[Conversation], max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Reply]:
        """Drawn replies, one seed for each."""
        return [
            self._reply(conversation, max_tokens, temperature=temperature, seed=seed)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The greedy reply in pieces."""
        for event in self._ask(conversation, max_tokens, temperature=0.0, stream=True):
            if piece := event["choices"][0]["delta"].get("content"):
                yield piece

    def log_likelihoods(self, prompts: Sequence[ChoicePrompt]) -> list[tuple[float, ...]]:
        """Log-likelihood of each continuation, summed over its tokens; tokens are split as for other models.

        Raises:
            InputError: a prompt is longer than the model reads.
        """
        found = [[0.0] * len(prompt.continuations) for prompt in prompts]
        for row in plan_rows(_Tokens(self._llama), prompts, self._llama.n_ctx(), pack_limit=0):
            if row.truncated:
                raise InputError(f"a prompt is longer than the {self._llama.n_ctx()} tokens that {self._name} reads")
            # Several options of one row have a token each, and are read off one distribution.
            log_p = self._log_p([*row.stem, *row.options[0][:-1]], len(row.options[0]))
            for place, option in zip(row.places, row.options, strict=True):
                found[row.prompt][place] = float(sum(step[token] for step, token in zip(log_p, option, strict=True)))
        return [tuple(values) for values in found]

    def _reply(self, conversation: Conversation, max_tokens: int, **drawing: Any) -> Reply:
        choice = self._ask(conversation, max_tokens, **drawing)["choices"][0]
        return Reply(
            choice["message"]["content"] or "", finish="length" if choice["finish_reason"] == "length" else "stop"
        )

    def _ask(self, conversation: Conversation, max_tokens: int, **drawing: Any) -> Any:
        return self._llama.create_chat_completion(messages=as_dicts(conversation), max_tokens=max_tokens, **drawing)

    def _log_p(self, tokens: Sequence[int], n_last: int) -> NDArray[np.float64]:
        """Log-probabilities of the next token after each of the last: N V."""
        self._llama.reset()
        self._llama.eval(list(tokens))
        logits = np.asarray(self._llama.scores[len(tokens) - n_last : len(tokens)], dtype=np.float64)
        top = logits.max(axis=-1, keepdims=True)
        result: NDArray[np.float64] = logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
        return result


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The file's tokenizer, as plans of scoring ask it."""

    llama: Any

    @property
    def bos_token_id(self) -> int | None:
        return self._known(self.llama.token_bos())

    @property
    def eos_token_id(self) -> int | None:
        return self._known(self.llama.token_eos())

    def encode(self, text: str, *, add_special_tokens: bool = True, verbose: bool = True) -> list[int]:
        del verbose
        return list(self.llama.tokenize(text.encode("utf-8"), add_bos=add_special_tokens, special=True))

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool = False) -> str:
        return str(self.llama.detokenize(token_ids, special=not skip_special_tokens).decode("utf-8", "replace"))

    @staticmethod
    def _known(token: int) -> int | None:
        return token if token >= 0 else None


def load_gguf(path: Path) -> GgufModel:
    """Open a GGUF file.

    Raises:
        InputError: there is no such file, or it cannot be read.
        EnvironmentLacks: llama-cpp-python is not installed.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a .gguf file")
    try:
        llama_type = import_module("llama_cpp").Llama
    except ImportError as error:
        raise EnvironmentLacks(
            "Asking a GGUF file needs the package 'llama-cpp-python', which is not installed. Install it with: pip install "
            "llama-cpp-python; or serve the file with llama.cpp's own server and give its address."
        ) from error
    try:
        llama = llama_type(str(path), n_ctx=_CONTEXT, logits_all=True, verbose=False, seed=0)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is no GGUF file that llama.cpp can read ({type(error).__name__})") from error
    return GgufModel(llama, path.name)
