"""`osler synth`: records from documents, asked of an endpoint of the test, and their way into the training set."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.synth.scripted_endpoint import good_scenario, scripted_endpoint

from osler.cli.main import run_command

GUIDELINE = """# Burns

Cool a burn under clean running water at once and go on for 20 minutes before any dressing is put on the skin.
Remove rings and watches near the burned skin before swelling starts, and never put butter or oil on it.
"""
RECIPE = """
name: written
collect: {{root: sample, sources: [first_aid]}}
synth:
  documents: {{folder: {folder}, facts: {{license: CC-BY-4.0, access: open}}}}
  endpoint: {{url: "{url}", model: gemma-3n, output_price: 2}}
  generators: [{{use: emergency_scenario, source: first_aid_generated}}]
curate:
"""


def good(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
    del number
    return 200, json.dumps(good_scenario(body)), 0.0


def test_records_are_estimated_written_once_and_traced_to_their_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "guidelines").mkdir()
    (tmp_path / "guidelines" / "burns.md").write_text(GUIDELINE)
    recipe = tmp_path / "recipe.yaml"
    command = ["synth", str(recipe), "--runs", str(tmp_path)]
    with scripted_endpoint(good) as served:
        recipe.write_text(RECIPE.format(folder=tmp_path / "guidelines", url=served.url))
        assert run_command([*command, "--dry-run"]) == 0
        assert "1 passages; nothing was asked" in capsys.readouterr().out
        assert run_command([*command, "--dry-run", "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["generators"]
        assert (row["calls"], row["already_answered"]) == (1, 0)
        assert not served.calls
        assert run_command(command) == 0
        assert "first_aid_generated          1 asked       1 kept; dropped: nothing" in capsys.readouterr().out
        assert run_command([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["generators"][0]["kept"] == 1
        assert len(served.calls) == 1
    assert run_command(["curate", str(recipe), "--runs", str(tmp_path), "--quiet"]) == 0
    assert "first_aid_generated" in capsys.readouterr().out
    made = json.loads((tmp_path / "written/synth/lineage.jsonl").read_text())
    assert run_command(["trace", "written", made["id"], "--runs", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "written by gemma-3n with emergency_scenario" in shown
    assert f">>>{made['quoted']}<<<" in shown


def test_a_recipe_without_the_section_is_told_what_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "bare.yaml"
    recipe.write_text("name: bare\ncollect: {root: sample, sources: [medquad]}\n")
    assert run_command(["synth", str(recipe), "--runs", str(tmp_path)]) == 2
    assert "`synth:`" in capsys.readouterr().err
