"""`report.html`: what was tested in a run, on what, and what failed, as one page that needs nothing beside it.

Reads the run folder's own files, writes `<run>/report.html`. Every number on the page stands in a file of the run or is a
sum or share of such numbers. The page makes no claim that a model is safe or clinically valid.
"""

from itertools import count as numbers_from
from pathlib import Path

from markupsafe import Markup

from osler.report import figures, tables_exam, tables_facts, tables_profile
from osler.report.headline import summary
from osler.report.read import Run, read_run
from osler.report.templates import fill
from osler.runs.files import write_bytes


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
    curated = run.curated
    scores = run.evaluated.scores if run.evaluated else ()
    return fill(
        "page.html.j2",
        run,
        started=min((facts.started for facts in run.stages.values() if facts.started), default=""),
        style=Markup((Path(__file__).parent / "page.css").read_text("utf-8")),  # noqa: S704  (our own file)
        drawn=Markup,
        summary=summary(run),
        number_table=numbers_from(1).__next__,
        number_figure=numbers_from(1).__next__,
        flow_figure=figures.flow_figure(run.collected, curated),
        steps_figure=figures.steps_figure(curated) if curated else None,
        examples=tables_profile.examples(curated) if curated else {},
        loss_figure=figures.loss_figure(run.trained) if run.trained else None,
        scores_figure=figures.scores_figure(scores) if scores else None,
        reliability_figures=figures.reliability_figures(scores),
        attributions=tables_exam.attributions(run.evaluated),
        rates_figure=figures.rates_figure(run.redteamed) if run.redteamed else None,
        digests=tables_facts.digests_table(run),
        options=tables_facts.options_table(run),
    )
