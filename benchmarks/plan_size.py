"""What `osler plan` takes: CPU time, memory and imports on many rows, and how fast a wrong recipe is answered.

    python benchmarks/plan_size.py --rows FILE --base FOLDER

`--rows` is a `train.jsonl` of a curate stage (the figure uses 84,325 rows), `--base` a model's folder with config.json and
tokenizer.json. Writes benchmarks/results/plan_size.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "plan_size.json"
WATCH = (
    "import sys,resource,json,contextlib,io\n"
    "from osler.cli.main import run_command\n"
    "out=io.StringIO()\n"
    "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()): code=run_command(sys.argv[1:])\n"
    "u=resource.getrusage(resource.RUSAGE_SELF)\n"
    "facts=json.loads(out.getvalue()) if out.getvalue().startswith('{') else {}\n"
    "print(json.dumps({'code':code,'cpu_s':round(u.ru_utime+u.ru_stime,2),'peak_mb':round(u.ru_maxrss/1e3),\n"
    "'torch':'torch' in sys.modules,'rows':facts.get('rows_read'),'tokens':facts.get('tokens'),'steps':facts.get('steps')}))"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "plan.yaml"
        recipe.write_text(
            f"name: plan\ncollect: {{sources: [medquad]}}\nmodel: {{base: {options.base.resolve()}}}\n"
            "train: {batch_size: 2, accumulate: 8, epochs: 3, bad_rows: {contradictory: keep}}\n"
        )
        whole = [_run([str(recipe), "--rows", str(options.rows), "--json"]) for _ in range(options.repeats)]
        wrong = [_run([str(recipe), "--set", "train.batchsize=4"]) for _ in range(5)]
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "load_average": os.getloadavg()[0],
        "whole": whole,
        "wrong_recipe": wrong,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def _run(arguments: list[str]) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", WATCH, "plan", *arguments], check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
