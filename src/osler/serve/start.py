"""From a run folder to a running gateway: the permit first, then the model, its guard and the audit log.

The permit is asked before anything heavy is loaded, so that a refusal comes at once. An override is written to the audit log,
and into the run's report, before the first answer.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from osler.errors import InputError
from osler.guard.config import GuardConfig
from osler.models.artefact import artefact_id
from osler.models.chat import system_prompt_of
from osler.models.config import ModelConfig
from osler.runs.files import read_json
from osler.runs.folder import stage_files
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.keys import key_ring
from osler.serve.permit import permit
from osler.serve.terms import read_terms

if TYPE_CHECKING:
    from osler.guard.policy import Policy


_KEY_FILE = "audit.key"


@dataclass(frozen=True, slots=True)
class Ready:
    """A gateway that takes requests."""

    url: str
    """Where it listens (`http://127.0.0.1:8710`); the API is below `/v1`."""
    page: str
    """Address that opens the page, once."""
    terms: str
    """Version of the terms that a caller must have accepted."""


@dataclass(frozen=True, slots=True)
class ServedSections:
    """The parts of a run's recipe that decide what is served."""

    model: ModelConfig
    guard: GuardConfig
    serve: ServeConfig


def start(
    run_folder: Path,
    override: str | None,
    api_keys: tuple[str, ...],
    audit_key: str | None,
    on_ready: Callable[[Ready], None],
    **changes: str | int | None,
) -> None:
    """Serve a run's model until it is told to stop.

    Args:
        override: reason for serving a model that has not passed its gate.
        api_keys: keys that open the API.
        audit_key: key of the audit log's chain; None takes the one kept beside the log, made at the first start.
        changes: values of the `serve` section that replace the recipe's (`host`, `port`); None leaves the recipe's.

    Raises:
        CheckFailed: the gate has not passed and nobody overrides it; names each failed check.
        InputError: the run has no trained model, or a change is not allowed.
        EnvironmentLacks: a package or the port is missing.
    """
    sections = served_sections(run_folder, {name: value for name, value in changes.items() if value is not None})
    policy = load_run_policy(sections.guard)
    permission = permit(run_folder, artefact_of(sections.model, policy, run_folder), override)

    from osler.guard.audit import AuditLog
    from osler.guard.stronger import stronger_of
    from osler.guard.wrap import guarded
    from osler.report.page import write_report
    from osler.serve.run import serve
    from osler.train.result import load_trained

    folder = run_folder / "serve"
    audit = AuditLog(folder / "audit.jsonl", _audit_key(folder, audit_key))
    model = load_trained(run_folder / "train", sections.model)
    facts = ServerFacts(
        permit=permission,
        policy=f"{policy.id}@{policy.version}",
        policy_sha256=policy.sha256,
        folder=folder,
        system_prompt=system_prompt_of(sections.model),
        count_tokens=lambda text: len(model.tokenizer.encode(text, add_special_tokens=False)),
    )
    terms = read_terms()

    def tell(page: str) -> None:
        write_report(run_folder)
        on_ready(Ready(page.partition("/?")[0], page, terms.version))

    serve(
        guarded(model, policy, stronger=stronger_of(sections.guard)),
        audit,
        sections.serve,
        facts,
        tell,
        key_ring(key for key in api_keys if key),
    )


def served_sections(run_folder: Path, changes: dict[str, Any]) -> ServedSections:
    """The sections of the recipe that a run was made with, as `recipe.json` holds them."""
    recipe = read_json(run_folder / "recipe.json")
    if not (run_folder / "train" / "done").is_file():
        raise InputError(
            f"{run_folder.name} has no trained model: its stage train has not finished. Run its recipe to the end."
        )
    try:
        serve = ServeConfig.model_validate({**recipe["serve"], **changes})
    except ValidationError as error:
        raise InputError(f"the server's options do not fit: {_first_complaint(error)}") from error
    return ServedSections(
        ModelConfig.model_validate(recipe["model"]), GuardConfig.model_validate(recipe["guard"]), serve
    )


def load_run_policy(config: GuardConfig) -> "Policy":
    """The policy of a run, checked as of today."""
    from osler.guard.load import load_policy

    return load_policy(config.policy, datetime.now(UTC).date())


def artefact_of(model: ModelConfig, policy: "Policy", run_folder: Path) -> str:
    """The id of what a run serves: weights, what was trained of them, tokenizer, template, system prompt and policy together."""
    from osler.train.identity import base_digests
    from osler.train.result import result_folder

    train, result = run_folder / "train", result_folder(run_folder / "train")
    trained = {name: digest for name, digest in stage_files(train).items() if name.startswith(f"{result.name}/")}
    fingerprint = read_json(result / "template.json")["fingerprint"]
    return artefact_id(
        base_digests(train, model), trained, fingerprint, system_prompt_of(model), policy.sha256, model.dtype
    )


def read_audit_key(folder: Path, given: str | None) -> bytes:
    """The key of a server's audit chain.

    Args:
        folder: the run's `serve` folder.
        given: the operator's key; None takes the one beside the log, which protects against accidents, not against intent.

    Raises:
        InputError: there is neither.
    """
    if given:
        return given.encode()
    path = folder / _KEY_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no audit key; set OSLER_AUDIT_KEY to the one that the server ran with")
    return path.read_bytes()


def _audit_key(folder: Path, given: str | None) -> bytes:
    path = folder / _KEY_FILE
    if not given and not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32), encoding="ascii")
    return read_audit_key(folder, given)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
