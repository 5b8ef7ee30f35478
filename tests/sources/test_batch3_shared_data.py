"""Every folder of the publishers' own files, where they are there: what reads it, and the counts that its SOURCE.md states."""

import json
import re

import pytest

from osler.records.io import read_records
from osler.runs.progress import silent
from osler.sources.catalog import asq_phi, catalog_sources, source_named
from osler.sources.collect import collect
from osler.sources.config import CollectConfig
from osler.sources.files import find_files, has_files
from osler.sources.read import read_csv, read_rows
from osler.sources.source import SourceFile, records_of

EXPECTED = {
    "aci_bench": {"aci_bench": (87, 87)},
    "asq_phi": {"asq_phi": (510, 510)},
    "bioasq_taskb": {"bioasq_taskb": (1497, 1497)},
    "chatdoctor5k": {"chatdoctor5k": (5452, 5452)},
    "chatdoctor_disease_db": {"chatdoctor_disease_db": (796, 796)},
    "counsel_chat": {"counsel_chat": (2129, 2129)},
    "diseases_symptoms": {"diseases_symptoms": (400, 400)},
    "do_not_answer": {"do_not_answer": (472, 472)},
    "first_aid_qa": {"first_aid_qa": (4957, 4957)},
    "general_safety_demos": {"general_safety_demos": (900, 900)},
    "healthsearch_qa": {"healthsearch_qa": (1641, 1641)},
    "huatuogpt_o1_demo": {"medical_o1_reasoning": (196, 196), "medical_o1_verifiable": (196, 196)},
    "jailbreak_inthewild": {"jailbreak_inthewild": (338, 338)},
    "k_qa_silver": {"k_qa": (1895, 803)},
    "medical_meadow_wikidoc": {"medical_meadow_wikidoc_patient_information": (5942, 5942)},
    "medication_qa": {"medication_qa": (690, 677), "medication_qa_medlfqa": (666, 658)},
    "medmcqa": {"medmcqa": (2089, 2089)},
    "medqa": {"medqa": (1272, 1272)},
    "medquad": {"medquad": (43069, 14974)},
    "medsafetybench": {"medsafetybench": (900, 900), "medsafetybench_llama3": (41717, 41717)},
    "mmlu_med": {"mmlu_med": (235, 235)},
    "mqp": {"mqp": (1516, 1516)},
    "mts_dialog": {"mts_dialog": (1301, 1301)},
    "multimedqa_fewshots": {"multimedqa_fewshots": (40, 40)},
    "pubmedqa": {"pubmedqa": (500, 500)},
    "symptom2disease": {"symptom_to_diagnosis": (1200, 1200)},
}
"""By folder: rows read and records of each source that reads it."""
NO_RECORDS = {"medqa_relabel", "rag_pdfs", "safety"}
"""Folders that hold ratings, documents and prompts for measuring, see docs/local-copies.md."""
STATED = re.compile(r"^\| (\S+) \| (\d+) \|", re.M)


def stated_rows(folder):
    """Rows by file, as the folder's SOURCE.md states them."""
    return {name: int(rows) for name, rows in STATED.findall((folder / "SOURCE.md").read_text("utf-8"))}


def test_every_folder_is_known_and_read_by_the_sources_that_are_expected(shared_data):
    folders = {path.name for path in shared_data.iterdir() if path.is_dir()}
    assert folders == set(EXPECTED) | NO_RECORDS
    reading = {folder: set() for folder in EXPECTED}
    for source in catalog_sources():
        for folder in (source.name, *source.folders):
            if folder in reading and has_files(source, shared_data):
                reading[folder].add(source.name)
    assert {folder: set(sources) for folder, sources in EXPECTED.items()} == reading


@pytest.mark.parametrize("folder", sorted(EXPECTED))
def test_a_folder_gives_the_rows_that_its_notes_state(shared_data, tmp_path, folder):
    expected = EXPECTED[folder]
    collect(CollectConfig(root=shared_data), list(expected), tmp_path, silent)
    told = json.loads((tmp_path / "counts.json").read_text())["sources"]
    assert {row["source"]: (row["read"], row["records"]) for row in told} == expected
    stated = stated_rows(shared_data / folder)
    for row in told:
        assert row["read"] + row["multiplied"] == row["records"] + sum(row["set_aside"].values())
        if (
            folder != "multimedqa_fewshots"
        ):  # its notes count the two keys of each file, not the five examples under one
            assert row["read"] == sum(stated.get(file["name"], 0) for file in row["files"])


def test_folders_without_records_have_what_their_notes_state(shared_data):
    for name, rows in stated_rows(shared_data / "safety").items():
        assert sum(1 for _ in read_rows(SourceFile(shared_data / "safety" / name, name))) == rows, name
    pages = {}
    for path in sorted((shared_data / "rag_pdfs").glob("*.pdf")):
        pages[path.name] = sum(1 for _ in read_rows(SourceFile(path, path.name)))
    assert pages == {"doc_002.pdf": 91, "doc_003.pdf": 20, "doc_004.pdf": 44}


def test_all_tags_of_the_clinical_queries_point_at_their_text(shared_data):
    [file] = find_files(source_named("asq_phi"), shared_data)
    tags = [asq_phi.tags_of(native.value) for native in asq_phi.read(file)]
    assert (sum(map(len, tags)), sum(not found for found in tags)) == (1383, 123)


def test_the_published_shape_of_medsafetybench_reads_as_its_lines_copy(shared_data):
    source = source_named("medsafetybench")
    name = "original_format_example__train_gpt4_category_1.csv"
    csv = [
        records_of(source, row)[0].messages for row in read_csv(SourceFile(shared_data / "medsafetybench" / name, name))
    ]
    [file] = find_files(source, shared_data)
    lines = [records_of(source, row)[0].messages for row in source.read(file)]
    assert len(csv) == 50
    assert set(csv) <= set(lines)


def test_examples_for_prompts_are_told_apart_from_their_reasoning(shared_data, tmp_path):
    collect(CollectConfig(root=shared_data), ["multimedqa_fewshots"], tmp_path, silent)
    records = list(read_records(tmp_path / "records" / "multimedqa_fewshots.jsonl"))
    assert {len(record.choices) for record in records if "pubmedqa" not in record.origin.row} == {4}
    assert all(("cots" in record.origin.row) == bool(record.rationale) for record in records)
    assert all(("pubmedqa" in record.origin.row) == bool(record.context) for record in records)
    assert not any("(A)" in record.question or "Answer:" in record.question for record in records)
