"""Restricted sources: a local copy and a stated agreement, a mark that stays, and no way out of the machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.records.record import SAMPLE_REVISION
from osler.runs.files import read_json, write_json
from osler.runs.local_only import check_remote, local_only, local_only_sources, permit_push, stays_here
from osler.runs.progress import silent
from osler.sources.access import agreement_for, why_denied
from osler.sources.catalog import source_named
from osler.sources.collect import collect, collect_copies, copy_of
from osler.sources.config import CollectConfig
from osler.sources.source import Source

AGREEMENT = "PhysioNet Credentialed Health Data Use Agreement 1.5.0, signed 2026-01-02"
ROW = {"question": "Invented?", "options": {"A": "x", "B": "y"}, "answer": "x", "answer_idx": "A"}


@pytest.fixture
def restricted() -> Source:
    return replace(source_named("medqa"), access="credentialed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "medqa").mkdir(parents=True)
    (tmp_path / "root" / "medqa" / "train.jsonl").write_text(json.dumps(ROW) + "\n")
    return tmp_path / "root"


def own_config(tmp_path: Path, **options) -> CollectConfig:
    (tmp_path / "qa.csv").write_text("q,a\nInvented?,Yes.\n")
    own = {"name": "clinic", "file": "qa.csv", "question": "q", "answer": "a", "access": "application"}
    return CollectConfig.model_validate({"own": [own], "sources": [], **options}, context={"folder": tmp_path})


def test_every_access_is_restricted_or_not():
    assert [a for a in ("open", "unclear", "application", "credentialed") if local_only(a)] == [
        "application",
        "credentialed",
    ]


def test_without_an_agreement_no_file_is_opened_and_the_recipe_key_is_shown(restricted, tmp_path):
    with pytest.raises(EnvironmentLacks) as caught:
        copy_of(restricted, tmp_path / "not there", {})
    assert 'collect: {agreements: {medqa: "MIT, signed 2026-01-02"}}' in str(caught.value)
    assert "--agree medqa=" in str(caught.value)
    assert "https://github.com/jind11/MedQA" in str(caught.value)


@pytest.mark.parametrize("stated", ["yes", "ok, I do"])
def test_a_yes_is_no_agreement(restricted, stated):
    with pytest.raises(InputError, match="write which agreement and when it was signed"):
        agreement_for(restricted, {"medqa": stated})


def test_an_open_source_needs_none():
    assert agreement_for(source_named("medqa"), {}) == ""


def test_the_agreement_and_the_mark_are_recorded_with_the_records(restricted, root, tmp_path):
    copies = [copy_of(restricted, root, {"medqa": AGREEMENT})]
    collect_copies(copies, tmp_path / "run" / "collect", silent)
    counted = read_json(tmp_path / "run" / "collect" / "counts.json")["sources"][0]
    assert (counted["access"], counted["agreement"]) == ("credentialed", AGREEMENT)
    assert read_json(tmp_path / "run" / "collect" / "local_only.json") == {
        "sources": [{"source": "medqa", "access": "credentialed", "agreement": AGREEMENT, "trained_on": True}]
    }
    line = (tmp_path / "run" / "collect" / "records" / "medqa.jsonl").read_text()
    assert json.loads(line)["origin"]["access"] == "credentialed"


def test_the_recipe_states_agreements_and_marks_what_is_trained_on(tmp_path):
    with pytest.raises(EnvironmentLacks, match="clinic is application"):
        collect(own_config(tmp_path), ["clinic"], tmp_path / "run" / "collect", silent)
    config = own_config(tmp_path, agreements={"clinic": "board of ethics 12/2026"})
    collect(config, ["clinic", "medqa"], tmp_path / "run" / "collect", silent)
    (marked,) = local_only_sources(tmp_path / "run")
    assert (marked.source, marked.agreement, marked.trained_on) == ("clinic", "board of ethics 12/2026", True)


def test_a_restricted_benchmark_is_local_only_but_does_not_mark_the_model(restricted, root, tmp_path):
    copies = [copy_of(restricted, root, {"medqa": AGREEMENT}, trained_on=False)]
    collect_copies(copies, tmp_path / "run" / "collect", silent)
    assert [one.trained_on for one in local_only_sources(tmp_path / "run")] == [False]
    assert permit_push(tmp_path / "run", None) == ()


def test_the_sample_of_a_source_is_the_projects_own_and_open(tmp_path):
    collect(CollectConfig(), ["medqa"], tmp_path / "run" / "collect", silent)
    assert read_json(tmp_path / "run" / "collect" / "counts.json")["sources"][0]["revision"] == SAMPLE_REVISION
    assert local_only_sources(tmp_path / "run") == ()
    assert permit_push(tmp_path / "run", None) == ()


def test_a_model_trained_on_restricted_text_is_pushed_only_with_words_that_name_it(restricted, root, tmp_path):
    run = tmp_path / "run"
    collect_copies([copy_of(restricted, root, {"medqa": AGREEMENT})], run / "collect", silent)
    for words in (None, "", "yes", "I know what I do, really", "medqa", "medqa_zh: checked on 2026-11-21"):
        with pytest.raises(CheckFailed, match=r"medqa \(credentialed; PhysioNet .*may not be published"):
            permit_push(run, words)
    assert not (run / "push_acknowledged.json").exists()
    words = "medqa: the agreement was checked with its owner on 2026-11-21"
    assert [one.source for one in permit_push(run, words)] == ["medqa"]
    assert read_json(run / "push_acknowledged.json")["acknowledgement"] == words


def test_a_run_of_before_is_judged_by_its_counts_and_an_unknown_one_is_not_trusted(tmp_path):
    write_json(tmp_path / "run" / "collect" / "counts.json", {"sources": [{"source": "x", "access": "credentialed"}]})
    with pytest.raises(CheckFailed, match="no agreement stated"):
        permit_push(tmp_path / "run", None)
    with pytest.raises(InputError, match="does not exist"):
        permit_push(tmp_path / "nothing", None)
    (tmp_path / "run" / "collect" / "local_only.json").write_text('{"sources": [{"name": "x"}]}')
    with pytest.raises(InputError, match="is not a list of local-only sources"):
        permit_push(tmp_path / "run", None)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/v1", "http://127.0.0.1:1", "https://[::1]/v1", "127.0.0.5:80", "localhost"]
)
def test_an_endpoint_on_this_machine_may_see_restricted_rows(restricted, root, tmp_path, url):
    collect_copies([copy_of(restricted, root, {"medqa": AGREEMENT})], tmp_path / "run" / "collect", silent)
    assert stays_here(url)
    check_remote(local_only_sources(tmp_path / "run"), url, "a judge")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://localhost.example.com",
        "http://localhost@example.com/",
        "http://192.168.1.5:8000",
        "http://0.0.0.0:1",
        "",
        "file:///tmp",
    ],
)
def test_any_other_endpoint_may_not(restricted, root, tmp_path, url):
    collect_copies([copy_of(restricted, root, {"medqa": AGREEMENT})], tmp_path / "run" / "collect", silent)
    with pytest.raises(CheckFailed, match=r"a judge at .* may not be used: medqa must not leave this machine"):
        check_remote(local_only_sources(tmp_path / "run"), url, "a judge")
    check_remote((), url, "a judge")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("amu-cai/CAMEO", "speech for emotion recognition"),
        ("CAMEO", "speech for emotion recognition"),
        ("https://huggingface.co/datasets/amu-cai/CAMEO/", "speech for emotion recognition"),
        ("wangrice/MIMIC_III_NotesICD_100k", "copy of credentialed clinical notes"),
        ("dischargesum/radiology", "use `mimic_iv_note` with your own download"),
    ],
)
def test_a_denied_data_set_gives_its_reason_wherever_it_is_named(name, reason):
    assert reason in (why_denied(name) or "")
    with pytest.raises(InputError, match=reason):
        source_named(name)
    with pytest.raises(ValidationError, match=reason):
        CollectConfig(sources=(name,))


def test_a_word_that_may_mean_something_else_is_not_denied():
    assert why_denied("radiology") is None
    assert why_denied("medqa") is None
