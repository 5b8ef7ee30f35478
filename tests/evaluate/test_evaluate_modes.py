"""Replies and chains of thought, kept answers, several processes, and what other tools read."""

import json
import random
from pathlib import Path

import pytest
import yaml

from osler.errors import InputError
from osler.evaluate.benchmarks import Questions
from osler.evaluate.cache import AnswerCache
from osler.evaluate.config import EvaluateConfig
from osler.evaluate.exchange import write_inspect_logs, write_lm_eval_tasks
from osler.evaluate.latency import measure_latency
from osler.evaluate.score import Asking, ask, evaluate, examinations_for
from osler.models.protocol import Reply
from osler.records.io import read_jsonl
from osler.records.record import Message, Origin, Record
from osler.runs.metrics import read_metrics
from osler.runs.progress import silent


class TalkingModel:
    """Replies from a function of the question and the seed; counts what it was asked."""

    name = "talking"

    def __init__(self, function):
        self.function = function
        self.n_asked = 0

    def reply(self, conversations, max_tokens):
        self.n_asked += len(conversations)
        return [Reply(self.function(turns[-1].content, 0)) for turns in conversations]

    def stream(self, conversation, max_tokens):
        yield self.function(conversation[-1].content, 0)

    def sample(self, conversations, max_tokens, temperature, seeds):
        self.n_asked += len(conversations)
        return [Reply(self.function(turns[-1].content, seed)) for turns, seed in zip(conversations, seeds, strict=True)]


def run(model, spec, records, out, caches=None, **config):
    options = EvaluateConfig(benchmarks=(spec,), **config)
    asking = Asking(options, 7, {"model": caches} if caches is not None else {})
    evaluate({"model": model}, {spec: Questions(records)}, (), asking, out, silent)
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    return json.loads((out / "scores.json").read_text())["scores"][0], rows


@pytest.fixture
def records(choice_record):
    return [choice_record(number) for number in range(50)]


def test_replies_are_read_and_what_is_not_parsed_is_counted_as_wrong(records, tmp_path):
    score, rows = run(
        TalkingModel(lambda text, seed: "B" if "patient 7 " in text else "Hm."), "medqa@generate", records, tmp_path
    )
    assert score["benchmark"] == "medqa@generate"
    assert (score["n"], score["unparsed"], score["matched"]) == (50, 49, {"bare": 1, "unparsed": 49})
    assert score["accuracy"] == 1 / 50
    assert {row["matched"] for row in rows} == {"bare", "unparsed"}


def test_chains_of_thought_are_put_to_the_vote(records, tmp_path):
    def answer(text, seed):
        return f"Thinking. Answer: {'AAB'[seed % 3]}"

    score, rows = run(TalkingModel(answer), "medqa@cot-sc9", records, tmp_path)
    for row in rows:
        assert len(row["votes"]) == len(row["replies"]) == 9
        most = max(set(row["votes"]), key=lambda one: (row["votes"].count(one), -row["votes"].index(one)))
        assert row["answer"] == most
    assert score["benchmark"] == "medqa@cot-sc9"


def test_a_chain_without_an_answer_does_not_vote(records, tmp_path):
    model = TalkingModel(lambda text, seed: "Answer: C" if seed % 4 == 0 else "I do not know.")
    _, rows = run(model, "medqa@cot-sc5", records, tmp_path)
    assert {row["answer"] for row in rows} <= {2, -1}
    assert all((row["answer"] == 2) == (2 in row["votes"]) for row in rows)


def test_a_model_without_likelihoods_says_which_mode_to_ask(records, tmp_path):
    with pytest.raises(InputError, match="medqa@generate"):
        run(TalkingModel(lambda text, seed: "A"), "medqa", records, tmp_path)


def test_answers_are_kept_by_content_across_runs(records, tmp_path):
    model = TalkingModel(lambda text, seed: "B")
    first, _ = run(model, "medqa@generate", records, tmp_path / "a", AnswerCache(tmp_path / "kept"))
    assert model.n_asked == 50
    again, _ = run(model, "medqa@generate", records, tmp_path / "b", AnswerCache(tmp_path / "kept"))
    assert model.n_asked == 50
    assert first == again
    run(model, "medqa@generate", records, tmp_path / "c", AnswerCache(tmp_path / "kept"), max_reply_tokens=9)
    assert model.n_asked == 100


@pytest.mark.parametrize("cut", [1, 5, 40, 300])
def test_a_kept_answer_that_a_kill_cut_off_is_asked_again(records, tmp_path, cut):
    model = TalkingModel(lambda text, seed: "B")
    whole, rows = run(model, "medqa@generate", records, tmp_path / "a", AnswerCache(tmp_path / "kept"))
    file = tmp_path / "kept" / "answers-0.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    again, rows_again = run(model, "medqa@generate", records, tmp_path / "b", AnswerCache(tmp_path / "kept"))
    assert (whole, rows) == (again, rows_again)
    before = model.n_asked
    run(model, "medqa@generate", records, tmp_path / "c", AnswerCache(tmp_path / "kept"))
    assert model.n_asked == before


