"""Serve a review's page until told to stop. Nothing is lost by stopping at any moment: pages keep what was not confirmed."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from osler.errors import EnvironmentLacks, missing_package
from osler.evaluate.review.plan import read_plan
from osler.runs.local_only import is_loopback
from osler.serve.review.access import open_access


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
        from osler.serve.http import run_app
        from osler.serve.review.app import create_review_app
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "starlette", "the review page", "serve") from error
    if not is_loopback(host):
        raise EnvironmentLacks(
            f"--host is {host!r}; answers and tokens would travel in clear. Use 127.0.0.1 and a tunnel or TLS proxy"
        )
    plan = read_plan(folder)
    people = [*plan.raters, *([plan.adjudicator] if plan.adjudicator else [])]
    tokens = open_access(folder, people)
    app = create_review_app(plan, tokens)
    run_app(app, host, port, lambda address: on_ready({p: f"{address}/#token={t}" for p, t in tokens.items()}), stop)
