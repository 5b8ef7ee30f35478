"""A finished stage in one line of figures, for the command line."""

from collections.abc import Callable
from pathlib import Path

from osler.runs.files import read_json


def summarize(folder: Path) -> str:
    """The figures of a stage's folder, whose name is the stage's."""
    return _SUMMARIES[folder.name](folder)


def _collect_summary(folder: Path) -> str:
    counts = read_json(folder / "counts.json")
    sources = counts["sources"]
    n_aside = sum(sum(source["set_aside"].values()) for source in sources)
    n_records = sum(source["records"] for source in sources)
    absent = f"; absent: {', '.join(counts['absent'])}" if counts.get("absent") else ""
    return f"{n_records:,} records from {len(sources)} sources, {n_aside:,} rows set aside{absent}"


def _synth_summary(folder: Path) -> str:
    counts = read_json(folder / "counts.json")
    made = counts["generators"]
    if counts.get("left_out"):
        return f"left out: {counts['left_out']}; no record of {', '.join(one['source'] for one in made)}"
    n_dropped = sum(sum(one["dropped"].values()) for one in made)
    n_items, n_kept = sum(one["items"] for one in made), sum(one["kept"] for one in made)
    return f"{n_items:,} items asked about, {n_kept:,} records kept, {n_dropped:,} dropped"


def _curate_summary(folder: Path) -> str:
    counts = read_json(folder / "counts.json")
    splits = counts["splits"]
    kept = f"{splits['train']:,} train, {splits['validation']:,} validation, {splits['test']:,} test"
    return f"{counts['read']:,} read, {counts['kept']:,} kept ({kept}), {counts['dropped']:,} dropped"


def _train_summary(folder: Path) -> str:
    ledger = read_json(folder / "ledger.json")
    rows = f"{ledger['kept']:,} rows, {sum(ledger['set_aside'].values()):,} set aside"
    if "steps" not in ledger:  # trained by another engine
        return f"{rows}, trained by {ledger['engine']}"
    return f"{rows}, {ledger['steps']:,} steps, loss {ledger['first_loss']:.2f} to {ledger['last_loss']:.2f}"


def _evaluate_summary(folder: Path) -> str:
    scores = read_json(folder / "scores.json")["scores"]
    tuned = [score for score in scores if score["model"] == "tuned"]
    return "; ".join(
        f"{s['benchmark']} {s['accuracy']:.1%} [{s['ci95'][0]:.1%}, {s['ci95'][1]:.1%}], n {s['n']:,}" for s in tuned
    )


def _redteam_summary(folder: Path) -> str:
    arms = read_json(folder / "summary.json")["arms"]
    return "; ".join(
        f"{a['arm']}: harmful compliance {a['harmful_compliance']['k']} of {a['harmful_compliance']['n']}" for a in arms
    )


def _gate_summary(folder: Path) -> str:
    verdict = read_json(folder / "verdict.json")
    failed = [check["name"] for check in verdict["checks"] if not check["passed"]]
    return "passed" if verdict["passed"] else f"NOT passed: {', '.join(failed)}"


def _export_summary(folder: Path) -> str:
    if not (folder / "parity.json").is_file():
        return "nothing: export.formats is empty"
    parity = read_json(folder / "parity.json")
    return f"merged; same first choice on {parity['top1_agreement']:.1%} of {parity['tokens']:,} tokens"


_SUMMARIES: dict[str, Callable[[Path], str]] = {
    "collect": _collect_summary,
    "synth": _synth_summary,
    "curate": _curate_summary,
    "train": _train_summary,
    "evaluate": _evaluate_summary,
    "redteam": _redteam_summary,
    "gate": _gate_summary,
    "export": _export_summary,
}
