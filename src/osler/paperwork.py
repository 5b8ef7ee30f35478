"""The papers of a run: its cards, and the documents that somebody answers for.

Joins what the rooms below may not know of each other: the stages' files, the policy, the server's log and switch, signatures.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import CheckFailed, InputError
from osler.report.cards import Kind, data_card, model_card, system_card
from osler.report.documents import draw_documents, read_decisions, write_blank_decisions
from osler.report.fields import Fields, read_lines
from osler.report.read import Run, read_run
from osler.report.system import AuditFacts, PolicyFacts, System, read_sets
from osler.runs.files import read_json, sha256_json, write_bytes, write_json
from osler.runs.signatures import DOCUMENTS, FOLDER, Signature, signature_of, write_blank_signatures
from osler.serve.board import KILL_FILE
from osler.serve.store import open_store
from osler.serve.terms import read_terms

if TYPE_CHECKING:
    from osler.guard.policy import Policy

_DRAWN = "drawn.json"
"""Digests of the documents as they were last drawn: a file that differs was edited by a person."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What `osler documents` wrote."""

    folder: Path
    edited: tuple[str, ...]
    """Documents that a person edited; they were left as they are."""
    open_decisions: tuple[str, ...]
    signatures: tuple[Signature, ...]


def card(kind: Kind, run_folder: Path, audit_key: str | None = None) -> str:
    """A card of a run.

    Args:
        audit_key: key of the server's log; None takes the one beside it. Used by the system card alone.

    Raises:
        InputError: the folder is no run folder, or a file in it is damaged.
    """
    run = read_run(run_folder)
    if kind == "system":
        return system_card(run, system_of(run, run_folder, audit_key))
    return data_card(run) if kind == "data" else model_card(run)


def write_documents(run_folder: Path, out: Path) -> Papers:
    """Draw all documents of a run into `out`. Signatures and decisions that are there, and documents that somebody edited, stay.

    Raises:
        InputError: the folder is no run folder, or a file in it or in `out` is damaged.
    """
    run = read_run(run_folder)
    system = system_of(run, run_folder, None)
    write_blank_decisions(out)
    decisions = read_decisions(out)
    drawn = draw_documents(run, system, decisions)
    seen: dict[str, str] = read_json(out / _DRAWN) if (out / _DRAWN).is_file() else {}
    edited = []
    for name, text in drawn.items():
        file, digest = out / f"{name}.md", sha256_json(text)
        # A kill between a document and its digest leaves what would be written again.
        if file.is_file() and sha256_json(file.read_text(encoding="utf-8")) not in {seen.get(name), digest}:
            edited.append(name)
            continue
        write_bytes(file, text.encode())
        write_json(out / _DRAWN, seen := {**seen, name: digest})
    write_blank_signatures(out)
    signatures = tuple(signature_of(out, name, system.artefact) for name in DOCUMENTS)
    return Papers(out, tuple(edited), tuple(name for name, said in decisions.items() if not said), signatures)


def system_of(run: Run, run_folder: Path, audit_key: str | None) -> System:
    """What is known of a run beside its stages: policy, server, log, switch, signatures.

    Raises:
        InputError: a file is damaged.
    """
    guard, serve = run.section("guard"), run.section("serve")
    policy = _policy(guard)
    artefact = _artefact(run, run_folder, policy)
    terms = read_terms()
    signatures = [signature_of(run_folder / FOLDER, name, artefact) for name in DOCUMENTS]
    return System(
        artefact=artefact,
        policy=_policy_facts(run, policy, artefact) if policy else None,
        guard=guard,
        serve=serve,
        switch=_switch(run_folder / "serve"),
        audit=_audit(run_folder / "serve", audit_key),
        terms=terms.text,
        terms_version=terms.version,
        signatures={
            one.document: f"not signed: {one.missing}" if one.missing else f"signed by {one.by}" for one in signatures
        },
        sets=_sets(policy.name) if policy else None,
    )


def _policy(guard: Mapping[str, Any]) -> "Policy | None":
    from pydantic import ValidationError

    from osler.guard.config import GuardConfig
    from osler.serve.start import load_run_policy

    try:
        return load_run_policy(GuardConfig.model_validate(guard))
    except (InputError, ValidationError):
        # Of an older run, or a file that is gone: the card says that it is not known.
        return None


def _policy_facts(run: Run, policy: "Policy", artefact: str) -> PolicyFacts:
    actions: dict[str, list[str]] = {}
    for rule in policy.rules:
        actions.setdefault(rule.intent, []).append(rule.action)
    return PolicyFacts(
        policy.name,
        policy.sha256,
        policy.expires.isoformat(),
        {intent: ", ".join(sorted(set(found))) for intent, found in sorted(actions.items())},
        run.stages["redteam"].inputs.get("artefact") == artefact if run.redteamed else None,
    )


def _artefact(run: Run, run_folder: Path, policy: "Policy | None") -> str:
    """Id of what would be served; that of the gate's verdict where it cannot be told from the files, empty without either."""
    from pydantic import ValidationError

    from osler.models.config import ModelConfig
    from osler.serve.start import artefact_of

    if policy is not None and run.trained is not None:
        with suppress(InputError, ValidationError):
            return artefact_of(ModelConfig.model_validate(run.recipe.get("model")), policy, run_folder)
    return run.gate.artefact if run.gate else ""


def _switch(folder: Path) -> str:
    """What the kill file and the folder's own store say of the switch."""
    if (folder / KILL_FILE).exists():
        return f"ON. halt: the file {KILL_FILE} lies in the serve folder"
    if not (folder / "store.db").is_file():
        return "never thrown in this folder; a store elsewhere (OSLER_STORE) was not asked"
    turns = open_store(None, folder).turns()
    if turns and turns[-1].level != "off":
        return f"ON. {turns[-1].level}: {turns[-1].reason}"
    return "off by the store of this folder; one elsewhere (OSLER_STORE) was not asked"


def _audit(folder: Path, key: str | None) -> AuditFacts | None:
    from osler.guard.chain import verify
    from osler.serve.start import read_audit_key

    logs = sorted(folder.glob("audit*.jsonl"))
    if not logs:
        return None
    try:
        n_rows = sum(verify(log, read_audit_key(folder, key)).seq for log in logs)
        holds = (
            f"All {n_rows:,} rows hold under the key of the log; whether the end was cut off, osler audit verify tells."
        )
    except CheckFailed as error:
        holds = f"It does NOT hold: {str(error).replace(str(folder), 'serve')}"
    except InputError:
        holds = "NOT verified: the key of the log is not here."
    events, actions = Counter[str](), Counter[str]()
    first = last = ""
    for log in logs:  # a log may be far larger than memory
        for row in read_lines(log):
            event, time = row.maybe_text("event"), row.maybe_text("time")
            events[event or "not named"] += 1
            if event == "answer":
                actions[row.maybe_text("action") or "not recorded"] += 1
            if time:
                first, last = min(first or time, time), max(last, time)
    return AuditFacts(
        dict(sorted(events.items())),
        dict(sorted(actions.items())),
        first or "not recorded",
        last or "not recorded",
        holds,
    )


def _sets(policy: str) -> Fields | None:
    """The project's figures of its policy: beside the package in a checkout, inside it when installed."""
    checkout = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "guard_sets.json"
    for file in (Path(str(files("osler"))) / "guard" / "sets.json", checkout):
        if file.is_file():
            return read_sets(read_json(file), policy)
    return None
