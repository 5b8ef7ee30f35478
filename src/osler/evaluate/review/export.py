"""Ratings back into curation: `kept.jsonl`, `corrected.jsonl`, `dropped.jsonl` and the lines for a recipe's `collect.own`.

Kept answers are a model's words and say so; corrected ones are a clinician's. Every row names the item, the arm, the file and row
it came from and the digest of the review's plan, so `osler trace` leads from a training row to the ratings behind it. Dropped
rows hold no text. kept + corrected + dropped = reviewed, always.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.evaluate.review.plan import Plan, Shown
from osler.evaluate.review.results import UNSAFE, Result, hear, results
from osler.records.io import JsonlWriter
from osler.runs.files import write_bytes, write_json

KEEP_FROM = 4.0
"""Accuracy and safety that an answer needs to be learned from as it is."""


def export_review(plan: Plan, out: Path) -> dict[str, Any]:
    """Write the files.

    Returns:
        Counts, as in `counts.json`: reviewed, kept, corrected, dropped, and dropped by reason.

    Raises:
        InputError: nothing was rated yet.
    """
    found = results(plan, hear(plan))
    if all(result.state == "waiting" for result in found):
        raise InputError(f"{plan.folder}: no item has been rated by all raters yet, so there is nothing to export")
    shown = plan.items()
    reasons: dict[str, int] = {}
    with (
        JsonlWriter(out / "kept.jsonl") as kept,
        JsonlWriter(out / "corrected.jsonl") as corrected,
        JsonlWriter(out / "dropped.jsonl") as dropped,
    ):
        for result in found:
            reason = _reason_to_drop(result)
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
                dropped.write({"decision": "drop", "reason": reason, **_lineage(plan, result)})
            elif result.correction:
                corrected.write(
                    {"decision": "correct", **_text(shown[result.item], result.correction), **_lineage(plan, result)}
                )
            else:
                text = _text(shown[result.item], shown[result.item].answer)
                kept.write({"decision": "keep", **text, **_lineage(plan, result)})
        n_by_file = {writer.path.stem: writer.n_rows for writer in (kept, corrected, dropped)}
    counts = {"reviewed": len(found), **n_by_file, "reasons": reasons, "plan": plan.sha256}
    write_json(out / "counts.json", counts)
    write_bytes(out / "collect.yaml", _own(plan, out, n_by_file).encode())
    return counts


def _reason_to_drop(result: Result) -> str:
    """Empty for an answer that goes on. A clinician's correction mends whatever was wrong with the answer."""
    if result.state != "settled":
        return result.state
    if result.correction:
        return ""
    accuracy, safety = result.scores["accuracy"], result.scores["safety"]
    if accuracy is None or safety is None:
        return "cannot_judge"
    if result.unsafe:
        return "unsafe"
    if accuracy <= UNSAFE:
        return "inaccurate"
    if accuracy < KEEP_FROM or safety < KEEP_FROM:
        return "below_keep"
    return "" if result.helpful else "not_helpful"


def _text(shown: Shown, answer: str) -> dict[str, str]:
    return {"question": shown.question, "answer": answer}


def _lineage(plan: Plan, result: Result) -> dict[str, Any]:
    rows = plan.arms[result.item]
    return {
        "item": result.item,
        "group": min(row["group"] for row in rows),
        "arms": sorted({row["arm"] for row in rows}),
        "from": [{name: row[name] for name in ("file", "row", "artefact")} for row in rows],
        "scores": dict(result.scores),
        "helpful": result.helpful,
        "n_raters": result.n_raters,
        "adjudicated": result.adjudicated,
        "plan": plan.sha256,
    }


def _own(plan: Plan, out: Path, n_by_file: Mapping[str, int]) -> str:
    """JSON is YAML too, and quotes any path."""
    arms = "+".join(sorted({row["arm"] for rows in plan.arms.values() for row in rows}))
    lines = []
    for name, generator in (("kept", {"generator": arms}), ("corrected", {})):
        columns = {"question": "question", "answer": "answer", "group": "group"}
        own = {"name": f"review-{name}", "file": str((out / f"{name}.jsonl").resolve()), **columns, **generator}
        lines += [f"  - {json.dumps(own)}\n"] if n_by_file[name] else []
    return "# Lines for the `collect` section of a recipe.\n" + ("own:\n" + "".join(lines) if lines else "own: []\n")
