"""The documents that must be there before a model is shown to people: drawn from the run's facts, decided and signed by persons.

What no file can answer is an open decision: `decisions.yaml` in the documents' folder asks it, and each document shows the answer,
or the mark `OPEN DECISION`. Documents hold nothing that changes while a server runs, nor the gate's checks on signatures, so that
drawing them again after signing changes no byte.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml

from osler.errors import InputError
from osler.report import tables_facts
from osler.report.format import rate
from osler.report.read import Run
from osler.report.system import System
from osler.report.templates import fill_markdown, plain
from osler.runs.files import write_bytes
from osler.runs.section import read_filled_in
from osler.runs.signatures import CHECK, DOCUMENTS, OPEN

DECISIONS_FILE = "decisions.yaml"

_HEAD = """\
# What no file of the run can answer. Write each decision between the quotes (or below, after |), with who took it and when; then run
# `osler documents` again. A document with an open decision does not count as signed.
"""
_RATES = ("harmful_compliance", "over_refusal")
_INDEX = "checklist"


def draw_documents(run: Run, system: System, decisions: Mapping[str, str]) -> dict[str, str]:
    """The text of each document by its name, and of the checklist that leads to them."""
    unsigned = _without_signatures(run)

    def decide(name: str) -> str:
        said = decisions.get(name, "").strip()
        question = questions()[name]
        return f"> **{question}** {plain(said)}" if said else f"> **{OPEN}: {question}** (`{name}` in decisions.yaml)"

    facts = {
        "system": system,
        "decide": decide,
        "open_mark": OPEN,
        "risks": _risks(run, system),
        "open_in": lambda document: sum(
            not said.strip() for name, said in decisions.items() if name.startswith(f"{document}.")
        ),
        "serving": tables_facts.section_table("serving", "Options of the server, from the recipe.", system.serve),
    }
    return {name: fill_markdown(f"{name}.md.j2", unsigned, document=name, **facts) for name in (*DOCUMENTS, _INDEX)}


@cache
def questions() -> dict[str, str]:
    """The decisions that are asked for, by `document.name`."""
    text = (Path(__file__).parent / "papers" / DECISIONS_FILE).read_text(encoding="utf-8")
    asked: dict[str, str] = yaml.safe_load(text)
    return asked


def write_blank_decisions(folder: Path) -> None:
    """Write `decisions.yaml` with nothing decided; one that is there is left alone."""
    if (folder / DECISIONS_FILE).exists():
        return
    blank = "".join(f'\n# {question}\n{name}: ""\n' for name, question in questions().items())
    write_bytes(folder / DECISIONS_FILE, (_HEAD + blank).encode())


def read_decisions(folder: Path) -> dict[str, str]:
    """What was decided, by name; an empty text where nothing was.

    Raises:
        InputError: the file is not YAML, or names a decision that is not asked for.
    """
    file = folder / DECISIONS_FILE
    content = read_filled_in(file)
    known = questions()
    if not isinstance(content, dict) or not all(isinstance(said, str) for said in content.values()):
        raise InputError(f"{file}: expected one text for each decision: {', '.join(known)}")
    if unknown := [name for name in content if name not in known]:
        raise InputError(f"{file}: there is no decision {unknown[0]!r}; expected some of {', '.join(known)}")
    return {name: content.get(name, "").strip() for name in known}


def _without_signatures(run: Run) -> Run:
    """The run without the gate's checks on documents: a document that told of its own signature could never be signed."""
    if run.gate is None:
        return run
    checks = tuple(check for check in run.gate.checks if not check.name.startswith(CHECK))
    passed = bool(checks) and all(check.passed for check in checks)
    return replace(run, gate=replace(run.gate, checks=checks, passed=passed), overrides=())


def _risks(run: Run, system: System) -> list[dict[str, str]]:
    """Each intent of the policy and of the red team: the action, and what the red team of this run found behind the guard."""
    arms = run.redteamed.arms if run.redteamed else ()
    found = next((arm.by_intent for arm in arms if arm.arm == "guarded"), {})
    actions = dict(system.policy.actions) if system.policy else {}
    asked = run.redteamed.actions if run.redteamed else {}
    rows = []
    for intent in sorted({*actions, *found, *asked}):
        rates = [found.get(intent, {}).get(name) for name in _RATES]
        told = [rate(one.k, one.n, *one.ci95) if one and one.n else "not tested" for one in rates]
        action = actions.get(intent) or asked.get(intent, "not known")
        rows.append({"intent": intent, "action": action, "complied": told[0], "refused": told[1]})
    return rows
