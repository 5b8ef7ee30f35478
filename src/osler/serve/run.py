"""Run the gateway until it is told to stop, and end it without cutting off an answer.

On SIGTERM or SIGINT the server turns new questions away, lets open answers finish for `drain_s`, ends the rest with an error event, and stops.
"""

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from osler.errors import missing_package
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts

if TYPE_CHECKING:
    from osler.guard.audit import AuditLog
    from osler.serve.boundary import InFlight
    from osler.serve.gateway import Answerer
    from osler.serve.store import Key, Store
    from osler.serve.switch import Switch

_GC_OBJECTS = 20_000

_log = logging.getLogger(__name__)


def serve(  # noqa: PLR0913, PLR0917  (the parts of one server)
    answerer: "Answerer",
    audit: "AuditLog",
    config: ServeConfig,
    facts: ServerFacts,
    on_ready: Callable[[str], None],
    keys: "tuple[Key, ...]" = (),
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
        EnvironmentLacks: a package is not installed, the port cannot be had, or the server does not start.
    """
    try:
        from osler.serve.app import create_app
        from osler.serve.boundary import InFlight
        from osler.serve.gateway import open_gateway
        from osler.serve.http import address_of, listen, run_until
        from osler.serve.metrics import MetricsServer
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "uvicorn", "serving", "serve") from error
    with contextlib.ExitStack() as closing:
        listener = closing.enter_context(contextlib.closing(listen(config.host, config.port)))
        gateway = open_gateway(answerer, audit, keys, config, facts, store)
        in_flight, address = InFlight(), address_of(listener, config.host)
        closing.enter_context(contextlib.closing(gateway))
        _append_start(audit, facts, config, address)
        if config.metrics_port is not None:
            closing.enter_context(contextlib.closing(MetricsServer(gateway.metrics, config.metrics_port)))
        _collect_rarely()
        began = time.monotonic()
        run_until(
            stop or threading.Event(),
            create_app(gateway, in_flight),
            listener,
            lambda: on_ready(f"{address}/?token={gateway.sessions.token}"),
            lambda: _drain(gateway.switch, in_flight, config.drain_s),
        )
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
    from osler.serve.http import HALT_S, wait_until

    switch.drain()
    if wait_until(lambda: in_flight.n == 0, drain_s):
        return
    _log.warning("%d answers were not finished after %.0f s and are ended", in_flight.n, drain_s)
    switch.halt()
    wait_until(lambda: in_flight.n == 0, HALT_S)


def _append_start(audit: "AuditLog", facts: ServerFacts, config: ServeConfig, address: str) -> None:
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
