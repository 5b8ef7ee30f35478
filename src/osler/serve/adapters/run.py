"""Serve the guard alone until told to stop."""

from collections.abc import Callable, Sequence

from osler.errors import missing_package
from osler.serve.adapters.screen import watch_from


def serve_guard(
    policy: str, country: str | None, port: int, keys: Sequence[str], on_ready: Callable[[str], None]
) -> None:
    """Serve the HTTP guardrail on this machine until SIGTERM or SIGINT.

    Args:
        on_ready: called once with the address to ask.

    Raises:
        InputError: there is no such policy, or it has no such country.
        EnvironmentLacks: the port cannot be had, or a package is missing.
    """
    try:
        from osler.serve.adapters.endpoint import PATH, create_guard_app
        from osler.serve.http import run_app
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "starlette", "the guard over HTTP", "serve") from error
    watch = watch_from({"OSLER_POLICY": policy, "OSLER_COUNTRY": country or ""})
    run_app(create_guard_app(watch, keys), "127.0.0.1", port, lambda address: on_ready(address + PATH))
