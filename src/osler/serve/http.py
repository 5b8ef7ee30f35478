"""uvicorn's protocol with a limit on the time that a request's head may take, which uvicorn itself does not have.

Without it, a client that sends its head one byte a minute holds a connection for ever.
"""

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from osler.serve.fault import Fault

HEAD_S = 10.0
"""Seconds for a request's head to arrive."""


class BoundedHttp(HttpToolsProtocol):  # type: ignore[misc,unused-ignore]
    """One connection."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client connects: its head is awaited."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_S, transport.close)

    def on_message_begin(self) -> None:
        """The first byte of a further request on the same connection."""
        super().on_message_begin()
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_time()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (the parser's words may quote the request)
        """What is no HTTP gets an error in the form of all others."""
        body = orjson.dumps(Fault(400, "invalid_request", "The request is not HTTP.").body())
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
