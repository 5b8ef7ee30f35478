"""The outermost layer: a request id and safe headers on every response, errors in one form, a log line without content."""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from osler.runs.local_only import is_loopback
from osler.serve.fault import Fault, internal_error, plain_fault

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


class InFlight:
    """Counts requests that have begun and not ended, for draining."""

    def __init__(self) -> None:
        self._n = 0
        self._lock = threading.Lock()

    @property
    def n(self) -> int:
        """How many there are now."""
        return self._n

    def add(self, change: int) -> None:
        """One more, or one less."""
        with self._lock:
            self._n += change


class Boundary:
    """Wraps an application, which may raise `Fault` before its response begins.

    Args:
        loopback_only: refuse requests whose Host is another machine's name, as a web page's would be that had its own name point
            here (DNS rebinding).
        in_flight: told of every request's begin and end.
        on_fault: told of every error that is sent.
    """

    def __init__(
        self,
        app: ASGIApp,
        in_flight: InFlight | None = None,
        on_fault: Callable[[Fault], None] | None = None,
        *,
        loopback_only: bool,
    ) -> None:
        self._app = app
        self._in_flight = in_flight or InFlight()
        self._on_fault = on_fault
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        self._in_flight.add(1)
        try:
            await self._request(scope, receive, send)
        finally:
            self._in_flight.add(-1)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["app"] = self  # without it the router answers 404 and 405 itself, in another form
        began, status = time.monotonic(), 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ticket = scope["state"].get("ticket")
                marks = {"x-request-id": request_id, **(ticket.headers() if ticket else {})}
                own = [(name.encode(), value.encode()) for name, value in marks.items()]
                message["headers"] = [*message.get("headers", ()), *_SAFE_HEADERS, *own]
            await send(message)

        try:
            if self._loopback_only and not _is_local(scope):
                raise Fault(400, "invalid_host", "The Host header does not name this machine.", "Host")
            await self._app(scope, receive, send_marked)
        except Exception as error:  # noqa: BLE001  # the last boundary: a traceback could quote a prompt, so only its kind is logged
            fault = _fault_of(error)
            if status or fault.code == "internal_error":
                _log.error("request %s failed (%s)", request_id, type(error).__name__)
            if status == 0:
                await self._answer(send_marked, fault)
        finally:
            if ticket := scope["state"].get("ticket"):
                ticket.close()
        path = scope["path"] if scope["path"] in PATHS else "other"
        _log.info("%s %s %s %d %.0f ms", request_id, scope["method"], path, status, (time.monotonic() - began) * 1000)

    async def _answer(self, send: Send, fault: Fault) -> None:
        if self._on_fault is not None:
            self._on_fault(fault)
        headers = [(b"content-type", b"application/json")]
        headers += [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(fault.body())})


def _fault_of(error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, HTTPException):  # the router's
        return plain_fault(error.status_code, error.headers or {})
    return internal_error()


def _is_local(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return match is not None and is_loopback(match.group(1))
