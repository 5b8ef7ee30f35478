"""An answer on the wire, whole or as server-sent events: role at once, released pieces, the decision, `[DONE]`.

An error in the middle is an `error` event, after which the stream ends without `[DONE]`. While no piece comes, a comment keeps
proxies from closing the connection.
"""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from osler.serve.fault import Fault
from osler.serve.gateway import Gateway
from osler.serve.interrupt import Interrupt
from osler.serve.visit import Visit, interruptible, log_answer, log_answer_later, log_open, released, whole
from osler.serve.wire import chunk, completion, usage_chunk

KEEP_ALIVE_S = 15.0
LISTEN_S = 0.1
LAST_WORDS_S = 2.0
"""Time to send the error that ends a stream; a client that does not read is left."""

_DONE = b"data: [DONE]\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"


async def answer(gateway: Gateway, visit: Visit, request: Request) -> Response:
    """The response to an admitted request; leaving it early, as when the client goes away, stops the model.

    Raises:
        Fault: it may not be released or could not be logged.
    """
    if visit.ask.is_streamed:
        await log_open(gateway, visit)
        return EventStream(gateway, visit)
    text = ""
    try:
        with interruptible(gateway, visit) as interrupt, _listening(request.receive, interrupt):
            text = await whole(gateway, visit, interrupt)
    except Fault as fault:
        log_answer_later(gateway, visit, 0, _end_of(fault))
        raise
    finally:
        _count(gateway, visit, len(text))
    body = completion(visit.label, text, visit.finish, visit.verdict, visit.usage(), visit.sources)
    return Response(orjson.dumps(body), media_type="application/json")


class EventStream(Response):
    """One streamed answer."""

    def __init__(self, gateway: Gateway, visit: Visit) -> None:
        super().__init__()
        self.raw_headers = [
            (b"content-type", b"text/event-stream; charset=utf-8")
        ]  # without the length that Response puts
        self._gateway = gateway
        self._visit = visit
        self._n_chars = 0
        self._send: Send
        self.silent_since = 0.0
        """When something was last sent, by the loop's clock."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI's form)
        """Send it."""
        self._send = send
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with (
                interruptible(self._gateway, self._visit) as interrupt,
                _listening(receive, interrupt),
                _KeepAlive(self),
            ):
                await self._write_all(interrupt)
        except Fault as fault:
            log_answer_later(self._gateway, self._visit, self._n_chars, _end_of(fault))
            async with asyncio.timeout(LAST_WORDS_S):
                await self.write(_event(fault.body()), is_last=True)
        finally:
            log_answer_later(self._gateway, self._visit, self._n_chars, "cancelled")
            _count(self._gateway, self._visit, self._n_chars)

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body; with the last one the response is over."""
        self.silent_since = asyncio.get_running_loop().time()
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def _write_all(self, interrupt: Interrupt) -> None:
        gateway, visit, label = self._gateway, self._visit, self._visit.label
        await self.write(_event(chunk(label, {"role": "assistant", "content": ""}, visit.verdict)))
        async with aclosing(released(gateway, visit, interrupt)) as pieces:
            async for piece in pieces:
                if not self._n_chars:
                    gateway.metrics.time("first_text_seconds", time.monotonic() - visit.began)
                self._n_chars += len(piece)
                visit.note(gateway, piece)
                await self.write(_event(chunk(label, {"content": piece})))
        await log_answer(gateway, visit, self._n_chars, visit.finish)
        ending = _event(chunk(label, {}, visit.verdict, visit.finish, visit.sources))
        if visit.ask.wants_usage:
            ending += _event(usage_chunk(label, visit.usage()))
        await self.write(ending + _DONE, is_last=True)


class _KeepAlive:
    """Writes a comment whenever the stream was silent for `KEEP_ALIVE_S`. One timer that looks now and then."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._writing: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(KEEP_ALIVE_S, self._look)

    def __enter__(self) -> "_KeepAlive":
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()

    def _look(self) -> None:
        due = self._stream.silent_since + KEEP_ALIVE_S
        if self._loop.time() >= due:
            if self._writing is None or self._writing.done():
                self._writing = self._loop.create_task(self._stream.write(_KEEP_ALIVE))
            due = self._loop.time() + KEEP_ALIVE_S
        self._timer = self._loop.call_at(due, self._look)


class _listening:  # noqa: N801  (used as a statement)
    """Ends the answer when the client goes away. The request's body has been read, so nothing else can come.

    Begins after `LISTEN_S`: many answers are over by then, and a task for each would be a twentieth of their cost.
    """

    def __init__(self, receive: Receive, interrupt: Interrupt) -> None:
        self._receive = receive
        self._interrupt = interrupt
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LISTEN_S, self._begin)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._interrupt.end(Fault(499, "client_closed", "The client went away."))


def _end_of(fault: Fault) -> str:
    return "cancelled" if fault.status == 499 else fault.code


def _count(gateway: Gateway, visit: Visit, n_chars: int) -> None:
    metrics = gateway.metrics
    metrics.count("answers_total", f'action="{visit.verdict.action}",finish="{visit.ended}"')
    metrics.count("reply_characters_total", by=n_chars)
    metrics.count("reply_tokens_total", by=visit.draft.n_pieces if visit.draft is not None else 0)
    took_s = time.monotonic() - visit.began
    metrics.time("answer_seconds", took_s)
    if gateway.spans is not None:
        facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": visit.label.model,
            "gen_ai.usage.output_tokens": visit.usage()["completion_tokens"],
            "osler.request": visit.label.request_id,
            "osler.action": visit.verdict.action,
            "osler.rule": visit.verdict.rule,
            "osler.finish": visit.ended,
        }
        gateway.spans.add("chat", took_s, visit.label.traceparent, facts)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
