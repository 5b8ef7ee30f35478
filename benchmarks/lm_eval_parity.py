"""Log-likelihoods, speed and memory beside lm-eval 0.4.13, on real items and two tiny models that are built here.

    python benchmarks/lm_eval_parity.py --data ../shared/data --out benchmarks/results/lm_eval_parity.json

`--only parity`, `speed` or `memory`, and `--model body` or `head`, measure a part and keep what the file says of the rest. Needs the extra `parity` (lm-eval). lm-eval's own task files lay out the questions; only where their rows come from is replaced by
local files, as some of their loaders need a network and one no longer works. MMLU's first five questions of each subject serve
as examples, as the official ones are not at hand; they are the same on both sides.
"""

import argparse
import json
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from osler.models.local_score import LikelihoodReader
from osler.records.record import Record

N_ITEMS = {"medqa": 300, "medmcqa": 300, "pubmedqa": 100, "mmlu-med": 100}
SPECS = {
    "medqa": "medqa:validation@letters-0shot",
    "medmcqa": "medmcqa:validation@letters-0shot",
    "pubmedqa": "pubmedqa:train@letters-0shot",
    "mmlu-med": "mmlu-med@letters-0shot",
    "medqa text": "medqa:validation@text",
    "mmlu-med 5-shot": "mmlu-med@letters-5shot",
}
MODELS = {
    "body": {"vocab_size": 2048, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8},
    "head": {"vocab_size": 32_768, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4},
}
BUDGETS = (256, 1024, 4096, 8192)
BATCHES = (1, 4, 16)
SIDES = ("osler", *(f"lm-eval batch {size}" for size in BATCHES))
TIMED = {"medqa": 8, "medmcqa": 16, "pubmedqa": 4, "mmlu-med": 16, "medqa text": 4, "mmlu-med 5-shot": 16}
PARITY_ITEMS = {"medqa text": 100, "mmlu-med 5-shot": 40}
"""Of the rows that lm-eval is slow on, so many, half from each end; of the others all."""
BUDGET_ITEMS = 100
"""Items that are scored again with each other budget."""
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, help="A folder to keep; else a temporary one.")
    parser.add_argument("--only", choices=tuple(STEPS), help="One of the three measurements.")
    parser.add_argument("--step", choices=tuple(STEPS), help="One measurement in this process.")
    parser.add_argument("--model", choices=tuple(MODELS))
    parser.add_argument("--side")
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.work = options.work or Path(temporary)
        if not (options.work / "tasks").is_dir():
            prepare(options)
        known = json.loads(options.out.read_bytes()) if options.only and options.out.is_file() else {}
        result = {"machine": f"{platform.machine()}, CPU, 1 thread", "python": platform.python_version()}
        result["models"] = known.get("models", {})
        for model in (options.model,) if options.model else MODELS:
            found = result["models"].setdefault(model, {})
            for step in (options.only,) if options.only else STEPS:
                sides = SIDES if step == "memory" else ("",)
                measured = {side: in_process(options, step, model, side) for side in sides}
                found[step] = measured if step == "memory" else measured[""]
        options.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def in_process(options: argparse.Namespace, step: str, model: Any, side: str = "") -> Any:
    """A process of its own, so that peaks of memory do not mix."""
    command = [sys.executable, __file__, "--data", options.data, "--work", options.work]
    command += ["--step", step, "--model", model, "--side", side]
    print(f"{step} {model} {side}", file=sys.stderr, flush=True)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def prepare(options: argparse.Namespace) -> None:
    """Records, lm-eval's rows and task files, and the two models."""
    from osler.records.io import JsonlWriter, read_records
    from osler.runs.progress import silent
    from osler.sources.catalog import source_named
    from osler.sources.collect import Copy, collect_source

    collected = options.work / "collect"
    with JsonlWriter(options.work / "set_aside.jsonl") as aside:
        for name in ("medqa", "medmcqa", "pubmedqa", "mmlu_med"):
            collect_source(Copy(source_named(name), options.data, ()), collected, aside, silent)
    rng = random.Random(7)
    chosen = {}
    for name, n in N_ITEMS.items():
        records = list(
            read_records(collected / "records" / f"{name.replace('-', '_')}.jsonl".replace("mmlu_med", "mmlu_med"))
        )
        if name == "mmlu-med":
            by_subject = {
                subject: [r for r in records if r.subject == subject] for subject in ("anatomy", "medical_genetics")
            }
            write_rows(options.work / "mmlu_dev.jsonl", [as_dict(r) for own in by_subject.values() for r in own[:5]])
            records = [r for own in by_subject.values() for r in own[5 : 5 + n // 2]]
        chosen[name] = records if len(records) == n else sorted(rng.sample(records, n), key=lambda r: r.id)
        write_rows(options.work / f"{name}.jsonl", [as_dict(r) for r in chosen[name]])
    write_tasks(options.work, chosen)
    for model, shape in MODELS.items():
        build_model(options.work / model, [r.question for own in chosen.values() for r in own], shape)


def as_dict(record: Record) -> Any:
    from osler.records.io import to_dict

    return to_dict(record)


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def write_tasks(work: Path, chosen: Mapping[str, list[Record]]) -> None:
    """lm-eval's own task folders beside files of rows in the shapes that its functions read."""
    import lm_eval

    from osler.records.io import from_dict, read_jsonl

    home, tasks = Path(lm_eval.__file__).parent / "tasks", work / "tasks"
    shutil.rmtree(tasks, ignore_errors=True)
    labels = ("yes", "no", "maybe")
    medqa = [
        {"sent1": r.question, **{f"ending{i}": c for i, c in enumerate(r.choices)}, "label": r.answer}
        for r in chosen["medqa"]
    ]
    write_rows(work / "lm_medqa.jsonl", medqa)
    names = ("opa", "opb", "opc", "opd")
    write_rows(
        work / "lm_medmcqa.jsonl",
        [
            {"question": r.question, **dict(zip(names, r.choices, strict=True)), "cop": r.answer}
            for r in chosen["medmcqa"]
        ],
    )
    write_rows(
        work / "lm_pubmedqa.jsonl",
        [
            {"QUESTION": r.question, "CONTEXTS": list(r.context), "final_decision": labels[r.answer]}
            for r in chosen["pubmedqa"]
        ],
    )
    for folder, file, name in (
        ("medqa", "medqa.yaml", "medqa"),
        ("medmcqa", "medmcqa.yaml", "medmcqa"),
        ("pubmedqa", "pubmedqa.yaml", "pubmedqa"),
    ):
        shutil.copytree(home / folder, tasks / folder, dirs_exist_ok=True)
        own_task(tasks / folder / f"osler_{name}.yaml", file, name, {"test": work / f"lm_{name}.jsonl"})
    text = "doc_to_text: \"Question: {{sent1}}\\nAnswer:\"\ndoc_to_choice: '{{[ending0, ending1, ending2, ending3]}}'\n"
    own_task(
        tasks / "medqa" / "osler_medqa_text.yaml", "medqa.yaml", "medqa_text", {"test": work / "lm_medqa.jsonl"}, text
    )
    shutil.copytree(home / "mmlu" / "default", tasks / "mmlu", dirs_exist_ok=True)
    dev = [from_dict(row) for _, row in read_jsonl(work / "mmlu_dev.jsonl")]
    for subject in ("anatomy", "medical_genetics"):
        for split, own in (("test", chosen["mmlu-med"]), ("dev", dev)):
            rows = [
                {"question": r.question, "choices": list(r.choices), "answer": r.answer}
                for r in own
                if r.subject == subject
            ]
            write_rows(work / f"lm_{subject}_{split}.jsonl", rows)
        own_files = {split: work / f"lm_{subject}_{split}.jsonl" for split in ("test", "dev")}
        for n in (0, 5):
            own_task(
                tasks / "mmlu" / f"osler_{subject}_{n}.yaml",
                f"mmlu_{subject}.yaml",
                f"mmlu_{subject}_{n}",
                own_files,
                f"num_fewshot: {n}\n",
                with_dev=True,
            )


def own_task(
    path: Path, include: str, name: str, files: Mapping[str, Path], more: str = "", *, with_dev: bool = False
) -> None:
    listed = "".join(f"    {split}: {file}\n" for split, file in files.items())
    splits = "" if with_dev else "training_split: null\nvalidation_split: null\n"
    path.write_text(
        f"include: {include}\ntask: osler_{name}\ndataset_path: json\ndataset_name: null\ntest_split: test\n{splits}"
        f"dataset_kwargs:\n  data_files:\n{listed}{more}"
    )


def build_model(folder: Path, texts: list[str], shape: Mapping[str, int]) -> None:
    """Random weights in the shape of a Llama, and a tokenizer trained on these texts."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from osler.models.chat import plain_template
    from osler.models.libraries import quiet_libraries

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    n_tokens = min(shape["vocab_size"], 8192)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=n_tokens,
            special_tokens=["<pad>", "</s>"],
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.add_special_tokens({"eos_token": "</s>", "pad_token": "<pad>"})
    fast.chat_template = plain_template()
    with quiet_libraries():
        fast.save_pretrained(folder)
        config = LlamaConfig(
            **shape,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
            dtype="float32",
        )
        torch.manual_seed(11)
        LlamaForCausalLM(config).save_pretrained(folder)


def our_prompts(options: argparse.Namespace, name: str) -> Any:
    from osler.evaluate.benchmarks import Questions, parse_benchmark
    from osler.evaluate.items import as_item
    from osler.records.io import from_dict, read_jsonl

    asked = parse_benchmark(SPECS[name])
    records = [from_dict(row) for _, row in read_jsonl(options.work / f"{name.split(maxsplit=1)[0]}.jsonl")]
    shots = {}
    if asked.mode.n_shots:
        for _, row in read_jsonl(options.work / "mmlu_dev.jsonl"):
            shots.setdefault(row["subject"], []).append(from_dict(row))
    return [as_item(asked, record, Questions(records, shots)) for record in records]


def their_requests(options: argparse.Namespace, name: str) -> Any:
    """lm-eval's requests of one task, in the order of ours."""
    from lm_eval.tasks import TaskManager

    names = {
        "medqa": ["osler_medqa"],
        "medmcqa": ["osler_medmcqa"],
        "pubmedqa": ["osler_pubmedqa"],
        "medqa text": ["osler_medqa_text"],
        "mmlu-med": ["osler_mmlu_anatomy_0", "osler_mmlu_medical_genetics_0"],
        "mmlu-med 5-shot": ["osler_mmlu_anatomy_5", "osler_mmlu_medical_genetics_5"],
    }[name]
    manager = TaskManager(include_path=str(options.work / "tasks"), include_defaults=False)
    requests = []
    for task in flat(manager.load(names)["tasks"] if hasattr(manager, "load") else manager.load_task_or_group(names)):
        task.build_all_requests(limit=None, rank=0, world_size=1)
        requests.extend(task.instances)
    return requests


def flat(tasks: Mapping[Any, Any]) -> Any:
    for value in tasks.values():
        if isinstance(value, dict):
            yield from flat(value)
        else:
            yield value


def load_ours(options: argparse.Namespace, budget: int = 1024) -> Any:
    from osler.models.local import load_local

    model = load_local(options.work / options.model)
    model.token_budget = budget
    return model


def load_theirs(options: argparse.Namespace, batch_size: int) -> Any:
    import logging

    logging.disable(logging.WARNING)
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(options.work / options.model), device="cpu", dtype="float32", batch_size=batch_size)


def in_chunks(model: Any, prompts: list[Any], size: int = 32) -> Any:
    return [
        values
        for start in range(0, len(prompts), size)
        for values in model.log_likelihoods(prompts[start : start + size])
    ]


def parity(options: argparse.Namespace) -> Any:
    """Largest difference, and items answered alike: against lm-eval, and against ourselves with other budgets."""
    one_thread()
    theirs, ours, found = load_theirs(options, 1), load_ours(options), {}
    for name in SPECS:
        items, requests = both(options, name, PARITY_ITEMS.get(name))
        prompts = [item.prompt for item in items]
        sizes = [len(prompt.continuations) for prompt in prompts]
        reader = iter([value for value, _ in theirs.loglikelihood(requests, disable_tqdm=True)])
        reference = [[next(reader) for _ in range(size)] for size in sizes]
        mine = in_chunks(ours, prompts)
        row = {"n": len(prompts), "lm-eval": compared(mine, reference), "budgets": {}}
        for budget in BUDGETS:
            ours.token_budget = budget
            row["budgets"][budget] = compared(in_chunks(ours, prompts[:BUDGET_ITEMS]), mine[:BUDGET_ITEMS])
        ours.token_budget = 1024
        found[name] = row
        print(name, row, file=sys.stderr, flush=True)
    return found


def both(options: argparse.Namespace, name: str, n: int | None = None) -> Any:
    """Items and lm-eval's requests, in the same order; `n`: so many, half from each end, so that both subjects of MMLU are in."""
    items, requests = our_prompts(options, name), their_requests(options, name)
    per_item = len(items[0].prompt.continuations)
    if len(requests) != per_item * len(items):
        raise SystemExit(
            f"{name}: {len(requests)} requests for {len(items)} items; the two sides ask different questions"
        )
    if n is None:
        return items, requests
    half = n // 2
    return [*items[:half], *items[-half:]], [*requests[: half * per_item], *requests[-half * per_item :]]


def compared(values: list[Any], reference: list[Any]) -> Any:
    pairs = list(zip(values, reference, strict=True))
    return {
        "largest_difference": max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)),
        "same_answer": sum(best(x) == best(y) for x, y in pairs),
        "of": len(pairs),
    }


