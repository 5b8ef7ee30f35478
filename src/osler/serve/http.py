"""An application on a port: uvicorn in a thread of its own, because it would take the signals and break open streams off.

Without `BoundedHttp`, a client that sends its head one byte a minute holds a connection for ever.
"""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Literal

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from osler.errors import EnvironmentLacks
from osler.serve.fault import Fault

HEAD_S = 10.0
"""Seconds for a request's head to arrive."""
HALT_S = 2.0
"""Time for halted streams to send their last event."""
START_S = 30.0
"""Time for the server to take its first request; a loaded machine needs a few seconds."""
BACKLOG = 1024
"""Connections that may wait to be taken; a thousand clients may come at once."""
_POLL_S = 0.05


def run_app(
    app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None], stop: threading.Event | None = None
) -> None:
    """Serve an application that keeps nothing open until SIGTERM, SIGINT or `stop`.

    Args:
        on_ready: called once with the address when requests are taken.

    Raises:
        EnvironmentLacks: the port cannot be had.
    """
    stop = stop or threading.Event()
    with contextlib.closing(listen(host, port)) as listener:
        run_until(stop, app, listener, lambda: on_ready(address_of(listener, host)), lambda: None, lifespan="off")


def run_until(
    stop: threading.Event,
    app: ASGIApp,
    listener: socket.socket,
    on_ready: Callable[[], None],
    drain: Callable[[], None],
    lifespan: Literal["on", "off"] = "on",
) -> None:
    """Serve on a listening socket until SIGTERM, SIGINT or `stop`.

    Args:
        on_ready: called once when requests are taken.
        drain: called when the server is told to stop, before it takes no more requests.

    Raises:
        EnvironmentLacks: the server does not start.
    """
    options = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        http=BoundedHttp,
        ws="none",
        backlog=BACKLOG,
        server_header=False,
        timeout_graceful_shutdown=int(HALT_S),
    )
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="osler-http")
    with _signals() as received:
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), START_S)
            if not server.started:
                raise EnvironmentLacks(f"the server took no requests within {START_S:.0f} s of its start")
            on_ready()
            while thread.is_alive() and not received and not stop.wait(_POLL_S):
                pass
            stop.set()
            drain()
        finally:
            server.should_exit = True
            thread.join()


def wait_until(is_done: Callable[[], bool], at_most_s: float) -> bool:
    """Wait for a condition; whether it came."""
    ends = time.monotonic() + at_most_s
    while not is_done():
        if time.monotonic() >= ends:
            return False
        time.sleep(_POLL_S)
    return True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        EnvironmentLacks: the host or the port cannot be had.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise EnvironmentLacks(f"the host {host!r} has no address on this machine; use 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Without this a server that was just stopped keeps its own port from the next one for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise EnvironmentLacks(
            f"port {port} on {host} cannot be had ({error.strerror}); stop the other program, "
            "or choose another port (--port 0 takes a free one)"
        ) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """Where a listening socket is reached."""
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{listener.getsockname()[1]}"


@contextlib.contextmanager
def _signals() -> Generator[list[int], None, None]:
    """SIGTERM and SIGINT as they come, where this thread may listen for them.

    The handler takes no lock: it runs in the midst of this thread's own work, which may hold that very lock, as of an event it waits for.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
