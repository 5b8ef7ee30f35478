"""Which rows each forward pass reads: decided before training starts, so that a run that was killed goes on exactly.

A step learns from the same rows however it is divided: into one pass or several, on one process or many. Letters: a step's
share is what one process reads of it; each share has the same number of passes, which sharded models need.

Packed passes are filled best-fit decreasing (Johnson 1973): the longest row first, into the fullest pass that still has room.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from osler.errors import InputError

_STRETCH_STEPS = 50
"""Rows of like length are gathered within so many steps: enough to save padding, few enough to stay random."""

Pass = tuple[int, ...]
"""Rows of one forward pass, by their index."""
Share = tuple[Pass, ...]
"""What one process reads in one step."""


@dataclass(frozen=True, slots=True)
class Order:
    """All passes of a training run."""

    steps: tuple[tuple[Share, ...], ...]
    """By step, by process."""
    packed: bool
    """Whether the rows of a pass are laid end to end; otherwise they are padded to the longest."""

    @property
    def n_steps(self) -> int:
        """Optimizer steps."""
        return len(self.steps)

    @property
    def n_rows(self) -> int:
        """Rows read, counted each time."""
        return sum(len(rows) for step in self.steps for share in step for rows in share)

    def rows_of(self, step: int) -> tuple[int, ...]:
        """Rows of one step (from 0), in ascending order."""
        return tuple(sorted(row for share in self.steps[step] for rows in share for row in rows))

    def tokens_after(self, lengths: Sequence[int]) -> list[int]:
        """Tokens read after 0, 1, ... steps, padding not counted.

        Args:
            lengths: tokens of each row, by its index.
        """
        sums = [0]
        for step in self.steps:
            sums.append(sums[-1] + sum(lengths[row] for share in step for rows in share for row in rows))
        return sums

    def largest_pass(self, lengths: Sequence[int]) -> int:
        """Positions of the largest pass, padding included: what memory must hold."""
        return max(self._computed(rows, lengths) for step in self.steps for share in step for rows in share)

    def padding_share(self, lengths: Sequence[int]) -> float:
        """Share of the positions computed that are padding."""
        passes = [rows for step in self.steps for share in step for rows in share]
        real = sum(lengths[row] for rows in passes for row in rows)
        return 1 - real / sum(self._computed(rows, lengths) for rows in passes)

    def _computed(self, rows: Pass, lengths: Sequence[int]) -> int:
        in_pass = [lengths[row] for row in rows]
        return sum(in_pass) if self.packed else max(in_pass) * len(in_pass)


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """How the rows of a step are divided."""

    batch_size: int
    accumulate: int
    epochs: float
    max_steps: int | None
    packed: bool
    pass_tokens: int
    """A packed pass holds at most so many tokens, or one row."""
    n_processes: int = 1


def plan_order(lengths: Sequence[int], options: OrderOptions, rng: random.Random) -> Order:
    """The order for `epochs` passes over the rows, at most `max_steps` steps; the last step is filled from a further pass.

    Raises:
        InputError: the rows of a step cannot be shared evenly by the processes.
    """
    per_step, n_processes = options.batch_size * options.accumulate, options.n_processes
    if per_step % n_processes:
        raise InputError(
            f"A step has batch_size x accumulate = {per_step} rows, which {n_processes} processes cannot share evenly. "
            f"Make train.batch_size x train.accumulate a multiple of {n_processes}."
        )
    n_steps = math.ceil(options.epochs * len(lengths) / per_step)
    n_rows = min(n_steps, options.max_steps or n_steps) * per_step
    stream: list[int] = []
    while len(stream) < n_rows:
        once = list(range(len(lengths)))
        rng.shuffle(once)
        stream.extend(once)
    del stream[n_rows:]
    steps: list[tuple[Share, ...]] = []
    # Packed rows need no company of like length, and a step of its own makes the more random one.
    stretch = per_step * (1 if options.packed else _STRETCH_STEPS)
    for start in range(0, n_rows, stretch):
        near = sorted(stream[start : start + stretch], key=lambda row: (-lengths[row], row))
        groups = [near[first : first + per_step] for first in range(0, len(near), per_step)]
        rng.shuffle(groups)
        steps.extend(_shares(group, lengths, options) for group in groups)
    return Order(tuple(steps), options.packed)


def plan_passes(lengths: Sequence[int], options: OrderOptions) -> Share:
    """All rows once, in passes of the same kind as in training: for measuring."""
    return _passes(sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)), lengths, options)


def _shares(rows: Sequence[int], lengths: Sequence[int], options: OrderOptions) -> tuple[Share, ...]:
    """The rows of a step, longest first, dealt out to and fro: equally many for each process, and nearly as many tokens."""
    hands: list[list[int]] = [[] for _ in range(options.n_processes)]
    for number, row in enumerate(rows):
        turn, seat = divmod(number, options.n_processes)
        hands[seat if turn % 2 == 0 else -1 - seat].append(row)
    shares = [list(_passes(hand, lengths, options)) for hand in hands]
    most = max(len(share) for share in shares)
    for share in shares:
        while len(share) < most:
            share.sort(key=len)
            largest = share.pop()
            share += [largest[::2], largest[1::2]]
    return tuple(tuple(share) for share in shares)


def _passes(rows: Sequence[int], lengths: Sequence[int], options: OrderOptions) -> Share:
    if not options.packed:
        size = options.batch_size
        return tuple(tuple(rows[start : start + size]) for start in range(0, len(rows), size))
    capacity = options.pass_tokens
    passes: list[list[int]] = []
    room: list[int] = []
    for row in rows:
        length = lengths[row]
        fitting = [number for number, free in enumerate(room) if free >= length]
        if fitting:
            chosen = min(fitting, key=room.__getitem__)
            passes[chosen].append(row)
            room[chosen] -= length
        else:
            passes.append([row])
            room.append(capacity - length)
    return tuple(tuple(sorted(found)) for found in passes)
