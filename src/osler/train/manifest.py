"""The manifest of a training: what became of every row that was read, and in which steps each was learned from."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.records.io import write_rows
from osler.runs.files import write_json
from osler.runs.metrics import read_metrics
from osler.train.order import Order
from osler.train.result import result_folder
from osler.train.tokens import Tokens

_LAST_STEPS = 10


def write_set_aside(tokens: Tokens, path: Path) -> None:
    """Write the rows that are not trained on, with reasons.

    Raises:
        InputError: no row is left.
    """
    write_rows(path, map(asdict, tokens.set_aside))
    if not tokens.n_read:
        raise InputError(
            "The training set has no row: curate kept none, or its split gave all to validation and test. "
            "See curate/counts.json; curate.split has the shares."
        )
    if not tokens.rows:
        reasons = ", ".join(sorted({row.reason for row in tokens.set_aside}))
        raise InputError(
            f"No row is left to train on: {tokens.n_read} read, all set aside ({reasons}); see {path}. "
            "Raise train.max_length, or change what the curate stage keeps."
        )


def write_manifest(tokens: Tokens, n_validation: int, order: Order, n_base: int, fingerprint: str, out: Path) -> None:
    """Write `rows.jsonl`, one line for every row that was trained on, and the sums to `ledger.json`."""
    metrics = [row for row in read_metrics(out / "metrics.jsonl") if "loss" in row]
    n_steps = metrics[-1]["step"]  # fewer than planned when training stopped early
    uses: list[list[int]] = [[] for _ in tokens.rows]
    for number in range(n_steps):
        for index in order.rows_of(number):
            uses[index].append(number + 1)
    facts = write_rows_learned(tokens, uses, out / "rows.jsonl")
    lengths = [len(row.ids) for row in tokens.rows]
    losses = [row["loss"] for row in metrics]
    whole = result_folder(out).name == "model"
    n_trained = n_base if whole else tensor_elements(out / "adapter" / "adapter_model.safetensors")
    last = losses[-_LAST_STEPS:]
    ledger: dict[str, Any] = {
        **facts,
        "padding_share": round(order.padding_share(lengths), 4),
        "packed": order.packed,
        "steps": n_steps,
        "planned_steps": order.n_steps,
        "epochs": round(sum(map(len, uses)) / len(tokens.rows), 4),
        "rows_never_used": sum(not steps for steps in uses),
        "batch_size": len(order.rows_of(0)),
        "parameters": n_base + (0 if whole else n_trained),
        "trainable_parameters": n_trained,
        "template_fingerprint": fingerprint,
        "first_loss": losses[0],
        "last_loss": round(sum(last) / len(last), 6),  # mean of the last ten steps: single ones are noisy
        "evaluation_rows": n_validation,
    }
    write_json(out / "ledger.json", ledger)


def write_rows_learned(tokens: Tokens, uses: Sequence[list[int] | None], path: Path) -> dict[str, Any]:
    """Write one line for every row that was trained on; gives their sums, for the ledger.

    Args:
        uses: for each row the steps that learned from it; None where that is not known.
    """
    rows = [
        {"id": row.id, "source": row.source, "tokens": len(row.ids), "trained_tokens": row.n_trained, "steps": steps}
        for row, steps in zip(tokens.rows, uses, strict=True)
    ]
    write_rows(path, rows)
    return {
        "read": tokens.n_read,
        "kept": len(rows),
        "kept_in_spite": dict(tokens.kept_in_spite),
        "set_aside": tokens.set_aside_counts,
        "tokens": sum(len(row.ids) for row in tokens.rows),
        "trained_tokens": sum(row.n_trained for row in tokens.rows),
        "max_length": tokens.max_length,
    }


def tensor_elements(path: Path) -> int:
    """Numbers in a safetensors file, from its header."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as opened:
        return sum(math.prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118 - no mapping
