"""The paths of the gateway. Whatever is not listed here does not exist.

POST /v1/chat/completions   an answer, whole or streamed
GET  /v1/models             the one model
GET  /openapi.json          this list for programs
GET  /livez  /readyz        is the process up; is it fit to answer
/  /consent  /chat  ...      the pages (pages.py)
/admin                      the operator's page, for this machine only (admin.py)
"""

import asyncio
import re
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from osler.serve import admin, pages
from osler.serve.boundary import Boundary
from osler.serve.callers import caller_of, read_body
from osler.serve.fault import Fault, internal_error, plain_fault
from osler.serve.gateway import Gateway, admit
from osler.serve.openapi import openapi
from osler.serve.ready import readiness
from osler.serve.stream import answer
from osler.serve.terms import country_in
from osler.serve.wire import Label, read_ask

Endpoint = Callable[[Request], Awaitable[Response]]

CHAT = "/v1/chat/completions"
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class InFlight:
    """Counts requests that have begun and not ended, for draining."""

    def __init__(self) -> None:
        self._n = 0
        self._lock = threading.Lock()

    @property
    def n(self) -> int:
        """How many there are now."""
        return self._n

    def begin(self) -> None:
        """A request begins."""
        with self._lock:
            self._n += 1

    def end(self) -> None:
        """It has ended."""
        with self._lock:
            self._n -= 1


def create_app(gateway: Gateway, in_flight: InFlight | None = None) -> ASGIApp:
    """The ASGI application of one gateway."""
    counted = in_flight or InFlight()
    gateway.metrics.gauges["open_answers"] = lambda: float(len(gateway.open))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        watching = asyncio.create_task(gateway.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await gateway.answerer.backend.close()

    async def chat(request: Request) -> Response:
        return await _reply(gateway, request, None, request.headers.get("x-consent-version", ""))

    app = Starlette(
        routes=[
            _route(CHAT, chat, "POST"),
            *_api(gateway),
            *_probes(gateway),
            *pages.routes(gateway, partial(_reply, gateway)),
            *admin.routes(gateway),
        ],
        exception_handlers=_errors(gateway),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Boundary(_chat_first(gateway, chat, app), counted, loopback_only=not gateway.config.allow_remote)


def _chat_first(gateway: Gateway, chat: Endpoint, app: ASGIApp) -> ASGIApp:
    """Takes chat requests past the framework's layers, which cost a twentieth of an answer; the rest goes to `app`."""

    async def first(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != CHAT or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        try:
            response = await chat(Request(scope, receive, send))
        except Fault as error:
            response = _refusal(gateway, error)
        await response(scope, receive, send)

    return first


def _api(gateway: Gateway) -> list[Route]:
    started = int(time.time())
    described = orjson.dumps(openapi(gateway.config, gateway.facts))

    async def models(request: Request) -> Response:
        await caller_of(request, gateway)
        model = {"id": gateway.facts.model, "object": "model", "created": started, "owned_by": "osler"}
        return _json({"object": "list", "data": [model]})

    async def description(_: Request) -> Response:
        return Response(described, media_type="application/json")

    return [
        _route("/v1/models", models),
        _route("/openapi.json", description),
    ]


async def _reply(gateway: Gateway, request: Request, body: bytes | None, consent: str) -> Response:
    """Answer a chat request; its body is read here unless it is given."""
    caller = await caller_of(request, gateway)
    body = await read_body(request, gateway.config.max_body_bytes) if body is None else body
    ask = read_ask(body, gateway.config, gateway.facts)
    trace = request.headers.get("traceparent", "")
    label = Label(
        request_id=request.state.request_id,
        created=int(time.time()),
        model=gateway.facts.model,
        policy=gateway.facts.policy,
        gate=gateway.facts.permit.gate,
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else "",
        country=country_in(request.headers.get("accept-language", ""), gateway.facts.numbers),
    )
    visit = await admit(gateway, ask, label, caller, consent)
    return await answer(gateway, visit, request)


def _probes(gateway: Gateway) -> list[Route]:
    async def live(_: Request) -> Response:
        return _json({"alive": True})

    async def ready(_: Request) -> Response:
        checks = await readiness(gateway)
        is_ready = all(checks.values())
        return _json({"ready": is_ready, "checks": checks}, 200 if is_ready else 503)

    return [_route("/livez", live), _route("/readyz", ready)]


def _route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    return Route(path, endpoint, methods=[method])


def _errors(gateway: Gateway) -> dict[Any, Any]:
    async def fault(_: Request, error: Fault) -> Response:
        return _refusal(gateway, error)

    async def by_status(_: Request, error: HTTPException) -> Response:
        return _error(plain_fault(error.status_code), dict(error.headers or {}))

    async def broken(_: Request, __: Exception) -> Response:
        return _error(internal_error())

    return {Fault: fault, HTTPException: by_status, Exception: broken}


def _refusal(gateway: Gateway, fault: Fault) -> Response:
    gateway.metrics.count("requests_total", f'status="{fault.status}",code="{fault.code}"')
    return _error(fault)


def _error(fault: Fault, headers: dict[str, str] | None = None) -> Response:
    return _json(fault.body(), fault.status, {**(headers or {}), **fault.headers})


def _json(value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, "application/json")
