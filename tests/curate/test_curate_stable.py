"""Adding a source leaves the others where they were; official test records never get into training."""

import gzip
import json
from dataclasses import replace

import pytest

from osler.records.io import read_records
from osler.records.record import Origin
from osler.runs.progress import silent
from osler.sources.catalog.pubmedqa import official_test_pmids
from osler.sources.collect import collect
from osler.sources.config import CollectConfig

_OFF = {"deidentify": {"enabled": False}}


def _questions(path, record, source, question, answer, n=1200):
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = json.load(stream)
    return [
        record(str(i), row[question], row[answer], source=source)
        for i, row in enumerate(rows[:n])
        if row[question].strip()
    ]


@pytest.mark.parametrize("added", ["aaa", "zzz"])
def test_rows_of_real_sources_stay_in_their_splits_when_one_is_added(shared_data, record, run, tmp_path, added):
    wiki = _questions(
        shared_data / "medical_meadow_wikidoc" / "medical_meadow_small.json.gz", record, "wikidoc", "input", "output"
    )
    doctor = _questions(shared_data / "chatdoctor5k" / "chatdoctor5k.json.gz", record, "chatdoctor", "input", "output")
    # Real overlap: the added source holds copies of questions that are there already.
    extra = [
        record(f"e{i}", r.question, f"{r.target} Also number {i}.", source=added) for i, r in enumerate(wiki[:300])
    ]
    extra += _questions(
        shared_data / "medical_meadow_wikidoc" / "medical_meadow_small.json.gz", record, added, "input", "output", 2400
    )[1200:]
    places = {}
    for name, records, order in (("before", wiki + doctor, ["wikidoc", "chatdoctor"]), ("after", extra + wiki + doctor, ["wikidoc", "chatdoctor", added])):  # fmt: skip
        run(records, tmp_path / name, _OFF, sources=order)
        places[name] = {
            r.id: (split, r.group)
            for split in ("train", "validation", "test")
            for r in read_records(tmp_path / name / f"{split}.jsonl")
        }
    stayed = set(places["before"]) & set(places["after"])
    assert len(stayed) > 2000
    moved = {i for i in stayed if places["before"][i][0] != places["after"][i][0]}
    # Only records whose group was joined with another by an added record may move.
    joined: dict[str, set[str]] = {}
    for identity in stayed:
        joined.setdefault(places["after"][identity][1], set()).add(places["before"][identity][1])
    assert all(len(joined[places["after"][i][1]]) > 1 for i in moved)
    assert len(moved) <= 0.005 * len(stayed)


def test_a_group_is_named_after_the_source_that_stands_first(record, run, tmp_path):
    old, new = (
        record("1", "What helps?", "Rest, mostly.", source="mmm"),
        record("2", "What helps?", "Time, mostly.", source="aaa"),
    )
    for order, group in ((["mmm", "aaa"], old.id), (["aaa", "mmm"], new.id), ([], new.id)):
        out = tmp_path / "".join(order)
        run([new, old], out, sources=order)
        assert {r.group for name in ("train", "validation", "test") for r in read_records(out / f"{name}.jsonl")} == {
            group
        }


@pytest.mark.parametrize("keep", [False, True])
def test_the_official_test_abstracts_of_pubmedqa_never_get_into_training(run, tmp_path, keep):
    official = sorted(official_test_pmids())
    assert len(official) == 500
    pmids = [*official, *(str(99_000_000 + i) for i in range(60))]
    rows = {
        pmid: {
            "QUESTION": f"Does treatment {pmid} help?",
            "CONTEXTS": [f"A trial of treatment {pmid}."],
            "LONG_ANSWER": f"Treatment {pmid} helped most patients.",
            "final_decision": "yes",
        }
        for pmid in pmids
    }
    folder = tmp_path / "data" / "pubmedqa"
    folder.mkdir(parents=True)
    (folder / "ori_pqal.json").write_text(json.dumps(rows), "utf-8")
    collect(CollectConfig(root=tmp_path / "data", sources=("pubmedqa",)), ["pubmedqa"], tmp_path / "collect", silent)
    records = list(read_records(tmp_path / "collect" / "records" / "pubmedqa.jsonl"))
    # The abstract of a test item under another id, as a mirror or another source would bring it.
    mirror = replace(records[pmids.index(official[0])], id="mirror:0", split="", origin=Origin("mirror", "0"))
    options = {"decontaminate": {"enabled": False}, "filter": {"keep_published_splits": keep}}
    out = tmp_path / "curate"
    run([*records, mirror], out, options)
    split_of = {r.id: name for name in ("train", "validation", "test") for r in read_records(out / f"{name}.jsonl")}
    held = {r.id for r in records if r.origin.row in official_test_pmids()}
    assert len(held) == 500
    assert {split_of.get(identity) for identity in held} == ({"test"} if keep else {None})
    assert sum(identity not in held for identity in split_of) >= 60
    assert split_of.get("mirror:0", "test" if keep else None) == ("test" if keep else None)


def test_records_of_one_page_stand_in_one_split_whatever_their_disease(run, record, tmp_path):
    """And an address that a whole source gives is no page."""
    pages = [
        replace(made, group=f"disease {i} {j}", origin=replace(made.origin, url=f"https://example.org/{i}"))
        for i in range(60)
        for j in range(3)
        for made in [
            record(f"{i}-{j}", f"What is condition {i} {j}?", f"It is the number {i} of kind {j}, and rest helps.")
        ]
    ]
    done = run(pages, tmp_path)
    splits = {r.origin.row: name for name, rows in done.splits.items() for r in rows}
    assert set(splits.values()) == {"train", "validation", "test"}
    assert all(len({splits[f"{i}-{j}"] for j in range(3)}) == 1 for i in range(60))
    site = [replace(made, origin=replace(made.origin, url="https://example.org")) for made in pages]
    assert run(site, tmp_path / "site").counts["groups"] > 60
