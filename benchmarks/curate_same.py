"""Whether curation gives the same bytes: with 1 and 2 processes, on Ray, in shards of other sizes, and after being killed.

    python benchmarks/curate_same.py RECORDS.jsonl... --kills 10

RECORDS are collected records (runs/<run>/collect/records/*.jsonl). Each way runs in a process of its own; the killed one ends by
SIGKILL at random moments, with all its workers left to notice. Writes benchmarks/results/curate_same.json.
"""

import argparse
import json
import platform
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.runs.files import digest_folder
from osler.runs.progress import silent

RESULT = Path(__file__).parent / "results" / "curate_same.json"
WAYS = {
    "1 process": {"processes": 1},
    "2 processes": {"processes": 2},
    "2 processes, small shards": {"processes": 2, "shard_mb": 0.5},
    "killed, 2 processes": {"processes": 2, "shard_mb": 0.5},
    "Ray, 2 workers": {"engine": "ray", "processes": 2},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--work", type=Path, default=Path("runs/curate-same"))
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        config = CurateConfig.model_validate(WAYS[options.way])
        curate(options.records, {}, config, 7, options.work / options.way, silent)
        return 0
    shutil.rmtree(options.work, ignore_errors=True)
    rng = random.Random(options.seed)
    ways, first, took = {}, None, 0.0
    for way in WAYS:
        began = time.monotonic()
        command = [sys.executable, __file__, *map(str, options.records), "--work", str(options.work), "--way", way]
        kills = _kill(command, options.kills, took, rng) if way.startswith("killed") else []
        subprocess.run(command, check=True)
        took = time.monotonic() - began
        files = digest_folder(options.work / way)
        first = first or files
        different = sorted(name for name in files | first if files.get(name) != first.get(name))
        ways[way] = {
            "wall_s": round(took, 1),
            "killed_after_s": kills,
            "files": len(files),
            "files_different": different,
        }
        print(f"{way}: {ways[way]}", flush=True)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    n_rows = sum(path.read_bytes().count(b"\n") for path in options.records)
    result = {"date": date, "machine": platform.platform(), "records": n_rows, "ways": ways}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(any(way["files_different"] for way in ways.values()))


def _kill(command: list[str], n_kills: int, whole_s: float, rng: random.Random) -> list[float]:
    """Start the command and kill it, so many times, each time soon enough that some of the work is left."""
    waits = [round(rng.uniform(0.5, 1 + 1.5 * whole_s / n_kills), 2) for _ in range(n_kills)]
    for wait_s in waits:
        process = subprocess.Popen(command)
        time.sleep(wait_s)
        process.kill()
        process.wait()
    return waits


if __name__ == "__main__":
    sys.exit(main())
