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
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from osler.serve import pages
from osler.serve.admin import Admin
from osler.serve.boundary import Boundary, InFlight
from osler.serve.callers import caller_of, read_body
from osler.serve.fault import Fault
from osler.serve.gateway import Gateway
from osler.serve.openapi import openapi
from osler.serve.ready import readiness
from osler.serve.stream import answer
from osler.serve.terms import country_in
from osler.serve.visit import admit
from osler.serve.wire import Label, read_ask

CHAT = "/v1/chat/completions"
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def create_app(gateway: Gateway, in_flight: InFlight | None = None) -> ASGIApp:
    """The ASGI application of one gateway."""
    metrics = gateway.metrics
    metrics.gauges["open_answers"] = lambda: float(len(gateway.open))

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None, None]:
        watching = asyncio.create_task(gateway.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await gateway.answerer.backend.close()

    async def chat(request: Request) -> Response:
        return await _reply(gateway, request, None, request.headers.get("x-consent-version", ""))

    routes = [Route(CHAT, chat, methods=["POST"]), *_api(gateway), *_probes(gateway), *Admin(gateway).routes()]
    routes += pages.routes(gateway, partial(_reply, gateway))
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CHAT and scope["method"] == "POST":
            # Past the router, which costs a twentieth of an answer.
            response = await chat(Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            await router(scope, receive, send)

    def count(fault: Fault) -> None:
        metrics.count("requests_total", f'status="{fault.status}",code="{fault.code}"')

    return Boundary(app, in_flight, count, loopback_only=not gateway.config.allow_remote)


def _api(gateway: Gateway) -> list[Route]:
    started = int(time.time())
    described = orjson.dumps(openapi(gateway.config, gateway.facts))

    async def models(request: Request) -> Response:
        await caller_of(request, gateway)
        model = {"id": gateway.facts.model, "object": "model", "created": started, "owned_by": "osler"}
        return _json({"object": "list", "data": [model]})

    async def description(_: Request) -> Response:
        return Response(described, media_type="application/json")

    return [Route("/v1/models", models), Route("/openapi.json", description)]


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
        cap=ask.max_tokens if ask.is_capped else None,
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

    return [Route("/livez", live), Route("/readyz", ready)]


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
