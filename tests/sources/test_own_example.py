"""The example of CONTRIBUTING works as it stands there."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from osler.records.io import read_records
from osler.runs.files import read_json
from osler.runs.progress import silent
from osler.sources.check import check_copy
from osler.sources.collect import collect_copies, copy_of
from osler.sources.config import CollectConfig
from osler.sources.load import load_source
from osler.sources.source import Source

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def blocks(repository: Path) -> dict[str, str]:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## A data set in ten minutes")[1].split("\n## ")[0]
    facts, own = (block for language, block in _BLOCK.findall(section) if language == "yaml")
    return dict(_BLOCK.findall(section)) | {"facts": facts, "own": own}


@pytest.fixture(params=["columns", "function"])
def source(request, blocks: dict[str, str], tmp_path: Path, monkeypatch) -> Iterator[Source]:
    package = tmp_path / "example_of_contributing"
    package.mkdir()
    facts = blocks["facts"]
    if request.param == "function":
        facts = facts.split("columns:")[0] + "to_records: ask_a_nurse.to_records\n"
        (package / "ask_a_nurse.py").write_text(blocks["python"], encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
    (package / "ask_a_nurse.yaml").write_text(facts, encoding="utf-8")
    yield load_source(package / "ask_a_nurse.yaml", package.name)
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


def test_the_example_is_short_and_collects(blocks, source, tmp_path):
    assert len(blocks["facts"].splitlines()) < 20
    folder = tmp_path / "data" / "ask_a_nurse"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text(blocks["json"], encoding="utf-8")
    collect_copies([copy_of(source, tmp_path / "data", {})], tmp_path / "out", silent)
    (record,) = read_records(tmp_path / "out" / "records" / "ask_a_nurse.jsonl")
    assert (record.target, record.split) == ("Keep it dry for a day.", "train")
    assert read_json(tmp_path / "out" / "counts.json")["sources"][0]["set_aside"] == {"empty_answer": 1}


def test_its_stated_counts_are_checked(blocks, source, tmp_path):
    folder = tmp_path / "data" / "ask_a_nurse"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text(blocks["json"], encoding="utf-8")
    (folder / "test.jsonl").write_text(blocks["json"].splitlines()[0] + "\n", encoding="utf-8")
    checked = check_copy(source, tmp_path / "data", silent)
    assert (checked.found, checked.problems) == ({"train": 2, "test": 1}, ())
    (folder / "test.jsonl").unlink()
    assert check_copy(source, tmp_path / "data", silent).problems == (
        "split 'test': 1 rows are published, and 0 are here",
    )


def test_the_mapping_of_an_own_file_is_a_recipe(blocks, tmp_path):
    (tmp_path / "qa.csv").write_text("Frage,Antwort,patient\nInvented?,Yes.,7\n")
    config = CollectConfig.model_validate(yaml.safe_load(blocks["own"])["collect"], context={"folder": tmp_path})
    assert config.trained_on == ("my-clinic",)
