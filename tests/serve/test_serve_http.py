"""A server on a port stops when it is told to, at whatever moment."""

import signal
import threading

from osler.serve.http import run_app


async def nothing(scope, receive, send) -> None:
    del scope, receive, send


class Held(threading.Event):
    """An event that is waited for by the very thread that gets the signal while it holds the event's lock."""

    def wait(self, timeout: float | None = None) -> bool:
        with self._cond:
            signal.raise_signal(signal.SIGTERM)
        return super().wait(timeout)


def test_a_signal_that_comes_while_the_lock_is_held_stops_the_server():
    ready = []
    run_app(nothing, "127.0.0.1", 0, ready.append, Held())
    assert ready[0].startswith("http://127.0.0.1:")
