"""The task of curate_scale.py with other libraries, each as its makers mean it to be used. Run by curate_scale.py.

python benchmarks/curate_peers.py NAME IN.jsonl OUT_DIR
"""

import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

WORDS, PERMUTATIONS, THRESHOLD, BAND_ROWS = 5, 128, 0.8, 8
_SPLIT = re.compile(r"\W+")


def normal(text: str) -> str:
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def fits(text: str) -> bool:
    return 10 <= len(text) <= 1500


def word_runs(text: str) -> list[str]:
    tokens = [word for word in _SPLIT.split(text.lower()) if word]
    return [" ".join(tokens[i : i + WORDS]) for i in range(max(1, len(tokens) - WORDS + 1))]


def plain_rows(source: Path) -> Iterator[dict[str, Any]]:
    """Rows read line by line, normalised, of the right length, each text once."""
    seen: set[int] = set()
    with source.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            row["input"], row["output"] = normal(row["input"]), normal(row["output"])
            if fits(row["input"]) and fits(row["output"]):
                text = hash((row["input"], row["output"]))
                if text not in seen:
                    seen.add(text)
                    yield row


def daft(source: Path, out: Path) -> None:
    """Daft's readers, expressions and MinHash; pairs of a band are held to the likeness of their signatures."""
    import daft as engine
    from daft import DataType, col

    @engine.udf(return_dtype=DataType.string())
    def clean(texts: Any) -> list[str]:
        return [normal(text) for text in texts.to_pylist()]

    rows = engine.read_json(str(source)).with_columns({"input": clean(col("input")), "output": clean(col("output"))})
    for name in ("input", "output"):
        length = col(name).length()
        rows = rows.where((length >= 10) & (length <= 1500))
    rows = rows.distinct("input", "output")
    text = (col("input") + " " + col("output")).lower()
    rows = rows.with_column(
        "signature", text.minhash(num_hashes=PERMUTATIONS, ngram_size=WORDS, hash_function="xxhash")
    )
    table = rows.to_arrow()
    signatures = pc.list_flatten(table["signature"]).to_numpy().reshape(-1, PERMUTATIONS).astype(np.uint32)
    gone = np.zeros(len(table), np.bool_)
    for start in range(0, PERMUTATIONS, BAND_ROWS):
        band = np.ascontiguousarray(signatures[:, start : start + BAND_ROWS]).view(np.uint64)
        keys = band[:, 0].copy()
        for column in range(1, band.shape[1]):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) ^ band[:, column]
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        left, right = order[same], order[same + 1]
        alike = (signatures[left] == signatures[right]).mean(axis=1) >= THRESHOLD
        gone[np.maximum(left[alike], right[alike])] = True
    pq.write_table(table.drop_columns(["signature"]).filter(pa.array(~gone)), out / "kept.parquet")


def hf_datasets(source: Path, out: Path) -> None:
    """Hugging Face datasets with two processes and Osler's own kernel, pairs verified alike."""
    from datasets import load_dataset

    from osler.curate.pairs import Runs, candidate_pairs, like_pairs
    from osler.curate.sketch import choose_bands, hash_words
    from osler.curate.sketch import word_runs as runs_of_words
    from osler.curate.store import band_columns, band_fields

    bands = choose_bands(PERMUTATIONS, THRESHOLD)

    def clean(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {name: [normal(text) for text in batch[name]] for name in ("input", "output")}

    def sign(table: pa.Table) -> pa.Table:
        pairs = zip(table["input"].to_pylist(), table["output"].to_pylist(), strict=True)
        texts = [f"{question}\n{answer}" for question, answer in pairs]
        table = table.append_column(
            "exact", pa.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], pa.uint64())
        )
        signed = band_columns(runs_of_words(hash_words(texts), WORDS), bands)
        for field, column in zip(band_fields(bands), signed, strict=True):
            table = table.append_column(field, column)
        return table

    rows = load_dataset("json", data_files=str(source), split="train", cache_dir=str(out / "cache"))
    rows = rows.map(clean, batched=True, num_proc=2)
    rows = rows.filter(
        lambda batch: [fits(a) and fits(b) for a, b in zip(batch["input"], batch["output"], strict=True)],
        batched=True, num_proc=2,
    )  # fmt: skip
    rows = rows.with_format("arrow").map(sign, batched=True, num_proc=2)
    _, first = np.unique(rows["exact"][:].to_numpy(), return_index=True)
    rows = rows.select(np.sort(first))
    table = rows[:]
    runs = table["runs"].combine_chunks()
    sizes = pc.list_value_length(runs).to_numpy(zero_copy_only=False).astype(np.int64)
    keys = (table[f"band_{number}"].to_numpy() for number in range(bands.count))

    def runs_of(numbers: Any) -> Runs:
        taken = runs.take(pa.array(numbers))
        return Runs(pc.list_flatten(taken).to_numpy(), sizes[numbers])

    pairs = like_pairs(*candidate_pairs(keys), sizes, runs_of, THRESHOLD)
    kept = np.setdiff1d(np.arange(len(rows)), pairs.second)
    names = ["id", "input", "context", "output", "source"]
    rows.select_columns(names).select(kept).to_parquet(str(out / "kept.parquet"))


