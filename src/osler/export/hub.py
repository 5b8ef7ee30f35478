"""Publishing a model on the Hugging Face hub: an upload that happens only when nothing forbids it.

Nothing here is called without `--to hub` and a repository's name. A model that has not passed its gate is not published, whatever
the reason; nor one trained on text whose license forbids changed copies, or whose publisher must be asked, without words that
name it (`osler.runs.local_only`).
"""

from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.records.io import read_records
from osler.records.license import Use, terms_of, why_forbidden
from osler.runs.local_only import permit_push


class Hub(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make a repository."""

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
        """Upload all files of a folder."""


def check_sources(run_folder: Path, use: Use, acknowledgement: str | None) -> None:
    """Whether a run's training text lets its model go out.

    Raises:
        CheckFailed: a source forbids it.
        InputError: the run has no training set.
    """
    permit_push(run_folder, acknowledgement)
    barred: Counter[tuple[str, str, str]] = Counter()
    for record in read_records(run_folder / "curate" / "train.jsonl"):
        name = record.origin.license or "unknown"
        if reason := why_forbidden(terms_of(name, record.origin.access), use):
            barred[record.origin.source, name, reason] += 1
    if barred:
        lines = [f"  {source}: {n:,} rows, {name}: {reason}" for (source, name, reason), n in sorted(barred.items())]
        raise CheckFailed(
            f"the model of {run_folder.name} may not be published for {use} use:\n"
            + "\n".join(lines)
            + "\nTake these sources out of "
            "the recipe and train again."
        )


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
