"""`osler evaluate` killed by SIGKILL at ten random moments, and split over two processes, against an undisturbed run.

    python benchmarks/evaluate_kill.py --data ../shared/data --out benchmarks/results/evaluate_kill.json

The tiny model is built here. A moment is drawn by how much of `samples.jsonl` is written, with up to half a second after it, so that
kills fall into reading, scoring and writing.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

SPECS = ("medqa:validation", "pubmedqa:train", "mmlu-med@text")
MAX_ITEMS = 96
N_KILLS = 10
FILES = ("samples.jsonl", "scores.json", "contaminated.jsonl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rng = random.Random(13)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        build_model(work / "model")
        finish(start(options.data, work, "whole"))
        whole = contents(work / "whole")
        killed = kill_and_go_on(options.data, work, len(whole["samples.jsonl"]), rng)
        finish(start(options.data, work, "two", "--processes", "2"))
        result = {
            "questions": whole["samples.jsonl"].count(b"\n"),
            "kills": killed,
            "files": list(FILES),
            "different_after_kills": [
                name for name, content in contents(work / "killed").items() if content != whole[name]
            ],
            "different_with_two_processes": [n for n, content in contents(work / "two").items() if content != whole[n]],
        }
    options.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(result)


def build_model(folder: Path) -> None:
    from osler.models.libraries import quiet_libraries
    from osler.train.scratch import build_scratch_base

    with quiet_libraries():
        build_scratch_base(
            (f"What does organ {number} do, and who looks after it?" for number in range(400)), folder, seed=5
        )


def start(data: Path, work: Path, name: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "osler", "evaluate", "--model", str(work / "model"), "--benchmark", SPECS[0]]
    command += [
        *more,
        "--from",
        str(data),
        "--out",
        str(work / name),
        "--max-items",
        str(MAX_ITEMS),
        "--quiet",
        *SPECS[1:],
    ]
    environment = {**os.environ, "OSLER_CACHE": str(work / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise SystemExit(f"osler evaluate left with {process.returncode}")


def kill_and_go_on(data: Path, work: Path, size: int, rng: random.Random) -> list[float]:
    """Kill ten times and let the eleventh run finish; gives how much was written at each kill."""
    samples, written = work / "killed" / "evaluate" / "samples.jsonl", []
    for share in sorted(rng.uniform(0, 0.97) for _ in range(N_KILLS)):
        process = start(data, work, "killed")
        while process.poll() is None and (samples.stat().st_size if samples.is_file() else 0) < share * size:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        process.wait()
        written.append(round(samples.stat().st_size / size, 3) if samples.is_file() else 0.0)
    finish(start(data, work, "killed"))
    return written


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "evaluate" / name).read_bytes() for name in FILES}


if __name__ == "__main__":
    main()
