"""`osler trace`: the way of one row through a run."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osler.cli.options import AsJson, RunName, RunsFolder, find_run
from osler.cli.screen import say, say_json

if TYPE_CHECKING:
    from osler.curate.trace import Row, Trace

_SHOWN_PIECES = 12
_PIECE_CHARS = 200


def trace(
    run: RunName,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of a record, as in train.jsonl or dropped.jsonl.")],
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Tell where a row came from, what was changed in it, and what became of it. Shows its text.

    Example: osler trace demo medquad:0006e15e34cbc406
    """
    from osler.curate import trace as tracing

    found = tracing.trace(find_run(run, runs), identity)
    if as_json:
        say_json(asdict(found))
        return
    for name, value in found.origin.items():
        if value:
            say(f"{name:<10} {value}")
    if found.written is not None:
        _say_page(found.written)
    for line in _fate(found):
        say(line)
    _say_changes(found.changes)
    trained = {True: "yes", False: "no", None: "not known"}[found.training.trained_on]
    say(f"trained on {trained}: {found.training.why}")
    for message in (found.record or {}).get("messages", ()):
        say(f"\n[{message['role']}] {message['content']}")


def _say_page(written: "Row") -> None:
    """The page that a generated row quotes, the quote in brackets."""
    start, end = written["quote"]
    text = written["page_text"]
    marked = f"{text[:start]}>>>{text[start:end]}<<<{text[end:]}" if text else written["quoted"]
    say(f"written by {written['model']} with {written['generator']} {written['generator_version']}")
    say(f"quotes     {written['document']}, page {written['page']}, marked >>> <<<:\n{marked}\n")


def _fate(found: "Trace") -> list[str]:
    if found.fate == "examined_only":
        lines = ["fate       not for training: its source is only asked from in benchmarks"]
    elif found.drop:
        detail = f" ({found.drop['detail']})" if found.drop["detail"] else ""
        did = "set aside" if found.fate == "set_aside" else "dropped"
        lines = [f"fate       {did} in {found.drop['step']}: {found.drop['reason']}{detail}"]
    else:
        times = f", {found.times} times" if found.times > 1 else ""
        lines = [f"fate       kept, in the {found.split} split{times}; leakage group {found.group}"]
    if found.lost_to:
        lines.append(f"copy of    {found.lost_to}, which was kept")
    beat = [(row["id"], row["reason"], row["detail"].removeprefix(found.id)) for row in found.beat]
    lines += [f"beat       {loser} ({reason}{likeness})" for loser, reason, likeness in beat]
    lines += [f"held by    {row['id']}, dropped for it ({row['detail']})" for row in found.held_by]
    lines += [f"contradicts {other}, which answers the same question otherwise" for other in found.contradicts]
    checked = ", ".join(found.benchmarks_checked) or "none: the recipe has no benchmark"
    return [*lines, f"benchmark  {found.benchmark or 'no item touched'}; checked against {checked}"]


def _say_changes(changes: "tuple[Row, ...]") -> None:
    from osler.curate.trace import differences

    say(f"changes    {len(changes)}")
    for change in changes:
        pieces = differences(change["before"], change["after"])
        say(f"  {change['step']}, {change['field']}: {change['reason']}, in {len(pieces)} places")
        for before, after in pieces[:_SHOWN_PIECES]:
            say(f"    {before[:_PIECE_CHARS]!r} -> {after[:_PIECE_CHARS]!r}")
        if len(pieces) > _SHOWN_PIECES:
            say(f"    and {len(pieces) - _SHOWN_PIECES} more; --json shows all")
