"""The mapping of rows whose question and answer stand in columns of their own, as a source's YAML file names them."""

from collections.abc import Callable
from typing import Any

from osler.records.record import Record
from osler.runs.section import Section
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.shape import one_record
from osler.sources.source import Place


class Columns(Section):
    """Names of columns, each with the names it has in other copies; capitals make no difference."""

    question: tuple[str, ...]
    answer: tuple[str, ...] = ()
    """Empty for a set of questions alone."""
    rationale: tuple[str, ...] = ()
    url: tuple[str, ...] = ()


def by_columns(columns: Columns) -> Callable[[Any, Place], list[Record]]:
    """The mapping. A row that is a text and no object is the question itself."""

    def to_records(row: Any, place: Place) -> list[Record]:
        """One record a row: its question, with its answer where the set has answers."""
        row = {columns.question[0]: row} if isinstance(row, str) else as_object(row)
        question = filled_text(row, _column(row, columns.question), "empty_question").strip()
        answer = filled_text(row, _column(row, columns.answer), "empty_answer").strip() if columns.answer else ""
        rationale, url = (
            optional_text(row, _column(row, names)).strip() if names else ""
            for names in (columns.rationale, columns.url)
        )
        return one_record(place, question, answer, url, rationale=rationale)

    return to_records


def _column(row: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of the names that the row has; the first of all where it has none."""
    held = {name.casefold(): name for name in row if isinstance(name, str)}
    return next((held[name.casefold()] for name in names if name.casefold() in held), names[0])
