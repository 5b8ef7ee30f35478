"""A text with what patterns need of it: which of their strings it has, and where.

Two hundred strings are looked for in every text. Hardly any text has more than some thirty, so most are ruled out at once: a string
whose runs of three bytes are not all among those of the text is not in it.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from osler.phi.patterns import load_allowed, load_patterns

DIGIT, DIGITS = "0", "000"
"""Stand for any digit, and for any three, as `needs` write them."""
_ZEROS = str.maketrans("123456789", "000000000")
_RUNS = 1 << 16
_COMPARED = 5
"""Runs of a string that are looked up."""


class Searched:
    """A text with what patterns need of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._zeroed = text.translate(_ZEROS)
        self._folded = self._zeroed.lower()
        self.is_aligned = len(self._folded) == len(text)
        """A few letters of other scripts fold to two; then places in the folded text are no places in the text."""
        needs, short, runs = _needs()
        has_run = np.zeros(_RUNS, np.bool_)
        has_run[_runs_of(self._folded)] = True
        likely = np.flatnonzero(has_run[runs].all(axis=0)).tolist()
        lower = _lower_needs()
        self.has = {
            need
            for need in (*short, *map(needs.__getitem__, likely))
            if need in (self._folded if need in lower else self._zeroed)
        }
        """Strings that patterns need and that the text has, with every digit as 0 and, unless they have a capital, any case."""
        self._places: dict[tuple[str, ...], list[int]] = {}

    def places(self, needs: tuple[str, ...]) -> list[int]:
        """Where each of `needs` stands, without overlap of one with itself; sorted."""
        found = self._places.get(needs)
        if found is None:
            found = []
            for need in self.has.intersection(needs):
                form = self._folded if need in _lower_needs() else self._zeroed
                start = form.find(need)
                while start >= 0:
                    found.append(start)
                    start = form.find(need, start + len(need))
            found.sort()
            self._places[needs] = found
        return found


def _runs_of(text: str) -> npt.NDArray[np.uint16]:
    """Hashes of the runs of three bytes."""
    letters = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.uint16)
    hashed: npt.NDArray[np.uint16] = (
        (letters[:-2] * np.uint16(0x9E37)) ^ (letters[1:-1] * np.uint16(0x79B9)) ^ (letters[2:] * np.uint16(0x0101))
    )
    return hashed


@cache
def _lower_needs() -> frozenset[str]:
    needs = {DIGIT, DIGITS, *(need for pattern in load_patterns() for need in pattern.needs)}
    needs.update(need for needs, _ in load_allowed().always for need in needs)
    return frozenset(need for need in needs if need == need.lower())


@cache
def _needs() -> tuple[list[str], list[str], npt.NDArray[np.uint16]]:
    """Strings of three characters or more, shorter ones, and runs of the former by place: shape (_COMPARED, strings)."""
    cased = {need for pattern in load_patterns() for need in pattern.needs if need != need.lower()}
    every = sorted(cased | _lower_needs())
    long = [need for need in every if len(need) > 2]
    runs = [_runs_of(need.lower()) for need in long]
    table = np.array([[run[min(place, len(run) - 1)] for run in runs] for place in range(_COMPARED)], np.uint16)
    return long, [need for need in every if len(need) < 3], table
