"""Osler's training beside LLaMA-Factory's, whole process: the same rows, model, seed and number of rows a step, interleaved.

    python benchmarks/train_peer.py --peer /path/to/venv/bin/python --rows FILE --repeats 3

`--rows` is a `train.jsonl` of a curate stage; 60 rows of it with at most 1,024 tokens are used. The model has 32 million
parameters with random weights. CPU time and peak memory are those of each process and its children. Arms: Osler packed (its
default); LLaMA-Factory padded, as the guides configure it; LLaMA-Factory with `neat_packing`. Writes benchmarks/results/train_peer.json.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import yaml

import osler
from osler.models.config import ModelConfig
from osler.records.io import read_records, write_records
from osler.runs.files import read_json
from osler.runs.metrics import read_metrics
from osler.train.config import BadRowsConfig, EvaluationConfig, TrainConfig
from osler.train.engines import write_engine

RESULT = Path(__file__).parent / "results" / "train_peer.json"
PROMPT = "You explain medicine for education. You never diagnose or prescribe."
N_ROWS = 60
SIZE = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 8}
CONFIG = TrainConfig(
    batch_size=4,
    epochs=1,
    max_length=1024,
    learning_rate=2e-4,
    evaluation=EvaluationConfig(rows=0),
    bad_rows=BadRowsConfig(long_answer="drop", long_prompt="drop", contradictory="keep", empty_answer="drop"),
)
OSLER = """
import sys, json
from pathlib import Path
from osler.models.config import ModelConfig
from osler.runs.progress import silent
from osler.train.config import MachineConfig, TrainConfig
from osler.train.train import train
rows, base, prompt, config, out = sys.argv[1:]
train((Path(rows), None), ModelConfig(base=base, dtype="bfloat16", system_prompt=prompt), TrainConfig(**json.loads(config)),
      MachineConfig(save_every_steps=10_000), 7, Path(out), silent)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="Python of the environment of LLaMA-Factory.")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--add", action="store_true", help="Keep the rounds that the result has.")
    parser.add_argument("--work", type=Path, default=Path("runs/train-peer"))
    options = parser.parse_args()
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    base = _base(options.rows, work / "base")
    rows = _rows(options.rows, base, work / "rows.jsonl")
    arms = {
        "osler": _osler(rows, base, work),
        "llamafactory padded": _peer(options.peer, rows, base, work / "padded", "by-length"),
        "llamafactory neat_packing": _peer(options.peer, rows, base, work / "packed", "best-fit"),
    }
    before = read_json(RESULT)["runs"] if options.add else {}
    found: dict[str, list[dict[str, float]]] = {name: before.get(name, []) for name in arms}
    for _ in range(options.repeats):
        for name, (command, folder) in arms.items():
            found[name].append(_measure(command, folder))
            print(name, found[name][-1], flush=True)
        _write(found, work, options.peer)  # after each round, so that a stopped run leaves what it has
    return 0


def _write(found: dict[str, list[dict[str, float]]], work: Path, peer: Path) -> None:
    middle = {name: {key: median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()}
    first = middle["osler"]
    ratios = {name: {key: round(first[key] / middle[name][key], 3) for key in ("cpu_s", "peak_mb")} for name in found}
    ledger = read_json(work / "osler" / "ledger.json")
    losses = [row["loss"] for row in read_metrics(work / "osler" / "metrics.jsonl") if "loss" in row]
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "rows": ledger["kept"],
        "tokens": ledger["tokens"],
        "steps": ledger["steps"],
        "parameters": ledger["parameters"],
        "padding_share": ledger["padding_share"],
        "runs": found,
        "median": middle,
        "osler_by_peer": ratios,
        "mean_loss": {"osler": round(sum(losses) / len(losses), 4), **_peer_losses(work)},
        "torch": {"osler": _torch(Path(sys.executable)), "peer": _torch(peer)},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result["osler_by_peer"], indent=2))


