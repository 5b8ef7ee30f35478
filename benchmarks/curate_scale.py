"""Curation of plain rows at scale: read JSONL, normalise, hold to lengths, drop exact and near copies, write; beside other tools.

    python benchmarks/curate_scale.py --bench FOLDER --peers PEERS/bin/python --rows 84325 --rounds 3
    python benchmarks/curate_scale.py --bench FOLDER --peers PEERS/bin/python --rows 1000000 --only osler daft

FOLDER holds make_rows.py and score_rows.py, which make rows of real sentences with planted copies of known likeness, and score
what was kept. PEERS is a virtual environment of its own (benchmarks/peers-curate.txt). The candidates take turns, so that what
else the machine does meets all alike; each is measured from its start to its end. Wall time is the median of the rounds. CPU time
and memory (the largest sum of proportional set sizes of all its processes) are of one more round, because looking at every process
twenty times a second slows candidates of several processes by half. Adds to benchmarks/results/curate_scale.json.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
RESULT = HERE / "results" / "curate_scale.json"
PEERS = ("daft", "hf_datasets", "rensa", "datasketch", "text_dedup", "datatrove")
_TICK_S = os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=84325)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["osler", *PEERS])
    parser.add_argument("--work", type=Path, default=Path("runs/curate-scale"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.work / f"rows-{options.rows}.jsonl"
    if not source.is_file():
        subprocess.run(
            [sys.executable, str(options.bench / "make_rows.py"), str(options.rows), str(source)], check=True
        )
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    scores: dict[str, dict[str, Any]] = {}
    for turn in range(options.rounds + 1):
        for name in options.only:
            out = options.work / name
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            runs[name].append(measure(command(name, source, out, options.peers), watched=turn == 0))
            print(f"round {turn} {name}: {runs[name][-1]}", flush=True)
            if name not in scores:
                scores[name] = score(options, source, out)
                print(f"  {scores[name]}", flush=True)
    write(options.rows, runs, scores)
    return 0


def command(name: str, source: Path, out: Path, peers: Path) -> list[str]:
    if name == "osler":
        return [sys.executable, str(HERE / "curate_rows.py"), str(source), str(out)]
    return [str(peers), str(HERE / "curate_peers.py"), name, str(source), str(out)]


def measure(arguments: list[str], *, watched: bool) -> dict[str, float]:
    """Wall seconds of a command; when it is watched, CPU seconds and megabytes of all processes of its session instead."""
    environment = {**os.environ, "PYTHONPATH": str((HERE.parent / "src").absolute())}
    began = time.monotonic()
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(arguments, start_new_session=True, stdout=nowhere, stderr=nowhere, env=environment)
    cpu: dict[int, float] = {}
    largest = 0.0
    while watched and process.poll() is None:
        members = _session(process.pid)
        cpu.update({pid: max(used, cpu.get(pid, 0)) for pid, used in members.items()})
        largest = max(largest, sum(map(_pss_mb, members)))
        time.sleep(0.05)
    process.wait()
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    if watched:
        return {"cpu_s": round(sum(cpu.values()), 2), "peak_mb": round(largest)}
    return {"wall_s": round(wall, 2)}


def _session(leader: int) -> dict[int, float]:
    """CPU seconds of every process of a session."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                found[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICK_S
    return found


def _pss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def score(options: argparse.Namespace, source: Path, out: Path) -> dict[str, Any]:
    kept = options.work / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for path in out.glob("kept.*"):
        (kept / path.name).symlink_to(path.absolute())
    code = f"import sys; sys.path.insert(0, {str(options.bench)!r}); from score_rows import score; import json; print(json.dumps(score({str(source)!r}, {str(kept)!r})))"
    printed = subprocess.run([str(options.peers), "-c", code], check=True, capture_output=True, text=True).stdout
    scored = dict(json.loads(printed.splitlines()[-1]))
    if (out / "dropped.jsonl").is_file():
        scored["planted_below_dropped_for_each_other"] = _wrong_drops(source, out / "dropped.jsonl")
    return scored


def _wrong_drops(source: Path, dropped: Path) -> int:
    """Planted pairs below 0.8 of which one was dropped for the other; score_rows.py also counts rows dropped for a third."""
    truth = json.loads(Path(f"{source}.truth.json").read_text("utf-8"))
    below = {frozenset((str(a), str(b))) for a, b, kind, likeness in truth if kind == "near" and likeness < 0.8}
    with dropped.open("rb") as lines:
        drops = [json.loads(line) for line in lines]
    return sum(frozenset((row["id"], row["detail"].partition(",")[0])) in below for row in drops)


def write(rows: int, runs: dict[str, list[dict[str, float]]], scores: dict[str, dict[str, Any]]) -> None:
    table = {
        name: {
            "wall_s": median(one["wall_s"] for one in found[1:]),
            "cpu_s": found[0]["cpu_s"],
            "peak_mb": found[0]["peak_mb"],
            "rounds": found,
            "score": scores[name],
        }
        for name, found in runs.items()
    }
    results = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    own = results.setdefault(str(rows), {"candidates": {}})
    own["candidates"].update(table)
    own.update({"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine})
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
