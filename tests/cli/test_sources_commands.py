"""`osler sources` and `osler collect`, as a person uses them."""

import json
import socket
from pathlib import Path

import pytest
from tests.sources.hub_server import Hub, serving

from osler.cli.main import run_command
from osler.runs.files import read_json
from osler.runs.lock import only_writer

ROW = {"question": "Invented?", "options": {"A": "x", "B": "y"}, "answer": "x", "answer_idx": "A"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of our own, and a hub that nobody answers for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OSLER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    return tmp_path / "cache"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A local copy of MedQA with one wrong row."""
    folder = tmp_path / "data" / "medqa"
    folder.mkdir(parents=True)
    rows = [ROW, {**ROW, "answer_idx": "E"}, ROW]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "data"


def told(capsys, *arguments: str) -> tuple[int, str, str]:
    code = run_command(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def told_json(capsys, *arguments: str):
    code, out, _ = told(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_the_list_tells_what_can_be_loaded_here_and_now(capsys, copy):
    code, rows = told_json(capsys, "sources", "list", "--from", str(copy))
    here = {row["name"]: row["here"] for row in rows}
    assert code == 0
    assert here["medqa"] == ["given", "sample"]
    assert here["medmcqa"] == ["sample", "needs network"]
    assert here["mimic_iii"] == ["needs agreement"]
    assert here["pubmed"] == ["needs local copy"]
    assert {"task", "rows", "license", "access", "language", "synthetic", "overlaps"} <= set(rows[0])
    code, out, _ = told(capsys, "sources", "list")
    assert code == 0
    assert len(out.splitlines()) == len(rows) + 1


def test_a_source_is_shown_with_its_facts_and_an_example(capsys):
    code, out, _ = told(capsys, "sources", "show", "medmcqa")
    assert code == 0
    for part in ("train 182,822", "Apache-2.0", "Pal A, Umapathi", "'cop' counts from 1", "choice *   Liver"):
        assert part in out
    code, facts = told_json(capsys, "sources", "show", "medmcqa")
    assert facts["example"]["task"] == "choice"
    assert facts["rows"]["validation"] == 4183


def test_an_unknown_or_denied_source_is_explained(capsys):
    code, _, err = told(capsys, "sources", "show", "medmcq")
    assert (code, "Did you mean 'medmcqa'?" in err) == (2, True)
    code, _, err = told(capsys, "collect", "amu-cai/CAMEO")
    assert (code, "speech for emotion recognition" in err) == (2, True)


def test_a_wrong_copy_is_told_row_by_row_and_exits_1(capsys, copy):
    code, out, _ = told(capsys, "sources", "check", "medqa", "--from", str(copy), "--quiet")
    assert code == 1
    assert 'train.jsonl, row train.jsonl:2: "answer_idx" is "E"; expected one of A, B (answer_not_an_option)' in out
    assert "WRONG  split 'train': 10,178 rows are published, and 3 are here" in out
    assert "WRONG  1 rows cannot be read" in out
    code, checked = told_json(capsys, "sources", "check", "medqa", "--from", str(copy / "medqa"))
    assert (code, checked["passed"], checked["read"], checked["records"]) == (1, False, 3, 2)
    assert checked["rows"][0]["row"] == "train.jsonl:2"


def test_a_whole_copy_passes(capsys, tmp_path):
    folder = tmp_path / "first_aid"
    folder.mkdir()
    tags = [{"tag": f"Invented {n}", "patterns": [f"What of {n}?"], "responses": ["Rest."]} for n in range(44)]
    (folder / "first_aid1.json").write_text(json.dumps(tags))
    code, out, _ = told(capsys, "sources", "check", "first_aid", "--from", str(tmp_path), "--quiet")
    assert code == 0
    assert "the copy is as published" in out


def test_a_missing_copy_says_what_is_expected(capsys, tmp_path):
    code, _, err = told(capsys, "sources", "check", "medqa", "--from", str(tmp_path))
    assert code == 2
    assert "holds none of the files that are expected" in err


def test_a_local_copy_is_collected_by_its_root_or_its_own_folder(capsys, copy, tmp_path):
    for path in (copy, copy / "medqa"):
        code, result = told_json(capsys, "collect", "medqa", "--from", str(path), "--out", str(tmp_path / "out"))
        assert code == 0
        assert result["sources"][0]["records"] == 2
        assert (tmp_path / "out" / "records" / "medqa.jsonl").is_file()
    assert read_json(tmp_path / "out" / "local_only.json") == {"sources": []}


def test_the_sample_is_collected_without_anything(capsys, tmp_path):
    code, out, _ = told(
        capsys, "collect", "medqa", "medquad", "--from", "sample", "--out", str(tmp_path / "out"), "--quiet"
    )
    assert code == 0
    assert "records  " in out


def test_without_a_network_it_says_what_it_wanted_from_where_and_how_to_provide_it(capsys, tmp_path):
    code, _, err = told(capsys, "collect", "medmcqa", "--out", str(tmp_path / "out"))
    assert code == 3
    assert "medmcqa: http://127.0.0.1" in err
    assert "cannot be reached" in err
    assert "--from FOLDER" in err
    assert not (tmp_path / "out").exists()


def test_a_hub_copy_is_downloaded_once_and_read_from_the_cache_from_then_on(capsys, tmp_path, monkeypatch):
    hub = Hub()
    hub.id = "gretelai/symptom_to_diagnosis"
    row = json.dumps({"input_text": "Invented: I sneeze.", "output_text": "common cold"}).encode() + b"\n"
    hub.files = {"README.md": b"# Invented", "train.jsonl": row * 30, "test.jsonl": row}
    command = ("collect", "symptom_to_diagnosis", "--out", str(tmp_path / "out"))
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        code, result = told_json(capsys, *command)
        assert (code, result["sources"][0]["records"]) == (0, 31)
        n_asked = len(hub.requests)
        assert told_json(capsys, *command) == (0, result)
        assert len(hub.requests) == n_asked
    assert told_json(capsys, *command) == (0, result)  # the hub is gone
    code, rows = told_json(capsys, "sources", "list")
    assert {row["name"]: row["here"] for row in rows}["symptom_to_diagnosis"] == ["cache", "sample"]
    code, out, _ = told(capsys, *command, "--quiet")
    assert f"--set collect.root={tmp_path / 'cache' / 'sources'} --set 'collect.sources=[symptom_to_diagnosis]'" in out


def test_a_restricted_source_needs_a_copy_and_an_agreement(capsys, tmp_path):
    code, _, err = told(capsys, "collect", "mimic_iii")
    assert (code, "never downloaded here" in err) == (3, True)
    folder = tmp_path / "mimic_iii"
    folder.mkdir()
    header = "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,STORETIME,CATEGORY,DESCRIPTION,CGID,ISERROR,TEXT\n"
    (folder / "NOTEEVENTS.csv").write_text(header + '1,10,100,2150-01-01,,,Radiology,Report,,,"Invented note."\n')
    base = ["collect", "mimic_iii", "--from", str(tmp_path), "--out", str(tmp_path / "out"), "--quiet"]
    code, _, err = told(capsys, *base)
    assert (code, "--agree mimic_iii=" in err) == (3, True)
    code, _, err = told(capsys, *base, "--agree", "mimic_iii")
    assert (code, "NAME=TEXT" in err) == (2, True)
    code, out, _ = told(capsys, *base, "--agree", "mimic_iii=PhysioNet DUA 1.5.0, signed 2026-01-02")
    assert (code, "local-only from here on, under: PhysioNet DUA" in out) == (0, True)
    (marked,) = read_json(tmp_path / "out" / "local_only.json")["sources"]
    assert marked["agreement"] == "PhysioNet DUA 1.5.0, signed 2026-01-02"


def test_a_sets_own_folder_is_known_as_given_and_a_folder_that_is_none_is_told(capsys, copy, tmp_path):
    assert told_json(capsys, "sources", "show", "medqa", "--from", str(copy / "medqa"))[1]["here"][0] == "given"
    code, _, err = told(capsys, "sources", "list", "--from", str(tmp_path / "gone"))
    assert code == 2
    assert "gone" in err


def test_two_do_not_collect_into_one_folder(capsys, tmp_path):
    with only_writer(tmp_path / "out"):
        code, _, err = told(capsys, "collect", "medqa", "--from", "sample", "--out", str(tmp_path / "out"))
    assert code == 2
    assert "another process is writing to" in err
