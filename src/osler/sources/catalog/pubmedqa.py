"""PubMedQA: does an abstract answer its title's question with yes, no or maybe?

Three parts, each a source of its own: labelled by experts; unlabelled, whose target is the authors' conclusion alone; and
artificial, whose questions and labels were made from statements in titles by rules. Each is read in the hub's shape and in
the original, an object by PMID.

The official test set is a list of 500 PMIDs that lie scattered through the labelled file; `pubmedqa_test_pmids.txt` holds
it, and a `test_ground_truth.json` beside the file adds its own. No part gives them to training.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from osler.errors import InputError, RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, kind_of, optional_text, shown, texts_of
from osler.sources.read import load_json, read_rows
from osler.sources.shape import one_record
from osler.sources.source import NativeRow, Place, SourceFile

_DECISIONS = ("yes", "no", "maybe")
_TRUTH_FILE = "test_ground_truth.json"
_TEST = "in_official_test_set"
"""Field that `read` adds to each row."""


def to_records(row: Any, place: Place) -> list[Record]:
    """One yes/no record an abstract; the target is the decision and then the authors' conclusion."""
    row = as_object(row)
    question, context, conclusion = _parts(row)
    decision = row.get("final_decision")
    if decision is None:
        raise RowError("hidden_label", "the label is not published", "final_decision")
    if decision not in _DECISIONS:
        detail = f"is {shown(decision)}; expected one of {', '.join(_DECISIONS)}"
        raise RowError("answer_not_an_option", detail, "final_decision")
    target = f"{decision.capitalize()}. {optional_text(row, conclusion).strip()}".strip()
    answer = _DECISIONS.index(decision)
    return [
        replace(record, choices=_DECISIONS, answer=answer) for record in _records(row, place, question, target, context)
    ]


def unlabeled_records(row: Any, place: Place) -> list[Record]:
    """One record an abstract without a decision: its title's question, answered with the authors' conclusion."""
    row = as_object(row)
    question, context, conclusion = _parts(row)
    target = filled_text(row, conclusion, "empty_answer").strip()
    return _records(row, place, question, target, context)


def _parts(row: dict[str, Any]) -> tuple[str, list[str], str]:
    """The question, the passages, and the name of the field with the conclusion."""
    if "QUESTION" in row:
        return filled_text(row, "QUESTION", "empty_question"), texts_of(row, "CONTEXTS"), "LONG_ANSWER"
    question = filled_text(row, "question", "empty_question")
    context = row.get("context")
    if not isinstance(context, dict):
        raise RowError("wrong_type", f"is {kind_of(context)}; expected an object with contexts", "context")
    return question, texts_of(context, "contexts"), "long_answer"


def _records(row: dict[str, Any], place: Place, question: str, target: str, context: list[str]) -> list[Record]:
    url = f"https://pubmed.ncbi.nlm.nih.gov/{place.row}/"
    split = "test" if row[_TEST] else "train"
    return one_record(place, question, target, url, context=tuple(context), split=split, group=f"pmid:{place.row}")


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The abstracts of a file, located by PMID, each told whether it is in the official test set."""
    test = official_test_pmids() | _pmids_beside(file)
    by_pmid = "ori_pqa" in file.name
    for native in read_rows(file):
        if not isinstance(native.value, dict):
            yield native
            continue
        pmid = _key(native) if by_pmid else native.value.get("pubid")
        if not str(pmid).isdecimal():
            problem = RowError("bad_pmid", f"is {kind_of(pmid)}; expected a PMID", "pubid")
            yield NativeRow(native.file, native.row, problem)
        else:
            yield NativeRow(native.file, str(pmid), {**native.value, _TEST: str(pmid) in test})


@cache
def official_test_pmids() -> frozenset[str]:
    """PMIDs of the official test set, the keys of the publisher's `test_ground_truth.json`."""
    text = files("osler.sources.catalog").joinpath("pubmedqa_test_pmids.txt").read_text("ascii")
    return frozenset(text.split())


def _pmids_beside(file: SourceFile) -> frozenset[str]:
    truth = file.path.with_name(_TRUTH_FILE)
    if not truth.is_file():
        return frozenset()
    labels = load_json(SourceFile(truth, truth.name))
    if not isinstance(labels, dict):
        raise InputError(f"{truth}: expected an object of labels by PMID, found {kind_of(labels)}")
    return frozenset(labels)


def _key(native: NativeRow) -> str:
    """The key under which `read_json` found the row: `ori_pqal.json[10808977]`."""
    return native.row.rpartition("[")[2].removesuffix("]")
