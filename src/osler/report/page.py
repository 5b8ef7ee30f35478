"""`report.html`: what was tested in a run, on what, and what failed, as one page that needs nothing beside it.

Reads the run folder's own files, writes `<run>/report.html`. Every number on the page stands in a file of the run or is a
sum or share of such numbers. The page makes no claim that a model is safe or clinically valid.
"""

from itertools import count as numbers_from
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from osler.report import figures, tables_exam, tables_facts, tables_profile
from osler.report.cards import data_facts
from osler.report.format import count, moment, sentence, words
from osler.report.headline import review, state, summary, verdict
from osler.report.read import Run, read_run
from osler.report.tables import run_tables
from osler.runs.files import write_bytes

_HERE = Path(__file__).parent


def write_report(run: Path) -> Path:
    """Write `<run>/report.html`; the same run folder gives the same bytes.

    Raises:
        InputError: the folder is no run folder, or one of its files is damaged.
    """
    page = run / "report.html"
    write_bytes(page, render(read_run(run)).encode("utf-8"))
    return page


def render(run: Run) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"words": words, "moment": moment, "count": count, "sentence": sentence}
    tables = run_tables(run)
    return environment.get_template("page.html.j2").render(
        run=run,
        started=min((facts.started for facts in run.stages.values() if facts.started), default=""),
        style=Markup((_HERE / "page.css").read_text("utf-8")),  # noqa: S704  (our own file)
        drawn=Markup,
        verdict=verdict(run),
        summary=summary(run),
        review=review(run),
        state=lambda name: state(run, name),
        number_table=numbers_from(1).__next__,
        number_figure=numbers_from(1).__next__,
        tables=tables,
        fact_tables=[
            tables["stages"],
            tables["versions"],
            tables_facts.digests_table(run),
            tables_facts.options_table(run),
        ],
        **_data(run),
        **_exams(run),
    )


def _data(run: Run) -> dict[str, Any]:
    curated = run.curated
    return {
        **data_facts(run),
        "flow_figure": figures.flow_figure(run.collected, curated),
        "steps_figure": figures.steps_figure(curated) if curated else None,
        "examples": tables_profile.examples(curated) if curated else {},
        "loss_figure": figures.loss_figure(run.trained) if run.trained else None,
    }


def _exams(run: Run) -> dict[str, Any]:
    scores = run.evaluated.scores if run.evaluated else ()
    return {
        "scores_figure": figures.scores_figure(scores) if scores else None,
        "reliability_figures": figures.reliability_figures(scores),
        "attributions": tables_exam.attributions(run.evaluated),
        "rates_figure": figures.rates_figure(run.redteamed) if run.redteamed else None,
    }
