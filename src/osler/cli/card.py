"""`osler card` and `osler documents`: what is said of a run, drawn from its files."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from osler.cli.options import AsJson, RunName, RunsFolder, find_run
from osler.cli.screen import notice, say, say_json


def card(
    kind: Annotated[Literal["data", "model", "system"], typer.Argument(help="What the card is about.")],
    run: RunName,
    out: Annotated[Path | None, typer.Option(help="File to write; stdout when not given.")] = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Draw a card from a run's files, in the form of the Hugging Face hub.

    Example: osler card model demo --out README.md
    """
    from osler.paperwork import card as draw
    from osler.runs.files import write_bytes

    text = draw(kind, find_run(run, runs), os.environ.get("OSLER_AUDIT_KEY"))
    if out is None:
        say(text.rstrip("\n"))
        return
    write_bytes(out, text.encode())
    say(f"wrote {out}")


def documents(
    run: RunName,
    out: Annotated[Path | None, typer.Option(help="Folder to write; RUN/documents, where the gate looks.")] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Draw what must be decided and signed before anything is shown to people: use, risks, terms, privacy, incidents, review, audits.

    Example: osler documents demo
    """
    from osler.paperwork import write_documents
    from osler.runs.signatures import FOLDER

    folder = find_run(run, runs)
    papers = write_documents(folder, out or folder / FOLDER)
    for name in papers.edited:
        notice(f"{name}.md was edited by hand and is left as it is; delete it to have it drawn again")
    if as_json:
        rows = [
            {"document": s.document, "sha256": s.sha256, "by": s.by, "missing": s.missing} for s in papers.signatures
        ]
        say_json({"folder": str(papers.folder), "open_decisions": list(papers.open_decisions), "documents": rows})
        return
    for one in papers.signatures:
        say(
            f"{one.document:<18} {one.sha256}  {f'not signed: {one.missing}' if one.missing else f'signed by {one.by}'}"
        )
    say(
        f"wrote {papers.folder}, {len(papers.open_decisions)} decisions open; begin with {papers.folder / 'checklist.md'}"
    )