def rensa(source: Path, out: Path) -> None:
    """Rensa's deduplicator, signatures compared."""
    from rensa import RMinHash, RMinHashDeduplicator

    finder = RMinHashDeduplicator(THRESHOLD, PERMUTATIONS, use_lsh=True, num_bands=PERMUTATIONS // BAND_ROWS)
    with (out / "kept.jsonl").open("wb") as kept:
        for row in plain_rows(source):
            sketch = RMinHash(num_perm=PERMUTATIONS, seed=42)
            sketch.update(word_runs(f"{row['input']} {row['output']}"))
            if finder.add(str(row["id"]), sketch):
                kept.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def datasketch(source: Path, out: Path) -> None:
    """Datasketch as its guide shows it, bands chosen by it."""
    from datasketch import MinHash, MinHashLSH

    finder = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    with (out / "kept.jsonl").open("wb") as kept:
        for row in plain_rows(source):
            sketch = MinHash(num_perm=PERMUTATIONS)
            sketch.update_batch([run.encode() for run in word_runs(f"{row['input']} {row['output']}")])
            if not finder.query(sketch):
                finder.insert(str(row["id"]), sketch)
                kept.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def _rows_with_text(source: Path, folder: Path) -> Path:
    """The rows that are left before near copies are looked for, with question and answer as one text."""
    path = folder / "rows" / "rows.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("wb") as rows:
        for row in plain_rows(source):
            row["text"], row["row"] = f"{row['input']} {row['output']}", row["id"]
            rows.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return path


def text_dedup(source: Path, out: Path) -> None:
    """The command of text-dedup with two processes."""
    from datasets import load_from_disk

    work = Path(tempfile.mkdtemp(dir=out.parent))
    rows = _rows_with_text(source, work)
    options = {
        "path": "json", "data_files": rows, "split": "train", "cache_dir": work / "cache", "output": work / "found",
        "column": "text", "threshold": THRESHOLD, "ngram": WORDS, "num_perm": PERMUTATIONS, "min_length": 1,
        "b": PERMUTATIONS // BAND_ROWS, "r": BAND_ROWS,
        "batch_size": 10_000, "num_proc": 2, "hash_func": "xxh3",
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in options.items()]
    subprocess.run([sys.executable, "-m", "text_dedup.minhash", *arguments], check=True, capture_output=True)
    load_from_disk(str(work / "found")).to_json(str(out / "kept.jsonl"))
    shutil.rmtree(work)


def datatrove(source: Path, out: Path) -> None:
    """The four stages of datatrove's example with its tokenizer for English, two tasks at once where a stage can be cut."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    work = Path(tempfile.mkdtemp(dir=out.parent))
    whole = _rows_with_text(source, work)
    lines = whole.read_bytes().splitlines(keepends=True)
    for part in range(2):
        (whole.parent / f"part{part}.jsonl").write_bytes(b"".join(lines[part::2]))
    whole.unlink()
    config = MinhashConfig(n_grams=WORDS, num_buckets=PERMUTATIONS // BAND_ROWS, hashes_per_bucket=BAND_ROWS)
    signed, bucketed, found = (str(work / name) for name in ("signatures", "buckets", "found"))
    kept = JsonlWriter(str(work / "kept"), output_filename="${rank}.jsonl", compression=None)
    stages = (
        (2, [JsonlReader(str(whole.parent)), MinhashDedupSignature(signed, config)]),
        (config.num_buckets, [MinhashDedupBuckets(signed, bucketed, config=config)]),
        (1, [MinhashDedupCluster(bucketed, found, config=config)]),
        (2, [JsonlReader(str(whole.parent)), MinhashDedupFilter(found), kept]),
    )
    for number, (tasks, steps) in enumerate(stages):
        LocalPipelineExecutor(steps, tasks=tasks, workers=2, logging_dir=str(work / f"logs{number}")).run()
    with (out / "kept.jsonl").open("wb") as rows:
        for part in sorted((work / "kept").glob("*.jsonl")):
            for line in part.read_bytes().splitlines():
                row = orjson.loads(line)["metadata"]
                rows.write(orjson.dumps({**row, "id": row["row"]}, option=orjson.OPT_APPEND_NEWLINE))
    shutil.rmtree(work)


PEERS = {"daft": daft, "hf_datasets": hf_datasets, "rensa": rensa, "datasketch": datasketch, "text_dedup": text_dedup,
         "datatrove": datatrove}  # fmt: skip

if __name__ == "__main__":
    PEERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
