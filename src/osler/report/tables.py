"""The tables of a run by name, as the page, the cards and the documents show them; None for what the run does not have."""

from collections.abc import Callable
from typing import TypeVar

from osler.report import tables_data, tables_exam, tables_facts, tables_gate
from osler.report.read import Run
from osler.report.table import Table

Facts = TypeVar("Facts")


def run_tables(run: Run) -> dict[str, Table | None]:
    """Every table that stands for itself."""
    curated, evaluated, redteamed = run.curated, run.evaluated, run.redteamed
    scores = evaluated.scores if evaluated else ()
    return {
        "sources": _of(tables_data.sources_table, run.collected),
        "written": _of(tables_data.written_table, run.written),
        "flow": tables_data.flow_table(run.collected, curated),
        "reasons": tables_data.reasons_table(run.collected, curated),
        "steps": _of(tables_data.steps_table, curated),
        "overlap": _of(tables_data.overlap_table, curated if curated and curated.overlap else None),
        "ledger": _of(tables_data.ledger_table, run.trained),
        "scores": _of(tables_exam.scores_table, evaluated if scores else None),
        "references": _of(tables_exam.references_table, scores),
        "subjects": _of(tables_exam.subjects_table, scores if any(one.subjects for one in scores) else None),
        "comparisons": _of(tables_exam.comparisons_table, evaluated.comparisons if evaluated else None),
        "swapped": _of(tables_exam.swapped_table, evaluated.swapped if evaluated else None),
        "open_answers": _of(tables_exam.open_answers_table, evaluated.open_answers if evaluated else None),
        "rates": _of(tables_exam.rates_table, redteamed),
        "attacks": _of(tables_exam.attacks_table, redteamed),
        "intents": _of(tables_exam.intents_table, redteamed),
        "failures": _of(tables_exam.failures_table, redteamed if redteamed and redteamed.failures else None),
        "review": _of(tables_exam.review_table, run.reviewed),
        "agreement": _of(tables_exam.agreement_table, run.reviewed),
        "gate": _of(tables_gate.gate_table, run.gate),
        "parity": _of(tables_gate.parity_table, run.parity),
        "stages": tables_facts.stages_table(run),
        "versions": tables_facts.versions_table(run),
    }


def _of(draw: Callable[[Facts], Table], facts: Facts | None) -> Table | None:
    return draw(facts) if facts else None
