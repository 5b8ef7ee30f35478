"""Cards say what the run folder says, in the hub's form, and nothing else."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from osler.cli.main import run_command
from osler.records.record import SAMPLE_REVISION
from osler.report import cards
from osler.report.cards import data_card, model_card, system_card
from osler.report.fields import as_fields
from osler.report.page import render as render_page
from osler.report.read import read_run
from osler.report.system import AuditFacts, PolicyFacts, System

CARDS = Path(cards.__file__).parent / "cards"

WriteRun = Callable[[Path, dict[str, Any]], Path]

SYSTEM = System(
    artefact="5eed" * 16,
    policy=PolicyFacts("education@1.0.0", "ab" * 32, "2027-12-31", {"medication_stop_change": "redirect"}, True),
    guard={"policy": "education", "stronger_url": None, "stronger_model": "guard"},
    serve={"host": "127.0.0.1", "consent_required": True},
    switch="ON. halt: wrong dose seen",
    audit=AuditFacts(
        {"answer": 3}, {"redirect": 2}, "2026-03-01T12:30:00+00:00", "2026-03-02T12:30:00+00:00", "All 3 rows hold."
    ),
    terms="# Terms",
    terms_version="0080a012431a",
    signatures={"intended_use": "not signed: there is none"},
)


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_hub_reads_the_model_card_and_its_results(small_run: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = tmp_path / "README.md"
    path.write_text(model_card(read_run(small_run)), encoding="utf-8")
    card = hub.ModelCard.load(path)
    results = card.data.eval_results
    assert [(one.dataset_type, one.dataset_split, one.metric_value) for one in results] == [
        ("medqa", "test", 0.315),
        ("pubmedqa", "test", 0.524),
    ]
    assert results[0].metric_name == "accuracy, n = 200, 95 % interval 0.255 to 0.382"
    assert results[0].dataset_args == {"questions": 200, "mode": "letters-0shot"}
    assert yaml.safe_load(str(card.data))["model-index"] == front(card.content)["model-index"]


def test_the_hub_reads_the_data_card(small_run: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = tmp_path / "README.md"
    path.write_text(data_card(read_run(small_run)), encoding="utf-8")
    card = hub.DatasetCard.load(path)
    assert (card.data.license, card.data.language, card.data.size_categories) == ("cc-by-4.0", ["en"], ["1K<n<10K"])


def test_every_number_of_a_card_stands_in_the_run_folder_or_follows_from_it(small_run: Path) -> None:
    """Each count of the small run's files stands nowhere else, so that a card with another number would show."""
    run = read_run(small_run)
    data, model = data_card(run), model_card(run)
    for said in (
        "1,165 records curated = 1,018 kept + 147 dropped",
        "near duplicate 92",
        "NAME 17 · PHONE 23",
    ):
        assert said in data
    assert "| medqa | 1,273 | 39 | 44 |" in data
    assert "871 groups, the largest of 14 records" in data
    for said in (
        "| Tokens of the records kept | 123,456 |",
        "4.442 nats per token",
        "31.5 %",
        "25.5 to 38.2 %",
        "0 of 120, at most 3.2 %",
    ):
        assert said in model
    assert "| clinician_review | not run |" in model
    assert "How many steps were planned is not recorded." in model
    assert "Not run: there is no review/summary.json, and no clinician's judgement is recorded." in model


def test_a_card_claims_nothing_and_holds_no_text_of_prompts_or_records(small_run: Path) -> None:
    run = read_run(small_run)
    for card in (data_card(run), model_card(run), system_card(run, SYSTEM)):
        assert "THAT STAYS IN THE FOLDER" not in card
        assert "AS COLLECTED" not in card.replace("As collected", "")
        assert "<invented>" not in card
        for found in re.finditer(r"\b(is|are) (safe|validated|clinically)", card):
            assert re.search(r"\b(never|none|neither|not)\b", card[max(0, found.start() - 60) : found.start()])


def test_what_was_not_run_is_said_and_makes_no_figure(
    run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path
) -> None:
    only = {name: value for name, value in small_files.items() if name.startswith("collect/")}
    run = read_run(run_of(tmp_path / "bare", only))
    model, data = model_card(run), data_card(run)
    for stage in ("train", "evaluate", "redteam", "gate"):
        assert f"The stage {stage} was not run" in model
    assert "model-index" not in front(model)
    assert "Not known: the records were not curated." in data
    assert "%" not in re.sub(r"95 %", "", model)


def test_the_system_card_tells_policy_switch_log_and_known_failures(
    run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path
) -> None:
    rows = [dict(row) for row in small_files["redteam/transcripts.jsonl"]]
    rows[9] |= {"outcome": "complied", "action": "allow"}
    small_files["redteam/transcripts.jsonl"] = rows
    card = system_card(read_run(run_of(tmp_path / "failed", small_files)), SYSTEM)
    assert "| medication stop change | complied | 1 | p0 | role play |" in card
    assert "ON. halt: wrong dose seen" in card
    assert "education@1.0.0, SHA-256 `" + "ab" * 32 in card
    assert "answer 3, from 2026-03-01 12:30 UTC to 2026-03-02 12:30 UTC. All 3 rows hold." in card
    assert "OF THE PROJECT" not in card


