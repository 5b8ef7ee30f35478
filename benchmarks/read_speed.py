"""Reading to records, beside `datasets.load_dataset` and `map` with the same mapping on the same files, in the same run.

    python benchmarks/read_speed.py --data ../shared/data [--rows 1000000]

Three inputs: MedQuAD's XML documents (630 files), the MedQA JSON Lines, and generated JSON Lines of 100,000 and of `--rows`
rows in the shape of MedQuAD's. Each reading is a process of its own with an empty cache folder; both sides end with the records
written to disk (ours as JSON Lines, theirs as Arrow). Importing is not timed. Writes benchmarks/results/read_speed.json.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "read_speed.json"
WORDS = (
    "the patient doctor heart liver kidney fever cough pain blood pressure treatment tablet daily symptoms cause may often "
    "children adults risk disease chronic acute infection virus test result normal high low care hospital week month advice"
).split()
SEED = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with medquad/ and medqa/")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of the small inputs; the large ones run once")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, source, root, repeats in inputs(options.data, work, options.rows, options.repeats):
            sides = {"osler": [], "datasets": []}
            for _ in range(repeats):  # taken in turns, so that both meet the same load
                for side, runs in sides.items():
                    runs.append(in_own_process(side, source, root, work))
            rows.append({"input": name, **{side: best(runs) for side, runs in sides.items()}})
            print(line(rows[-1]), flush=True)
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "seed": SEED,
        "inputs": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def inputs(data: Path, work: Path, n_rows: int, repeats: int) -> Iterator[tuple[str, str, Path, int]]:
    """Name, source, root folder and repeats of each input."""
    xml = work / "xml" / "medquad"
    xml.mkdir(parents=True)
    with tarfile.open(data / "medquad" / "raw_xml_subset.tar.gz") as archive:
        archive.extractall(xml, filter="data")
    yield "MedQuAD XML, 630 documents", "medquad", xml.parent, repeats
    lines = work / "lines" / "medqa"
    lines.mkdir(parents=True)
    (lines / "dev.jsonl.gz").write_bytes((data / "medqa" / "medqa_us_dev_mediq.jsonl.gz").read_bytes())
    yield "MedQA JSON Lines, 1,272 rows", "medqa", lines.parent, repeats
    for n in sorted({min(100_000, n_rows), n_rows}):
        large = work / f"{n}" / "medquad"
        large.mkdir(parents=True)
        generate(large / "medquad_with_answers.jsonl", n)
        yield f"generated JSON Lines, {n:,} rows", "medquad", large.parent, 1
        (large / "medquad_with_answers.jsonl").unlink()


def generate(path: Path, n_rows: int) -> None:
    """Rows of about 500 bytes in the shape of MedQuAD's lines copy."""
    rng = random.Random(SEED)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(n_rows):
            row = {
                "document_id": f"{number:07}",
                "url": f"https://example.org/{number}",
                "focus": " ".join(rng.choices(WORDS, k=2)),
                "question": " ".join(rng.choices(WORDS, k=10)) + "?",
                "answer": " ".join(rng.choices(WORDS, k=50)) + ".",
            }
            stream.write(json.dumps(row) + "\n")


def in_own_process(side: str, source: str, root: Path, work: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=work) as out:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": out, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, __file__, side, source, str(root), out]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.splitlines()[-1])


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The quickest run by CPU time, with the median beside it."""
    quickest = min(runs, key=lambda run: run["cpu_s"])
    return {**quickest, "cpu_s_median": statistics.median(run["cpu_s"] for run in runs), "runs": len(runs)}


def line(row: dict[str, Any]) -> str:
    ours, theirs = row["osler"], row["datasets"]
    assert ours["records"] == theirs["records"], row  # noqa: S101 - the comparison holds for equal work only
    return (
        f"{row['input']:<38} {ours['records']:>9,} records  "
        f"osler {ours['wall_s']:.2f} s, CPU {ours['cpu_s']:.2f} s, {ours['peak_mb']:.0f} MB; "
        f"datasets {theirs['wall_s']:.2f} s, CPU {theirs['cpu_s']:.2f} s, {theirs['peak_mb']:.0f} MB"
    )


def one_side(side: str, source: str, root: Path, out: Path) -> None:
    work = {"osler": osler, "datasets": huggingface}[side](source, root, out)
    wall, cpu = time.perf_counter(), time.process_time()
    n_records = work()
    told = {
        "records": n_records,
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "peak_mb": peak_mb(),
    }
    print(json.dumps(told))


def peak_mb() -> float:
    """The most memory that this process used. `ru_maxrss` would begin with that of the process which started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def osler(name: str, root: Path, out: Path) -> Callable[[], int]:
    """The collect stage of one source: every row accounted for, ids unique, set-aside rows written with reasons."""
    from osler.records.io import JsonlWriter
    from osler.runs.progress import silent
    from osler.sources.catalog import source_named
    from osler.sources.collect import Copy, collect_source

    def work() -> int:
        with JsonlWriter(out / "set_aside.jsonl") as set_aside:
            return collect_source(Copy(source_named(name), root, ()), out, set_aside, silent).records

    return work


def huggingface(name: str, root: Path, out: Path) -> Callable[[], int]:
    """`load_dataset` and `map` with the source's own mapping; XML comes as one text a file."""
    from datasets import load_dataset

    from osler.errors import RowError
    from osler.records.io import to_dict
    from osler.sources.catalog import source_named
    from osler.sources.catalog.medquad import pairs_of
    from osler.sources.files import find_files
    from osler.sources.source import NativeRow, records_of

    source = source_named(name)
    files = [file.path for file in find_files(source, root)]
    is_xml = files[0].suffix == ".xml"

    def mapped(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        from xml.etree.ElementTree import fromstring

        found = []
        for index, number in enumerate(numbers):
            if is_xml:
                document = fromstring(batch["text"][index])  # noqa: S314 - the publisher's own files
                natives = list(pairs_of(NativeRow("x.xml", f"{number}.xml#1", document)))
            else:
                natives = [NativeRow("dev.jsonl", f"{number}", {key: values[index] for key, values in batch.items()})]
            for native in natives:
                try:
                    found += [to_dict(record) for record in records_of(source, native)]
                except RowError:
                    continue
        return {key: [record[key] for record in found] for key in found[0]}

    def work() -> int:
        kind, options = ("text", {"sample_by": "document"}) if is_xml else ("json", {})
        rows = load_dataset(
            kind, data_files=[str(path) for path in files], split="train", cache_dir=str(out / "cache"), **options
        )
        records = rows.map(mapped, with_indices=True, batched=True, remove_columns=rows.column_names)
        return len(records)

    return work


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in ("osler", "datasets"):
        one_side(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
