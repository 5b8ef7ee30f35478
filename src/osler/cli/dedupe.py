"""`osler dedupe`: copies dropped from plain rows, at any size."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from osler.cli.options import AsJson
from osler.cli.screen import Screen, in_words, say, say_json
from osler.errors import InputError


def dedupe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON Lines files, one object a line.")],
    out: Annotated[Path, typer.Option(help="Folder for kept.jsonl, dropped.jsonl and counts.json.")],
    field: Annotated[
        list[str] | None, typer.Option(help="A field that holds text; may be repeated. [default: input, output]")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.5, max=1, help="Jaccard similarity of near copies.")] = 0.8,
    chars: Annotated[str, typer.Option(metavar="LEAST-MOST", help="Length of every field in characters.")] = "10-1500",
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")] = "local",
    as_json: AsJson = False,
) -> None:
    """Drop exact and near copies from plain rows, of which the first stays; every dropped row is listed with its reason.

    Near copies go whatever they are about. For medical records use `osler curate`, which keeps those that differ in subject, number
    or negation.

    Example: osler dedupe rows.jsonl --out deduped --field question --field answer
    """
    from osler.curate.engine import choose_engine
    from osler.curate.plain_rows import PlainOptions, dedupe_rows

    least, dash, most = chars.partition("-")
    if not (dash and least.isdecimal() and most.isdecimal() and int(least) <= int(most)):
        raise InputError(f"--chars is {chars!r}; expected two numbers such as 10-1500, the smaller first.")
    fields = tuple(field or PlainOptions().fields)
    options = PlainOptions(fields=fields, min_chars=int(least), max_chars=int(most), threshold=threshold)
    with Screen(quiet=as_json) as screen:
        counts = dedupe_rows(files, out, options, choose_engine(engine, None), screen)
    if as_json:
        say_json(counts)
        return
    say(f"{counts['read']:,} read, {counts['kept']:,} kept; dropped: {in_words(counts['reasons'])}")
    say(f"wrote    {out}: kept.jsonl, dropped.jsonl, counts.json")
