"""What the command line shows: results to stdout, progress and notices to stderr."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_EVERY_S = 5.0


def say(text: str) -> None:
    """A line of the result, to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """The result as JSON, to stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
    sys.stdout.flush()


def in_words(counts: Mapping[str, int]) -> str:
    """What was counted, by name: `short_answer 3, near_copy 1,204`."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "nothing"


def notice(text: str) -> None:
    """A line that is no part of the result, to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Screen:
    """Shows progress with rate and time left: a bar on a terminal, a line every five seconds elsewhere, nothing when quiet.

    An instance is an `osler.runs.Progress`.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._last_line = 0.0

    def __enter__(self) -> Self:
        console = Console(stderr=True)
        if console.is_terminal and not self._quiet:
            self._bars = Progress(
                TextColumn("{task.description:<14}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, name: str, done: int, total: int | None, unit: str = "rows", note: str = "") -> None:
        """Report; see `osler.runs.Progress`."""
        now = time.monotonic()
        began, at_start = self._began.setdefault(name, (now, done))
        rate = (done - at_start) / (now - began) if now > began else 0.0
        # Not yet known at the first report.
        words = unit + (f", {rate:,.1f}/s" if rate else "")
        if self._bars is not None:
            self._show_bar(self._bars, name, done, total, f"{words}{note and ', '}{note}")
        elif not self._quiet and now - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = now
            of_total = f" of {total:,}" if total is not None else ""
            left = f", {duration((total - done) / rate)} left" if total is not None and rate > 0 else ""
            notice(f"  {name}: {done:,}{of_total} {words}{left}{note and ', '}{note}")

    def _show_bar(self, bars: Progress, name: str, done: int, total: int | None, words: str) -> None:
        if name not in self._tasks:
            for task in self._tasks.values():
                bars.update(task, visible=False)
            self._tasks[name] = bars.add_task(name, total=total, words=words)
        bars.update(self._tasks[name], completed=done, total=total, words=words)


def duration(seconds: float) -> str:
    """A length of time in words: `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
