"""Alzheimer_pubmed_abstracts: titles and abstracts on Alzheimer's disease, one CSV.

The guides train title to abstract, which teaches to invent results from a title. Here the abstract is the passage, and the
authors' labelled conclusion or else their title is asked for; see `abstract.py`.
"""

from typing import Any

from osler.records.record import Record
from osler.sources.catalog.abstract import Section, abstract_record, flat_markup, plain_title
from osler.sources.fields import as_object, filled_text, optional_text
from osler.sources.source import Place
from osler.text import match_key


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an abstract."""
    row = as_object(row)
    title = plain_title(flat_markup(optional_text(row, "title")))
    abstract = flat_markup(filled_text(row, "abstract", "no_abstract"))
    return abstract_record(
        title, [Section("", abstract)], place, group=f"alzheimer_pubmed:{match_key(title)}" if title else ""
    )
