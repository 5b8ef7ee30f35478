"""A model behind an OpenAI-compatible HTTP endpoint: Osler's own server, vLLM, llama.cpp, Ollama.

Osler's server adds an `osler` object with the guard's action to the answers of the chat completions API.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from osler.models.chat import as_dicts
from osler.models.endpoint import Endpoint
from osler.models.protocol import Conversation, Reply

_FINISHES: dict[str, Literal["length", "content_filter"]] = {"length": "length", "content_filter": "content_filter"}


class HttpModel:
    """Asks one endpoint, one conversation a request.

    Args:
        url: where the API starts, with `/v1` (`http://127.0.0.1:8710/v1`).
        key: bearer key; empty for none. Never shown in an error.
        headers: sent with every request (`X-Consent-Version`).
        model: name to ask for.
        timeout_s: for connecting and for each read.
        n_at_once: requests under way at the same time.

    Raises:
        InputError: the URL is no address.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        model: str = "osler",
        timeout_s: float = 60.0,
        n_at_once: int = 1,
    ) -> None:
        self._endpoint = Endpoint(url, key, timeout_s, headers or {})
        self._model = model
        self._n_at_once = n_at_once

    @property
    def name(self) -> str:
        """Name for reports: model and host."""
        return f"{self._model} at {self._endpoint.host}"

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Replies in order, one request each; greedy where the endpoint honors a temperature of 0.

        Raises:
            CallFailed: the endpoint cannot be reached, refuses, or answers in no known form.
        """
        return self._each(conversations, [{"max_tokens": max_tokens, "temperature": 0} for _ in conversations])

    def sample(
        self, conversations: Sequence[Conversation], max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Reply]:
        """Drawn replies, one request each; endpoints that know no seed draw anew each time. Raises as `reply`."""
        asked = [{"max_tokens": max_tokens, "temperature": temperature, "seed": seed} for seed in seeds]
        return self._each(conversations, asked)

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The pieces of a streamed reply, greedy as those of `reply`; raises as it, also where the stream breaks off."""
        return self._endpoint.stream(self._body(conversation, {"max_tokens": max_tokens, "temperature": 0}))

    def _each(self, conversations: Sequence[Conversation], asked: Sequence[dict[str, Any]]) -> list[Reply]:
        with ThreadPoolExecutor(self._n_at_once) as pool:
            return list(pool.map(self._reply, conversations, asked))

    def _reply(self, conversation: Conversation, asked: Mapping[str, Any]) -> Reply:
        answer = self._endpoint.post("chat/completions", self._body(conversation, {**asked, "stream": False}))
        completion = self._endpoint.completion_of(answer)
        guard = answer.get("osler") or {}
        return Reply(
            completion.text,
            finish=_FINISHES.get(completion.finish, "stop"),
            action=guard.get("action"),
            intent=guard.get("intent", ""),
            rule=guard.get("rule", ""),
        )

    def _body(self, conversation: Conversation, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "messages": as_dicts(conversation), **asked}
