"""One call to an OpenAI-compatible endpoint, with everything a batch of paid calls needs to know of its outcome.

`models.http` makes a `Model` of it: text in, text out. Here are structured output, token counts, and failures told apart by
whether asking again can help.
"""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from osler.errors import EnvironmentLacks, InputError

_WORTH_ASKING_AGAIN = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered."""

    text: str
    finish: str
    """As the endpoint says it: `stop`, `length`, `content_filter`; empty where it says nothing."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class CallFailed(EnvironmentLacks):
    """A call gave no answer that can be used. The message names status and code, never the prompt or the endpoint's words.

    Attributes:
        status: HTTP status; 0 when no answer came.
        again: whether the same call may succeed later.
        wait_s: what the endpoint asks to wait, or None.
    """

    def __init__(self, message: str, status: int, again: bool, wait_s: float | None = None) -> None:
        self.status, self.again, self.wait_s = status, again, wait_s
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that speaks the chat completions API (Ollama, vLLM, llama.cpp, a hosted one).

    Raises:
        InputError: the address is none.
    """

    url: str
    """Where the API starts, with `/v1` (`http://127.0.0.1:11434/v1`)."""
    key: str = ""
    """Bearer key; empty for none. Never shown in an error."""
    timeout_s: float = 300.0
    """For connecting and for each read."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call (`X-Consent-Version`)."""

    def __post_init__(self) -> None:
        """Check the address."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(
                f"the endpoint {self.url!r} is not an address; expected something like http://127.0.0.1:11434/v1"
            )

    @property
    def host(self) -> str:
        """Host for messages."""
        return urlsplit(self.url).hostname or self.url

    def is_there(self, timeout_s: float = 2.0) -> bool:
        """Whether something listens at the address; nothing is asked of it."""
        connection = self._connection(timeout_s)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def complete(self, body: Mapping[str, Any], idempotency_key: str = "") -> Completion:
        """One chat completion, not streamed.

        Args:
            body: as the API has it: `model`, `messages`, `max_tokens`, `temperature`, `seed`, `response_format`.
            idempotency_key: sent as `Idempotency-Key`: an endpoint that knows it does not bill a repeated call twice.

        Raises:
            CallFailed: the endpoint cannot be reached, refuses, breaks off, or answers in no known form.
        """
        return self.completion_of(self.post("chat/completions", body, idempotency_key))

    def completion_of(self, answer: Mapping[str, Any]) -> Completion:
        """What the answer to a chat completion says.

        Raises:
            CallFailed: it has no known form.
        """
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            usage = answer.get("usage") or {}
            return Completion(
                text, choice.get("finish_reason") or "", usage.get("prompt_tokens"), usage.get("completion_tokens")
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise CallFailed(f"{self.host} answered in no form of the chat completions API", 200, again=True) from error

    def stream(self, body: Mapping[str, Any]) -> Iterator[str]:
        """The pieces of one chat completion as they come.

        Raises:
            CallFailed: as `complete`; also where the stream ends without having said so.
        """
        is_over = False
        with self._asked("chat/completions", {**body, "stream": True}) as response:
            for line in response:
                name, _, told = line.decode("utf-8", "replace").strip().partition(":")
                if name != "data":
                    continue
                is_over = is_over or told.strip() == "[DONE]"
                event = {} if told.strip() == "[DONE]" else self._parsed(told)
                if "error" in event:
                    raise CallFailed(f"{self.host} broke off ({_error_code(event)})", 200, again=True)
                for choice in event.get("choices", []):
                    is_over = is_over or bool(choice.get("finish_reason"))
                    if piece := choice.get("delta", {}).get("content"):
                        yield piece
        if not is_over:
            raise CallFailed(f"{self.host} broke off before its answer ended", 200, again=True)

    def embed(self, texts: Sequence[str], model: str) -> list[list[float]]:
        """Embeddings of texts, in order, as the embeddings API gives them.

        Raises:
            CallFailed: as `complete`.
        """
        answer = self.post("embeddings", {"model": model, "input": list(texts)})
        try:
            found = [row["embedding"] for row in sorted(answer["data"], key=lambda row: row["index"])]
        except (KeyError, TypeError):
            found = []
        return self._one_each(found, texts)

    def embed_cohere(self, texts: Sequence[str], model: str) -> list[list[float]]:
        """Embeddings of texts, as Cohere's embed API (`/v2`) gives them.

        Raises:
            CallFailed: as `complete`.
        """
        body = {"model": model, "texts": list(texts), "input_type": "search_document", "embedding_types": ["float"]}
        answer = self.post("embed", body)
        try:
            found = answer["embeddings"]["float"]
        except (KeyError, TypeError):
            found = []
        return self._one_each(found, texts)

    def post(self, path: str, body: Mapping[str, Any], idempotency_key: str = "") -> dict[str, Any]:
        """The JSON that a path below the address answers.

        Raises:
            CallFailed: as `complete`.
        """
        with self._asked(path, body, idempotency_key) as response:
            return self._parsed(response.read())

    @contextmanager
    def _asked(
        self, path: str, body: Mapping[str, Any], idempotency_key: str = ""
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, to be read within the block."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self.headers}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        connection = self._connection(self.timeout_s)
        try:
            target = f"{urlsplit(self.url).path.rstrip('/')}/{path}"
            connection.request("POST", target, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise self._refusal(response)
            yield response
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            message = f"{self.host} cannot be reached, or broke off: {reason}. Is it running?"
            raise CallFailed(message, 0, again=True) from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=timeout_s)

    def _refusal(self, response: http.client.HTTPResponse) -> CallFailed:
        try:
            code = _error_code(json.loads(response.read()))
        except ValueError:
            code = _error_code(None)
        again = response.status in _WORTH_ASKING_AGAIN or response.status >= 500
        wait_s = _seconds(response.getheader("Retry-After"))
        return CallFailed(f"{self.host} answered {response.status} ({code})", response.status, again, wait_s)

    def _parsed(self, content: bytes | str) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise CallFailed(f"{self.host} answered with something that is not JSON", 200, again=True) from error
        return answer if isinstance(answer, dict) else {}

    def _one_each(self, found: list[list[float]], texts: Sequence[str]) -> list[list[float]]:
        if len(found) != len(texts):
            raise CallFailed(f"{self.host} gave {len(found)} embeddings for {len(texts)} texts", 200, again=True)
        return found


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its form with a date is left to the caller's own waiting."""
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:
        return None


def _error_code(answer: Any) -> str:
    """The `code` of an error in OpenAI form; its message may quote the prompt, so it stays out."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    return str(code or "no reason given")
