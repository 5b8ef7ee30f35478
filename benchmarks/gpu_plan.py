"""An 8B QLoRA run on whatever GPU is here, beside its plan: peak memory, tokens a second, share of the card's peak.

    python benchmarks/gpu_plan.py --base FOLDER_OR_HUB_ID --rows FILE --card h100-80gb [--steps 20] [--method qlora]

Writes benchmarks/results/gpu_plan.json. With `--dry-run` it takes the same way on a CPU, with a small model, and writes nothing.
"""

import argparse
import json
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from osler.models.config import ModelConfig
from osler.runs.files import read_json
from osler.train.config import BadRowsConfig, EvaluationConfig, MachineConfig, TrainConfig
from osler.train.plan import plan
from osler.train.train import train

RESULT = Path(__file__).parent / "results" / "gpu_plan.json"
DROP = BadRowsConfig(
    long_answer="drop",
    long_prompt="drop",
    empty_answer="drop",
    empty_question="drop",
    contradictory="keep",
    no_end="drop",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--card", required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--method", default="qlora")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--work", type=Path, default=Path("runs/gpu-plan"))
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    on_gpu = not options.dry_run
    if on_gpu and not torch.cuda.is_available():
        raise SystemExit("no GPU is here; --dry-run takes the same way without one")
    model = ModelConfig(base=options.base)
    config = TrainConfig(
        method=options.method,
        batch_size=options.batch_size,
        max_length=2048,
        max_steps=options.steps,
        evaluation=EvaluationConfig(rows=0),
        bad_rows=DROP,
    )
    machine = MachineConfig(card=options.card, save_every_steps=100_000)
    times: list[tuple[float, int]] = []

    def note(name: str, done: int, total: int | None, unit: str = "rows", words: str = "") -> None:
        del total, unit, words
        if name == "train":
            times.append((time.monotonic(), done))

    planned = plan(model, config, machine, 7, (options.rows, None), note)
    run = planned.chosen
    if run is None:
        raise SystemExit("\n".join(problem.message for problem in planned.problems))
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    train((options.rows, None), model, config, machine, 7, options.work, note)
    # The first steps warm the card up.
    (begin_s, begin), (end_s, end) = times[min(5, len(times) - 2)], times[-1]
    rate = (end - begin) / (end_s - begin_s)
    flops = run.flops / max(1, planned.tokens)
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if on_gpu else "a dry run, without a GPU",
        "base": options.base,
        "method": options.method,
        "steps": options.steps,
        "tokens_per_s": round(rate, 1),
        "planned_bytes": run.memory.total_bytes,
        "peak_bytes": torch.cuda.max_memory_reserved() if on_gpu else None,
        "share_of_peak_flops": round(rate * flops / (run.card.tflops * 1e12), 4) if on_gpu else None,
        "ledger": read_json(options.work / "ledger.json"),
    }
    if on_gpu:
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
