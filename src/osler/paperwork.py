"""The papers of a run: its cards, and the documents that somebody answers for.

Joins what the rooms below may not know of each other: the stages' files, the policy, the server's log and switch, signatures.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import CheckFailed, InputError
from osler.report.cards import Kind, data_card, model_card, system_card
from osler.report.documents import draw_documents, read_decisions, write_blank_decisions
from osler.report.fields import Fields, read_lines
from osler.report.read import read_run
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
        return system_card(run, system_of(run_folder, audit_key))
    return data_card(run) if kind == "data" else model_card(run)


def write_documents(run_folder: Path, out: Path) -> Papers:
    """Draw all documents of a run into `out`. Signatures and decisions that are there, and documents that somebody edited, stay.

    Raises:
        InputError: the folder is no run folder, or a file in it or in `out` is damaged.
    """
    run, system = read_run(run_folder), system_of(run_folder, None)
    write_blank_decisions(out)
    decisions = read_decisions(out)
    drawn = draw_documents(run, system, decisions)
    seen = read_json(out / _DRAWN) if (out / _DRAWN).is_file() else {}
    edited = tuple(name for name in drawn if _is_edited(out / f"{name}.md", seen.get(name)))
    for name, text in drawn.items():
        if name not in edited:
            write_bytes(out / f"{name}.md", text.encode())
    write_json(
        out / _DRAWN, {name: seen[name] if name in edited else sha256_json(text) for name, text in drawn.items()}
    )
    write_blank_signatures(out)
    signatures = tuple(signature_of(out, name, system.artefact) for name in DOCUMENTS)
    return Papers(out, edited, tuple(name for name, said in decisions.items() if not said), signatures)


def system_of(run_folder: Path, audit_key: str | None) -> System:
    """What is known of a run beside its stages: policy, server, log, switch, signatures.

    Raises:
        InputError: a file is damaged.
    """
    run = read_run(run_folder)
    guard, serve = run.section("guard"), run.section("serve")
    policy = _policy(guard)
    artefact = _artefact(run_folder, run.recipe, policy)
    terms = read_terms()
    signatures = [signature_of(run_folder / FOLDER, name, artefact) for name in DOCUMENTS]
    return System(
        artefact=artefact,
        policy=_policy_facts(run_folder, policy, artefact) if policy else None,
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


def was_examined(inputs: Mapping[str, str], artefact: str, policy_sha256: str) -> bool | None:
    """Whether a red team's inputs name what would be served; runs before the artefact was among them name the policy alone.

    Returns:
        None where neither is named: no red team was run.
    """
    if "artefact" in inputs:
        return inputs["artefact"] == artefact
    return inputs["policy"] == policy_sha256 if "policy" in inputs else None


def _is_edited(file: Path, drawn: str | None) -> bool:
    return file.is_file() and sha256_json(file.read_text(encoding="utf-8")) != drawn


def _policy(guard: Mapping[str, Any]) -> "Policy | None":
    from pydantic import ValidationError

    from osler.guard.config import GuardConfig
    from osler.serve.start import load_run_policy

    try:
        return load_run_policy(GuardConfig.model_validate(guard))
    except (InputError, ValidationError):
        # Of an older run, or a file that is gone: the card says that it is not known.
        return None


def _policy_facts(run_folder: Path, policy: "Policy", artefact: str) -> PolicyFacts:
    examined = run_folder / "redteam" / "run.json"
    inputs = read_json(examined).get("inputs", {}) if examined.is_file() else {}
    actions: dict[str, list[str]] = {}
    for rule in policy.rules:
        actions.setdefault(rule.intent, []).append(rule.action)
    return PolicyFacts(
        policy.name,
        policy.sha256,
        policy.expires.isoformat(),
        {intent: ", ".join(sorted(set(found))) for intent, found in sorted(actions.items())},
        was_examined(inputs, artefact, policy.sha256),
    )


def _artefact(run_folder: Path, recipe: Mapping[str, Any], policy: "Policy | None") -> str:
    """Id of what would be served; that of the gate's verdict where it cannot be told from the files, empty without either."""
    from pydantic import ValidationError

    from osler.models.config import ModelConfig
    from osler.serve.start import artefact_of

    if policy is not None and (run_folder / "train" / "done").is_file():
        try:
            return artefact_of(ModelConfig.model_validate(recipe.get("model")), policy, run_folder)
        except (InputError, ValidationError):
            pass
    verdict = run_folder / "gate" / "verdict.json"
    return str(read_json(verdict).get("artefact", "")) if verdict.is_file() else ""


def _switch(folder: Path) -> str:
    """The kill switch's level and reason, as the folder's own store has them; a store elsewhere is not asked."""
    if (folder / KILL_FILE).exists():
        return f"halt: the file {KILL_FILE} lies in the serve folder"
    turns = open_store(None, folder).turns() if (folder / "store.db").is_file() else []
    return f"{turns[-1].level}: {turns[-1].reason}" if turns and turns[-1].level != "off" else "off"


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
    rows = [row for log in logs for row in read_lines(log)]
    times = sorted(time for row in rows if (time := row.maybe_text("time")))
    return AuditFacts(
        _counted([row.maybe_text("event") for row in rows]),
        _counted([row.maybe_text("action") for row in rows if row.maybe_text("event") == "answer"]),
        times[0] if times else "not recorded",
        times[-1] if times else "not recorded",
        holds,
    )


def _counted(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))


def _sets(policy: str) -> Fields | None:
    """The project's figures of its policy: beside the package in a checkout, inside it when installed."""
    checkout = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "guard_sets.json"
    for file in (Path(str(files("osler"))) / "guard" / "sets.json", checkout):
        if file.is_file():
            return read_sets(read_json(file), policy)
    return None
