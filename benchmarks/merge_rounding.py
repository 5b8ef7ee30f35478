"""A trained model merged in bfloat16: what merging changes, beside what bfloat16 itself changes.

    python benchmarks/merge_rounding.py --rows FILE --steps 150

`scratch:tiny` is trained in bfloat16 on the rows; compared are the positions of other rows' answers. The exact model is base and
adapter computed in float32. Writes benchmarks/results/merge_rounding.json.
"""

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from osler.evaluate.stats import rate
from osler.export.merge import export_merged
from osler.models.config import ModelConfig
from osler.models.local import load_local
from osler.records.io import read_records, write_records
from osler.records.render import as_messages
from osler.runs.progress import silent
from osler.train.config import BadRowsConfig, EvaluationConfig, MachineConfig, TrainConfig
from osler.train.tokens import TokenRow, token_rows
from osler.train.train import train

RESULT = Path(__file__).parent / "results" / "merge_rounding.json"
CONFIG = TrainConfig(
    batch_size=8,
    learning_rate=5e-3,
    max_length=512,
    evaluation=EvaluationConfig(rows=0),
    bad_rows=BadRowsConfig(long_answer="drop", long_prompt="drop", contradictory="keep", empty_answer="drop"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--work", type=Path, default=Path("runs/merge-rounding"))
    options = parser.parse_args()
    work = options.work
    (work / "train").mkdir(parents=True, exist_ok=True)
    records = list(islice(read_records(options.rows), 2000 + 200))
    write_records(work / "rows.jsonl", records[:2000])
    config = CONFIG.model_copy(update={"max_steps": options.steps})
    train(
        (work / "rows.jsonl", None), ModelConfig(dtype="bfloat16"), config, MachineConfig(), 7, work / "train", silent
    )
    base, adapter = work / "train" / "base", work / "train" / "adapter"
    asked = [as_messages(record)[:1] for record in records[2000:2020]]
    export_merged(base, adapter, asked, work / "export", silent, dtype="bfloat16")
    merged = work / "export" / "merged"
    models = {
        "exact": load_local(base, adapter, dtype="float32"),
        "trained, bfloat16": load_local(base, adapter, dtype="bfloat16"),
        "merged, bfloat16": load_local(merged, dtype="bfloat16"),
        "merged, computed in float32": load_local(merged, dtype="float32"),
    }
    tokenizer: Any = models["exact"].tokenizer
    prompt = models["exact"].system_prompt
    rows = [row for row in token_rows(tokenizer, records[2000:], prompt, 1) if isinstance(row, TokenRow)]
    first: dict[str, list[int]] = {name: [] for name in models}
    for row in rows:
        for name, model in models.items():
            first[name] += _first_tokens(model.weights, row)
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "steps": options.steps,
        "answers": len(rows),
        "same_first_token": {
            f"{one} / {other}": _share(first[one], first[other])
            for one, other in (
                ("trained, bfloat16", "merged, bfloat16"),
                ("exact", "trained, bfloat16"),
                ("exact", "merged, bfloat16"),
                ("exact", "merged, computed in float32"),
            )
        },
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def _first_tokens(weights: Any, row: TokenRow) -> list[int]:
    """The likeliest token at each position of the answers."""
    import torch

    ids = torch.tensor([list(row.ids)[:1024]])
    with torch.inference_mode():
        found = weights(input_ids=ids, use_cache=False).logits[0].argmax(-1).tolist()
    return [found[place - 1] for start, stop in row.spans for place in range(start, min(stop, 1024))]


def _share(one: list[int], other: list[int]) -> dict[str, Any]:
    return rate(sum(left == right for left, right in zip(one, other, strict=True)), len(one))


if __name__ == "__main__":
    sys.exit(main())
