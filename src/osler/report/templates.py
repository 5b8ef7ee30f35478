"""The templates of this room filled with a run: the page in HTML, cards and documents in Markdown.

What every one of them may show stands here once: the run's tables by name, the verdict, the review, the state of each stage, and
what is said of the data.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from osler.report import tables_data, tables_profile
from osler.report.format import count, many, moment, percent, percent_interval, sentence, words
from osler.report.headline import Line, review, state, verdict
from osler.report.read import Run
from osler.report.table import Cell, Table
from osler.report.tables import run_tables

_HERE = Path(__file__).parent


def fill(template: str, run: Run, **facts: Any) -> str:
    """A template, filled with what is known of a run and with further facts."""
    curated = run.curated
    return (
        _environment()
        .get_template(template)
        .render(
            run=run,
            tables=run_tables(run),
            verdict=verdict(run),
            review=review(run),
            state=lambda stage: state(run, stage),
            balance=tables_data.balance(run.collected, curated),
            identifiers_note=tables_data.identifiers_note(run),
            overlap_note=tables_data.overlap_note(run),
            mix_note=tables_profile.mix_note(curated) if curated else "",
            small_tables=tables_data.small_tables(curated) if curated else [],
            parts=tables_profile.parts(curated) if curated else [],
            **facts,
        )
    )


def fill_markdown(template: str, run: Run, **facts: Any) -> str:
    """As `fill`, with one blank line between blocks, whatever the template's branches leave."""
    blocks = (block.strip("\n") for block in fill(template, run, **facts).replace("\u00a0", " ").split("\n\n"))
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def plain(text: str) -> str:
    """Text that somebody wrote, in one line and without meaning for Markdown or HTML."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    for mark in "\\`*[]|":
        text = text.replace(mark, "\\" + mark)
    return text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([_HERE, _HERE / "cards", _HERE / "papers"]),
        # In Markdown, what people wrote goes through `plain`.
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    told = (count, many, moment, percent, plain, sentence, words)
    environment.filters |= {one.__name__: one for one in told}
    environment.filters |= {"table": _markdown_table, "told": _told, "share_interval": lambda ci: percent_interval(*ci)}
    return environment


def _markdown_table(table: Table) -> str:
    """A table with its caption above it; no rows are said in words."""
    if not table.rows:
        return f"{table.caption}\n\nNone."
    lines = [
        [column.title for column in table.columns],
        ["--:" if column.is_number else "---" for column in table.columns],
    ]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    return f"{table.caption}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(cell: Cell) -> str:
    if cell.tone == "code" and cell.text:
        return "`" + " ".join(cell.text.split()).replace("`", "'").replace("|", "\\|") + "`"
    return " ".join(cell.text.split()).replace("|", "\\|").replace("<", "&lt;")


def _told(line: Line | None) -> str:
    return f"**{line.name}.** {line.text}" if line else ""
