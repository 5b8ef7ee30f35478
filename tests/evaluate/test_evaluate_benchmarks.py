"""Prompts letter by letter, and which records a benchmark asks."""

import ast
import csv
import gzip
import json
from collections import defaultdict
from dataclasses import replace

import pytest

from osler.errors import InputError, RowError
from osler.evaluate.benchmarks import BENCHMARKS, Asked, benchmark_named, parse_benchmark, questions_for, records_for
from osler.evaluate.items import as_item
from osler.evaluate.modes import LETTERS_0SHOT
from osler.records.record import Message, Origin, Record


def record(task="choice", **fields):
    given = {
        "id": "x:1",
        "task": task,
        "messages": (Message("user", "Which vitamin prevents scurvy?"),),
        "origin": Origin("medqa", "1"),
        "choices": ("Vitamin A", "Vitamin B12", "Vitamin C", "Vitamin D"),
        "answer": 2,
    }
    return Record(**{**given, **fields})


def test_medqa_is_asked_as_lm_eval_asks_it():
    item = as_item(parse_benchmark("medqa"), record())
    assert item.prompt.prefix == (
        "Question: Which vitamin prevents scurvy?\nA. Vitamin A\nB. Vitamin B12\nC. Vitamin C\nD. Vitamin D\nAnswer:"
    )
    assert item.prompt.continuations == (" A", " B", " C", " D")
    assert item.gold == 2


def test_medmcqa_is_asked_as_lm_eval_asks_it():
    item = as_item(parse_benchmark("medmcqa"), record())
    assert item.prompt.prefix == (
        "Question: Which vitamin prevents scurvy?\nChoices:\n"
        "A. Vitamin A\nB. Vitamin B12\nC. Vitamin C\nD. Vitamin D\nAnswer:"
    )
    assert item.prompt.continuations == (" A", " B", " C", " D")


def test_pubmedqa_is_asked_as_lm_eval_asks_it():
    item = as_item(
        parse_benchmark("pubmedqa"),
        record("yesno", context=("First part.", "Second part."), choices=("yes", "no", "maybe"), answer=1),
    )
    assert item.prompt.prefix == (
        "Abstract: First part.\nSecond part.\nQuestion: Which vitamin prevents scurvy?\nAnswer:"
    )
    assert item.prompt.continuations == (" yes", " no", " maybe")
    assert item.gold == 1


def test_labels_are_asked_in_the_benchmarks_order_whatever_the_records():
    item = as_item(parse_benchmark("pubmedqa"), record("yesno", choices=("maybe", "No", "yes"), answer=1))
    assert item.prompt.continuations == (" yes", " no", " maybe")
    assert item.gold == 1
    assert as_item(parse_benchmark("pubmedqa"), record("yesno", choices=("maybe", "no", "yes"), answer=0)).gold == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer": None}, "no_answer"),
        ({"answer": 7}, "no_answer"),
        ({"choices": ("one",), "answer": 0}, "number_of_options"),
        ({"choices": tuple("abcdefghijkl"), "answer": 0}, "number_of_options"),
    ],
)
def test_a_record_that_cannot_be_asked_says_why(fields, reason):
    with pytest.raises(RowError) as caught:
        as_item(parse_benchmark("medqa"), record(**fields))
    assert caught.value.reason == reason


def test_a_label_that_is_not_the_benchmarks_is_refused():
    with pytest.raises(RowError) as caught:
        as_item(parse_benchmark("pubmedqa"), record("yesno", choices=("yes", "unclear"), answer=1))
    assert caught.value.reason == "unknown_label"


def test_a_benchmark_asks_its_own_source_and_split(choice_record):
    asked = [choice_record(1), choice_record(2, split="train"), choice_record(3, source="medmcqa"), choice_record(4)]
    found = records_for(parse_benchmark("medqa"), asked)
    assert [item.origin.row for item in found] == ["1", "4"]


def test_a_split_without_questions_names_the_splits_there_are(choice_record):
    with pytest.raises(InputError, match="splits found: 'train', 'validation'"):
        records_for(parse_benchmark("medqa"), [choice_record(1, split="train"), choice_record(2, split="validation")])


def test_a_benchmark_may_be_given_another_split():
    assert parse_benchmark("pubmedqa:train") == Asked(benchmark_named("pubmedqa"), "train", LETTERS_0SHOT)
    assert parse_benchmark("medmcqa") == Asked(benchmark_named("medmcqa"), "validation", LETTERS_0SHOT)
    assert parse_benchmark("medqa:train@cot-sc5").score_name == "medqa@cot-sc5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("medqa@letter-0shot", "unknown mode"),
        ("medqa@cot-sc0", "unknown mode"),
        ("pubmedqa@text", "are its options"),
        ("k-qa@letters-0shot", "one mode, generate"),
        ("mednli@letters-5shot", "no official examples"),
    ],
)
def test_a_mode_that_does_not_fit_is_refused_in_words(text, words):
    with pytest.raises(InputError, match=words):
        parse_benchmark(text)


