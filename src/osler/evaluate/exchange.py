"""Questions and answers in the forms of other tools, so that others can check the scores and use their viewers.

lm-eval: a task file and a JSONL file for each benchmark asked by log-likelihood, with the very texts that were scored. Inspect: one
log for each model and benchmark, in the JSON form of its version 2, with each question's answer, key and how it was matched.
Review: open answers for clinicians to rate.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from osler.evaluate.items import Item, fit_items
from osler.evaluate.rows import Row, by_arm, read_rows
from osler.evaluate.summary import Examination
from osler.records.io import JsonlWriter
from osler.records.render import LETTERS
from osler.runs.files import read_json, sha256_json, write_bytes, write_json

_EPOCH = "1970-01-01T00:00:00+00:00"
"""Logs hold no time of day, so that equal answers give equal bytes."""


def write_lm_eval_tasks(examinations: Sequence[Examination], _evaluated: Path, out: Path) -> list[Path]:
    """Task files for `lm_eval --include_path`; returns them. Benchmarks asked by reply have none."""
    written = []
    for examination in examinations:
        if not examination.asked.mode.needs_likelihoods:
            continue
        name = "osler_" + examination.asked.score_name.replace("-", "_").replace("@", "_").replace("+", "_")
        rows = out / f"{name}.jsonl"
        with JsonlWriter(rows) as writer:
            for item in fit_items(examination.asked, examination.questions):
                if item.prompt is not None:
                    texts = [one.removeprefix(" ") for one in item.prompt.continuations]
                    writer.write(
                        {"id": item.record.id, "query": item.prompt.prefix, "choices": texts, "gold": item.gold}
                    )
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(rows.resolve())}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{query}}",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "gold",
            "num_fewshot": 0,
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        }
        path = out / f"{name}.yaml"
        write_bytes(path, yaml.safe_dump(task, sort_keys=False).encode())
        written.append(path)
    return written


def write_inspect_logs(examinations: Sequence[Examination], evaluated: Path, out: Path) -> list[Path]:
    """Logs for `inspect view --log-dir`; returns them."""
    scores = {(row["benchmark"], row["model"]): row for row in read_json(evaluated / "scores.json")["scores"]}
    items = {
        one.asked.score_name: {item.record.id: item for item in fit_items(one.asked, one.questions)}
        for one in examinations
    }
    written = []
    for (benchmark, model), own in by_arm(read_rows(evaluated / "samples.jsonl")).items():
        path = out / f"{benchmark.replace('@', '_').replace('+', '_')}_{model}.json"
        write_json(path, _log(benchmark, model, own, items.get(benchmark, {}), scores.get((benchmark, model))))
        written.append(path)
    return written


def write_review_answers(examinations: Sequence[Examination], evaluated: Path, out: Path) -> list[Path]:
    """The open answers beside their questions, for `osler review make`; returns the file."""
    path = out / "answers.jsonl"
    records = {
        one.asked.score_name: {record.id: record for record in one.questions.records}
        for one in examinations
        if one.asked.benchmark.is_open
    }
    with JsonlWriter(path) as writer:
        for row in read_rows(evaluated / "samples.jsonl"):
            record = records.get(row["benchmark"], {}).get(row["id"])
            if record is not None and row.get("replies"):
                shown = {"question": record.question, "answer": row["replies"][0]}
                writer.write({"id": record.id, "arm": row["model"], "topic": record.subject, **shown})
    return [path]


WRITERS: Mapping[str, Callable[[Sequence[Examination], Path, Path], list[Path]]] = {
    "lm-eval": write_lm_eval_tasks,
    "inspect": write_inspect_logs,
    "review": write_review_answers,
}
"""By the form's name, what writes it: from examinations and the evaluation's folder into another folder."""


def _log(
    benchmark: str,
    model: str,
    rows: Sequence[Row],
    items: Mapping[str, Item],
    score: Row | None,
) -> dict[str, Any]:
    samples = [_sample(items[row["id"]], row) for row in rows if row["id"] in items]
    digest = sha256_json([benchmark, model, [row["id"] for row in rows]])[:22]
    metrics = {} if score is None else {"accuracy": {"name": "accuracy", "value": score["accuracy"], "params": {}}}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": digest,
            "run_id": digest,
            "created": _EPOCH,
            "task": benchmark,
            "task_id": digest,
            "task_version": 0,
            "task_attribs": {},
            "task_args": {},
            "dataset": {
                "name": benchmark,
                "samples": len(samples),
                "sample_ids": [one["id"] for one in samples],
                "shuffled": False,
            },
            "model": f"osler/{model}",
            "model_args": {},
            "config": {},
            "packages": {},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [{"name": "osler", "scorer": "osler", "params": {}, "metrics": metrics}],
        },
        "stats": {"started_at": _EPOCH, "completed_at": _EPOCH, "model_usage": {}},
        "samples": samples,
    }


def _sample(item: Item, row: Row) -> dict[str, Any]:
    asked = item.prompt.prefix if item.prompt is not None else item.conversation[-1].content
    names = item.options if item.labelled else LETTERS[: len(item.options)]
    given = names[row["answer"]] if row["answer"] >= 0 else ""
    text = row["replies"][0] if row.get("replies") else given
    return {
        "id": item.record.id,
        "epoch": 1,
        "input": asked,
        "choices": list(item.options),
        "target": names[item.gold] if item.gold >= 0 else item.record.target,
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": text}],
        "output": {
            "model": "osler",
            "choices": [{"message": {"role": "assistant", "content": text}, "stop_reason": "stop"}],
        },
        "scores": {
            "osler": {
                "value": "C" if row["right"] else "I",
                "answer": given,
                "explanation": f"matched: {row['matched']}",
                "metadata": {"log_likelihoods": row.get("log_likelihoods")},
            }
        },
        "metadata": {"subject": item.record.subject},
        "store": {},
        "events": [],
    }