def test_figures_of_the_project_are_marked_as_such(small_run: Path) -> None:
    found = {"k": 3, "n": 7, "share": 0.4286, "ci95": [0.158, 0.75]}
    sets = {
        "policy": "education@1.0.0",
        "date": "2026-11-21",
        "sets": [
            {"set": "asked", "kind": "risky", "not_allowed": found},
            {"set": "asked (tuned half)", "kind": "risky", "not_allowed": found},
            {"set": "harmless questions", "kind": "harmless", "flagged": found},
        ],
    }
    from dataclasses import replace

    card = system_card(read_run(small_run), replace(SYSTEM, sets=as_fields("sets", sets)))
    assert "OF THE PROJECT, NOT OF THIS RUN" in card
    assert card.count("3 of 7: 42.9 % (15.8 to 75.0 %)") == 2


def test_review_stands_in_the_card_with_n_and_interval(
    run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path
) -> None:
    share = {"k": 90, "n": 100, "rate": 0.9, "ci95": [0.826, 0.945]}
    small_files["review/summary.json"] = {
        "complete": True,
        "items": {"reviewed": 113, "waiting": 0},
        "raters": [{}, {}],
        "arms": [
            {
                "arm": "guarded",
                "artefacts": ["5eed" * 16],
                "by_criterion": {"accuracy": {"n": 100, "mean": 4.31, "ci95": [4.1, 4.5]}},
                "helpful": share,
                "unsafe": {**share, "k": 2, "ci95": [0.006, 0.07]},
            }
        ],
        "agreement": [{"criterion": "accuracy", "ac": {"value": 0.61, "ci95": [0.5, 0.7]}}],
    }
    card = model_card(read_run(run_of(tmp_path / "reviewed", small_files)))
    assert "| guarded | 4.31 (4.1 to 4.5), n = 100 | 90 of 100: 90.0 % (82.6 to 94.5 %) | 2 of 100: 90.0 %" not in card
    assert (
        "| guarded | 4.31 (4.1 to 4.5), n = 100 | 90 of 100: 90.0 % (82.6 to 94.5 %) | 2 of 100: 2.0 % (0.6 to 7.0 %) |"
        in card
    )
    assert "| accuracy | 0.61 (0.50 to 0.70) |" in card


def test_the_command_prints_a_card_or_writes_it(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_run / "recipe.json").write_text("{}", encoding="utf-8")
    assert run_command(["card", "model", str(small_run)]) == 0
    shown = capsys.readouterr().out
    assert run_command(["card", "model", str(small_run), "--out", str(tmp_path / "card.md")]) == 0
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == shown
    assert run_command(["card", "system", str(small_run)]) == 0
    assert "the key of the log is not here" in capsys.readouterr().out
    assert run_command(["card", "wish", str(small_run)]) == 2


def test_scores_on_the_sample_carry_no_benchmarks_name(
    run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path
) -> None:
    sources = [{**one, "revision": SAMPLE_REVISION} for one in small_files["collect/counts.json"]["sources"]]
    small_files["collect/counts.json"] = {"sources": [*sources, {**sources[0], "source": "medqa"}]}
    run = read_run(run_of(tmp_path / "sample", small_files))
    named = [one["dataset"]["type"] for one in front(model_card(run))["model-index"][0]["results"]]
    assert named == ["osler-sample-in-the-shape-of-medqa", "pubmedqa"]
    assert "All of it is invented" in data_card(run)
    small_files["collect/counts.json"] = {"sources": [sources[0], {**sources[1], "revision": "3f2c1a9"}]}
    assert "invented" not in data_card(read_run(run_of(tmp_path / "mixed", small_files)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"curate": {"deidentify": {"enabled": True}}}, "Looked for, and none found. Some are missed by every tool"),
        ({"curate": {"deidentify": {"enabled": False}}}, "identifiers of patients may stand in the text"),
        ({}, "Whether identifiers were looked for is not known."),
    ],
)
def test_no_identifiers_found_is_told_from_none_looked_for(
    run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    small_files["curate/counts.json"] = {**small_files["curate/counts.json"], "identifiers": {}}
    small_files["curate/run.json"] = {**small_files["curate/run.json"], "options": options}
    run = read_run(run_of(tmp_path / "none", small_files))
    assert said in data_card(run)
    assert said in render_page(run)


def test_a_card_of_no_records_states_no_size(run_of: WriteRun, small_files: dict[str, Any], tmp_path: Path) -> None:
    only = {name: value for name, value in small_files.items() if name.startswith("collect/")}
    assert "size_categories" not in front(data_card(read_run(run_of(tmp_path / "bare", only))))


NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def test_no_number_stands_in_a_card_that_is_not_on_the_page_or_in_a_file_of_the_run(small_run: Path) -> None:
    """The page's figures are held to the files by its own tests; the rest must be text of the templates."""
    run = read_run(small_run)
    page = html.unescape(re.sub(r"<(?:style|svg).*?</(?:style|svg)>|<[^>]+>", " ", render_page(run), flags=re.DOTALL))
    files = " ".join(
        path.read_text(encoding="utf-8") for path in sorted(small_run.rglob("*")) if path.suffix in {".json", ".jsonl"}
    )
    templates = " ".join(path.read_text(encoding="utf-8") for path in sorted(CARDS.glob("*.j2")))
    scores = run.evaluated.scores if run.evaluated else ()
    rounded = {f"{end:.3f}" for one in scores if one.ci95 for end in (one.ci95.low, one.ci95.high)}
    for card in (data_card(run), model_card(run)):
        assert numbers(card) <= numbers(page) | numbers(files) | numbers(templates) | rounded
