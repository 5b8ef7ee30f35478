"""From a run folder to a running gateway: the permit first, then the model, its guard and the audit log.

The permit is asked before anything heavy is loaded, so that a refusal comes at once. An override is written to the audit log,
and into the run's report, before the first answer.
"""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from osler.errors import EnvironmentLacks, InputError
from osler.guard.config import GuardConfig
from osler.models.artefact import artefact_id
from osler.models.chat import ROLE_TOKENS, system_prompt_of
from osler.models.config import ModelConfig
from osler.runs.facts import installed_version
from osler.runs.files import read_json, sha256_json
from osler.runs.folder import stage_files
from osler.runs.format import written_by
from osler.runs.local_only import stays_here
from osler.serve.config import BackendName, ServeConfig, UpstreamConfig
from osler.serve.facts import ServerFacts
from osler.serve.keys import key_ring
from osler.serve.permit import Permit, permit
from osler.serve.terms import read_terms

if TYPE_CHECKING:
    from osler.guard.policy import Policy
    from osler.serve.backend import Backend
    from osler.serve.gateway import Answerer


_KEY_FILE = "audit.key"
_NVIDIA = Path("/proc/driver/nvidia")
_LLAMA_CONTEXT = 4096
"""Tokens of one conversation in llama.cpp; each costs memory whether it is used or not."""
_UNSEEN = "the model behind the address was not examined by this run"


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
class Replica:
    """What tells one server of a run from the others, and what it has in common with them."""

    name: str = ""
    """Of its audit log (`audit-NAME.jsonl`); empty for the only one."""
    store: str | None = None
    """PostgreSQL URL; None: SQLite in the serve folder."""
    text_key: str | None = None
    text_hours: int | None = None
    """Keep texts of answers for so long, encrypted with the key; None: keep none."""


@dataclass(frozen=True, slots=True)
class ServedSections:
    """The parts of a run's recipe that decide what is served."""

    model: ModelConfig
    guard: GuardConfig
    serve: ServeConfig

    @property
    def backend(self) -> BackendName:
        """What answers: as asked, or what this machine is best at."""
        if self.serve.backend is not None:
            return self.serve.backend
        if self.serve.upstream is not None:
            return "upstream"
        has_llama = all(installed_version(name) for name in ("xllamacpp", "gguf"))
        return "gguf" if has_llama and not _NVIDIA.exists() else "hf"


def start(
    run_folder: Path,
    override: str | None,
    api_keys: tuple[str, ...],
    audit_key: str | None,
    on_ready: Callable[[Ready], None],
    gguf: Path | None = None,
    replica: Replica | None = None,
    **changes: Any,
) -> None:
    """Serve a run until it is told to stop.

    Args:
        override: reason for serving a model that has not passed its gate.
        api_keys: keys that open the API.
        audit_key: key of the audit log's chain; None takes the one kept beside the log, made at the first start.
        gguf: the run's model as a file of llama.cpp, for the backend gguf.
        replica: where several servers share a store; None for the only one.
        changes: values of the `serve` section that replace the recipe's (`host`, `port`); None leaves the recipe's.

    Raises:
        CheckFailed: the gate has not passed and nobody overrides it; names each failed check.
        InputError: the run has no trained model, or a change is not allowed.
        EnvironmentLacks: a package or the port is missing.
    """
    sections = served_sections(run_folder, changes)
    policy = load_run_policy(sections.guard)
    permission = _permission(run_folder, sections, policy, override)

    from osler.guard.audit import AuditLog
    from osler.guard.texts import open_texts
    from osler.report.page import write_report
    from osler.serve.run import serve
    from osler.serve.store import open_store

    folder = run_folder / "serve"
    replica = replica or Replica()
    keeps_texts = replica.text_hours is not None
    box = open_texts(folder / "texts", replica.text_key, replica.text_hours) if keeps_texts else None
    store = open_store(replica.store, folder)
    facts = ServerFacts(
        permit=permission,
        policy=f"{policy.id}@{policy.version}",
        policy_sha256=policy.sha256,
        folder=folder,
        system_prompt=system_prompt_of(sections.model),
        numbers={country: one.emergency for country, one in policy.numbers.items()},
        keeps_texts=keeps_texts,
    )
    terms = read_terms()

    def tell(page: str) -> None:
        if (run_folder / "train").is_dir():
            write_report(run_folder)
        on_ready(Ready(page.partition("/?")[0], page, terms.version))

    keys = key_ring(key for key in api_keys if key)
    name = f"audit-{replica.name}.jsonl" if replica.name else "audit.jsonl"
    with AuditLog(folder / name, _audit_key(folder, audit_key), box) as audit:
        serve(_answerer(run_folder, sections, policy, gguf), audit, sections.serve, facts, tell, keys, store=store)


def open_upstream_run(runs: Path, config: UpstreamConfig) -> Path:
    """A folder for a server that has no run: its audit log and its switch lie there, and its name opens them.

    Returns:
        `runs/upstream-HOST-PORT`, the same for the same address.
    """
    from urllib.parse import urlsplit

    from osler.runs.files import write_json

    parts = urlsplit(config.url)
    folder = runs / f"upstream-{parts.hostname}-{parts.port or parts.scheme}"
    sections = {"model": {}, "guard": {}, "serve": {"upstream": config.model_dump(mode="json")}}
    write_json(folder / "recipe.json", {"name": folder.name, **sections})
    return folder


