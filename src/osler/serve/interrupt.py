"""Ends one answer from outside: the time is over, the switch was thrown, the client is gone.

Works as `asyncio.timeout` does, but with any reason and with one timer that moves, because setting a new one for every token costs
more than the token.
"""

import asyncio
from types import TracebackType

from osler.serve.fault import Fault


class Interrupt:
    """`with interrupt: ...` raises the fault that `end` was called with, in place of what was going on.

    Args:
        total_s: the block ends after it in any case.
    """

    def __init__(self, total_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._latest = self._loop.time() + total_s
        self._due = self._latest
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._fault: Fault | None = None

    def __enter__(self) -> "Interrupt":
        """Begin."""
        if self._fault is not None:
            raise self._fault
        self._task = asyncio.current_task()
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Turn our own cancellation into the fault."""
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self._fault is not None and task is not None and task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._fault from None

    def wait(self, seconds: float) -> None:
        """From now on the block may be silent for so long."""
        self._due = min(self._latest, self._loop.time() + seconds)
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._arm()

    def end(self, fault: Fault) -> None:
        """End the block; the first reason holds."""
        if self._fault is None:
            self._fault = fault
            if self._task is not None:
                self._task.cancel()

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._due:
            self._arm()
        else:
            self.end(Fault(504, "timeout", "The answer took too long and was broken off.", kind="server_error"))
