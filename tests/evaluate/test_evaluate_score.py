"""Scoring: chance for a model that knows nothing, ties to the first, and the same files after a kill at any byte."""

import json
import math
import random
from dataclasses import replace

import pytest

from osler.errors import InputError
from osler.evaluate.benchmarks import Questions
from osler.evaluate.config import EvaluateConfig
from osler.evaluate.score import Asking, evaluate
from osler.records.record import SAMPLE_REVISION, Message, Origin, Record
from osler.runs.progress import silent

FILES = ("samples.jsonl", "scores.json", "contaminated.jsonl")


@pytest.fixture
def items(choice_record, yesno_record):
    labels = ["yes"] * 30 + ["no"] * 14 + ["maybe"] * 6
    return {
        "medqa": [choice_record(number) for number in range(70)],
        "pubmedqa:train": [yesno_record(number, label, "train") for number, label in enumerate(labels)],
    }


CONFIG = EvaluateConfig(benchmarks=("medqa", "pubmedqa:train"))


def asked(items):
    return {name: Questions(records) for name, records in items.items()}


def run(arms, items, out, config=CONFIG, training=(), seed=7):
    evaluate(arms, asked(items), training, Asking(config, seed), out, silent)
    return json.loads((out / "scores.json").read_text())


def score_of(scores, benchmark, model):
    return next(s for s in scores["scores"] if s["benchmark"].startswith(benchmark) and s["model"] == model)


