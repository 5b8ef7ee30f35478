"""Where work on shards is done: in this process, in a small pool of processes, or on Ray. The results are the same.

A pool is used from two shards on. Workers are started afresh, never forked from a process with threads, and end with it.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext

from osler.curate.config import EngineName
from osler.curate.shards import Made, Shard
from osler.errors import EnvironmentLacks
from osler.runs.progress import Progress

Work = Callable[[Shard], Made]
Engine = Callable[[Work, Sequence[Shard]], Iterator[Made]]
"""What the work makes of every shard, in their order."""
_AHEAD = 2
"""Shards sent to each worker before it asks: it never waits, and at the end there is little to wait for."""


def local_engine(processes: int) -> Engine:
    """An engine of so many processes on this machine."""

    def run(work: Work, shards: Sequence[Shard]) -> Iterator[Made]:
        return map(work, shards) if min(processes, len(shards)) < 2 else _pooled(work, shards, processes)

    return run


def choose_engine(name: EngineName, processes: int | None) -> Engine:
    """The engine of a recipe.

    Args:
        processes: None for one a core of this machine, or all that the cluster has.

    Raises:
        EnvironmentLacks: Ray is asked for and not installed.
    """
    if name == "ray":
        from osler.curate.engine_ray import ray_engine

        return ray_engine(processes)
    return local_engine(processes or _cores())


def run_shards(engine: Engine, work: Work, shards: Sequence[Shard], name: str, progress: Progress) -> list[Made]:
    """All shards done, with progress in megabytes read: a rate and the time left."""
    total = sum(shard.stop - shard.start for shard in shards)
    made, done = [], 0
    for one in engine(work, shards):
        made.append(one)
        done += one.n_bytes
        progress(name, _megabytes(done), _megabytes(total), "MB")
    return made


def _pooled(work: Work, shards: Sequence[Shard], processes: int) -> Iterator[Made]:
    """This process works too, so that none waits for the others to start."""
    pool = ProcessPoolExecutor(min(processes, len(shards)) - 1, _context(work), _begin, (work,))
    made: dict[int, Made] = {}
    sent: dict[int, Future[Made]] = {}
    following = 0
    try:
        for number, shard in enumerate(shards):
            if len(sent) < _AHEAD * (processes - 1):
                sent[number] = pool.submit(_do, shard)
                continue
            made[number] = work(shard)
            for other in [other for other, future in sent.items() if future.done()]:
                made[other] = sent.pop(other).result()
            while following in made:
                yield made.pop(following)
                following += 1
        made |= {other: future.result() for other, future in sent.items()}
        yield from (made[number] for number in range(following, len(shards)))
    except BrokenProcessPool as error:
        raise EnvironmentLacks(
            f"one of {processes} worker processes was ended from outside, most often for want of memory. What was finished is "
            "kept: run the same command again, with curate.processes: 1 or a smaller curate.shard_mb if it happens again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _context(work: Work) -> BaseContext:
    """How workers are started: by a server that has loaded what they need, or each afresh where there is no such thing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([type(work).__module__, type(getattr(work, "function", work)).__module__])
    return context


def _begin(work: Work) -> None:
    """In a worker: remember the work, which is sent once, and end when the process that started it does."""
    _WORK[:] = [work]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(shard: Shard) -> Made:
    return _WORK[0](shard)


_WORK: list[Work] = []
"""A worker's work; the pool has no other way to hold what `_begin` received."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _megabytes(n_bytes: int) -> int:
    return -(-n_bytes // 1_000_000)
