"""`osler keys`: who may use a server's API, and how much."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, RunName, RunsFolder, StoreUrl, store_of
from osler.cli.screen import say, say_json
from osler.errors import InputError

keys_app = typer.Typer(
    help="Make, list and revoke the keys of a server's API.", no_args_is_help=True, rich_markup_mode=None
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `osler keys list` shows it.")]


@keys_app.command()
def create(  # noqa: PLR0913, PLR0917  (one option each)
    run: RunName,
    name: Annotated[str, typer.Argument(help="Who gets the key.")],
    scope: Annotated[list[str] | None, typer.Option(help="chat, guard or admin; more than once for several.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Tokens a minute, of questions and answers.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Answers under way at once.")] = None,
    days: Annotated[float | None, typer.Option(min=0.0, help="Days until the key ends.")] = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Its holder shows the current terms to every reader (see docs).")
    ] = False,
    store: StoreUrl = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Make a key and show it once; only its hash is kept.

    Example: osler keys create demo "ward tablet" --requests 60 --tokens 40000 --concurrency 4 --days 90
    """
    from osler.serve.keys import new_key
    from osler.serve.store import Limit
    from osler.serve.terms import read_terms

    ends = None if days is None else (datetime.now(UTC) + timedelta(days=days)).timestamp()
    made = new_key(name, scope or ["chat"], Limit(requests, tokens, concurrency), ends)
    kept = store_of(run, runs, store)
    kept.add_key(made.row)
    if accept_terms:
        kept.accept(made.row.id, read_terms().version)
    if as_json:
        say_json({"id": made.row.id, "name": made.row.name, "key": made.secret})
    else:
        say(f"{made.secret}\n(id {made.row.id}; shown once. Revoke with: osler keys revoke {run} {made.row.id})")


@keys_app.command("list")
def show(run: RunName, store: StoreUrl = None, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """List the keys with their limits.

    Example: osler keys list demo
    """
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "requests": key.limit.requests,
            "tokens": key.limit.tokens,
            "concurrency": key.limit.concurrency,
            "created": _day(key.created),
            "expires": _day(key.expires),
            "revoked": _day(key.revoked),
            "accepted": sorted(key.accepted),
        }
        for key in store_of(run, runs, store).all_keys()
    ]
    if as_json:
        say_json(rows)
        return
    if not rows:
        say(f"no keys; make one with: osler keys create {run} NAME")
    for row in rows:
        say("  ".join(_cell(name, value) for name, value in row.items() if value))


@keys_app.command()
def revoke(run: RunName, key: KeyId, store: StoreUrl = None, runs: RunsFolder = Path("runs")) -> None:
    """End a key for good.

    Example: osler keys revoke demo 1f0c22ab
    """
    if not store_of(run, runs, store).revoke_key(key):
        raise InputError(f"there is no key {key!r} in force; see osler keys list {run}")
    say(f"key {key} is revoked")


@keys_app.command()
def accept(run: RunName, key: KeyId, store: StoreUrl = None, runs: RunsFolder = Path("runs")) -> None:
    """Record that the holder of a key accepted the current terms and shows them to every reader.

    Example: osler keys accept demo 1f0c22ab
    """
    from osler.serve.terms import read_terms

    kept = store_of(run, runs, store)
    if key not in {one.id for one in kept.all_keys() if one.revoked is None}:
        raise InputError(f"there is no key {key!r} in force; see osler keys list {run}")
    kept.accept(key, read_terms().version)
    say(f"key {key} accepted terms {read_terms().version}")


def _day(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")


def _cell(name: str, value: object) -> str:
    shown = ",".join(value) if isinstance(value, list) else str(value)
    return shown if name in {"id", "name"} else f"{name} {shown}"
