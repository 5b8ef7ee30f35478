"""A model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama. Asked through `link.py`, which keeps connections.

The server is not trusted. It is always asked for a stream, so that streamed and whole answers take the same way, and of what it
sends only the text of the first choice, the reason of its end and the token counts are taken. Whatever else comes (tool calls,
refusals, reasoning, log-probabilities, token ids, text after the end) is dropped; what is not in the form ends the answer.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from osler.models.chat import ROLE_TOKENS, break_tokens
from osler.models.protocol import Conversation
from osler.serve.backend import Draft, Usage
from osler.serve.fault import Fault, unavailable
from osler.serve.link import Links

_MAX_LINE = 1 << 20
"""Bytes of one event. A longer one is no token."""
_MAX_CHARS = 64
"""Characters a token may have on the average; a server that sends more ignores `max_tokens`."""
_CONTROL = re.compile(r"<\|(?=[^<>|\s]{1,40}\|>)|<(?=/?s>|(?:start|end)_of_turn>)|\[(?=/?INST\])")
"""Beginnings of control tokens of the known chat templates. Servers read them in a turn's text as such."""
_IS_UP_S = 2.0
_LAST_S = 0.05
_DONE = b"data: [DONE]"
_FINISHES = {"stop", "length", "content_filter", "tool_calls", "function_call"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where and how a server is asked."""

    url: str
    """Where its API starts, with `/v1`."""
    model: str
    """The name it knows its model by."""
    key: str = ""
    """Bearer key; empty for none. Never shown."""
    connect_s: float = 5.0


class Upstream:
    """A `Backend`.

    Args:
        special: control tokens of the model's own tokenizer, longest first; broken up in every turn.
        address: called for each request, because a server of our own has another address after it was started again. None: it is
            not there now.
        end: ends the server, where it is ours.
    """

    def __init__(
        self,
        address: Callable[[], Address | None],
        special: Sequence[str] = ROLE_TOKENS,
        end: Callable[[], None] | None = None,
    ) -> None:
        self._address = address
        self._special = tuple(special)
        self._end = end
        self._links = Links()

    def draft(self, conversation: Conversation, max_tokens: int, traceparent: str = "") -> Draft:
        """Prepare an answer."""
        draft = Draft()
        draft.pieces = self._pieces(draft, conversation, max_tokens, traceparent)
        return draft

    async def is_up(self) -> bool:
        """Whether the server lists its models."""
        address = self._address()
        if address is None:
            return False
        try:
            async with asyncio.timeout(_IS_UP_S):
                link = await self._links.send(f"{address.url}/models", _headers(address, ""), b"", _IS_UP_S)
                try:
                    while await link.take():
                        pass
                finally:
                    self._links.put_back(link)
        except OSError:
            return False
        return link.status == 200

    async def close(self) -> None:
        """End the connections, and the server where it is ours."""
        self._links.close()
        if self._end is not None:
            await asyncio.to_thread(self._end)

    async def _pieces(
        self, draft: Draft, conversation: Conversation, max_tokens: int, traceparent: str
    ) -> AsyncGenerator[str, None]:
        address = self._address()
        if address is None:
            raise _unreachable("NotStarted")
        body = self._body(address, conversation, max_tokens)
        link = None
        try:
            url = f"{address.url}/chat/completions"
            link = await self._links.send(url, _headers(address, traceparent), body, address.connect_s)
            if link.status != 200:
                raise _refused(link.status, link.headers.get(b"retry-after", b"").decode("latin-1"))
            reader = _Reader(draft, max_tokens * _MAX_CHARS)
            while not reader.is_over and (block := await link.take()):
                if text := reader.take(block):
                    yield text
            reader.end()
            if not link.is_over:
                # Read to its end, the connection serves again; but nobody waits for that.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_S):
                        await link.take()
        except OSError as error:
            raise _unreachable(type(error).__name__) from error
        finally:
            if link is not None:
                self._links.put_back(link)

    def _body(self, address: Address, conversation: Conversation, max_tokens: int) -> bytes:
        turns = [
            {
                "role": turn.role,
                "content": _CONTROL.sub(lambda m: m[0] + " ", break_tokens(turn.content, self._special)),
            }
            for turn in conversation
        ]
        return orjson.dumps(
            {
                "model": address.model,
                "messages": turns,
                "max_tokens": max_tokens,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        )


class _Reader:
    """Reads events out of the blocks of a body, as many as are there, and keeps their text apart from everything else."""

    def __init__(self, draft: Draft, max_chars: int) -> None:
        self._draft = draft
        self._room = max_chars
        self._rest = b""
        self._finish = ""
        self.is_over = False
        """Whether nothing that comes now is wanted."""

    def take(self, block: bytes) -> str:
        """The text of the events that this block completes.

        Raises:
            Fault: a line is too long, not JSON, or of another form.
        """
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _MAX_LINE:
            raise _unreadable("an event is too long")
        try:
            text = "".join([self._event(line) for line in lines if line.startswith((b"data:", b"event: error"))])
        except orjson.JSONDecodeError:
            raise _unreadable("an event is not JSON") from None
        except (KeyError, TypeError, AttributeError, ValueError):
            raise _unreadable("an event has another form") from None
        self._room -= len(text)
        if self._room < 0:
            text, self._finish, self.is_over = text[: self._room], "length", True
        return text

    def end(self) -> None:
        """Note why it ended.

        Raises:
            Fault: it broke off without a reason.
        """
        if not self._finish:
            raise _unreadable("it broke off")
        self._draft.finish = "length" if self._finish == "length" else "stop"

    def _event(self, line: bytes) -> str:
        """The text of one event, and note of all else that is wanted: reason of the end and counts."""
        if self.is_over or line.startswith(_DONE):
            self.is_over = True
            return ""
        event: dict[str, Any] = orjson.loads(line[5:]) if line.startswith(b"data:") else {"error": line}
        if "error" in event:
            raise _unreadable("it sent an error")
        if event.get("usage"):
            self._draft.usage = _usage(event["usage"])
        for first in event["choices"]:
            if first.get("index", 0) == 0:
                break
        else:
            return ""
        if self._finish:
            return ""  # once it has ended, only the token counts may come
        piece, ended = (first.get("delta") or {}).get("content") or "", first.get("finish_reason") or ""
        if not isinstance(piece, str) or (ended and ended not in _FINISHES):
            raise TypeError
        self._finish = ended
        self._draft.n_pieces += bool(piece)
        return piece


def _usage(counts: Any) -> Usage:
    return Usage(max(0, int(counts["prompt_tokens"])), max(0, int(counts["completion_tokens"])))


def _headers(address: Address, traceparent: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    if address.key:
        headers["authorization"] = f"Bearer {address.key}"
    if traceparent:
        headers["traceparent"] = traceparent
    return headers


def _refused(status: int, retry_after: str) -> Fault:
    _log.error("the model's server answered %d", status)
    if status in (400, 413, 422):
        return Fault(
            400,
            "context_length_exceeded",
            "The model's server refused the conversation; it may be too long.",
            "messages",
        )
    if status == 429:
        headers = {"retry-after": retry_after if retry_after.isdecimal() else "1"}
        return Fault(429, "rate_limit_exceeded", "The model's server is busy.", kind="requests", headers=headers)
    return unavailable("upstream_unavailable", "The model behind this server cannot be reached.")


def _unreachable(kind: str) -> Fault:
    _log.error("the model's server could not be asked (%s)", kind)
    return unavailable("upstream_unavailable", "The model behind this server cannot be reached.")


def _unreadable(what: str) -> Fault:
    _log.error("the model's server gave no proper answer: %s", what)
    return unavailable("upstream_unavailable", "The model behind this server gave no proper answer.")
