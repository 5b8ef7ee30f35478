"""A GGUF file through llama-cpp-python: greedy and drawn replies by the file's own chat template, and log-likelihoods.

Log-likelihoods read one continuation at a time, so options are slower than with a transformers model; letters share one reading.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.errors import EnvironmentLacks, InputError
from osler.models.chat import with_system
from osler.models.protocol import ChoicePrompt, Conversation, Reply

_CONTEXT = 4096


class GgufModel:
    """A `Model`, a `Sampler` and a `Scorer` over an opened `llama_cpp.Llama`.

    Args:
        llama: opened with `logits_all=True`, so that every position's output can be read.
    """

    def __init__(self, llama: Any, name: str, system_prompt: str = "") -> None:
        self._llama = llama
        self._name = name
        self._system_prompt = system_prompt

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
        """Log-likelihood of each continuation, summed over its tokens; tokens are split as for other models."""
        return [self._scored(prompt) for prompt in prompts]

    def _reply(self, conversation: Conversation, max_tokens: int, **drawing: Any) -> Reply:
        choice = self._ask(conversation, max_tokens, **drawing)["choices"][0]
        return Reply(
            choice["message"]["content"] or "", finish="length" if choice["finish_reason"] == "length" else "stop"
        )

    def _ask(self, conversation: Conversation, max_tokens: int, **drawing: Any) -> Any:
        turns = [
            {"role": turn.role, "content": turn.content} for turn in with_system(conversation, self._system_prompt)
        ]
        return self._llama.create_chat_completion(messages=turns, max_tokens=max_tokens, **drawing)

    def _scored(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        stripped = prompt.prefix.rstrip()
        space = prompt.prefix[len(stripped) :]
        stem = self._tokens(stripped)
        values: list[float] = []
        log_p: NDArray[np.float64] | None = None
        for continuation in prompt.continuations:
            whole = self._tokens(stripped + space + continuation)
            if len(whole) > self._llama.n_ctx():
                raise InputError(
                    f"a prompt of {len(whole)} tokens is longer than {self._name} reads ({self._llama.n_ctx()})"
                )
            answer = whole[len(stem) :]
            if not answer:
                raise InputError("a continuation has no tokens of its own; score it as text")
            if len(answer) > 1 or whole[: len(stem)] != stem:
                values.append(self._read(whole, len(answer)))
                continue
            if log_p is None:
                log_p = self._log_p(stem)[-1]
            values.append(float(log_p[answer[0]]))
        return tuple(values)

    def _read(self, whole: list[int], n_answer: int) -> float:
        log_p = self._log_p(whole[:-1])[-n_answer:]
        return float(sum(row[token] for row, token in zip(log_p, whole[-n_answer:], strict=True)))

    def _log_p(self, tokens: list[int]) -> NDArray[np.float64]:
        self._llama.reset()
        self._llama.eval(tokens)
        logits = np.asarray(self._llama.scores[: len(tokens)], dtype=np.float64)
        top = logits.max(axis=-1, keepdims=True)
        result: NDArray[np.float64] = logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
        return result

    def _tokens(self, text: str) -> list[int]:
        return list(self._llama.tokenize(text.encode("utf-8"), add_bos=True, special=True))


def load_gguf(path: Path, system_prompt: str = "") -> GgufModel:
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
    return GgufModel(llama, path.name, system_prompt)
