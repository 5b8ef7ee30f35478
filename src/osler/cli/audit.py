"""`osler audit`: the logs of what a server did, one for each replica."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from osler.cli.options import AsJson, RunName, RunsFolder, StoreUrl, find_run, store_of
from osler.cli.screen import say, say_json
from osler.errors import InputError

audit_app = typer.Typer(help="Check the log of what a server did.", no_args_is_help=True, rich_markup_mode=None)


@audit_app.command()
def verify(run: RunName, store: StoreUrl = None, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """Check every row of a run's audit logs; exits 1 and names the first row that does not hold, or what is missing at the end.

    The key is taken from OSLER_AUDIT_KEY, or from the file beside the log. The ends of the logs are compared with their head files
    and with what the servers noted in the store.

    Example: osler audit verify demo
    """
    from osler.guard.chain import id_of
    from osler.guard.chain import verify as verify_chain
    from osler.serve.start import read_audit_key

    folder = find_run(run, runs) / "serve"
    key = read_audit_key(folder, os.environ.get("OSLER_AUDIT_KEY"))
    noted = store_of(run, runs, store).heads()
    found = []
    for path in _logs(folder):
        anchor = noted.get(id_of(path))
        head = verify_chain(path, key, anchor[0] if anchor else None)
        found.append({"log": path.name, "rows": head.seq, "mac": head.mac, "noted_in_store": anchor is not None})
    if as_json:
        say_json(found)
        return
    for one in found:
        say(f"{one['log']}: {one['rows']:,} rows hold; the last has the code {str(one['mac'])[:16]}")


@audit_app.command()
def export(
    run: RunName,
    out_format: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    since: Annotated[str, typer.Option(help="First day or time, UTC (2026-11-21 or 2026-11-21T08:00).")] = "",
    until: Annotated[str, typer.Option(help="First day or time that is left out.")] = "",
    runs: RunsFolder = Path("runs"),
) -> None:
    """Write the rows of a run's audit logs to stdout, without any text of questions and answers.

    Example: osler audit export demo --format csv --since 2026-11-01 > november.csv
    """
    from osler.guard.chain import as_csv, read_rows

    if out_format not in {"jsonl", "csv"}:
        raise InputError(f"the format is {out_format!r}; it must be jsonl or csv")

    def rows() -> Iterator[dict[str, Any]]:
        for path in _logs(find_run(run, runs) / "serve"):
            for row in read_rows(path, since, until):
                yield {"log": path.name, **row}

    lines = as_csv(rows()) if out_format == "csv" else (orjson.dumps(row).decode() + "\n" for row in rows())
    for line in lines:
        say(line.removesuffix("\n"))


@audit_app.command()
def show(
    run: RunName, request: Annotated[str, typer.Argument(metavar="REQUEST")], runs: RunsFolder = Path("runs")
) -> None:
    """Show the texts of one request, where the operator keeps them and their time is not over.

    The key is taken from OSLER_TEXT_KEY; the request's id is the header x-request-id, or `request` in the log.

    Example: osler audit show demo 5f3a0c
    """
    from osler.guard.texts import open_texts

    found = open_texts(find_run(run, runs) / "serve" / "texts", os.environ.get("OSLER_TEXT_KEY")).read(request)
    if not found:
        raise InputError(f"no texts of {request} are kept: they never were, or their time is over")
    say_json(found)


def _logs(folder: Path) -> list[Path]:
    found = sorted({*folder.glob("audit*.jsonl"), *(path.with_suffix("") for path in folder.glob("audit*.jsonl.head"))})
    if not found:
        raise InputError(f"{folder} holds no audit log; a server writes it")
    return found
