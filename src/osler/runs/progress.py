"""How long work tells where it stands; the command line turns this into a bar with rate and time left."""

from typing import Protocol


class Progress(Protocol):
    """Called with the name of the work, the units done so far and the units in all."""

    def __call__(self, name: str, done: int, total: int | None, unit: str = "rows", note: str = "") -> None:
        """Report.

        Args:
            name: what is going on, the same text for one piece of work (`train`).
            done: units finished so far, counted from the start of the work, not from the last call.
            total: units in all, or None when it is not known.
            unit: plural noun of the units.
            note: a figure that changes as the work goes on (`loss 1.82`).
        """


def silent(name: str, done: int, total: int | None, unit: str = "rows", note: str = "") -> None:
    """A `Progress` that says nothing."""
