"""Training alone, killed with SIGKILL at random moments, beside the same training undisturbed: every file byte by byte.

    python benchmarks/train_kill.py --rows FILE [--kills 10] [--processes 2]

`--rows` is a `train.jsonl` of a curate stage; 64 rows of it are packed and seen three times, a checkpoint every two steps. The moments are
drawn from the time that training takes once it has begun. With two processes, torchrun starts them, and each is killed. Writes
benchmarks/results/train_kill.json, an entry for each number of processes.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from osler.records.io import read_records, write_records
from osler.runs.files import digest_folder, read_json
from osler.runs.metrics import read_metrics

RESULT = Path(__file__).parent / "results" / "train_kill.json"
PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from osler.models.config import ModelConfig
from osler.train.config import BadRowsConfig, EvaluationConfig, MachineConfig, TrainConfig
from osler.train.train import train
rows, out, kill_after_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
began = []
def report(name, *rest):
    if name == "train" and not began:
        began.append(time.monotonic())
        if kill_after_s:
            timer = threading.Timer(kill_after_s, os.killpg, (os.getpgrp(), signal.SIGKILL))
            timer.daemon = True
            timer.start()
drop = BadRowsConfig(long_answer="drop", long_prompt="drop", contradictory="keep", empty_answer="drop")
train((rows, rows), ModelConfig(),
      TrainConfig(batch_size=8, epochs=3, max_length=256, dropout=0.1, packing="best-fit", learning_rate=5e-3,
                  evaluation=EvaluationConfig(every_steps=4, rows=8), bad_rows=drop),
      MachineConfig(save_every_steps=2), 7, out, report)
print(time.monotonic() - began[0] if began else 0.0)  # nothing is trained when the kill came after the last step
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--work", type=Path, default=Path("runs/train-kill"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    for name in ("undisturbed", "killed"):
        (work / name).mkdir(parents=True)
    write_records(work / "rows.jsonl", list(islice(read_records(options.rows), 64)))
    (work / "train.py").write_text(PROGRAM, encoding="utf-8")
    done = _train(work, "undisturbed", options.processes, 0.0)
    whole_s = float(done.stdout.split()[0])
    kills = _with_kills(work, options.processes, options.kills, whole_s, random.Random(options.seed))
    first, second = digest_folder(work / "undisturbed"), digest_folder(work / "killed")
    different = [name for name in sorted(first | second) if first.get(name) != second.get(name)]
    ledger = read_json(work / "undisturbed" / "ledger.json")
    results = read_json(options.out) if options.out.exists() else {}
    results[f"{options.processes} process{'es' if options.processes > 1 else ''}"] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        **{name: ledger[name] for name in ("kept", "packed", "epochs", "steps")},
        "undisturbed_s": round(whole_s, 1),
        "kills": kills,
        "files_compared": len(first),
        "files_different": different,
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"{len(kills)} kills; {len(first)} files compared, {len(different)} different")
    return 1 if different else 0


def _train(work: Path, name: str, n_processes: int, kill_after_s: float) -> subprocess.CompletedProcess[str]:
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    command = [sys.executable, *(several if n_processes > 1 else []), "train.py", "rows.jsonl", name, str(kill_after_s)]
    # A group of its own, so that the kill does not reach this script.
    done = subprocess.run(
        command,
        cwd=work,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    # torchrun lives on to tell that its processes were killed.
    if done.returncode not in (0, -signal.SIGKILL) and "(SIGKILL) received" not in done.stderr:
        raise SystemExit(done.stderr[-3000:])
    return done


def _with_kills(
    work: Path, n_processes: int, n_kills: int, whole_s: float, rng: random.Random
) -> list[dict[str, float]]:
    """Kill until it was done `n_kills` times, beginning anew whenever training ended first; then let it end."""
    kills: list[dict[str, float]] = []
    while len(kills) < n_kills:
        wait_s = rng.uniform(0.01, 0.5) * whole_s
        if _train(work, "killed", n_processes, wait_s).returncode == 0:
            shutil.rmtree(work / "killed")
            (work / "killed").mkdir()
            continue
        metrics = work / "killed" / "metrics.jsonl"
        step = max((row["step"] for row in read_metrics(metrics)), default=0) if metrics.exists() else 0
        kills.append({"after_s": round(wait_s, 2), "at_step": step})
        print(kills[-1], flush=True)
    _train(work, "killed", n_processes, 0.0)
    return kills


if __name__ == "__main__":
    sys.exit(main())
