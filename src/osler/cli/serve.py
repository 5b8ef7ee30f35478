"""`osler serve`: the guarded server of a run."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from osler.cli.options import AsJson, RunsFolder, StoreUrl, find_run
from osler.cli.screen import Screen, notice, say

_UPSTREAM_KEY = "OSLER_UPSTREAM_KEY"


def serve(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Name of a run, or the path of its folder; none with --upstream."),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Serve a model that has not passed its gate; the reason is recorded."),
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="gguf, hf, upstream or library, instead of the recipe's; see docs/serving.md.")
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server that answers (http://127.0.0.1:8000/v1)."),
    ] = None,
    upstream_model: Annotated[str, typer.Option(help="The name under which that server knows the model.")] = "osler",
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the recipe's.")] = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let --host be an address that other machines reach; put TLS in front."),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port, instead of the recipe's; 0 takes a free one.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on this machine for Prometheus.")
    ] = None,
    replica: Annotated[
        str, typer.Option(metavar="NAME", help="Name of this server's audit log, where a run has several.")
    ] = "",
    keep_texts: Annotated[
        int | None,
        typer.Option(
            metavar="HOURS", min=1, help="Keep texts of answers so long, encrypted with OSLER_TEXT_KEY; none otherwise."
        ),
    ] = None,
    store: StoreUrl = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Serve a run's model behind its guard, on this machine only unless the recipe says otherwise.

    The key that clients send is taken from OSLER_API_KEY, or made and shown once; the audit log's from OSLER_AUDIT_KEY, or kept in
    the run folder; an upstream server's from OSLER_UPSTREAM_KEY.

    Example: osler serve demo --override "trying the page"
    """
    from osler.errors import InputError
    from osler.serve.config import UpstreamConfig
    from osler.serve.keys import random_key
    from osler.serve.start import Ready, Replica, open_upstream_run, served_sections, start

    key = os.environ.get("OSLER_API_KEY") or None
    made_key = None if key else random_key()

    def show(ready: Ready) -> None:
        if as_json:
            say(json.dumps({"url": ready.url, "page": ready.page, "terms": ready.terms, "key": made_key}))
            return
        say(f"serving  {ready.url}/v1  (OpenAI-compatible; stop with Ctrl-C)")
        say(f"page     {ready.page}  (opens once)")
        say(f"terms    send the header X-Consent-Version: {ready.terms} after showing the terms to the reader")
        if made_key:
            say(f"key      {made_key}  (shown once; set OSLER_API_KEY to choose your own)")

    named = None
    if upstream is not None:
        variable = _UPSTREAM_KEY if os.environ.get(_UPSTREAM_KEY) else ""
        named = UpstreamConfig(url=upstream, model=upstream_model, key=variable)
    if run is None and named is None:
        raise InputError("name a run, or give the address of a model's server with --upstream URL")
    folder = find_run(run, runs) if run is not None else open_upstream_run(runs, cast("UpstreamConfig", named))
    changes: dict[str, Any] = {
        "host": host,
        "allow_remote": allow_remote or None,
        "port": port,
        "metrics_port": metrics_port,
        "backend": backend or (named and "upstream"),
    }
    changes["upstream"] = named and named.model_dump()
    if not as_json:
        notice("loading the model ...")
    gguf = _gguf_of(folder, override) if served_sections(folder, changes).backend == "gguf" else None
    one = Replica(replica, store, os.environ.get("OSLER_TEXT_KEY"), keep_texts)
    start(folder, override, (key or made_key or "",), os.environ.get("OSLER_AUDIT_KEY"), show, gguf, one, **changes)


def _gguf_of(folder: Path, override: str | None) -> Path:
    from osler.handover import served_gguf

    with Screen(quiet=True) as screen:
        return served_gguf(folder, override, screen)
