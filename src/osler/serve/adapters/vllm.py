"""The guard inside a vLLM server: `vllm serve MODEL --middleware osler.serve.adapters.vllm.GuardMiddleware`.

vLLM puts such a middleware OUTSIDE its own check of keys, and that check covers only some of its paths. So this one asks for the
key itself (`OSLER_API_KEY`, or vLLM's own `VLLM_API_KEY`; with neither, only callers on this machine are served), and every path
that is not listed here is refused: `/invocations`, `/tokenize` and the rest would run a prompt that nobody has judged.

Settings come from the environment, because vLLM passes none: `OSLER_POLICY` (education), `OSLER_COUNTRY` (the policy's own).
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from osler.runs.local_only import is_loopback
from osler.serve.adapters.questions import CHAT, COMPLETIONS, Question, chunk, read_question, usage_chunk, whole
from osler.serve.adapters.screen import Screened, Watch, is_known, watch_from
from osler.serve.boundary import Boundary
from osler.serve.callers import read_body
from osler.serve.fault import Fault, invalid_key, plain_fault, unavailable

OPEN = frozenset({"/health", "/ping"})
"""Probes: no key, and nothing in the answer."""
PASSED = frozenset({"/v1/models", "/metrics"})
"""Read with a key; hold no generated text."""
MAX_BODY_BYTES = 1 << 20
MAX_REPLY_BYTES = 1 << 23
_JSON = (b"content-type", b"application/json")

_log = logging.getLogger(__name__)


class GuardMiddleware:
    """Pure ASGI; wraps the server's application."""

    def __init__(self, app: ASGIApp, watch: Watch | None = None, keys: Sequence[str] | None = None) -> None:
        self._app = app
        self._watch = watch or watch_from(os.environ)
        named = (os.environ.get(name) for name in ("OSLER_API_KEY", "VLLM_API_KEY"))
        self._keys = [key for key in named if key] if keys is None else list(keys)
        self._bounded = Boundary(self._http, loopback_only=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection. Websockets are closed: their traffic is not judged."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope["method"], scope["path"])
        if asked[0] == "GET" and asked[1] in OPEN:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        self._check_caller(request)
        if asked[0] == "GET" and asked[1] in PASSED:
            await self._app(scope, receive, send)
            return
        if asked not in {("POST", CHAT), ("POST", COMPLETIONS)}:
            raise plain_fault(404)
        question = read_question(asked[1], await read_body(request, MAX_BODY_BYTES))
        screened = await self._watch.begin(question.conversation)
        reader = Reader(question, screened, send, scope["state"]["request_id"])
        opening = screened.opening()
        if opening:
            await reader.say(opening)
            await reader.end()
            return
        await self._ask_behind(scope, question, receive, reader)

    async def _ask_behind(self, scope: Scope, question: Question, receive: Receive, reader: "Reader") -> None:
        """Let the server behind answer, and read along."""
        kept = [pair for pair in scope["headers"] if pair[0] not in {b"content-length", b"accept-encoding"}]
        inner = {**scope, "headers": [*kept, (b"content-length", str(len(question.body)).encode())]}
        is_sent = False

        async def replay() -> Message:
            nonlocal is_sent
            if not is_sent:
                is_sent = True
                return {"type": "http.request", "body": question.body, "more_body": False}
            gone = asyncio.ensure_future(receive())
            over = asyncio.ensure_future(reader.over.wait())
            try:
                await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                over.cancel()
            return {"type": "http.disconnect"}

        try:
            await self._app(inner, replay, reader.take)
        except Exception as error:  # noqa: BLE001 - whatever the server behind raises, its reader gets an error and no more text
            if not reader.over.is_set():
                _log.error("the server behind failed (%s)", type(error).__name__)
                reader.give_up()
        await reader.end()

    def _check_caller(self, request: Request) -> None:
        is_local = request.client is None or is_loopback(request.client.host)
        if not self._keys and is_local:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_known(key, self._keys):
            raise invalid_key()


class _Over(OSError):
    """Told to the server behind when nobody reads any more; an OSError, as ASGI servers raise for a lost client."""


class Reader:
    """Reads what the server behind sends, and sends on what may be shown.

    Nothing of the response is passed on: it is rebuilt from the text of the first choice.
    """

    def __init__(self, question: Question, screened: Screened, send: Send, request_id: str) -> None:
        self._question = question
        self._screened = screened
        self._send = send
        kind = "chatcmpl" if question.path == CHAT else "cmpl"
        self._head: dict[str, Any] = {"id": f"{kind}-{request_id}", "created": int(time.time())}
        self._status = 200
        self._buffer = b""
        self._usage: dict[str, int] | None = None
        self._text = ""
        self._finish = ""
        self._is_begun = False
        self._has_failed = False
        self.over = asyncio.Event()
        """Set once nobody wants to hear the server behind any more."""

    async def take(self, message: Message) -> None:
        """One message of the server behind.

        Raises:
            _Over: it may stop.
        """
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body" and not self.over.is_set():
            self._buffer += message.get("body", b"")
            if len(self._buffer) > MAX_REPLY_BYTES:
                self.give_up()
            elif self._status == 200 and self._question.is_streamed:
                await self._lines()
        if self.over.is_set():
            raise _Over

    def give_up(self) -> None:
        """The server behind sent what is no answer."""
        self._has_failed = True
        self.over.set()

    async def say(self, text: str) -> None:
        """Send text that may be shown."""
        self._text += text
        if self._question.is_streamed and text:
            await self._begin()
            await self._event(chunk(self._question, self._head, text, None, self._screened.verdict))

    async def end(self) -> None:
        """Send the end of the answer, once the server behind has ended or is not wanted any more.

        Raises:
            Fault: there is no answer, and nothing was sent.
        """
        if self._status != 200:
            raise _refused_behind(self._status)
        if not self._screened.is_over and not self._has_failed:
            if not self._question.is_streamed:
                await self._reply(self._buffer)
            if self._finish:
                await self.say(await self._screened.end())
        if not self._screened.is_over:
            await self._break_off()
            return
        finish = self._screened.finish if self._screened.finish != "stop" else self._finish or "stop"
        if not self._question.is_streamed:
            usage = {"usage": self._usage} if self._usage else {}
            body = whole(self._question, {**self._head, **usage}, self._text, finish, self._screened.verdict)
            await self._send({"type": "http.response.start", "status": 200, "headers": [_JSON]})
            await self._send({"type": "http.response.body", "body": orjson.dumps(body)})
            return
        await self._begin()
        await self._event(chunk(self._question, self._head, "", finish, self._screened.verdict))
        if self._question.wants_usage and self._usage:
            await self._event(usage_chunk(self._question, {**self._head, "usage": self._usage}))
        await self._send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    async def _lines(self) -> None:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            content = line[5:].strip() if line.startswith(b"data:") else b""
            if content and content != b"[DONE]" and not self.over.is_set() and not self._finish:
                await self._reply(content)

    async def _reply(self, content: bytes) -> None:
        """One JSON object of the server behind: its text goes to the guard, all else is left."""
        try:
            found = orjson.loads(content)
            self._usage = _usage(found) or self._usage
            first: dict[str, Any] = next((choice for choice in found["choices"] if choice.get("index", 0) == 0), {})
            text, finish = _said(first, self._question), first.get("finish_reason")
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            self.give_up()
            return
        if isinstance(text, str):
            await self.say(await self._screened.feed(text))
        if finish:
            self._finish = "length" if finish == "length" else "stop"
        if self._screened.is_over:
            self.over.set()

    async def _begin(self) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._event(chunk(self._question, self._head, "", None, self._screened.verdict, first=True))

    async def _break_off(self) -> None:
        """An error, and no end of the stream that looks whole."""
        fault = unavailable("upstream_unavailable", "The model behind this guard failed.")
        if not self._is_begun:
            raise fault
        body = b"data: " + orjson.dumps(fault.body()) + b"\n\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _event(self, value: dict[str, Any]) -> None:
        body = b"data: " + orjson.dumps(value) + b"\n\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": True})


def _said(choice: dict[str, Any], question: Question) -> object:
    if question.path == COMPLETIONS:
        return choice.get("text")
    part = choice.get("delta" if question.is_streamed else "message") or {}
    return part.get("content")


def _usage(found: dict[str, Any]) -> dict[str, int] | None:
    given = found.get("usage")
    if not isinstance(given, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: given[name] for name in names if type(given.get(name)) is int}


def _refused_behind(status: int) -> Fault:
    # The server's own words may quote anything; only its status is told.
    if 400 <= status < 500:
        return Fault(status, "upstream_refused", f"The server behind this guard refused the request ({status}).")
    return unavailable("upstream_unavailable", "The model behind this guard failed.")