def test_answers_read_again_are_those_that_were_kept_last(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.add(["k"], [[-1.0]])
    cache.add(["k"], [[-1.5]])
    assert cache.all_of(["k"]) == AnswerCache(tmp_path).all_of(["k"]) == [[-1.5]]


def test_times_that_a_kill_left_are_not_taken_twice(records, tmp_path):
    model, config = TalkingModel(lambda text, seed: "B"), EvaluateConfig(latency_questions=5)
    questions = {"medqa": Questions(records), "medqa@generate": Questions(records)}
    measure_latency(model, {"medqa": Questions(records[:2])}, config, tmp_path / "metrics.jsonl")
    measure_latency(model, questions, config, tmp_path / "metrics.jsonl")
    timed = [row["question"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert timed == [record.id for record in records[:5]]


def test_open_answers_are_not_asked_about_another_person(tmp_path):
    asked = Record(
        "k_qa:1", "qa", (Message("user", "A man coughs?"), Message("assistant", "Rest.")), Origin("k_qa", "1"), split="test"
    )  # fmt: skip
    asking = Asking(EvaluateConfig(benchmarks=("k-qa",), swaps=("sex",)), 7)
    assert len(examinations_for({"k-qa": Questions([asked])}, asking)) == 1


def test_two_processes_give_the_bytes_of_one(records, tmp_path, hashed_scorer):
    config = EvaluateConfig(benchmarks=("medqa",))
    questions = {"medqa": Questions(records * 1)}
    for number in range(2):
        asking = Asking(config, 7, {"model": AnswerCache(tmp_path / "kept", number)}, part=(number, 2))
        ask({"model": hashed_scorer("s")}, examinations_for(questions, asking), asking, tmp_path / "none", silent)
    finisher = hashed_scorer("another")
    caches = {"model": AnswerCache(tmp_path / "kept")}
    evaluate({"model": finisher}, questions, (), Asking(config, 7, caches), tmp_path / "two", silent)
    evaluate({"model": hashed_scorer("s")}, questions, (), Asking(config, 7), tmp_path / "one", silent)
    assert finisher.calls == []
    for name in ("samples.jsonl", "scores.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_swapped_questions_are_asked_beside_the_original_ones(tmp_path, choice_record):
    from dataclasses import replace

    from osler.records.record import Message

    records = [
        replace(choice_record(n), messages=(Message("user", f"A man of trade {n} says he coughs."),)) for n in range(20)
    ]
    model = TalkingModel(lambda text, seed: "A" if "she" in text else "B")
    run(model, "medqa@generate", records, tmp_path, swaps=("sex", "age"))
    scores = json.loads((tmp_path / "scores.json").read_text())
    (found,) = scores["bias"]
    assert (found["swap"], found["n"], found["changed"], len(scores["scores"])) == ("sex", 20, 20, 1)


def test_other_tools_get_the_very_texts(records, tmp_path, hashed_scorer):
    asking = Asking(EvaluateConfig(benchmarks=("medqa",)), 7)
    questions = {"medqa": Questions(records)}
    evaluate({"model": hashed_scorer("s")}, questions, (), asking, tmp_path / "e", silent)
    examinations = examinations_for(questions, asking)
    (task,) = write_lm_eval_tasks(examinations, tmp_path / "e", tmp_path / "lm")
    facts = yaml.safe_load(task.read_text())
    rows = [row for _, row in read_jsonl(Path(facts["dataset_kwargs"]["data_files"]["test"]))]
    assert len(rows) == 50
    assert rows[3]["query"].startswith(f"Question: {records[3].question}\nA. ")
    assert (rows[3]["choices"], rows[3]["gold"]) == (["A", "B", "C", "D"], records[3].answer)
    (log,) = write_inspect_logs(examinations, tmp_path / "e", tmp_path / "inspect")
    samples = json.loads(log.read_text())["samples"]
    scores = json.loads((tmp_path / "e" / "scores.json").read_text())["scores"][0]
    assert sum(sample["scores"]["osler"]["value"] == "C" for sample in samples) == scores["right"]


def test_scores_carry_what_a_reader_must_know(records, tmp_path, hashed_scorer):
    from dataclasses import replace

    random.Random(1).shuffle(records)
    records = [replace(record, subject="heart" if number % 2 else "skin") for number, record in enumerate(records)]
    evaluate(
        {"model": hashed_scorer("s")},
        {"medqa": Questions(records)},
        (),
        Asking(EvaluateConfig(benchmarks=("medqa",)), 7),
        tmp_path,
        silent,
    )
    scores = json.loads((tmp_path / "scores.json").read_text())
    (score,) = scores["scores"]
    assert scores["training_records"] == 0
    assert sum(one["n"] for one in score["subjects"]) == score["n"]
    assert sum(one["right"] for one in score["subjects"]) == score["right"]
    assert 0 < score["ece"] < 1
    assert sum(one["n"] for one in score["reliability"]) == score["n"]
