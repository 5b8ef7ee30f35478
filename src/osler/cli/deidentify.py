"""`osler deidentify`: identifiers of patients replaced by typed tags or by surrogates."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from osler.cli.options import AsJson
from osler.cli.screen import Screen, say, say_json


class Also(StrEnum):
    """What is found besides; typer takes no list of literals."""

    presidio = "presidio"
    every_kind = "every-kind"


def deidentify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl, .csv, .txt or .md file.")],
    out: Annotated[Path, typer.Option(help="Where to write it with the identifiers replaced.")],
    field: Annotated[str, typer.Option(help="The field or column that holds the text.")] = "text",
    mode: Annotated[
        Literal["tag", "surrogate"], typer.Option(help="Typed tags, or invented identifiers keyed by OSLER_PHI_KEY.")
    ] = "tag",
    spans: Annotated[
        bool, typer.Option("--spans", help="Add `phi`: what was replaced and where, in the original text (.jsonl).")
    ] = False,
    also: Annotated[
        list[Also] | None,
        typer.Option(
            help="What is found besides: a second opinion by presidio, where it is installed; every-kind: what Safe Harbor leaves, "
            "that is years, ages, nationalities, countries, titles and web addresses. May be given twice."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replace identifiers of patients in a file, and say how many, what may be left and which rows to read.

    It misses some. Safe Harbor also needs the absence of actual knowledge, which no tool certifies.

    Example: osler deidentify notes.jsonl --out clean.jsonl --spans
    """
    from osler.curate.deidentify_file import How, deidentify_file
    from osler.phi.presidio import finder
    from osler.phi.surrogates import key_of_environment

    key = key_of_environment() if mode == "surrogate" else None
    others = (finder(),) if Also.presidio in (also or ()) else ()
    how = How(field, key, has_spans=spans, also=others, every_kind=Also.every_kind in (also or ()))
    with Screen(quiet=as_json) as screen:
        report = deidentify_file(file, out, how, screen)
    if as_json:
        say_json(asdict(report))
        return
    found = ", ".join(f"{count} {kind}" for kind, count in report.identifiers.items()) or "none"
    say(f"wrote {out}: {report.rows:,} rows, {report.changed:,} changed; identifiers replaced: {found}")
    say(f"residual risk: mean {report.mean_risk}, {report.risky_rows:,} rows at 0.5 or more. {report.note}")
    say(f"next: read {report.review}")
