"""The outermost layer: a request id and safe headers on every response, a log line without content, and no error that escapes."""

import logging
import re
import secrets
import time
from typing import Protocol

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from osler.runs.local_only import is_loopback
from osler.serve.fault import Fault, internal_error

PATHS = frozenset(
    {
        "/",
        "/chat",
        "/consent",
        "/report",
        "/admin",
        "/v1/chat/completions",
        "/v1/models",
        "/openapi.json",
        "/livez",
        "/readyz",
    }
)
"""Paths that may be logged as they are; any other might hold text."""

SAFE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # With no-referrer browsers send forms as from nowhere (Origin: null), and their origin could not be checked.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_SAFE_HEADERS = [(name.encode(), value.encode()) for name, value in SAFE_HEADERS.items()]

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:]*)(?::\d+)?", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """What the boundary needs of whoever counts open requests."""

    def begin(self) -> None:
        """A request begins."""

    def end(self) -> None:
        """It has ended."""


class Boundary:
    """Wraps the application.

    Args:
        loopback_only: refuse requests whose Host is another machine's name, as a web page's would be that had its own name point
            here (DNS rebinding).
        in_flight: told of every request's begin and end.
    """

    def __init__(self, app: ASGIApp, in_flight: Stoppable, *, loopback_only: bool) -> None:
        self._app = app
        self._in_flight = in_flight
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        self._in_flight.begin()
        try:
            await self._request(scope, receive, send)
        finally:
            self._in_flight.end()

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ticket = scope["state"].get("ticket")
                marks = {"x-request-id": request_id, **(ticket.headers() if ticket else {})}
                own = [(name.encode(), value.encode()) for name, value in marks.items()]
                message["headers"] = [*message["headers"], *_SAFE_HEADERS, *own]
            await send(message)

        try:
            if self._loopback_only and not _is_local(scope):
                await _answer(
                    send_marked, Fault(400, "invalid_host", "The Host header does not name this machine.", "Host")
                )
            else:
                await self._app(scope, receive, send_marked)
        except Exception as error:  # noqa: BLE001  # the last boundary: a traceback could quote a prompt, so only its kind is logged
            _log.error("request %s failed (%s)", request_id, type(error).__name__)
            if status == 0:
                await _answer(send_marked, internal_error())
        finally:
            if ticket := scope["state"].get("ticket"):
                ticket.close()
        path = scope["path"] if scope["path"] in PATHS else "other"
        _log.info("%s %s %s %d %.0f ms", request_id, scope["method"], path, status, (time.monotonic() - began) * 1000)


def _is_local(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return match is not None and is_loopback(match.group(1))


async def _answer(send: Send, fault: Fault) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(fault.body())})