def test_option_texts_are_asked_without_showing_the_options():
    item = as_item(parse_benchmark("medqa@text"), record())
    assert item.prompt.prefix == "Question: Which vitamin prevents scurvy?\nAnswer:"
    assert item.prompt.continuations == (" Vitamin A", " Vitamin B12", " Vitamin C", " Vitamin D")


def test_five_examples_of_the_subject_stand_before_the_question_as_in_lm_eval():
    def row(number, file, subject):
        return replace(
            record(answer=number % 4),
            id=f"m:{file}{number}",
            messages=(Message("user", f"Asked {number}?"), Message("assistant", "Told.")),
            origin=Origin("mmlu_med", f"{file}.csv:{number}"),
            split="test" if "test" in file else "validation",
            subject=subject,
        )

    rows = [row(1, "anatomy_test", "anatomy"), *(row(n, "anatomy_dev", "anatomy") for n in range(9))]
    asked = parse_benchmark("mmlu-med@letters-2shot")
    questions = questions_for(asked, lambda source: rows)
    options = "A. Vitamin A\nB. Vitamin B12\nC. Vitamin C\nD. Vitamin D\nAnswer:"
    assert as_item(asked, rows[0], questions).prompt.prefix == (
        "The following are multiple choice questions (with answers) about anatomy.\n\n"
        f"Asked 0?\n{options} A\n\nAsked 1?\n{options} B\n\nAsked 1?\n{options}"
    )
    with pytest.raises(InputError, match="8 examples in source 'mmlu_med'"):
        questions_for(parse_benchmark("mmlu-med@letters-9shot"), lambda source: rows[:-1])


def test_medqa_clean_leaves_out_what_physicians_doubt(shared_data):
    from osler.evaluate.benchmarks import _doubted

    ratings = defaultdict(list)
    with (shared_data / "medqa_relabel" / "labels.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            stage = "seen" if row["seen_change"] == "TRUE" else "blind"
            is_answerable = row[f"{stage}_answerable"] == "TRUE" and row[f"{stage}_answers"]
            given = ast.literal_eval(row[f"{stage}_answers"]) if is_answerable else []
            ratings[row["question_sha1"]].append(
                (row["important_info_missing"] == "TRUE", row["answer_idx"] not in given)
            )
    # Most raters miss information that matters, or doubt the key.
    assert _doubted() == {
        key for key, rated in ratings.items() if 2 * max(map(sum, zip(*rated, strict=True))) > len(rated)
    }
    assert len(ratings) - len(_doubted()) == 1142


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'medmcqa'"):
        parse_benchmark("medmcq")
    with pytest.raises(InputError, match="did you mean 'train'"):
        parse_benchmark("pubmedqa:trian")
    with pytest.raises(InputError, match="Known: medqa, medqa-5options"):
        parse_benchmark("zzz")


def test_every_benchmark_keeps_its_promises():
    assert BENCHMARKS
    assert len({benchmark.name for benchmark in BENCHMARKS}) == len(BENCHMARKS)
    for benchmark in BENCHMARKS:
        assert benchmark.attribution
        asked = parse_benchmark(benchmark.name)
        assert asked.score_name == f"{benchmark.name}@{'generate' if benchmark.is_open else 'letters-0shot'}"
        assert asked.split == benchmark.split
        assert (benchmark.task in {"yesno", "classify"}) == bool(benchmark.labels)


def test_the_human_reference_of_pubmedqa():
    human = benchmark_named("pubmedqa").human
    assert (human.accuracy, human.macro_f1) == (0.780, 0.722)


def test_annotators_of_the_real_file_score_as_an_independent_formula_says(shared_data):
    from osler.evaluate import stats

    with gzip.open(shared_data / "pubmedqa" / "ori_pqal_open500.json.gz") as stream:
        rows = json.load(stream).values()
    labels = ("yes", "no", "maybe")
    for column in ("reasoning_required_pred", "reasoning_free_pred"):
        pairs = [(row["final_decision"], row[column]) for row in rows]
        table = stats.confusion([labels.index(g) for g, _ in pairs], [labels.index(a) for _, a in pairs], 3)
        by_label = []
        for label in labels:
            n_both = sum(g == label and a == label for g, a in pairs)
            precision = n_both / max(1, sum(a == label for _, a in pairs))
            recall = n_both / sum(g == label for g, _ in pairs)
            by_label.append(2 * precision * recall / (precision + recall) if n_both else 0.0)
        assert stats.macro_f1(table) == pytest.approx(sum(by_label) / 3, abs=1e-12)
        assert table.trace() / table.sum() == sum(g == a for g, a in pairs) / 500