def test_a_model_that_finds_all_options_alike_answers_the_first(items, tmp_path, scorer_of):
    scores = run({"tuned": scorer_of(lambda prompt: [-2.5] * len(prompt.continuations))}, items, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert {row["answer"] for row in rows} == {0}
    medqa = score_of(scores, "medqa", "tuned")
    assert medqa["accuracy"] == medqa["baselines"]["always_first"] == 18 / 70
    assert scores["comparisons"] == []


def test_a_perfect_model_has_every_question_right(items, tmp_path, scorer_of, choice_record):
    keys = {item.question: item.answer for records in items.values() for item in records}

    def perfect(prompt):
        stem = prompt.prefix.split("Question: ")[1].split("\n")[0]
        return [0.0 if place == keys[stem] else -9.0 for place in range(len(prompt.continuations))]

    scores = run({"tuned": scorer_of(perfect)}, items, tmp_path)
    assert [score["accuracy"] for score in scores["scores"]] == [1.0, 1.0]
    assert score_of(scores, "pubmedqa", "tuned")["macro_f1"] == 1.0


def test_scores_have_the_agreed_shape(items, tmp_path, hashed_scorer):
    scores = run({"base": hashed_scorer("b"), "tuned": hashed_scorer("t")}, items, tmp_path)
    assert [(s["benchmark"], s["model"], s["split"]) for s in scores["scores"]] == [
        ("medqa@letters-0shot", "base", "test"),
        ("medqa@letters-0shot", "tuned", "test"),
        ("pubmedqa@letters-0shot", "base", "train"),
        ("pubmedqa@letters-0shot", "tuned", "train"),
    ]
    for score in scores["scores"]:
        assert {
            "n",
            "accuracy",
            "ci95",
            "failed",
            "contaminated",
            "unparsed",
            "baselines",
            "human",
            "attribution",
        } <= set(score)
        assert set(score["baselines"]) == {"always_first", "longest_option", "most_common"}
        assert score["ci95"][0] < score["accuracy"] < score["ci95"][1]
        assert ("macro_f1" in score) == score["benchmark"].startswith("pubmedqa")
    yesno = score_of(scores, "pubmedqa", "base")
    assert yesno["baselines"] == {"always_first": 0.6, "longest_option": 0.12, "most_common": 0.6}
    # The human reference was measured on the official test questions; these are others.
    assert yesno["human"] is None
    assert yesno["macro_f1_ci95"][0] <= yesno["macro_f1_lower95"] <= yesno["macro_f1"]
    # The last option of the invented questions is the longest; it is right in 17 of 70.
    assert score_of(scores, "medqa", "base")["baselines"]["longest_option"] == 17 / 70
    row = json.loads((tmp_path / "samples.jsonl").read_text().splitlines()[0])
    assert list(row) == ["benchmark", "model", "id", "log_likelihoods", "answer", "gold", "right", "matched"]


def test_models_are_compared_on_the_same_questions(items, tmp_path, hashed_scorer):
    scores = run({"base": hashed_scorer("b"), "tuned": hashed_scorer("t")}, items, tmp_path)
    comparison = scores["comparisons"][0]
    cells = [comparison[name] for name in ("both_right", "only_base", "only_tuned", "both_wrong")]
    assert sum(cells) == comparison["n"] == 70
    accuracies = {s["model"]: s["accuracy"] for s in scores["scores"] if s["benchmark"] == comparison["benchmark"]}
    assert comparison["difference"] == pytest.approx(accuracies["tuned"] - accuracies["base"])
    assert comparison["ci95"][0] < comparison["difference"] < comparison["ci95"][1]


def test_a_model_against_itself_differs_in_nothing(items, tmp_path, hashed_scorer):
    comparison = run({"base": hashed_scorer("s"), "tuned": hashed_scorer("s")}, items, tmp_path)["comparisons"][0]
    assert (comparison["only_base"], comparison["only_tuned"], comparison["p_mcnemar"]) == (0, 0, 1.0)


def test_log_likelihoods_that_are_no_numbers_fail_the_question_and_count_as_wrong(items, tmp_path, scorer_of):
    scores = run(
        {"tuned": scorer_of(lambda prompt: [math.nan, 0.0, -1.0, -2.0][: len(prompt.continuations)])}, items, tmp_path
    )
    medqa = score_of(scores, "medqa", "tuned")
    assert (medqa["accuracy"], medqa["failed"], medqa["n"]) == (0.0, 70, 70)


def test_a_record_that_cannot_be_asked_is_counted_and_wrong(tmp_path, choice_record, scorer_of):
    odd = Record(
        "medqa:odd", "choice", (Message("user", "Odd?"),), Origin("medqa", "odd"), (), ("only",), 0, split="test"
    )
    config = EvaluateConfig(benchmarks=("medqa",))
    scorer = scorer_of(lambda prompt: [0.0, -1.0, -1.0, -1.0])
    scores = run({"tuned": scorer}, {"medqa": [choice_record(0), odd, choice_record(4)]}, tmp_path, config)
    medqa = score_of(scores, "medqa", "tuned")
    assert (medqa["n"], medqa["failed"], medqa["right"]) == (3, 1, 2)
    assert scorer.calls == [2]


def test_overlapping_questions_are_counted_and_leave_the_score(items, tmp_path, hashed_scorer):
    copied = [items["medqa"][3], items["medqa"][50]]
    training = [
        Record(f"train:{n}", "qa", (Message("user", item.question), Message("assistant", "x")), Origin("t", str(n)))
        for n, item in enumerate(copied)
    ]
    scores = run({"base": hashed_scorer("b"), "tuned": hashed_scorer("t")}, items, tmp_path, training=training)
    for model in ("base", "tuned"):
        medqa = score_of(scores, "medqa", model)
        assert (medqa["n"], medqa["contaminated"]) == (68, 2)
    assert scores["comparisons"][0]["n"] == 68
    rows = [json.loads(line) for line in (tmp_path / "contaminated.jsonl").read_text().splitlines()]
    assert [(row["id"], row["training_id"], row["reason"]) for row in rows] == [
        (copied[0].id, "train:0", "same_question"),
        (copied[1].id, "train:1", "same_question"),
    ]


def test_a_killed_run_goes_on_to_the_same_bytes(items, tmp_path, hashed_scorer):
    whole = tmp_path / "whole"
    arms = {"base": hashed_scorer("b"), "tuned": hashed_scorer("t")}
    run(arms, items, whole)
    expected = {name: (whole / name).read_bytes() for name in FILES}
    size = len(expected["samples.jsonl"])
    rng = random.Random(1)
    cuts = [0, 1, size - 1, size, *(rng.randrange(size) for _ in range(8))]
    for number, cut in enumerate(cuts):
        out = tmp_path / f"cut{number}"
        out.mkdir()
        (out / "samples.jsonl").write_bytes(expected["samples.jsonl"][:cut])
        run(arms, items, out)
        assert {name: (out / name).read_bytes() for name in FILES} == expected


def test_a_continued_run_asks_only_what_is_missing(items, tmp_path, hashed_scorer):
    run({"tuned": hashed_scorer("t")}, items, tmp_path)
    lines = (tmp_path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    # Cut in the middle of the second chunk of 32: the first stands.
    (tmp_path / "samples.jsonl").write_bytes(b"".join(lines[:40]) + lines[40][:20])
    scorer = hashed_scorer("t")
    run({"tuned": scorer}, items, tmp_path)
    assert scorer.calls == [32, 6, 32, 18]


def test_rows_of_other_questions_are_not_taken_over(items, tmp_path, hashed_scorer, choice_record):
    config = EvaluateConfig(benchmarks=("medqa",))
    run({"tuned": hashed_scorer("t")}, {"medqa": [choice_record(n) for n in range(100, 170)]}, tmp_path, config)
    scorer = hashed_scorer("t")
    run({"tuned": scorer}, items, tmp_path)
    assert sum(scorer.calls) == 120


def test_a_limit_draws_the_same_questions_for_every_model(items, tmp_path, hashed_scorer):
    config = EvaluateConfig(benchmarks=("medqa",), max_items=20)
    scores = run({"base": hashed_scorer("b"), "tuned": hashed_scorer("t")}, items, tmp_path, config)
    assert [score["n"] for score in scores["scores"]] == [20, 20]
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    asked = {model: [row["id"] for row in rows if row["model"] == model] for model in ("base", "tuned")}
    assert asked["base"] == asked["tuned"]
    order = [record.id for record in items["medqa"]]
    assert asked["base"] == sorted(asked["base"], key=order.index)


def test_a_benchmark_without_questions_is_an_error(items, tmp_path, hashed_scorer):
    with pytest.raises(InputError, match="no questions for benchmark 'medmcqa'"):
        run({"tuned": hashed_scorer("t")}, items, tmp_path, EvaluateConfig(benchmarks=("medqa", "medmcqa")))


def test_progress_counts_from_the_start_of_the_work(items, tmp_path, hashed_scorer):
    seen = []
    evaluate(
        {"tuned": hashed_scorer("t")}, asked(items), (), Asking(CONFIG, 7), tmp_path, lambda *call: seen.append(call)
    )
    assert seen[0] == ("evaluate", 0, 120, "questions")
    assert seen[-1] == ("evaluate", 120, 120, "questions")


def test_human_reference_stands_beside_the_published_test_questions_only(items, tmp_path, hashed_scorer):
    official = {"pubmedqa": [replace(record, split="test") for record in items["pubmedqa:train"]]}
    sample = {
        "pubmedqa": [replace(r, origin=replace(r.origin, revision=SAMPLE_REVISION)) for r in official["pubmedqa"]]
    }
    (published,) = run(
        {"base": hashed_scorer("b")}, official, tmp_path / "a", EvaluateConfig(benchmarks=("pubmedqa",))
    )["scores"]
    (invented,) = run({"base": hashed_scorer("b")}, sample, tmp_path / "b", EvaluateConfig(benchmarks=("pubmedqa",)))[
        "scores"
    ]
    assert published["human"]["macro_f1"] == 0.722
    assert invented["human"] is None
    assert "invented" in invented["attribution"]
