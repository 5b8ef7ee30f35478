"""Publishing a model on the Hugging Face hub: a model card, and an upload that happens only when nothing forbids it.

Nothing here is called without `--to hub` and a repository's name. A model that has not passed its gate is not published, whatever
the reason; nor one trained on text whose license forbids changed copies, or whose publisher must be asked, without words that
name it (`osler.runs.local_only`).
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.records.io import read_records
from osler.records.license import Mix, Use, mix_of, terms_of, why_forbidden
from osler.runs.files import read_json, write_bytes
from osler.runs.local_only import permit_push

_NOT_FOR = """\
This model is made for education and research. It is not a medical device. Do not use it to diagnose or treat anybody. It answers wrongly
with confidence, and it was examined behind osler's guard; these files are the model without that guard.
"""


class Hub(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make a repository."""

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
        """Upload all files of a folder."""


def check_sources(run_folder: Path, use: Use, acknowledgement: str | None) -> Mix:
    """Whether a run's training text lets its model go out, and under which license.

    Raises:
        CheckFailed: a source forbids it.
        InputError: the run has no training set.
    """
    permit_push(run_folder, acknowledgement)
    licenses: dict[str, Any] = {}
    barred: Counter[tuple[str, str, str]] = Counter()
    for record in read_records(run_folder / "curate" / "train.jsonl"):
        name = record.origin.license or "unknown"
        licenses[name] = terms_of(name, record.origin.access)
        if reason := why_forbidden(licenses[name], use):
            barred[record.origin.source, name, reason] += 1
    if barred:
        lines = [f"  {source}: {n:,} rows, {name}: {reason}" for (source, name, reason), n in sorted(barred.items())]
        raise CheckFailed(
            f"the model of {run_folder.name} may not be published for {use} use:\n"
            + "\n".join(lines)
            + "\nTake these sources out of "
            "the recipe and train again."
        )
    return mix_of(licenses)


def write_model_card(run_folder: Path, base: str, license_mix: Mix, folder: Path) -> None:
    """Write `README.md`: what it is, what it was trained and examined on, what the gate found, what it is not for."""
    ledger = read_json(run_folder / "train" / "ledger.json")
    verdict = read_json(run_folder / "gate" / "verdict.json")
    scores = run_folder / "evaluate" / "scores.json"
    rows = read_json(scores)["scores"] if scores.is_file() else []
    sources = sorted(
        Counter(record.origin.source for record in read_records(run_folder / "curate" / "train.jsonl")).items()
    )
    is_hub_id = not base.startswith(("/", ".", "~", "scratch:"))
    head = [
        "---",
        "library_name: transformers",
        *([f"base_model: {base}"] if is_hub_id else []),
        "tags: [osler, medical]",
        "---",
    ]
    text = [
        *head,
        f"# {run_folder.name}",
        _NOT_FOR,
        "## Training",
        f"{ledger['kept']:,} rows of {ledger['read']:,} read, {ledger['tokens']:,} tokens, {ledger['steps']:,} steps.",
        f"Base: {base if is_hub_id else 'its own'}. Chat template: {ledger['template_fingerprint'][:12]}.",
        f"Licenses of the training text: {license_mix.expression or 'none stated'}. The base has its own.",
        _table(("source", "rows"), [(name, f"{n:,}") for name, n in sources]),
        "## Examination",
        _table(("benchmark", "model", "n", "accuracy", "95 % interval"), [_score(row) for row in rows]),
        "## Gate",
        f"Passed for artefact {verdict['artefact'][:12]}.",
        _table(
            ("check", "value", "bound"),
            [(c["name"], _number(c["value"]), _number(c["bound"])) for c in verdict["checks"]],
        ),
    ]
    write_bytes(folder / "README.md", ("\n\n".join(text) + "\n").replace("\n\n".join(head), "\n".join(head)).encode())


def push(hub: Hub, repository: str, folder: Path, run: str, *, private: bool) -> None:
    """Upload a folder.

    Raises:
        InputError: the repository's name is not ORG/NAME.
        EnvironmentLacks: the hub cannot be reached or refuses.
    """
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise InputError(f"the repository {repository!r} is not of the form ORG/NAME")
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=str(folder), commit_message=f"osler run {run}")
    except (OSError, ValueError) as error:  # HfHubHTTPError and what lies below it are OSErrors
        raise EnvironmentLacks(
            f"{repository} could not be written ({type(error).__name__}). Is there a network, and is HF_TOKEN allowed to write there?"
        ) from error


def open_hub() -> Hub:
    """The real hub, with the token of the environment.

    Raises:
        EnvironmentLacks: huggingface_hub is not installed.
    """
    from osler.models.libraries import quiet_libraries

    with quiet_libraries():
        from huggingface_hub import HfApi

    hub: Hub = HfApi()
    return hub


def _score(row: Mapping[str, Any]) -> tuple[str, ...]:
    interval = " to ".join(_number(end) for end in row["ci95"]) if row.get("ci95") else ""
    return row["benchmark"], row["model"], str(row["n"]), _number(row["accuracy"]), interval


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "not measured"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return "Nothing."
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
