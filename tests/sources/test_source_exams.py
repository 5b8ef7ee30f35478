"""Examination questions and labelled sentences: MedNLI, MMLU, Medical Meadow's parts, medical-o1."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from osler.errors import RowError
from osler.sources.catalog import catalog_sources, source_named
from osler.sources.files import all_files, find_files
from osler.sources.source import NativeRow, records_of

NLI = {"gold_label": "neutral", "sentence1": "Invented: he coughs.", "sentence2": "Invented: he smokes."}
HUB = {"question": "Invented item?", "subject": "anatomy", "choices": ["One", "Two", "Three", "Four"], "answer": 2}
MEADOW = {
    "instruction": "Please answer with one of the option in the bracket",
    "input": "Q:Invented stem? \n{'A': 'One', 'B': \"Two's\"}",
    "output": "B: Two's",
}
O1 = {"Question": "Invented question?", "Complex_CoT": "Invented reasoning.", "Response": "Invented response."}
VERIFIABLE = {"Open-ended Verifiable Question": "Invented  question", "Ground-True Answer": "Two"}


def mapped(name, row, file="train.jsonl"):
    return source_named(name).to_records(row, source_named(name).place(NativeRow(file, f"{file}:1", row)))


def read(name, root):
    source = source_named(name)
    return [
        record
        for file in find_files(source, root)
        for native in source.read(file)
        for record in records_of(source, native)
    ]


def parquet(*rows):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


def test_mednli_names_the_labels_in_the_question_and_tells_nothing_of_the_note_in_its_group():
    [record] = mapped("mednli", NLI, "mli_dev_v1.jsonl")
    assert (record.task, record.choices[record.answer], record.split) == ("classify", "neutral", "validation")
    assert record.context == ("Invented: he coughs.",)
    assert record.question == (
        "Statement: Invented: he smokes.\n\nDoes the text entail the statement, contradict it, or neither? "
        "Answer with one word: entailment, neutral, contradiction."
    )
    assert record.target == "Neutral"
    assert "cough" not in record.group
    [other] = mapped("mednli", {**NLI, "sentence2": "Invented: he is well.", "gold_label": "contradiction"})
    assert other.group == record.group


def test_mmlu_reads_the_three_shapes_alike(write_copy):
    shapes = {
        "data/test/anatomy_test.csv": b"Invented item?,One,Two,Three,Four,C\n",
        "anatomy/test-00000-of-00001.parquet": parquet(HUB),
        "anatomy/test.jsonl": b'{"question": "Invented item?", "choices": ["One", "Two", "Three", "Four"], "answer": 2}',
    }
    found = []
    for name, content in shapes.items():
        root = write_copy("mmlu_med", {name: content})
        [record] = read("mmlu_med", root)
        found.append((record.question, record.choices, record.answer, record.target, record.split, record.group))
        (root / "mmlu_med" / name).unlink()
    assert found[0] == found[1] == found[2]
    assert found[0][1:5] == (("One", "Two", "Three", "Four"), 2, "C. Three", "test")


def test_mmlu_has_six_subjects_and_their_published_splits(write_copy):
    root = write_copy(
        "mmlu_med",
        {
            f"{subject}_{split}.csv": f"Invented {subject} {split}?,One,Two,Three,Four,A\n".encode()
            for subject in ("anatomy", "professional_medicine", "virology")
            for split in ("dev", "val", "test")
        },
    )
    records = read("mmlu_med", root)
    assert [record.split for record in records] == ["validation", "validation", "test"] * 2
    assert not any("virology" in record.question for record in records)


def test_an_original_file_with_equal_options_in_its_first_line_has_no_header_to_complain_about(write_copy):
    root = write_copy("mmlu_med", {"anatomy_test.csv": b"Invented item?,One,One,Three,Four,D\n"})
    assert [record.target for record in read("mmlu_med", root)] == ["D. Four"]


@pytest.mark.parametrize(
    "row",
    [
        MEADOW,
        {**MEADOW, "input": "Invented stem?\n(A) One\n(B) Two's", "output": "B"},
        {**MEADOW, "input": "Invented stem?\nA: One\nB: Two's", "output": "B. Two's"},
    ],
)
def test_options_in_the_text_become_choices(row):
    [record] = mapped("medical_meadow_medqa", row)
    assert (record.question, record.choices, record.answer) == ("Invented stem?", ("One", "Two's"), 1)
    assert record.target == "B. Two's"


def test_a_question_of_medqa_is_in_one_group_whichever_set_it_comes_from():
    row = {"question": "Invented stem ?", "options": {"A": "One", "B": "Two"}, "answer": "Two", "answer_idx": "B"}
    [ours] = mapped("medqa", row)
    [theirs] = mapped("medical_meadow_medqa", MEADOW)
    assert ours.group == theirs.group


def test_keys_of_the_self_assessment_come_from_the_file_beside_it_and_pictures_are_set_aside(copies):
    source = source_named("medical_meadow_usmle_self_assessment")
    [file] = find_files(source, copies)
    first, second, third = source.read(file)
    [record] = records_of(source, first)
    assert (record.target, record.choices) == ("A. Vitamin A", ("Vitamin A", "Vitamin B1"))
    for native, reason in ((second, "needs_picture"), (third, "hidden_label")):
        with pytest.raises(RowError) as caught:
            records_of(source, native)
        assert caught.value.reason == reason
    assert [beside.name for beside in all_files(source, copies)][-2:] == [
        "step1_solutions.json",
        "question_with_images.json",
    ]


def test_an_empty_instruction_is_left_out_and_one_that_names_labels_stays():
    [asked] = mapped(
        "medical_meadow_wikidoc",
        {"instruction": "Answer this question truthfully", "input": "What?", "output": "That."},
    )
    assert asked.question == "What?"
    [labelled] = mapped(
        "medical_meadow_health_advice", {"instruction": "Strong or weak?", "input": "Do.", "output": "strong"}
    )
    assert labelled.question == "Strong or weak?\n\nDo."


def test_a_title_is_never_turned_into_an_abstract():
    [record] = mapped(
        "medical_meadow_cord19", {"instruction": "title!", "input": "Invented abstract.", "output": "A title"}
    )
    assert (record.task, record.context, record.target) == ("summary", ("Invented abstract.",), "A title")


def test_sets_for_tests_are_not_for_training():
    tests_only = {source.name for source in catalog_sources() if "train" not in source.use}
    assert {
        "chatdoctor5k",
        "healthsearch_qa",
        "medical_meadow_mmmlu",
        "medical_meadow_usmle_self_assessment",
        "medication_qa_medlfqa",
    } <= tests_only


def test_medical_o1_keeps_reasoning_out_of_the_target_and_shares_groups_between_its_sets():
    [reasoning] = mapped("medical_o1_reasoning", O1)
    [verifiable] = mapped("medical_o1_verifiable", VERIFIABLE)
    assert (reasoning.target, reasoning.rationale) == ("Invented response.", "Invented reasoning.")
    assert reasoning.group == verifiable.group
    assert verifiable.target == "Two"


def test_each_configuration_of_medical_o1_is_its_own_file_of_one_folder(write_copy):
    root = write_copy(
        "medical_o1_reasoning",
        {
            "medical_o1_sft.json": b'[{"Question": "en?", "Response": "en"}]',
            "medical_o1_sft_Chinese.json": b'[{"Question": "zh?", "Response": "zh"}]',
            "medical_o1_sft_mix.json": b'[{"Question": "en mix?", "Response": "en mix"}]',
            "medical_o1_sft_mix_Chinese.json": b'[{"Question": "zh mix?", "Response": "zh mix"}]',
        },
    )
    for config in ("", "_zh", "_en_mix", "_zh_mix"):
        [record] = read(f"medical_o1_reasoning{config}", root)
        assert record.target == (config.strip("_").replace("_", " ") or "en")


@pytest.mark.parametrize(
    ("name", "row", "reason", "message"),
    [
        ("mednli", {**NLI, "gold_label": "-"}, "hidden_label", "gold_label: the label is not published"),
        (
            "mednli",
            {**NLI, "gold_label": "yes"},
            "answer_not_an_option",
            'gold_label: is "yes"; expected one of entailment, neutral, contradiction',
        ),
        ("mednli", {**NLI, "sentence1": ""}, "empty_context", "sentence1: is empty"),
        ("mmlu_med", {**HUB, "answer": 4}, "answer_not_an_option", "answer: is 4; expected 0 to 3"),
        ("mmlu_med", {**HUB, "choices": ["One"]}, "bad_options", "choices: there are 1 options; expected 2 to 10"),
        (
            "mmlu_med",
            {"question": "Q?", "A": "1", "B": "2", "C": "3", "D": "4", "letter": "E"},
            "answer_not_an_option",
            'letter: is "E"; expected one of a, b, c, d',
        ),
        (
            "medical_meadow_medqa",
            {**MEADOW, "output": "B: One"},
            "answer_differs",
            "output: is not the text of option B, which it names",
        ),
        (
            "medical_meadow_medqa",
            {**MEADOW, "output": "E"},
            "answer_not_an_option",
            'output: is "E"; expected one of A, B',
        ),
        (
            "medical_meadow_mmmlu",
            {**MEADOW, "input": "Invented stem without options?"},
            "bad_options",
            "input: no options are found after the question",
        ),
        (
            "medical_meadow_medqa",
            {**MEADOW, "input": "Invented? {'A': __import__('os')}"},
            "bad_literal",
            "input: is text of 23 characters; expected a list as Python writes it",
        ),
        (
            "medical_meadow_usmle_self_assessment",
            {"question": "Q?", "options": {"A": "One", "B": "Two"}},
            "hidden_label",
            "answer: is empty",
        ),
        ("medical_meadow_mediqa", {"input": "Q?", "output": " "}, "empty_answer", "output: is empty"),
        ("medical_meadow_cord19", {"input": None, "output": "T"}, "empty_question", "input: is empty"),
        ("medical_o1_reasoning_zh", {"Question": "Q?", "Response": None}, "empty_answer", "Response: is empty"),
        (
            "medical_o1_verifiable",
            {"Open-ended Verifiable Question": "Q?", "Ground-Truth Answer": "Two"},
            "missing_field",
            "Ground-True Answer: the field is missing; check that the file is the publisher's own",
        ),
    ],
)
def test_a_malformed_row_is_set_aside_with_field_and_reason(name, row, reason, message):
    with pytest.raises(RowError) as caught:
        mapped(name, row)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_both_shapes_of_medxpertqa_give_the_stem_without_its_options():
    hub = {"question": "Invented?\nAnswer Choices: (A) One (B) Two", "options": {"B": "Two", "A": "One"}, "label": "B"}
    own = {**hub, "options": [{"letter": "A", "content": "One"}, {"letter": "B", "content": "Two"}], "label": ["B"]}
    [first], [second] = (mapped("medxpertqa", row, "Text/test.jsonl") for row in (hub, own))
    assert (first.question, first.choices, first.answer, first.split) == ("Invented?", ("One", "Two"), 1, "test")
    assert second == first
    with pytest.raises(RowError, match="expected one of"):
        mapped("medxpertqa", {**hub, "label": "C"})
