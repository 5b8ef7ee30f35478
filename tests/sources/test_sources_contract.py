"""What every listed source promises."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.errors import InputError, RowError
from osler.records.io import from_dict, to_dict
from osler.records.record import Record, check_record
from osler.sources.catalog import SOURCE_NAMES, catalog_sources, source_named
from osler.sources.collect import PUBLISHED_SO
from osler.sources.files import find_files
from osler.sources.source import NativeRow, Place, Source, records_of

every_source = pytest.mark.parametrize("source", catalog_sources(), ids=SOURCE_NAMES)


def read_all(source: Source, root: Path) -> list[NativeRow]:
    return [native for file in find_files(source, root) for native in source.read(file)]


def kept(source: Source, root: Path) -> list[Record]:
    records = []
    for native in read_all(source, root):
        try:
            records += records_of(source, native)
        except RowError as error:
            assert error.reason in PUBLISHED_SO  # noqa: PT017 - the only bad rows in the fixtures
    return records


def test_the_list_is_not_empty_sorted_and_without_repeats():
    assert len(catalog_sources()) >= 6
    assert list(SOURCE_NAMES) == sorted(set(SOURCE_NAMES))


def test_an_unknown_source_is_named_with_the_nearest_right_name_and_the_list():
    with pytest.raises(InputError) as caught:
        source_named("medquadd")
    assert str(caught.value) == (
        f"there is no source 'medquadd'. Did you mean 'medquad'? The sources are: {', '.join(SOURCE_NAMES)}"
    )


def test_an_overlap_is_told_by_both_sources():
    by_name = {source.name: source for source in catalog_sources()}
    for source in catalog_sources():
        assert set(source.overlaps) <= set(by_name)
        assert all(source.name in by_name[other].overlaps for other in source.overlaps), source.name


@every_source
def test_facts_are_stated(source):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", source.name)
    assert source.home.startswith("https://")
    assert source.license
    assert source.revision
    assert source.language
    assert len(source.citation) > 20
    assert source.known_problems
    assert all(problem.endswith(".") for problem in source.known_problems)
    assert source.files
    assert all(source.files)
    assert source.rows
    assert all(count > 0 for count in source.rows.values())
    assert source.use
    assert source.name not in source.overlaps


@every_source
def test_the_mapping_is_pure_and_repeatable(source, copies):
    for native in read_all(source, copies):
        before = repr(native.value)
        outcomes = []
        for _ in range(2):
            try:
                outcomes.append(records_of(source, native))
            except RowError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
        assert repr(native.value) == before


@every_source
def test_records_keep_the_promises_of_their_type(source, copies):
    records = kept(source, copies)
    assert source.task in {record.task for record in records}
    for record in records:
        check_record(record)
        assert record.target.strip() or "train" not in source.use
        assert record.question.strip()
        assert record.answer is None or record.answer in range(len(record.choices))
        assert record.split in {"", "train", "validation", "test"}
        assert record.origin.source == source.name
        assert record.origin.license == source.license or source.license == "LicenseRef-per-article"
        assert record.origin.access == source.access
        assert from_dict(to_dict(record)) == record


@every_source
def test_ids_are_unique_and_the_same_at_every_reading(source, copies):
    ids = [record.id for record in kept(source, copies)]
    assert len(set(ids)) == len(ids)
    assert ids == [record.id for record in kept(source, copies)]
    assert all(re.fullmatch(rf"{source.name}:[0-9a-f]{{16}}", one) for one in ids)


@every_source
def test_notes_are_codes(source, copies):
    for native in read_all(source, copies):
        try:
            records_of(source, native)
        except RowError:
            continue
        assert all(re.fullmatch(r"[a-z_]+", note) for note in source.notes(native.value))


SCALARS = st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
FIELDS = [
    "question",
    "answer",
    "options",
    "answer_idx",
    "context",
    "ending0",
    "ending1",
    "sent1",
    "label",
    "opa",
    "opb",
    "opc",
    "opd",
    "cop",
    "exp",
    "QUESTION",
    "CONTEXTS",
    "final_decision",
    "LONG_ANSWER",
    "long_answer",
    "tag",
    "patterns",
    "responses",
    "input_text",
    "output_text",
    "text",
    "focus",
    "url",
    "document_id",
]


@every_source
@settings(max_examples=150, deadline=None)
@given(row=VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8))
def test_a_row_of_any_shape_gives_records_or_a_row_error(source, row):
    if isinstance(row, dict):  # what the source's own reading adds
        row = {**row, "cop_counts_from": 0, "in_official_test_set": False}
    try:
        records = source.to_records(row, Place(source.name, "train.jsonl", "train.jsonl:1"))
    except RowError:
        return
    assert records
