"""Serve an application that keeps nothing open: no drain, no audit log. For the review page, the guard alone and the admin page."""

import contextlib
import threading
from collections.abc import Callable, Generator

from starlette.types import ASGIApp

from osler.serve.run import START_S, address_of, listen, stopped_by_signals

_POLL_S = 0.05


def run_app(
    app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None], stop: threading.Event | None = None
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`.

    Args:
        on_ready: called once with the address when requests are taken.

    Raises:
        EnvironmentLacks: the port cannot be had.
    """
    stop = stop or threading.Event()
    with stopped_by_signals(stop), running_app(app, host, port, stop) as running:
        on_ready(running.address)
        while running.thread.is_alive() and not stop.wait(_POLL_S * 5):
            pass


class Running:
    """A server in a thread of its own."""

    def __init__(self, address: str, thread: threading.Thread) -> None:
        self.address = address
        self.thread = thread


@contextlib.contextmanager
def running_app(
    app: ASGIApp, host: str, port: int, stop: threading.Event | None = None
) -> Generator[Running, None, None]:
    """The application at work, once it takes requests; ended on leaving.

    Raises:
        EnvironmentLacks: the port cannot be had.
    """
    import uvicorn

    stop = stop or threading.Event()
    with contextlib.closing(listen(host, port)) as listener:
        options = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="osler-http")
        thread.start()
        try:
            for _ in range(int(START_S / _POLL_S)):
                if server.started or stop.wait(_POLL_S):
                    break
            yield Running(address_of(listener, host), thread)
        finally:
            server.should_exit = True
            thread.join()
