"""Where work on shards is done: in this process, in a small pool of processes, or on Ray. The results are the same.

A pool is used from two shards on. Workers are started afresh, never forked from a process with threads, and end with it.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, Protocol

from osler.curate.shards import Made, Shard
from osler.errors import EnvironmentLacks
from osler.runs.progress import Progress

EngineName = Literal["local", "ray"]
Work = Callable[[Shard], Made]


class Engine(Protocol):
    """Does work on shards."""

    def __call__(self, work: Work, shards: Sequence[Shard]) -> Iterator[Made]:
        """What `work` makes of every shard, in their order."""


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
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(["osler.curate.row_pass", "osler.curate.rows"])
    pool = ProcessPoolExecutor(min(processes, len(shards)), context, _begin, (work,))
    try:
        for future in [pool.submit(_do, shard) for shard in shards]:
            yield future.result()
    except BrokenProcessPool as error:
        raise EnvironmentLacks(
            f"one of {processes} worker processes was ended from outside, most often for want of memory. What was finished is "
            "kept: run the same command again, with curate.processes: 1 or a smaller curate.shard_mb if it happens again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Work) -> None:
    """In a worker: remember the work, which is sent once, and end when the process that started it does."""
    _WORK[:] = [work]
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _do(shard: Shard) -> Made:
    return _WORK[0](shard)


_WORK: list[Work] = []
"""A worker's work; the pool has no other way to hold what `_begin` received."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _megabytes(n_bytes: int) -> int:
    return -(-n_bytes // 1_000_000)
