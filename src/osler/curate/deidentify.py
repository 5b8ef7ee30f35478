"""De-identification: identifiers of patients become typed tags. The finding is done by `osler.phi`."""

from collections import Counter
from dataclasses import dataclass

from osler.curate.config import DeidentifyConfig
from osler.curate.step import Outcome, rewritten
from osler.phi import find, replace
from osler.records.record import Record


@dataclass(frozen=True, slots=True)
class Deidentify:
    """The de-identification step. It drops nothing; its tallies are the identifiers replaced, by type."""

    config: DeidentifyConfig
    name: str = "deidentify"

    def __call__(self, record: Record) -> Outcome:
        """Replace identifiers in every text of a record."""
        if not self.config.enabled:
            return Outcome(record)
        tallies: Counter[str] = Counter()

        def tag(_field: str, text: str) -> tuple[str, str]:
            spans = find(text)
            tallies.update(span.type for span in spans)
            return replace(text, spans) if spans else text, "identifier"

        changed, changes = rewritten(record, self.name, tag)
        return Outcome(changed, changes=changes, tallies=tallies)
