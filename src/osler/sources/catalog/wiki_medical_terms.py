"""wiki_medical_terms: whole Wikipedia articles on medical terms.

An article is no answer to a question: most are far longer than a model's window, and cutting them into chunks gives targets that
begin in the middle of a thought. The lead section answers "What is X?" by Wikipedia's own rules of style, so that is the
record; the finished 84,325-row set instead has questions and answers made up by a model from the article.
"""

import re
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text
from osler.sources.shape import one_record
from osler.sources.source import Place
from osler.text import match_key

_SECTION = re.compile(r"\n\s*\n|\n\s*==")
"""The end of the lead: an empty line, or a heading in wiki marks."""
_SEE = re.compile(r"may (?:also )?refer to:?\s*$", re.IGNORECASE)


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an article: its lead section as the answer to "What is X?"."""
    row = as_object(row)
    title = filled_text(row, "page_title", "empty_question").strip()
    lead = _SECTION.split(filled_text(row, "page_text", "empty_answer").strip(), maxsplit=1)[0].strip()
    if _SEE.search(lead):
        raise RowError("no_article", "is a list of pages of that name", "page_text")
    return one_record(
        place,
        f"What is {title}?",
        lead,
        f"https://en.wikipedia.org/wiki/{title.replace(' ', '_')}",
        split="",
        group=f"wiki_medical_terms:{match_key(title)}",
    )
