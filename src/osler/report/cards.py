"""The cards of a run: data, model and system, in the form of the Hugging Face hub (YAML, then Markdown).

Drawn from the run folder, as `report.read` reads it, and from `System`, what the caller knows of the server and its policy. A stage
that was not run says so; what no file holds is called not known. The same folder gives the same bytes, and no text of a record,
prompt or reply is in a card.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from osler.report import tables_exam, tables_facts
from osler.report.fields import Fields
from osler.report.read import Run
from osler.report.read_exam import Score
from osler.report.system import System, sets_table
from osler.report.templates import fill_markdown

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


def data_card(run: Run, exported: Mapping[str, Any] | None = None) -> str:
    """What the training set is made of.

    Args:
        exported: what `export.json` says, for the card of an export; None for that of the run.
    """
    return _card("data", run, _data_metadata(run, exported), exported=exported)


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


def _card(kind: Kind, run: Run, metadata: Mapping[str, Any], **facts: Any) -> str:
    front = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n" + fill_markdown(f"{kind}.md.j2", run, **facts)


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
    scores = run.evaluated.scores if run.evaluated else ()
    results = [_result(run, one) for one in scores if one.model == "tuned" and one.n]
    return {
        "library_name": "transformers",
        **({"base_model": base} if base and not base.startswith(_LOCAL_BASES) else {}),
        "license": "unknown",
        "tags": ["medical", "osler"],
        **({"model-index": [{"name": run.name, "results": results}]} if results else {}),
    }


def _result(run: Run, score: Score) -> dict[str, Any]:
    name, _, mode = score.benchmark.partition("@")
    if name in run.samples:  # a result under the publisher's name would pass for one on its questions
        name = f"osler-sample-in-the-shape-of-{name}"
    metric = f"accuracy, n = {score.n}, 95 % interval {score.ci95.low:.3f} to {score.ci95.high:.3f}"
    return {
        "task": {"type": "question-answering", "name": f"asked as {mode}" if mode else "mode not recorded"},
        "dataset": {
            "name": name,
            "type": name,
            "split": score.split or "not recorded",
            "args": {"questions": score.n, "mode": mode},
        },
        "metrics": [{"type": "accuracy", "value": round(score.accuracy, 4), "name": metric}],
    }


def _size(n_rows: int) -> str:
    return next((name for bound, name in _SIZES if n_rows < bound), "n>10M")
