"""The cards of a run: data, model and system, in the form of the Hugging Face hub (YAML, then Markdown).

Drawn from the run folder, as `report.read` reads it, and from `System`, what the caller knows of the server and its policy. A stage
that was not run says so; what no file holds is called not known. The same folder gives the same bytes, and no text of a record,
prompt or reply is in a card.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from osler.report import tables_data, tables_exam, tables_facts, tables_profile
from osler.report.fields import Fields, Interval
from osler.report.format import count, many, moment, percent, percent_interval, sentence, words
from osler.report.headline import review, state, verdict
from osler.report.read import Run
from osler.report.read_exam import Score
from osler.report.system import System, sets_table
from osler.report.table import Cell, Table
from osler.report.tables import run_tables

Kind = Literal["data", "model", "system"]

_HUB_LICENSES = re.compile(
    r"apache-2\.0|mit|bsd-[23]-clause|cc0-1\.0|cc-by-(2\.0|2\.5|3\.0|4\.0)|cc-by-(sa|nc-sa)-[34]\.0|cc-by-nc-[234]\.0|"
    r"cc-by-(nc-)?nd-4\.0|gpl-[23]\.0|agpl-3\.0|odbl|pddl"
)
"""Licenses that the hub knows by an id of its own (https://huggingface.co/docs/hub/repositories-licenses); others are `other`."""
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_TASKS = {
    "qa": "question-answering",
    "choice": "multiple-choice",
    "yesno": "question-answering",
    "dialogue": "text-generation",
    "summary": "summarization",
    "classify": "text-classification",
    "note": "text-generation",
}
_LOCAL_BASES = ("/", ".", "~", "scratch:")
_TEMPLATES = [Path(__file__).parent / folder for folder in ("cards", "papers")]


def data_card(run: Run, exported: Mapping[str, Any] | None = None) -> str:
    """What the training set is made of.

    Args:
        exported: what `export.json` says, for the card of an export; None for that of the run.
    """
    return _card("data", run, _data_metadata(run, exported), exported=exported, **data_facts(run))


def model_card(run: Run) -> str:
    """What was trained from what, and what its examinations found."""
    whole = run.curated.profile.child("whole") if run.curated else None
    return _card(
        "model",
        run,
        _model_metadata(run),
        model=run.section("model"),
        options=tables_facts.options_table(run, "train: train."),
        license=whole.maybe_text("expression") if whole else "",
        eval_loss=run.trained.eval_losses[-1] if run.trained and run.trained.eval_losses else None,
        attributions=tables_exam.attributions(run.evaluated),
    )


def system_card(run: Run, system: System) -> str:
    """What stands around the model: policy, guard, server, and what is known to fail."""
    return _card(
        "system",
        run,
        {"tags": ["medical", "osler", "guardrails"]},
        system=system,
        serving=tables_facts.section_table("serving", "Options of the server, from the recipe.", system.serve),
        sets=sets_table(system.sets) if system.sets else None,
    )


def data_facts(run: Run) -> dict[str, Any]:
    """What is said of the data beside the tables that stand for themselves, as card and page show it."""
    curated = run.curated
    return {
        "balance": tables_data.balance(run.collected, curated),
        "small_tables": tables_data.small_tables(curated) if curated else [],
        "mix_note": tables_profile.mix_note(curated) if curated else "",
        "parts": tables_profile.parts(curated) if curated else [],
        "identifiers_note": tables_data.identifiers_note(run),
        "overlap_note": tables_data.overlap_note(run),
    }


def render(template: str, run: Run, **facts: Any) -> str:
    """A template of this package, filled. One blank line stands between blocks, whatever the template's branches leave."""
    text = (
        _environment()
        .get_template(template)
        .render(
            run=run,
            tables=run_tables(run),
            verdict=verdict(run),
            review=review(run),
            state=lambda stage: _sentence(run, stage),
            **facts,
        )
    )
    blocks = (block.strip("\n") for block in text.replace("\u00a0", " ").split("\n\n"))
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def _card(kind: Kind, run: Run, metadata: Mapping[str, Any], **facts: Any) -> str:
    front = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n" + render(f"{kind}.md.j2", run, **facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701  (Markdown, not HTML; what people wrote goes through `plain`)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {"table": markdown_table, "plain": plain, "words": words, "count": count}
    environment.filters["share_interval"] = lambda ci95: percent_interval(*ci95)
    environment.filters.update({**filters, "many": many, "percent": percent, "moment": moment, "sentence": sentence})
    return environment


def markdown_table(table: Table) -> str:
    """A table with its caption above it; no rows are said in words."""
    if not table.rows:
        return f"{table.caption}\n\nNone."
    lines = [
        [column.title for column in table.columns],
        ["--:" if column.is_number else "---" for column in table.columns],
    ]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    return f"{table.caption}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(text: str) -> str:
    """Text that somebody wrote, in one line and without meaning for Markdown or HTML."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    for mark in "\\`*[]|":
        text = text.replace(mark, "\\" + mark)
    return text


def _cell(cell: Cell) -> str:
    if cell.tone == "code" and cell.text:
        return "`" + " ".join(cell.text.split()).replace("`", "'").replace("|", "\\|") + "`"
    return " ".join(cell.text.split()).replace("|", "\\|").replace("<", "&lt;")


def _sentence(run: Run, stage: str) -> str:
    line = state(run, stage)
    return f"**{line.name}.** {line.text}" if line else ""


def _data_metadata(run: Run, exported: Mapping[str, Any] | None) -> dict[str, Any]:
    curated = run.curated
    whole = curated.profile.child("whole").maybe_text("expression") if curated else ""
    expression = exported["license"]["expression"] if exported else whole
    known = _HUB_LICENSES.fullmatch(expression.lower())
    names = (
        {"license": expression.lower()} if known else {"license": "other", "license_name": expression or "not known"}
    )
    n_rows = sum(exported["rows"].values()) if exported else curated.kept if curated else None
    languages = curated.profile.child("languages") if curated else Fields("", {})
    spoken = sorted({code for source in languages.values for code in languages.counts(source) if len(code) == 2})
    return {
        "pretty_name": run.name,
        **names,
        **({"language": spoken} if spoken else {}),
        **({"task_categories": sorted({_TASKS[task] for task in exported["tasks"]})} if exported else {}),
        "tags": ["medical", "osler"],
        **({"size_categories": [_size(n_rows)]} if n_rows is not None else {}),
        **({"configs": exported["configs"]} if exported else {}),
    }


def _model_metadata(run: Run) -> dict[str, Any]:
    base = str(run.section("model").get("base", ""))
    results = [_result(run, *measured) for measured in _measured(run)]
    return {
        "library_name": "transformers",
        **({"base_model": base} if base and not base.startswith(_LOCAL_BASES) else {}),
        "license": "unknown",
        "tags": ["medical", "osler"],
        **({"model-index": [{"name": run.name, "results": results}]} if results else {}),
    }


def _measured(run: Run) -> list[tuple[Score, float, Interval]]:
    tuned = (one for one in (run.evaluated.scores if run.evaluated else ()) if one.model == "tuned")
    return [(one, one.accuracy, one.ci95) for one in tuned if one.accuracy is not None and one.ci95 is not None]


def _result(run: Run, score: Score, accuracy: float, ci95: Interval) -> dict[str, Any]:
    name, _, mode = score.benchmark.partition("@")
    if name in run.samples:  # a result under the publisher's name would pass for one on its questions
        name = f"osler-sample-in-the-shape-of-{name}"
    metric = f"accuracy, n = {score.n}, 95 % interval {ci95.low:.3f} to {ci95.high:.3f}"
    return {
        "task": {"type": "question-answering", "name": f"asked as {mode}" if mode else "mode not recorded"},
        "dataset": {
            "name": name,
            "type": name,
            "split": score.split or "not recorded",
            "args": {"questions": score.n, "mode": mode},
        },
        "metrics": [{"type": "accuracy", "value": round(accuracy, 4), "name": metric}],
    }


def _size(n_rows: int) -> str:
    return next((name for bound, name in _SIZES if n_rows < bound), "n>10M")
