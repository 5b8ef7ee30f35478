"""Serve a review's page until told to stop. Nothing is lost by stopping at any moment: pages keep what was not confirmed."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from osler.errors import EnvironmentLacks, missing_package
from osler.evaluate.review.plan import read_plan
from osler.serve.config import is_loopback
from osler.serve.review.access import open_access
from osler.serve.run import START_S, address_of, listen, stopped_by_signals

_POLL_S = 0.05


def serve_review(
    folder: Path,
    host: str,
    port: int,
    on_ready: Callable[[Mapping[str, str]], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`.

    Args:
        host: an address of this machine only. For raters elsewhere, put a proxy with TLS on this machine in front.
        on_ready: called once with each person's own link when requests are taken.

    Raises:
        InputError: the folder holds no review.
        EnvironmentLacks: the port cannot be had, the host is not loopback, or a package is missing.
    """
    try:
        import uvicorn

        from osler.serve.review.app import create_review_app
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "fastapi", "the review page", "serve") from error
    if not is_loopback(host):
        raise EnvironmentLacks(
            f"--host is {host!r}; answers and tokens would travel in clear. Use 127.0.0.1 and a tunnel or TLS proxy"
        )
    plan = read_plan(folder)
    people = [*plan.raters, *([plan.adjudicator] if plan.adjudicator else [])]
    tokens = open_access(folder, people)
    stop = stop or threading.Event()
    with contextlib.closing(listen(host, port)) as listener:
        options = uvicorn.Config(
            create_review_app(plan, tokens),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="osler-review")
        with stopped_by_signals(stop):
            thread.start()
            try:
                for _ in range(int(START_S / _POLL_S)):
                    if server.started or stop.wait(_POLL_S):
                        break
                address = address_of(listener, host)
                on_ready({person: f"{address}/#token={token}" for person, token in tokens.items()})
                while thread.is_alive() and not stop.wait(_POLL_S * 5):
                    pass
            finally:
                server.should_exit = True
                thread.join()
