"""Documents are drawn from facts, decided and signed by persons, and the gate holds them to it."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from osler.cli.app import app
from osler.cli.main import run_command
from osler.errors import InputError
from osler.evaluate.config import GateConfig
from osler.evaluate.evidence import Evidence
from osler.evaluate.gate import gate, write_verdict
from osler.paperwork import system_of, write_documents
from osler.report.documents import draw_documents, questions, read_decisions
from osler.report.read import read_run
from osler.runs.files import read_json, write_json
from osler.runs.signatures import DOCUMENTS, OPEN, signature_of, with_signatures_now
from osler.serve.permit import permit

ARTEFACT = "5eed" * 16


@pytest.fixture
def run(small_run: Path) -> Path:
    write_json(small_run / "recipe.json", {"guard": {"policy": "none"}, "serve": {"consent_required": True}})
    return small_run


def decide(folder: Path) -> None:
    decisions = {name: f"Decided on {number} by A. Invented." for number, name in enumerate(questions())}
    (folder / "decisions.yaml").write_text(yaml.safe_dump(decisions), encoding="utf-8")


def sign(folder: Path, **changes: str) -> None:
    entries = {}
    for name in DOCUMENTS:
        digest = signature_of(folder, name, ARTEFACT).sha256
        entries[name] = {"name": "A. Invented", "role": "head", "date": "2026-03-01", "sha256": digest, **changes}
    (folder / "signatures.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")


def missing(folder: Path, document: str = "intended_use") -> str:
    return signature_of(folder, document, ARTEFACT).missing


def test_documents_are_drafts_with_open_decisions_until_a_person_has_decided(run: Path) -> None:
    papers = write_documents(run, run / "documents")
    assert papers.open_decisions == tuple(questions())
    texts = {name: (run / "documents" / f"{name}.md").read_text(encoding="utf-8") for name in DOCUMENTS}
    assert sum(text.count(OPEN) for text in texts.values()) == len(questions())
    assert all(ARTEFACT in text for text in texts.values())
    assert "0 of 120, at most 3.2 %" in texts["risk_register"]
    assert "osler kill on small --reason" in texts["incident_response"]
    decide(run / "documents")
    assert write_documents(run, run / "documents").open_decisions == ()
    for name in DOCUMENTS:
        assert OPEN not in (run / "documents" / f"{name}.md").read_text(encoding="utf-8")


def test_drawing_again_changes_no_byte_also_when_the_gate_has_seen_the_signatures(run: Path) -> None:
    folder = run / "documents"
    write_documents(run, folder)
    decide(folder)
    write_documents(run, folder)
    sign(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    verdict = read_json(run / "gate" / "verdict.json")
    check = {
        "name": "signed.intended_use",
        "value": 0.0,
        "bound": 1.0,
        "ci95": None,
        "passed": False,
        "note": "not signed",
    }
    write_json(run / "gate" / "verdict.json", {**verdict, "checks": [*verdict["checks"], check]})
    write_documents(run, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert all(not missing(folder, name) for name in DOCUMENTS)


def test_a_signature_holds_only_for_what_was_signed(run: Path) -> None:
    folder = run / "documents"
    assert "write it with osler documents" in missing(folder)
    write_documents(run, folder)
    assert "decisions in it are open" in missing(folder)
    decide(folder)
    write_documents(run, folder)
    assert "no name, role, date, sha256" in missing(folder)
    sign(folder)
    assert missing(folder) == ""
    assert "another artefact" in signature_of(folder, "intended_use", "f00d" * 16).missing
    assert "another artefact" in signature_of(folder, "intended_use", "").missing
    with (folder / "intended_use.md").open("a", encoding="utf-8") as stream:
        stream.write("One word more.\n")
    assert missing(folder) == "it has changed since it was signed"
    assert missing(folder, "risk_register") == ""
    sign(folder, date="last Tuesday")
    assert "2026-03-01" in missing(folder)
    sign(folder, name=" ")
    assert "no name" in missing(folder)


def test_a_document_with_figures_of_another_artefact_cannot_be_signed(run: Path) -> None:
    folder = run / "documents"
    write_documents(run, folder)
    decide(folder)
    other = replace(system_of(read_run(run), run, None), artefact="f00d" * 16)
    text = draw_documents(read_run(run), other, read_decisions(folder))["risk_register"]
    assert f"{OPEN}: the gate examined another artefact" in text


def test_a_red_team_of_another_artefact_is_not_taken_for_one_of_this(run: Path) -> None:
    recipe = {"guard": {"policy": "education"}}
    write_json(run / "recipe.json", recipe)
    asked = read_json(run / "redteam" / "run.json")
    for artefact, is_same in ((ARTEFACT, True), ("f00d", False)):
        write_json(run / "redteam" / "run.json", {**asked, "inputs": {"artefact": artefact}})
        policy = system_of(read_run(run), run, None).policy
        assert policy is not None
        assert policy.was_examined is is_same
    (run / "redteam" / "done").unlink()
    policy = system_of(read_run(run), run, None).policy
    assert policy is not None
    assert policy.was_examined is None


def test_a_document_that_somebody_edited_is_left_alone(run: Path) -> None:
    folder = run / "documents"
    write_documents(run, folder)
    terms = folder / "terms_of_use.md"
    terms.write_text(terms.read_text(encoding="utf-8") + "\nA lawyer's sentence.\n", encoding="utf-8")
    decide(folder)
    for _ in range(2):
        assert write_documents(run, folder).edited == ("terms_of_use",)
    assert "A lawyer's sentence." in terms.read_text(encoding="utf-8")
    terms.unlink()
    assert write_documents(run, folder).edited == ()


def test_a_kill_between_a_document_and_its_digest_makes_nobody_its_editor(run: Path) -> None:
    folder = run / "documents"
    write_documents(run, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "drawn.json").unlink()
    assert write_documents(run, folder).edited == ()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "drawn.json").unlink()
    (folder / "terms_of_use.md").write_text("A file of somebody else.", encoding="utf-8")
    assert write_documents(run, folder).edited == ("terms_of_use",)


def test_a_switch_that_was_not_asked_is_not_called_off(run: Path) -> None:
    assert "not asked" in system_of(read_run(run), run, None).switch
    (run / "serve" / "kill").touch()
    assert system_of(read_run(run), run, None).switch.startswith("ON. halt")


@pytest.mark.parametrize("name", ["decisions.yaml", "signatures.yaml"])
@pytest.mark.parametrize("content", ["- a list", "unknown_document: {name: x}", "a: [", "intended_use.limits: {a: b}"])
def test_a_damaged_file_of_a_person_is_named(run: Path, name: str, content: str) -> None:
    write_documents(run, run / "documents")
    (run / "documents" / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(name)):
        write_documents(run, run / "documents")


def test_the_gate_asks_for_signatures_and_the_server_looks_again(run: Path) -> None:
    folder, config = run / "documents", GateConfig(signatures=("intended_use", "privacy_notice"))

    def verdict() -> dict[str, bool]:
        signed = tuple(signature_of(folder, name, ARTEFACT) for name in config.signatures)
        found = gate(Evidence(signatures=signed), ARTEFACT, config)
        write_verdict(run / "gate" / "verdict.json", found)
        return {check.name: check.passed for check in found.checks if check.name.startswith("signed.")}

    assert verdict() == {"signed.intended_use": False, "signed.privacy_notice": False}
    write_documents(run, folder)
    decide(folder)
    write_documents(run, folder)
    sign(folder)
    assert verdict() == {"signed.intended_use": True, "signed.privacy_notice": True}
    passed = read_json(run / "gate" / "verdict.json")
    signed = [check for check in passed["checks"] if check["name"].startswith("signed.")]
    assert signed[0]["note"] == "signed by A. Invented, head, 2026-03-01"
    write_json(run / "gate" / "verdict.json", {"passed": True, "artefact": ARTEFACT, "checks": signed})
    assert permit(run, ARTEFACT).gate == "passed"
    assert with_signatures_now(run, read_json(run / "gate" / "verdict.json"))["passed"]
    with (folder / "privacy_notice.md").open("a", encoding="utf-8") as stream:
        stream.write("One word more.\n")
    now = with_signatures_now(run, read_json(run / "gate" / "verdict.json"))
    assert not now["passed"]
    assert [check["note"] for check in now["checks"] if not check["passed"]] == [
        "not signed any more: it has changed since it was signed"
    ]
    refused = permit(run, ARTEFACT, override="a test")
    assert [check.partition(":")[0] for check in refused.failed_checks] == ["signed.privacy_notice"]


def test_every_command_in_the_documents_can_be_given(run: Path) -> None:
    write_documents(run, run / "documents")
    root: Any = typer.main.get_command(app)
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((run / "documents").glob("*.md")))
    given = re.findall(r"(?m)^ *osler (.+)$", text)
    assert len(given) >= 7
    for line in given:
        command, words = root, shlex.split(line)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("osler", words)
    for words in re.findall(r"`osler ([a-z]+ [a-z]+)`", text):
        first, second = words.split()
        assert second in getattr(root.commands[first], "commands", {second})


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_a_damaged_run_folder_is_an_error_that_names_the_file_never_a_bug(
    run: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in sorted(path for path in run.rglob("*.json") if path.parent.name != "demo"):
        whole = file.read_bytes()
        file.write_text(content, encoding="utf-8")
        assert run_command(["card", "system", str(run)]) in {0, 2}, (file.name, capsys.readouterr().err)
        file.write_bytes(whole)
