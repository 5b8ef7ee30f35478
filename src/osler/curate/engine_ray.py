"""Work on shards on a Ray cluster, by Ray Data's `map_batches`. The only file that knows Ray.

Workers read the shard's lines and write its file themselves, so the run's folder must lie on storage that every node sees; what
goes over the network is a shard's place and its name. Ray is started on this machine where no cluster is running.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from osler.curate.engine import Engine, Work
from osler.curate.shards import Made, Shard
from osler.errors import EnvironmentLacks, InputError, OslerError, missing_package


def ray_engine(processes: int | None) -> Engine:
    """An engine of so many workers of the cluster that `RAY_ADDRESS` names, or of one on this machine.

    Args:
        processes: None for all that the cluster has.

    Raises:
        EnvironmentLacks: Ray is not installed.
    """
    # Before the import: Ray would report usage to its makers, and its worker processes read the same variable.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise missing_package("ray", "curate.engine: ray", "ray") from error

    def run(work: Work, shards: Sequence[Shard]) -> Iterator[Made]:
        started = not ray.is_initialized()
        if started:
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                num_cpus=_own_cores(processes),
            )
        try:
            yield from _mapped(ray.data, work, shards, processes)
        except ray.exceptions.RayError as error:
            raise EnvironmentLacks(
                "a worker of the Ray cluster ended, or could not be reached. What was finished is kept: run the same command "
                "again; where workers lack memory, with a smaller curate.shard_mb."
            ) from error
        finally:
            if started:
                ray.shutdown()

    return run


def _own_cores(processes: int | None) -> int | None:
    """Cores of a cluster started here; one that is there already has its own."""
    return None if "RAY_ADDRESS" in os.environ else processes


def _mapped(data: Any, work: Work, shards: Sequence[Shard], processes: int | None) -> Iterator[Made]:
    """What `work` makes of every shard, in their order, whatever the order in which Ray finishes them."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    places = [
        {"number": number, "path": str(shard.path.absolute()), "start": shard.start, "stop": shard.stop}
        for number, shard in enumerate(shards)
    ]
    parts = data.from_items(places, override_num_blocks=max(len(places), 1))
    made = parts.map_batches(
        _do,
        batch_size=1,
        batch_format="pyarrow",
        fn_kwargs={"work": work},
        compute=data.TaskPoolStrategy(size=processes),
    )
    waiting: dict[int, Made] = {}
    following = 0
    for row in made.iter_rows():
        if row["fault"]:
            raise InputError(row["fault"])
        waiting[row["number"]] = Made(row["name"], row["n_rows"], row["n_bytes"])
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _do(batch: pa.Table, work: Work) -> pa.Table:
    """One shard. A mistake of the user's goes back as text: Ray would wrap it in its own error and a traceback."""
    (place,) = batch.to_pylist()
    row: dict[str, Any] = {"number": place["number"], "fault": "", "name": "", "n_rows": 0, "n_bytes": 0}
    try:
        made = work(Shard(Path(place["path"]), place["start"], place["stop"]))
        row |= {"name": made.name, "n_rows": made.n_rows, "n_bytes": made.n_bytes}
    except OslerError as error:
        row["fault"] = str(error)
    return pa.Table.from_pylist([row])