def best(values: list[Any]) -> Any:
    return max(range(len(values)), key=lambda i: (values[i], -i))


def speed(options: argparse.Namespace) -> Any:
    """CPU seconds per question, both in one process, rounds with rotated order; the median of the rounds."""
    one_thread()
    sides = {f"lm-eval batch {size}": load_theirs(options, size) for size in BATCHES}
    ours = load_ours(options)
    if not LikelihoodReader(ours.weights).share_limit:
        raise SystemExit("this model cannot share a beginning")
    found = {}
    for name, n in TIMED.items():
        items, requests = both(options, name, n)
        prompts = [item.prompt for item in items]
        work = {
            side: (lambda lm=lm, requests=requests: lm.loglikelihood(requests, disable_tqdm=True))
            for side, lm in sides.items()
        }
        # A fresh reader each time: nothing read before counts. The probe of a model is made once, when it is loaded.
        work["osler"] = lambda prompts=prompts: in_chunks(
            replace(ours, _reader=LikelihoodReader(ours.weights, True)), prompts
        )
        times = {side: [] for side in work}
        for number in range(ROUNDS):
            order = list(work)
            order = order[number % len(order) :] + order[: number % len(order)]
            for side in order:
                began = time.process_time()
                work[side]()
                times[side].append((time.process_time() - began) / n)
        median = {side: sorted(own)[len(own) // 2] for side, own in times.items()}
        fastest = min(value for side, value in median.items() if side != "osler")
        found[name] = {"n": n, "cpu_s_per_question": median, "rounds": times, "times_faster": fastest / median["osler"]}
    return found


def memory(options: argparse.Namespace) -> Any:
    """Peak memory of a process that scores all tasks' timed questions, in MB."""
    one_thread()
    if options.side == "osler":
        model = load_ours(options)
        for name, n in TIMED.items():
            in_chunks(model, [item.prompt for item in both(options, name, n)[0]])
    else:
        lm = load_theirs(options, int(options.side.rpartition(" ")[2]))
        for name, n in TIMED.items():
            lm.loglikelihood(both(options, name, n)[1], disable_tqdm=True)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


STEPS = {"parity": parity, "speed": speed, "memory": memory}

if __name__ == "__main__":
    main()
