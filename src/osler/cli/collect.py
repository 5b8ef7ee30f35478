"""`osler collect`: data sets to records, from the hub, the publisher or a local copy."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osler.cli.options import AsJson, Quiet, cache_folder
from osler.cli.screen import Screen, say, say_json
from osler.errors import InputError

if TYPE_CHECKING:
    from osler.runs.progress import Progress
    from osler.sources.collect import Copy, SourceCounts
    from osler.sources.source import Source


def collect(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names of sources, as in `osler sources list`.")
    ],
    path: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PATH", help="Local copy: a folder of source folders, or one source's; or sample."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the records go.")] = Path("collected"),
    agree: Annotated[
        list[str] | None,
        typer.Option(
            "--agree", metavar="NAME=TEXT", help="The agreement you have for a restricted source; may be repeated."
        ),
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option("--max-rows", min=1, help="At most this many rows of each split.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make records of data sets: downloads what is open and not here yet, or reads a local copy.

    Example: osler collect medqa pubmedqa --out collected
    """
    from osler.runs.lock import only_writer
    from osler.sources.collect import collect_copies

    if others := sorted({file.stem for file in (out / "records").glob("*.jsonl")} - {*names}):
        raise InputError(
            f"{out} holds records of {', '.join(others)}, which would be removed. Give another folder (--out), or "
            "name them too."
        )
    agreements = stated_agreements(agree or ())
    with Screen(quiet=quiet or as_json) as screen:
        copies = [named_copy(name, path, agreements, screen) for name in dict.fromkeys(names)]
        with only_writer(out):
            counts = collect_copies(copies, out, screen, max_rows)
    if as_json:
        say_json({"out": str(out), "sources": [asdict(row) for row in counts]})
        return
    for row in counts:
        aside = "".join(f", {reason} {n:,}" for reason, n in row.set_aside.items())
        say(f"{row.source}: {row.read:,} rows read, {row.records:,} records{aside}")
        if row.agreement:
            say(f"{row.source}: local-only from here on, under: {row.agreement}")
    say(f"records  {out / 'records'}")
    if path in {None, "sample"} or all((Path(path or "").expanduser() / row.source).is_dir() for row in counts):
        say(f"next     osler run RECIPE {_settings(path, list(counts))}")


def _settings(path: str | None, counts: "list[SourceCounts]") -> str:
    """What a recipe must say to train on the same."""
    root = path if path == "sample" else Path(path).expanduser().resolve() if path else cache_folder() / "sources"
    names = ", ".join(row.source for row in counts)
    stated = ", ".join(f'{row.source}: "{row.agreement}"' for row in counts if row.agreement)
    agreements = f" --set 'collect.agreements={{{stated}}}'" if stated else ""
    return f"--set collect.root={root} --set 'collect.sources=[{names}]'{agreements}"


def named_copy(name: str, path: str | None, agreements: dict[str, str], progress: "Progress") -> "Copy":
    """The copy of a source: below the folder that the user named, the sample's, or a downloaded one."""
    from osler.sources.access import agreement_for
    from osler.sources.catalog import source_named
    from osler.sources.collect import copy_of
    from osler.sources.files import in_given_folder, sample_root

    source = source_named(name)
    if path == "sample":
        return copy_of(source, sample_root(), agreements)
    if path is not None:
        agreement_for(source, agreements)  # before a file of it is opened
        return copy_of(in_given_folder(source), Path(path).expanduser(), agreements)
    return copy_of(source, _fetched(source, progress), agreements)


def _fetched(source: "Source", progress: "Progress") -> Path:
    from osler.sources.fetch import HUB_ENDPOINT, Connection, fetch

    connection = Connection(
        endpoint=os.environ.get("HF_ENDPOINT") or HUB_ENDPOINT, token=os.environ.get("HF_TOKEN", "")
    )
    return fetch(source, cache_folder(), connection, progress)


def stated_agreements(stated: "list[str] | tuple[()]") -> dict[str, str]:
    """The agreements by source of `--agree NAME=TEXT`."""
    agreements = {}
    for one in stated:
        name, equals, text = one.partition("=")
        if not equals or not name.strip():
            raise InputError(f'--agree {one!r} is not of the form NAME=TEXT, as in --agree mimic_iii="which agreement"')
        agreements[name.strip()] = text.strip()
    return agreements
