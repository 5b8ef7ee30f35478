"""One call to an OpenAI-compatible endpoint, with everything a batch of paid calls needs to know of its outcome.

`models.http` is a `Model`: text in, text out. Here are structured output, token counts, and failures told apart by whether
asking again can help.
"""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from osler.errors import InputError, OslerError

_WORTH_ASKING_AGAIN = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered."""

    text: str
    finish: str
    """As the endpoint says it: `stop`, `length`, `content_filter`; empty where it says nothing."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class CallFailed(OslerError):
    """A call gave no completion. The message names status and code, never the prompt or the endpoint's words.

    Attributes:
        status: HTTP status; 0 when no answer came.
        again: whether the same call may succeed later.
        wait_s: what the endpoint asks to wait, or None.
    """

    exit_code = 3

    def __init__(self, message: str, status: int, again: bool, wait_s: float | None = None) -> None:
        self.status, self.again, self.wait_s = status, again, wait_s
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that speaks the chat completions API (Ollama, vLLM, llama.cpp, a hosted one)."""

    url: str
    """Where the API starts, with `/v1` (`http://127.0.0.1:11434/v1`)."""
    key: str = ""
    """Bearer key; empty for none. Never shown in an error."""
    timeout_s: float = 300.0
    """For connecting and for each read."""

    @property
    def host(self) -> str:
        """Host for messages."""
        return urlsplit(self.url).hostname or self.url

    def complete(self, body: Mapping[str, Any], idempotency_key: str = "") -> Completion:
        """One chat completion, not streamed.

        Args:
            body: as the API has it: `model`, `messages`, `max_tokens`, `temperature`, `seed`, `response_format`.
            idempotency_key: sent as `Idempotency-Key`: an endpoint that knows it does not bill a repeated call twice.

        Raises:
            CallFailed: the endpoint cannot be reached, refuses, breaks off, or answers in no known form.
        """
        answer = self._post("chat/completions", body, idempotency_key)
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            usage = answer.get("usage") or {}
            return Completion(
                text, choice.get("finish_reason") or "", usage.get("prompt_tokens"), usage.get("completion_tokens")
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise CallFailed(f"{self.host} answered in no form of the chat completions API", 200, again=True) from error

    def embed(self, texts: Sequence[str], model: str) -> list[list[float]]:
        """Embeddings of texts, in order, as the embeddings API gives them.

        Raises:
            CallFailed: as `complete`.
        """
        answer = self._post("embeddings", {"model": model, "input": list(texts)}, "")
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            return [row["embedding"] for row in rows]
        except (KeyError, TypeError) as error:
            raise CallFailed(f"{self.host} answered in no form of the embeddings API", 200, again=True) from error

    def embed_cohere(self, texts: Sequence[str], model: str) -> list[list[float]]:
        """Embeddings of texts, as Cohere's embed API (`/v2`) gives them.

        Raises:
            CallFailed: as `complete`.
        """
        body = {"model": model, "texts": list(texts), "input_type": "search_document", "embedding_types": ["float"]}
        answer = self._post("embed", body, "")
        try:
            vectors: list[list[float]] = answer["embeddings"]["float"]
            return vectors
        except (KeyError, TypeError) as error:
            raise CallFailed(f"{self.host} answered in no form of the embed API", 200, again=True) from error

    def _post(self, path: str, body: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(
                f"the endpoint {self.url!r} is not an address; expected something like http://127.0.0.1:11434/v1"
            )
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=self.timeout_s)
        try:
            connection.request("POST", f"{parts.path.rstrip('/')}/{path}", json.dumps(body).encode(), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CallFailed(f"{self.host} broke off: {type(error).__name__}", 0, again=True) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            again = response.status in _WORTH_ASKING_AGAIN or response.status >= 500
            wait_s = _seconds(response.getheader("Retry-After"))
            raise CallFailed(f"{self.host} answered {response.status}", response.status, again, wait_s)
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise CallFailed(f"{self.host} answered with something that is not JSON", 200, again=True) from error
        return answer if isinstance(answer, dict) else {}


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its form with a date is left to the caller's own waiting."""
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:
        return None