def served_sections(run_folder: Path, changes: dict[str, Any]) -> ServedSections:
    """The sections of the recipe that a run was made with, as `recipe.json` holds them.

    Args:
        changes: values of the `serve` section that replace the recipe's; None leaves the recipe's.

    Raises:
        InputError: the run has no trained model, or the changes do not fit.
    """
    recipe = read_json(run_folder / "recipe.json")
    wanted = {name: value for name, value in changes.items() if value is not None}
    try:
        sections = ServedSections(
            ModelConfig.model_validate(recipe["model"]),
            GuardConfig.model_validate(recipe["guard"]),
            ServeConfig.model_validate(recipe["serve"]),
        )
    except (KeyError, TypeError, ValidationError) as error:
        what = _first_complaint(error) if isinstance(error, ValidationError) else "a section is missing"
        version = written_by(run_folder)
        raise InputError(
            f"{run_folder / 'recipe.json'} does not fit this version of osler: {what}. It was written by "
            f"{f'osler {version}' if version else 'another version'}; run the recipe again, which makes anew only what must be."
        ) from error
    try:
        serve = ServeConfig.model_validate({**recipe["serve"], **wanted})
    except ValidationError as error:
        raise InputError(f"the server's options do not fit: {_first_complaint(error)}") from error
    sections = replace(sections, serve=serve)
    if not _is_trained(run_folder) and sections.backend not in ("library", "upstream"):
        raise InputError(
            f"{run_folder.name} has no trained model: its stage train has not finished. Run its recipe to the end."
        )
    return sections


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


def _is_trained(run_folder: Path) -> bool:
    return (run_folder / "train" / "done").is_file()


def _permission(run_folder: Path, sections: ServedSections, policy: "Policy", override: str | None) -> Permit:
    """Leave to serve. Records that answer for themselves need none; a model that no run made can have none, which is recorded."""
    if sections.backend == "library":
        return Permit(sha256_json(["library", stage_files(run_folder / "curate"), policy.sha256]))
    if not _is_trained(run_folder) and sections.serve.upstream is not None:
        facts = ["upstream", sections.serve.upstream.url, sections.serve.upstream.model, policy.sha256]
        return Permit(sha256_json(facts), overridden=True, reason=override or "no run", failed_checks=(_UNSEEN,))
    return permit(run_folder, artefact_of(sections.model, policy, run_folder), override)


def _answerer(run_folder: Path, sections: ServedSections, policy: "Policy", gguf: Path | None) -> "Answerer":
    from osler.guard.stronger import stronger_of
    from osler.guard.wrap import Guard
    from osler.serve.gateway import Answerer
    from osler.serve.library import LibraryBackend, library_of

    guard, config = Guard(policy, stronger=stronger_of(sections.guard)), sections.serve
    may_leave = config.allow_remote or (
        sections.backend == "upstream" and config.upstream is not None and not stays_here(config.upstream.url)
    )
    if sections.backend == "library":
        answers = library_of(run_folder, config.passages, None, may_leave=may_leave)
        if not answers:
            raise InputError(
                f"{run_folder.name} has no curated questions with answers, so there is nothing to answer from."
            )
        return Answerer(guard, LibraryBackend(answers))
    asked = _asked(run_folder, sections, gguf)
    library = library_of(run_folder, config.passages, asked.n_context, may_leave=may_leave) if config.passages else None
    return Answerer(guard, asked.backend, library or None)


class _Asked(NamedTuple):
    backend: "Backend"
    n_context: int | None
    """Tokens that it reads; None where only the server knows."""


def _asked(run_folder: Path, sections: ServedSections, gguf: Path | None) -> _Asked:
    """What makes the answers, loaded."""
    config, upstream = sections.serve, sections.serve.upstream
    if sections.backend == "upstream" and upstream is not None:
        from osler.serve.upstream import Address, Upstream

        address = Address(upstream.url, upstream.model, _key_in(upstream.key), config.patience.connect_s)
        return _Asked(Upstream(lambda: address), None)
    if sections.backend == "gguf":
        from osler.serve.llama import LlamaOptions, LlamaProcess
        from osler.serve.upstream import Upstream

        if gguf is None:
            raise InputError("the backend gguf needs the run's model as a file of llama.cpp")
        merged = gguf.parent.parent / "merged"
        n_context = min(int(read_json(merged / "config.json")["max_position_embeddings"]), _LLAMA_CONTEXT)
        process = LlamaProcess(LlamaOptions(gguf, n_context))
        return _Asked(Upstream(process.address, _control_tokens(merged), process.close), n_context)
    from osler.serve.inprocess import InProcess
    from osler.train.result import load_trained

    model = load_trained(run_folder / "train", sections.model)
    count = lambda text: len(model.tokenizer.encode(text, add_special_tokens=False))  # noqa: E731
    return _Asked(InProcess(model, count), model.max_length)


def _control_tokens(merged: Path) -> tuple[str, ...]:
    """As `models.chat.special_tokens`, without loading transformers."""
    path = merged / "tokenizer.json"
    added = json.loads(path.read_text(encoding="utf-8")).get("added_tokens", []) if path.is_file() else []
    found = {row["content"] for row in added if row["special"] and len(row["content"]) > 2} | set(ROLE_TOKENS)
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def _key_in(variable: str) -> str:
    """The key of an upstream server, which stands in the environment alone."""
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise EnvironmentLacks(
            f"the key of the upstream server is to be in the environment variable {variable}, which is not set"
        )
    return key


def _audit_key(folder: Path, given: str | None) -> bytes:
    path = folder / _KEY_FILE
    if not given and not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # of two servers that start together the first makes it
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(secrets.token_hex(32))
    return read_audit_key(folder, given)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
