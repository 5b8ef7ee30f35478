"""Ends one answer from outside: the time is over, the switch was thrown, the client is gone.

Works as `asyncio.timeout` does, but with any reason and without a timer: whoever keeps the open answers calls `look` a few times a
second, because setting a timer for every token costs more than the token.
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
        self._task: asyncio.Task[object] | None = None
        self._fault: Fault | None = None

    def __enter__(self) -> "Interrupt":
        """Begin."""
        if self._fault is not None:
            raise self._fault
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Turn our own cancellation into the fault."""
        task, self._task = self._task, None
        if self._fault is not None and task is not None and task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._fault from None

    def wait(self, seconds: float) -> None:
        """From now on the block may be silent for so long."""
        self._due = min(self._latest, self._loop.time() + seconds)

    def end(self, fault: Fault) -> None:
        """End the block; the first reason holds."""
        if self._fault is None:
            self._fault = fault
            if self._task is not None:
                self._task.cancel()

    def look(self) -> None:
        """End the block if it was silent for too long."""
        if self._loop.time() >= self._due:
            self.end(Fault(504, "timeout", "The answer took too long and was broken off.", kind="server_error"))
