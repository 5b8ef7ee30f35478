"""The task of curate_scale.py with Osler. Run by curate_scale.py.

python benchmarks/curate_rows.py IN.jsonl OUT_DIR [--engine local|ray] [--processes N] [--shard-mb MB]
"""

import argparse
from pathlib import Path

from osler.curate.engine import choose_engine
from osler.curate.plain_rows import PlainOptions, dedupe_rows
from osler.runs.progress import silent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--shard-mb", type=float, default=4)
    given = parser.parse_args()
    engine = choose_engine(given.engine, given.processes)
    dedupe_rows([given.source], given.out, PlainOptions(), engine, silent, int(given.shard_mb * 1_000_000))


if __name__ == "__main__":
    main()
