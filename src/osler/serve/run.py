"""Run the gateway until it is told to stop, and end it without cutting off an answer.

uvicorn runs in a thread of its own, because it would take the signals and break open streams off at its timeout. On SIGTERM or
SIGINT the server turns new questions away, lets open answers finish for `drain_s`, ends the rest with an error event, and stops.
"""

import contextlib
import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from osler.errors import EnvironmentLacks, missing_package
from osler.serve.backend import Audit
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.keys import KeyRing

if TYPE_CHECKING:
    from osler.serve.app import InFlight
    from osler.serve.gateway import Answerer
    from osler.serve.store import Store
    from osler.serve.switch import Switch

HALT_S = 2.0
"""Time for halted streams to send their last event."""

START_S = 30.0
"""Time for the server to take its first request; a loaded machine needs a few seconds."""

BACKLOG = 1024
"""Connections that may wait to be taken; a thousand clients may come at once."""

_POLL_S = 0.05
_GC_OBJECTS = 20_000

_log = logging.getLogger(__name__)


def serve(  # noqa: PLR0913, PLR0917  (the parts of one server)
    answerer: "Answerer",
    audit: Audit,
    config: ServeConfig,
    facts: ServerFacts,
    on_ready: Callable[[str], None],
    keys: KeyRing | None = None,
    stop: threading.Event | None = None,
    store: "Store | None" = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`.

    Appends `override` (where the gate was overridden) and `start` to the audit log before the first request, `stop` after the
    last.

    Args:
        on_ready: called once with the page's address, which holds the one-time token, when requests are taken.
        keys: keys of the API beside those in the store. Without any only the page is open.
        store: what is shared with other replicas; None: SQLite in the serve folder.
        stop: ends the server when set; for callers outside the main thread, where signals do not arrive.

    Raises:
        EnvironmentLacks: starlette or uvicorn is not installed, or the port cannot be had.
    """
    try:
        import uvicorn

        from osler.serve.app import InFlight, create_app
        from osler.serve.gateway import open_gateway
        from osler.serve.http import BoundedHttp
        from osler.serve.metrics import MetricsServer
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "uvicorn", "serving", "serve") from error
    stop = stop or threading.Event()
    with contextlib.closing(listen(config.host, config.port)) as listener:
        gateway = open_gateway(answerer, audit, keys or KeyRing(), config, facts, store)
        in_flight = InFlight()
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(gateway, in_flight),
                log_config=None,
                access_log=False,
                lifespan="on",
                http=BoundedHttp,
                ws="none",
                backlog=BACKLOG,
                server_header=False,
                timeout_graceful_shutdown=int(HALT_S),
            )
        )
        address = address_of(listener, config.host)
        _append_start(audit, facts, config, address)
        began = time.monotonic()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="osler-http")
        with contextlib.ExitStack() as closing, stopped_by_signals(stop):
            closing.enter_context(contextlib.closing(gateway))
            if config.metrics_port is not None:
                closing.enter_context(contextlib.closing(MetricsServer(gateway.metrics, config.metrics_port)))
            _collect_rarely()
            thread.start()
            try:
                _wait(lambda: server.started or not thread.is_alive(), START_S)
                if server.started:
                    on_ready(f"{address}/?token={gateway.sessions.token}")
                while thread.is_alive() and not stop.wait(_POLL_S * 5):
                    pass
                _drain(gateway.switch, in_flight, config.drain_s)
            finally:
                server.should_exit = True
                thread.join()
        try:
            audit.append("stop", uptime_s=round(time.monotonic() - began, 1), n_unfinished=in_flight.n)
        except OSError as error:  # a full disk must not keep a server from ending
            _log.error("the end of the server could not be logged (%s)", error.strerror)


def _collect_rarely() -> None:
    # Policy and modules stay for good: looking through them again and again costs a twentieth of the time, and so does looking
    # after every 700 new objects; an answer makes some hundred.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS)


def _drain(switch: "Switch", in_flight: "InFlight", drain_s: float) -> None:
    switch.drain()
    if _wait(lambda: in_flight.n == 0, drain_s):
        return
    _log.warning("%d answers were not finished after %.0f s and are ended", in_flight.n, drain_s)
    switch.halt()
    _wait(lambda: in_flight.n == 0, HALT_S)


def _wait(is_done: Callable[[], bool], at_most_s: float) -> bool:
    ends = time.monotonic() + at_most_s
    while not is_done():
        if time.monotonic() >= ends:
            return False
        time.sleep(_POLL_S)
    return True


def _append_start(audit: Audit, facts: ServerFacts, config: ServeConfig, address: str) -> None:
    if facts.permit.overridden:
        audit.append("override", reason=facts.permit.reason, failed_checks=list(facts.permit.failed_checks))
    audit.append(
        "start",
        address=address,
        model=facts.model,
        artefact=facts.permit.artefact,
        gate=facts.permit.gate,
        policy=facts.policy,
        policy_sha256=facts.policy_sha256,
        options=config.model_dump(mode="json"),
    )


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
def stopped_by_signals(stop: threading.Event) -> Generator[None, None, None]:
    """Set `stop` on SIGTERM and SIGINT, where this thread may listen for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
