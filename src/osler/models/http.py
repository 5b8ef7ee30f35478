"""A model behind an OpenAI-compatible HTTP endpoint: Osler's own server, vLLM, llama.cpp, Ollama.

Follows the chat completions API, stream and non-stream. Osler's server adds an `osler` object with the guard's action.
"""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from osler.errors import EnvironmentLacks, InputError
from osler.models.protocol import Conversation, Reply

_FINISHES = {"length": "length", "content_filter": "content_filter"}


def post_json(url: str, body: Mapping[str, Any], timeout_s: float = 60.0) -> Any:
    """The JSON that a plain HTTP address answers to a JSON body.

    Raises:
        EnvironmentLacks: it cannot be reached or refuses.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("POST", parts.path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except OSError as error:
        raise EnvironmentLacks(f"{parts.netloc} cannot be reached: {error.strerror or type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise EnvironmentLacks(f"{parts.netloc}{parts.path} answered {response.status} ({_error_code(answer)})")
    return json.loads(answer)


class HttpModel:
    """Asks one endpoint, one conversation at a time.

    Args:
        url: where the API starts, with `/v1` (`http://127.0.0.1:8710/v1`).
        key: bearer key; empty for none. Never shown in an error.
        headers: sent with every request (`X-Consent-Version`).
        model: name to ask for.
        timeout_s: for connecting and for each read.
        n_at_once: requests under way at the same time.
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
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(
                f"the endpoint {url!r} is not an address; expected something like http://127.0.0.1:8710/v1"
            )
        self._parts = parts
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._model = model
        self._timeout_s = timeout_s
        self._n_at_once = n_at_once

    @property
    def name(self) -> str:
        """Name for reports: model and host."""
        return f"{self._model} at {self._parts.hostname}"

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Replies in order, one request each; greedy where the endpoint honors a temperature of 0.

        Raises:
            EnvironmentLacks: the endpoint cannot be reached or refuses.
        """
        return self._each(conversations, [{"max_tokens": max_tokens, "temperature": 0} for _ in conversations])

    def sample(
        self, conversations: Sequence[Conversation], max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Reply]:
        """Drawn replies, one request each; endpoints that know no seed draw anew each time.

        Raises:
            EnvironmentLacks: as `reply`.
        """
        asked = [{"max_tokens": max_tokens, "temperature": temperature, "seed": seed} for seed in seeds]
        return self._each(conversations, asked)

    def _each(self, conversations: Sequence[Conversation], asked: Sequence[dict[str, Any]]) -> list[Reply]:
        with ThreadPoolExecutor(self._n_at_once) as pool:
            return list(pool.map(self._reply, conversations, asked))

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The pieces of a streamed reply."""
        connection, response = self._post(conversation, {"max_tokens": max_tokens, "stream": True})
        try:
            for line in response:
                text = line.decode("utf-8").strip()
                if not text.startswith("data:") or text == "data: [DONE]":
                    continue
                event = json.loads(text[len("data:") :])
                if "error" in event:
                    raise EnvironmentLacks(f"{self.name} broke off: {event['error'].get('code')}")
                for choice in event.get("choices", []):
                    piece = choice.get("delta", {}).get("content")
                    if piece:
                        yield piece
        finally:
            connection.close()

    def _reply(self, conversation: Conversation, asked: Mapping[str, Any]) -> Reply:
        connection, response = self._post(conversation, {**asked, "stream": False})
        try:
            body: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        choice = body["choices"][0]
        facts = body.get("osler", {})
        finish = _FINISHES.get(choice.get("finish_reason"), "stop")
        return Reply(
            choice["message"]["content"] or "",
            finish=finish,  # type: ignore[arg-type]  # values of _FINISHES are those of Reply.finish
            action=facts.get("action"),
            intent=facts.get("intent", ""),
            rule=facts.get("rule", ""),
        )

    def _post(
        self, conversation: Conversation, asked: Mapping[str, Any]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_s)
        body = {
            "model": self._model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in conversation],
            **asked,
        }
        try:
            path = f"{self._parts.path.rstrip('/')}/chat/completions"
            connection.request("POST", path, json.dumps(body).encode(), self._headers)
            response = connection.getresponse()
        except OSError as error:
            connection.close()
            raise EnvironmentLacks(
                f"{self.name} cannot be reached: {error.strerror or type(error).__name__}. Is it running?"
            ) from error
        if response.status != http.client.OK:
            code = _error_code(response.read())
            connection.close()
            raise EnvironmentLacks(f"{self.name} answered {response.status} ({code})")
        return connection, response


def _error_code(body: bytes) -> str:
    """The `code` of an error in OpenAI form; its message may quote the prompt, so it stays out."""
    try:
        error = json.loads(body)["error"]
        return str(error.get("code") or error.get("type"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no reason given"
