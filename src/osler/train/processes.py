"""The processes that train together, as torchrun or accelerate started them; one alone is a group of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of the run."""

    count: int
    number: int
    """From 0; 0 writes."""
    state: Any
    """accelerate's PartialState."""

    @property
    def is_main(self) -> bool:
        """Whether this one writes to the run folder."""
        return self.number == 0

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.state.wait_for_everyone()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Within it, the main process goes first and the others follow when it is through."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()


def join_processes() -> Processes:
    """Join the other processes of this run; returns at once when there are none."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()))
    return Processes(int(state.num_processes), int(state.process_index), state)
