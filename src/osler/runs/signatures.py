"""Documents of a run that a person answers for, and whether their signatures hold.

`<run>/documents/` has one Markdown file a document and `signatures.yaml`, which a person fills: name, role, date, and the
SHA-256 of the file that was signed. A signature holds for those bytes, for the artefact that the document names, and only when
no decision in it is open. It says who answers for a text; that the name is the person's own is not proved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from osler.errors import InputError
from osler.runs.files import sha256_file, write_bytes
from osler.runs.section import read_filled_in

Document = Literal[
    "intended_use",
    "risk_register",
    "terms_of_use",
    "privacy_notice",
    "incident_response",
    "review_protocol",
    "audit_schedule",
]
DOCUMENTS: tuple[Document, ...] = get_args(Document)
FOLDER, SIGNATURES_FILE = "documents", "signatures.yaml"
OPEN = "OPEN DECISION"
"""Stands in a document wherever a person has yet to decide."""
CHECK = "signed."
"""What the name of a gate's check on a document begins with."""

_PARTS = ("name", "role", "date", "sha256")
_HEAD = """\
# Who answers for which document of this run. Read it, then fill in name, role, date (2026-03-01) and the SHA-256 of the file that
# you read (`sha256sum FILE`, or as `osler documents` prints it). When the file changes, the signature holds no more.
"""


@dataclass(frozen=True, slots=True)
class Signature:
    """One document: who signed it, or why it does not count as signed."""

    document: str
    sha256: str
    """Of the file as it is now; empty when there is none."""
    by: str
    """Name, role and date; empty where nothing is filled in."""
    missing: str
    """Why it does not count as signed; empty when it does."""


def signature_of(folder: Path, document: str, artefact: str) -> Signature:
    """Whether a document is signed, as its files are now.

    Args:
        folder: `<run>/documents`.
        artefact: id of what would be served; the document must be about it.

    Raises:
        InputError: `signatures.yaml` is damaged.
    """
    file = folder / f"{document}.md"
    if not file.is_file():
        return Signature(document, "", "", f"there is no {file.name}; write it with osler documents")
    digest, text = sha256_file(file), file.read_text(encoding="utf-8")
    entry = _entries(folder / SIGNATURES_FILE).get(document, {})
    by = ", ".join(entry.get(part, "") for part in _PARTS[:3] if entry.get(part))
    return Signature(document, digest, by, _missing(entry, digest, text, artefact))


def write_blank_signatures(folder: Path) -> None:
    """Write `signatures.yaml` with nothing filled in; one that is there is left alone."""
    file = folder / SIGNATURES_FILE
    if file.exists():
        return
    blank = "".join(f'{name}:\n  name: ""\n  role: ""\n  date: ""\n  sha256: ""\n' for name in DOCUMENTS)
    write_bytes(file, (_HEAD + blank).encode())


def with_signatures_now(run_folder: Path, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A gate's verdict with its checks on documents made again: what was signed then may have changed since."""
    checks, passed = [dict(check) for check in verdict["checks"]], verdict.get("passed")
    for check in checks:
        if check["name"].startswith(CHECK) and check.get("passed") is True:
            now = signature_of(run_folder / FOLDER, check["name"].removeprefix(CHECK), str(verdict.get("artefact", "")))
            if now.missing:
                check.update(value=0.0, passed=False, note=f"not signed any more: {now.missing}")
                passed = False
    return {**verdict, "checks": checks, "passed": passed}


def _missing(entry: Mapping[str, str], digest: str, text: str, artefact: str) -> str:
    if OPEN in text:
        return f"{text.count(OPEN)} decisions in it are open; write them into decisions.yaml"
    if not artefact or artefact not in text:
        return "it is about another artefact; write it again with osler documents"
    if absent := [part for part in _PARTS if not entry.get(part, "").strip()]:
        return f"signatures.yaml has no {', '.join(absent)} for it"
    try:
        date.fromisoformat(entry["date"])
    except ValueError:
        return f"its date is {entry['date']!r}; expected one like 2026-03-01"
    return "" if entry["sha256"].strip().lower() == digest else "it has changed since it was signed"


def _entries(file: Path) -> dict[str, dict[str, str]]:
    if not file.is_file():
        return {}
    content: dict[str, dict[str, str]] = read_filled_in(file)
    wanted = f"expected documents ({', '.join(DOCUMENTS)}), each with {', '.join(_PARTS)}"
    if not isinstance(content, dict) or set(content) - set(DOCUMENTS):
        raise InputError(f"{file}: {wanted}")
    for name, entry in content.items():
        is_flat = isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())
        if not is_flat or set(entry) - set(_PARTS):
            raise InputError(f"{file}: {name}: {wanted}")
    return content