def _base(rows: Path, folder: Path) -> Path:
    """A Llama of 32 million parameters with random weights, and a tokenizer of 8,192 tokens learned from the rows."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from osler.models.chat import ROLE_TOKENS, plain_template

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<|pad|>", "<|end|>", *ROLE_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = (
        turn.content for number, record in enumerate(read_records(rows)) for turn in record.messages if number < 3000
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",  # noqa: S106 - a token of text
        pad_token="<|pad|>",  # noqa: S106 - as above
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = plain_template()
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(fast),
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        eos_token_id=1,
        pad_token_id=0,
        **SIZE,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def _rows(file: Path, base: Path, out: Path) -> Path:
    from osler.train.light_tokenizer import read_light_tokenizer
    from osler.train.tokens import TokenRow, token_rows

    tokenizer = read_light_tokenizer(base)
    records = [record for number, record in enumerate(read_records(file)) if number % 97 == 0]
    fitting = [
        record
        for record, row in zip(records, token_rows(tokenizer, records, PROMPT, 1), strict=True)
        if isinstance(row, TokenRow) and len(row.ids) <= CONFIG.max_length
    ]
    write_records(out, fitting[:N_ROWS])
    return out


def _osler(rows: Path, base: Path, work: Path) -> tuple[list[str], Path]:
    out = work / "osler"
    return [sys.executable, "-c", OSLER, str(rows), str(base), PROMPT, CONFIG.model_dump_json(), str(out)], out


def _peer(python: Path, rows: Path, base: Path, out: Path, packing: str) -> tuple[list[str], Path]:
    packed = packing == "best-fit"
    # Packed, it cuts its packs at cutoff_len and reads one a pass; the reference figures used the same setting.
    config = CONFIG.model_copy(update={"packing": packing, **({"batch_size": 1, "accumulate": 1} if packed else {})})
    write_engine(
        "llamafactory", (rows, Path("absent")), ModelConfig(base=str(base), system_prompt=PROMPT), config, 7, out
    )
    file = out / "llamafactory.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name in ("eval_dataset", "eval_strategy", "eval_steps", "plot_loss"):
        settings.pop(name, None)
    settings |= {
        "use_cpu": True,
        "overwrite_output_dir": True,
        "save_strategy": "no",
        "cutoff_len": 4096 if packed else 1024,
    }
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return [str(python), "-m", "llamafactory.cli", "train", "llamafactory.yaml"], out


def _measure(command: list[str], folder: Path) -> dict[str, float]:
    """CPU seconds and peak memory of a process with its children, in a process of its own so that the peak is its own."""
    cwd = folder if command[2] == "llamafactory.cli" else folder.parent
    if folder.name == "osler":
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    shutil.rmtree(folder / "trained", ignore_errors=True)
    watch = (
        "import json,resource,subprocess,sys\n"
        "code=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=open('stderr.txt','w')).returncode\n"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([code,u.ru_utime+u.ru_stime,u.ru_maxrss/1e3]))"
    )
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "DISABLE_VERSION_CHECK": "1",
        # The osler that this script imported, and not another that is installed.
        "PYTHONPATH": str(Path(osler.__file__).parents[1]) if folder.name == "osler" else "",
    }
    done = subprocess.run(
        [sys.executable, "-c", watch, *command], cwd=cwd, env=environment, check=True, capture_output=True, text=True
    )
    code, cpu_s, peak_mb = json.loads(done.stdout)
    if code:
        raise SystemExit((cwd / "stderr.txt").read_text()[-3000:])
    return {"cpu_s": round(cpu_s, 1), "peak_mb": round(peak_mb)}


def _peer_losses(work: Path) -> dict[str, float]:
    found = {}
    for name in ("padded", "packed"):
        state = read_json(work / name / "trained" / "trainer_state.json")
        losses = [row["loss"] for row in state["log_history"] if "loss" in row]
        found[f"llamafactory {name}"] = round(sum(losses) / len(losses), 4)
    return found


def _torch(python: Path) -> dict[str, object]:
    """Version, and what importing it alone takes."""
    # Not ru_maxrss: a process inherits it from the one that started it.
    code = (
        "import torch,time;cpu=time.process_time();status=open('/proc/self/status').read();"
        "print(torch.__version__,cpu,int(status.split('VmHWM:')[1].split()[0])/1e3)"
    )
    version, cpu_s, peak_mb = subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    return {"version": version, "import_cpu_s": round(float(cpu_s), 2), "import_mb": round(float(peak_mb))}


if __name__ == "__main__":
    sys.exit(main())
