"""The data card and the Croissant metadata say what the run folder says."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import yaml

from osler.cli.main import run_command
from osler.export.data_forms import FORM_NAMES
from osler.runs.files import read_json, sha256_file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The sample, curated and exported in every form."""
    runs = tmp_path_factory.mktemp("runs")
    assert run_command(["curate", str(repository / "recipes/demo.yaml"), "--runs", str(runs), "--quiet"]) == 0
    assert export(runs, ",".join(FORM_NAMES), runs / "out") == 0
    return runs


def export(runs: Path, forms: str, out: Path, *options: str) -> int:
    return run_command(["export", "demo", "--to", forms, "--runs", str(runs), "--out", str(out), "--quiet", *options])


def card_of(out: Path) -> tuple[dict, str]:
    _, front, body = (out / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_cards_metadata_loads_every_form_as_the_hub_would(runs: Path) -> None:
    from datasets import load_dataset

    metadata, _ = card_of(runs / "out")
    assert (metadata["license"], metadata["pretty_name"]) == ("apache-2.0", "demo")
    counts = read_json(runs / "out/export.json")
    assert [config["config_name"] for config in metadata["configs"]] == [f for f in FORM_NAMES if f != "datasetdict"]
    assert [config.get("default", False) for config in metadata["configs"]][:2] == [True, False]
    for config in metadata["configs"]:
        files = {file["split"]: file["path"] for file in config["data_files"]}
        splits = counts["forms"][config["config_name"]]["splits"]
        assert set(files) == {split for split, n in splits.items() if n}
        kind = "parquet" if files["train"].endswith("parquet") else "json"
        paths = {split: str(runs / "out" / path) for split, path in files.items()}
        loaded = load_dataset(kind, data_files=paths, cache_dir=str(runs / "cache"))
        assert {split: rows.num_rows for split, rows in loaded.items()} == {s: splits[s] for s in files}


def test_the_card_tells_the_counts_of_the_run(runs: Path) -> None:
    _, body = card_of(runs / "out")
    counts = read_json(runs / "demo/curate/counts.json")
    for split, n in counts["splits"].items():
        assert f"- {split}: {n:,}\n" in body
    for step in counts["steps"]:
        assert f"| {step['step']} | {step['read']:,} | {step['kept']:,} | {step['changed']:,} |" in body
        assert all(f"{reason.replace('_', ' ')} {n:,}" in body for reason, n in step["dropped"].items())
    assert " · ".join(f"{kind} {n:,}" for kind, n in sorted(counts["identifiers"].items())) in body
    for row in counts["overlap"]:
        assert (
            f"| {row['benchmark']} | {row['items']:,} | {row['items_touched']:,} | {row['records_dropped']:,} |" in body
        )
    for source in counts["sources"]:
        assert f"| {source['source']} | Apache-2.0 | open | `osler-sample-1` |" in body
        assert f"| {source['source']} | Apache-2.0 | {source['kept']:,} |" in body
    assert "Not for diagnosis" in body


def test_the_card_says_what_was_not_done(runs: Path, repository: Path, tmp_path: Path) -> None:
    recipe = str(repository / "recipes/demo.yaml")
    off = ["--set", "curate.deidentify.enabled=false", "--set", "curate.decontaminate.enabled=false"]
    assert run_command(["curate", recipe, "--runs", str(tmp_path), "--quiet", *off]) == 0
    assert export(tmp_path, "guides", tmp_path / "out") == 0
    _, body = card_of(tmp_path / "out")
    assert "identifiers of patients may stand in the text" in body
    assert "Not checked: decontamination was switched off" in body


def test_croissant_has_the_shape_of_the_specification(runs: Path) -> None:
    out = runs / "out"
    metadata = read_json(out / "croissant.json")
    assert metadata["@type"] == "sc:Dataset"
    assert metadata["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert metadata["license"] == "Apache-2.0"
    assert metadata["datePublished"] == read_json(runs / "demo/curate/done")["finished"][:10]
    files = {file["@id"]: file for file in metadata["distribution"]}
    on_disk = {path.relative_to(out).as_posix() for path in out.glob("*/**/*") if path.is_file()}
    assert set(files) == on_disk
    for name, file in files.items():
        assert (file["@type"], file["contentUrl"]) == ("cr:FileObject", name)
        assert file["sha256"] == sha256_file(out / name)
        assert "/" in file["encodingFormat"]
    identities = [*files]
    for record_set in metadata["recordSet"]:
        identities.append(record_set["@id"])
        for field in record_set["field"]:
            identities.append(field["@id"])
            path = field["source"]["fileObject"]["@id"]
            row = json.loads((out / path).read_bytes().splitlines()[0])
            assert isinstance(row[field["source"]["extract"]["column"]], str)
    assert len(metadata["recordSet"]) == 3
    assert len(set(identities)) == len(identities)


@pytest.mark.skipif(
    importlib.util.find_spec("mlcroissant") is None, reason="mlcroissant (the extra `card`) is not installed"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib and mlcroissant themselves
def test_croissant_validates(runs: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(runs / "out/croissant.json"))
    assert not dataset.metadata.issues.errors
    n_rows = sum(1 for _ in dataset.records(record_set="train"))
    assert n_rows == read_json(runs / "out/export.json")["rows"]["train"]


def test_the_command_prints_counts_and_refuses_with_exit_code_1(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert export(runs, "mlx, guides", tmp_path / "out", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"] == read_json(runs / "demo/curate/counts.json")["splits"]
    assert set(shown["forms"]) == {"mlx", "guides"}
    assert export(runs, "guides", tmp_path / "out", "--for", "sale") == 2
    assert "research or commercial" in capsys.readouterr().err
    text = (runs / "demo/curate/train.jsonl").read_bytes()
    barred = runs / "barred"
    shutil.copytree(runs / "demo", barred)
    for name in ("train", "validation", "test"):
        (barred / f"curate/{name}.jsonl").write_bytes(text.replace(b"Apache-2.0", b"CC-BY-NC-4.0"))
    command = ["export", "barred", "--runs", str(runs), "--to", "guides", "--out", str(tmp_path / "no")]
    assert run_command([*command, "--for", "commercial"]) == 1
    assert "CC-BY-NC-4.0: no commercial use" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    assert run_command([*command, "--quiet"]) == 0
    assert "Commercial use: no." in (tmp_path / "no/README.md").read_text(encoding="utf-8")
