"""Which generated records repeat one another, a collected record, or a benchmark's item."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from osler.records.record import Record
from osler.text import jaccard, match_key, shingles, words

_RUN = 5
_BENCHMARK_RUN = 8
_BENCHMARK_SHARE = 0.2
"""Share of an item's runs of eight words found in a record from which it is dropped; as in curation."""


class Repeats:
    """Generated records by their runs of words. Memory grows with the generated records only; all others pass by once."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._runs: dict[str, set[int]] = {}
        self._with_run: dict[int, list[str]] = {}

    def add(self, record: Record) -> str:
        """Id of an earlier record that this one repeats; else it is kept here and the answer is empty."""
        runs = _runs(record)
        repeated = self._repeated(runs)
        if repeated:
            return repeated[0]
        self._runs[record.id] = runs
        for run in runs:
            self._with_run.setdefault(run, []).append(record.id)
        return ""

    def repeated_by(self, others: Iterable[Record]) -> dict[str, str]:
        """Id of the collected record that each generated one repeats, for those that do."""
        found: dict[str, str] = {}
        for other in others:
            for name in self._repeated(_runs(other)):
                found.setdefault(name, other.id)
        return found

    def _repeated(self, runs: set[int]) -> list[str]:
        common = Counter(name for run in runs for name in self._with_run.get(run, ()))
        return sorted(name for name in common if jaccard(runs, self._runs[name]) >= self._threshold)


def overlaps(records: Sequence[Record], benchmarks: Mapping[str, Iterable[Record]]) -> dict[str, str]:
    """Name of the benchmark whose item stands in a record, by the record's id, for those where one does."""
    texts = {record.id: words(f"{record.question}\n{record.rationale or record.target}") for record in records}
    questions = {record.id: match_key(record.question) for record in records}
    with_run: dict[int, list[str]] = {}
    for name, text in texts.items():
        for run in shingles(text, _BENCHMARK_RUN):
            with_run.setdefault(run, []).append(name)
    found: dict[str, str] = {}
    for benchmark, items in sorted(benchmarks.items()):
        asked = set()
        for item in items:
            asked.add(match_key(item.question))
            runs = shingles(words(item.question), _BENCHMARK_RUN)
            hits = Counter(name for run in runs for name in with_run.get(run, ()))
            for name, n in hits.items():
                if n >= _BENCHMARK_SHARE * len(runs):
                    found.setdefault(name, benchmark)
        for name, question in questions.items():
            if question in asked:
                found.setdefault(name, benchmark)
    return found


def _runs(record: Record) -> set[int]:
    return shingles(words(f"{record.question}\n{record.target}"), _RUN)
