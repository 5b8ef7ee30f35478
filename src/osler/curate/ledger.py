"""Who came in, who left and why: the counts of curation, with kept + dropped = read held at every step."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from osler.records.drop import Drop


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    read: int
    kept: int
    changed: int
    drops: list[Drop]


class Ledger:
    """Counts as the steps go along: first all records are read, then each step is entered."""

    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._steps: list[_Step] = []

    @property
    def sources(self) -> list[str]:
        """Names of the sources read, sorted."""
        return sorted(self._read)

    @property
    def n_left(self) -> int:
        """Records that the last step kept; before the first, those read."""
        return self._steps[-1].kept if self._steps else self._read.total()

    def add_read(self, sources: Iterable[str]) -> None:
        """Enter records by their source."""
        self._read.update(sources)

    def add_step(self, name: str, kept: int, drops: Iterable[Drop] = (), changed: int = 0) -> None:
        """Enter what a step did with the records left."""
        step = _Step(name, self.n_left, kept, changed, sorted(drops, key=attrgetter("id")))
        if kept + len(step.drops) != step.read:
            raise RuntimeError(f"step {name} read {step.read} records, kept {kept} and dropped {len(step.drops)}")
        self._steps.append(step)

    def drops(self) -> list[Drop]:
        """All drops by step and id."""
        return [drop for step in self._steps for drop in step.drops]

    def to_dict(self) -> dict[str, Any]:
        """The parts of `counts.json` that count records by step and source."""
        dropped: dict[str, Counter[str]] = {source: Counter() for source in self._read}
        for drop in self.drops():
            dropped[drop.source][drop.reason] += 1
        return {
            "read": self._read.total(),
            "kept": self.n_left,
            "dropped": self._read.total() - self.n_left,
            "sources": [
                {
                    "source": source,
                    "read": self._read[source],
                    "kept": self._read[source] - dropped[source].total(),
                    "dropped": dict(dropped[source]),
                }
                for source in self.sources
            ],
            "steps": [
                {
                    "step": step.name,
                    "read": step.read,
                    "kept": step.kept,
                    "changed": step.changed,
                    "dropped": dict(Counter(drop.reason for drop in step.drops)),
                }
                for step in self._steps
            ],
        }
