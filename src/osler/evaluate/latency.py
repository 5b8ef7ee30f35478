"""How long whole answers take, one question at a time, as one user would wait. Kept in `metrics.jsonl`, as times differ by run."""

import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from osler.evaluate.benchmarks import Questions
from osler.evaluate.config import EvaluateConfig
from osler.evaluate.items import asked_turns
from osler.models.protocol import Model
from osler.runs.metrics import append_metric, read_metrics


def measure_latency(model: Model, questions: Mapping[str, Questions], config: EvaluateConfig, path: Path) -> None:
    """Time whole answers to the first questions of the benchmarks; appends to `path` those that it does not hold yet."""
    timed = {row["question"] for row in read_metrics(path) if "whole_s" in row}
    records = {record.id: record for found in questions.values() for record in found.records}
    for record in islice(records.values(), config.latency_questions):
        if record.id in timed:
            continue
        began, first_s = time.monotonic(), 0.0
        for piece in model.stream(asked_turns(record), config.max_answer_tokens):
            if piece and not first_s:
                first_s = time.monotonic() - began
        append_metric(path, {"question": record.id, "first_s": first_s, "whole_s": time.monotonic() - began})
