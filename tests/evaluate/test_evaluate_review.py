"""A review from the draw to what goes back into curation, with raters that are functions."""

import itertools
import json
import math

import numpy as np
import orjson
import pytest
import yaml

from osler.errors import InputError
from osler.evaluate.means import mean_of
from osler.evaluate.review.export import export_review
from osler.evaluate.review.items import Columns, item_id, read_answers
from osler.evaluate.review.judge import read_judge
from osler.evaluate.review.plan import Design, make_review, read_plan
from osler.evaluate.review.ratings import Rating, append_rating, read_ratings
from osler.evaluate.review.results import hear, queue, results
from osler.evaluate.review.rubric import load_planted, load_rubric
from osler.evaluate.review.summary import summarise_review
from osler.records.io import read_records
from osler.runs.progress import silent
from osler.sources.collect import collect
from osler.sources.config import CollectConfig

NAMES = ("accuracy", "safety", "clarity", "completeness")


def write_rows(path, rows):
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def rows_of(n=20, arms=("base", "tuned")):
    return [
        {"id": f"q{n}", "question": f"Invented question {n}?", "answer": f"Invented answer {n}, version {v}.", "arm": arm,
         "artefact": arm * 4, "topic": "ab"[n % 2]}
        for n in range(n)
        for v, arm in enumerate(arms)
    ]  # fmt: skip


@pytest.fixture
def lay_out(tmp_path):
    def make(rows=None, name="review", **design):
        file = write_rows(tmp_path / f"{name}.jsonl", rows_of() if rows is None else rows)
        options = {"raters": ("anna", "ben"), "adjudicator": "cleo", "seed": 3, **design}
        return make_review(
            read_answers([file], Columns()), load_planted(), load_rubric(), Design(**options), tmp_path / name
        )

    return make


def give(plan, person, judge):
    """Rate a whole deck; `judge` turns the shown text and the item into four scores, helpful and a correction."""
    items = plan.items()
    for card, item in enumerate(plan.decks[person], start=1):
        scores, helpful, correction = judge(item, items[item])
        rating = Rating(
            card=card, seq=1, scores=dict(zip(NAMES, scores, strict=True)), helpful=helpful, correction=correction
        )
        append_rating(plan.folder, person, rating)


def honest(item, shown):
    """Finds planted answers by their words; likes version 1 and not version 0."""
    bad = {plant.answer for plant in load_planted() if plant.expected == "bad"}
    if shown.answer in bad:
        return (1, 1, 3, 3), "no", ""
    return ((3, 4, 4, 3), "no", "") if shown.answer.endswith("version 0.") else ((5, 5, 4, 4), "yes", "")


def test_swapping_the_arms_names_changes_nothing_that_a_rater_sees(lay_out):
    rows = rows_of()
    other = {"base": "tuned", "tuned": "base"}
    one = lay_out(rows, "one", max_questions=9)
    two = lay_out([{**row, "arm": other[row["arm"]]} for row in reversed(rows)], "two", max_questions=9)
    assert one.decks == two.decks
    assert (one.folder / "items.jsonl").read_bytes() == (two.folder / "items.jsonl").read_bytes()
    assert {item: rows[0]["arm"] for item, rows in one.arms.items()} == {
        item: other[rows[0]["arm"]] for item, rows in two.arms.items()
    }


def test_place_in_the_deck_tells_nothing_of_the_arm(lay_out):
    """Over 40 seeds the mean place of an arm's answers is the middle of the deck."""
    places = []
    for seed in range(40):
        plan = lay_out(rows_of(15), "places", seed=seed, repeated_share=0.0)
        deck = plan.decks["anna"]
        places += [place / (len(deck) - 1) for place, item in enumerate(deck) if any(
            row["arm"] == "tuned" for row in plan.arms.get(item, ())
        )]  # fmt: skip
    assert np.mean(places) == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / len(places)))


def test_every_rater_has_an_order_of_her_own_with_all_items_and_her_repeats(lay_out):
    plan = lay_out()
    anna, ben = plan.decks["anna"], plan.decks["ben"]
    assert set(anna) == set(ben) == set(plan.items())
    assert anna != ben
    twice = [item for item in plan.arms if anna.count(item) == 2]
    assert len(twice) == 4 == len(anna) - len(set(anna))
    for item in twice:
        first = anna.index(item)
        assert anna.index(item, first + 1) - first >= len(set(anna)) // 2 - 2
    assert not set(plan.decks["cleo"]) & plan.planted.keys()


def test_answers_to_one_question_do_not_follow_each_other(lay_out):
    plan = lay_out()
    items = plan.items()
    questions = [items[item].question for item in plan.decks["ben"]]
    assert all(one != two for one, two in itertools.pairwise(questions))


def test_a_draw_takes_all_arms_of_a_question_and_keeps_the_topics_shares(lay_out):
    plan = lay_out(max_questions=8)
    drawn = [row for rows in plan.arms.values() for row in rows]
    assert sorted(row["arm"] for row in drawn) == ["base"] * 8 + ["tuned"] * 8
    assert sorted(row["topic"] for row in drawn) == ["a"] * 8 + ["b"] * 8


def test_equal_answers_of_two_arms_are_rated_once_and_count_for_both(lay_out):
    rows = [{"question": "Same?", "answer": "Same.", "arm": arm} for arm in ("x", "y")]
    plan = lay_out(rows)
    assert [sorted(row["arm"] for row in rows) for rows in plan.arms.values()] == [["x", "y"]]


def test_transcripts_answers_and_own_columns_are_read(tmp_path, repository):
    transcripts = write_rows(
        tmp_path / "transcripts.jsonl", [{"id": "p", "arm": "bare", "intent": "dose", "prompt": "Q?", "reply": ""}]
    )
    demo = tmp_path / "answers.json"
    demo.write_text(json.dumps([{"kind": "harmless", "question": "Q?", "answer": "A.", "action": "allow"}]))
    found = read_answers([transcripts, demo], Columns())
    assert [(one.question, one.answer, one.arm, one.topic) for one in found] == [
        ("Q?", "", "bare", "dose"),
        ("Q?", "A.", "answers", "harmless"),
    ]
    assert [one.arm for one in read_answers([transcripts, demo], Columns(only={"kind": "harmless"}))] == ["answers"]
    mine = write_rows(tmp_path / "mine.jsonl", [{"frage": "Q?", "antwort": "secret words", "modell": "m1"}])
    assert read_answers([mine], Columns("frage", "antwort", "modell"))[0].arm == "m1"
    with pytest.raises(InputError, match=r"row 1: no text in question or prompt; the columns are frage") as error:
        read_answers([mine], Columns())
    assert "secret" not in str(error.value)


def test_a_plan_is_made_again_the_same_and_never_under_ratings_of_another(lay_out):
    plan = lay_out()
    before = {path.name: path.read_bytes() for path in plan.folder.iterdir()}
    give(plan, "anna", honest)
    assert lay_out().sha256 == plan.sha256
    assert {name: (plan.folder / name).read_bytes() for name in before} == before
    with pytest.raises(InputError, match="holds ratings"):
        lay_out(seed=4)


def test_a_changed_key_is_noticed(lay_out):
    plan = lay_out()
    (plan.folder / "key.json").write_bytes((plan.folder / "key.json").read_bytes().replace(b'"tuned"', b'"base"'))
    with pytest.raises(InputError, match=r"key\.json is not the file"):
        read_plan(plan.folder)


def test_a_line_cut_off_by_a_kill_loses_nothing_that_was_confirmed(lay_out):
    plan = lay_out()
    file = plan.folder / "ratings" / "anna.jsonl"
    append_rating(plan.folder, "anna", Rating(card=1, seq=1, scores={"safety": 2}))
    with file.open("ab") as stream:
        stream.write(b'{"card": 2, "seq": 1, "sco')
    append_rating(plan.folder, "anna", Rating(card=1, seq=3, scores={"safety": 4}))
    append_rating(plan.folder, "anna", Rating(card=1, seq=2, scores={"safety": 3}))  # late, from a second device
    assert {card: one.scores for card, one in read_ratings(plan.folder, "anna").by_card.items()} == {1: {"safety": 4}}


def test_agreement_reliability_and_arms_are_summed_up(lay_out):
    plan = lay_out()
    give(plan, "anna", honest)
    careless = lambda item, shown: ((5, 5, 5, 5), "yes", "")  # noqa: E731
    give(plan, "ben", careless)
    summary = summarise_review(plan)
    anna, ben = summary["raters"]
    assert (anna["planted"]["bad_found"]["k"], ben["planted"]["bad_found"]["k"]) == (6, 0)
    assert anna["planted"]["good_accepted"]["rate"] == 1
    assert anna["repeated"]["same"]["rate"] == 1
    base, tuned = summary["arms"]
    assert (base["arm"], base["artefacts"], base["questions"]) == ("base", ["basebasebasebase"], 20)
    assert base["by_criterion"]["accuracy"]["mean"] == pytest.approx(4)  # mean of 3 and 5
    assert tuned["by_criterion"]["accuracy"]["mean"] == pytest.approx(5)
    assert (base["helpful"]["k"], tuned["helpful"]["k"]) == (0, 20)  # one of two is no majority
    assert summary["pairs"][0]["difference"]["mean"] == pytest.approx(4.75 - 4.25)
    assert not summary["complete"]
    assert summary["adjudication"]["items"] == summary["items"]["disputed"] == 20
    accuracy = summary["agreement"][0]
    assert (accuracy["criterion"], accuracy["n_units"], accuracy["agreed"]) == ("accuracy", 40, 0.5)
    assert summary == summarise_review(read_plan(plan.folder))


def test_the_adjudicators_word_stands_and_completes_the_review(lay_out):
    plan = lay_out()
    give(plan, "anna", honest)
    give(plan, "ben", lambda item, shown: ((5, 5, 5, 5), "yes", ""))
    wanted = queue(plan, hear(plan))
    for card, item in enumerate(plan.decks["cleo"], start=1):
        if item in wanted:
            rating = Rating(card=card, seq=1, scores=dict.fromkeys(NAMES, 2), helpful="no", correction="Better words.")
            append_rating(plan.folder, "cleo", rating)
    found = {result.item: result for result in results(plan, hear(plan))}
    assert {result.state for result in found.values()} == {"settled"}
    assert all(found[item].unsafe and found[item].scores["accuracy"] == 2 for item in wanted)
    summary = summarise_review(plan)
    assert summary["complete"]
    assert summary["arms"][0]["unsafe"]["k"] == 20


def test_what_nobody_could_judge_is_no_score(lay_out):
    plan = lay_out()
    for rater in plan.raters:
        give(plan, rater, lambda item, shown: ((0, 4, 4, 4), "cannot", ""))
    summary = summarise_review(plan)
    assert summary["arms"][0]["by_criterion"]["accuracy"]["mean"] is None
    assert summary["arms"][0]["helpful"]["k"] == 0
    assert summary["agreement"][0]["cannot_judge"] == 80


def test_a_judge_is_compared_and_its_gaps_are_counted(lay_out, tmp_path):
    plan = lay_out()
    for rater in plan.raters:
        give(plan, rater, honest)
    rows = [{"item": item, "scores": {"accuracy": 5, "safety": None}} for item in sorted(plan.arms)]
    judge = read_judge(write_rows(tmp_path / "judge.jsonl", rows[:-3]), plan)
    accuracy, safety = summarise_review(plan, judge)["judge"]["criteria"][:2]
    assert (accuracy["not_rated"], safety["not_rated"]) == (3, 40)
    assert 0.8 < accuracy["higher_by"]["mean"] < 1.2
    assert safety["alpha"]["value"] is None
    with pytest.raises(InputError, match="not a whole number from 1 to 5"):
        read_judge(write_rows(tmp_path / "bad.jsonl", [{"item": "x", "scores": {"accuracy": 7}}]), plan)


def test_reviewed_answers_go_back_into_collect_with_their_lineage(lay_out, tmp_path):
    plan = lay_out()

    def rate(item, shown):
        scores, helpful, _ = honest(item, shown)
        correct = shown.question == "Invented question 3?"
        return scores, helpful, "A clinician's own words." if correct else ""

    for rater in plan.raters:
        give(plan, rater, rate)
    out = tmp_path / "out"
    counts = export_review(plan, out)
    assert counts["kept"] + counts["corrected"] + counts["dropped"] == counts["reviewed"] == 40
    assert (counts["kept"], counts["corrected"], counts["reasons"]) == (19, 2, {"below_keep": 19})
    kept = [orjson.loads(line) for line in (out / "kept.jsonl").read_bytes().splitlines()]
    assert all(row["arms"] == ["tuned"] and row["item"] == item_id(row["question"], row["answer"]) for row in kept)
    assert "question" not in orjson.loads((out / "dropped.jsonl").read_bytes().splitlines()[0])

    config = CollectConfig.model_validate({"sources": [], **yaml.safe_load((out / "collect.yaml").read_text())})
    collect(config, [one.name for one in config.own], tmp_path / "collect", silent)
    learned = {
        name: list(read_records(tmp_path / "collect" / "records" / f"review-{name}.jsonl"))
        for name in ("kept", "corrected")
    }
    assert [record.target for record in learned["kept"]] == [row["answer"] for row in kept]
    assert {record.target for record in learned["corrected"]} == {"A clinician's own words."}
    assert {record.origin.generator for record in learned["kept"]} == {"base+tuned"}
    assert not any(record.origin.generator for record in learned["corrected"])


RATINGS = {
    "mostly high": (0.05, 0.05, 0.10, 0.45, 0.35),
    "rare harm": (0.01, 0, 0, 0.96, 0.03),
    "two kinds": (0.25, 0, 0, 0, 0.75),
}


@pytest.mark.parametrize("shares", RATINGS.values(), ids=RATINGS)
@pytest.mark.parametrize("n", [30, 100])
def test_a_mean_at_the_bound_passes_in_at_most_one_run_in_twenty(n, shares):
    """Ratings with a mean of exactly 4. Student's bound passes up to 29 %: harm of one in a hundred is often not in the sample."""
    runs = np.random.default_rng(5).choice(np.arange(1, 6), (600, n), p=shares)
    passed = np.mean([mean_of(list(run), (1.0, 5.0)).lower95 > 4 for run in runs])
    assert passed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_a_hundred_high_ratings_show_a_high_mean():
    runs = np.random.default_rng(6).choice(np.arange(1, 6), (200, 100), p=(0, 0, 0.1, 0.5, 0.4))
    assert np.mean([mean_of(list(run), (1.0, 5.0)).lower95 > 4 for run in runs]) > 0.9


def test_the_interval_for_reading_holds_the_mean_as_often_as_it_says():
    runs = np.random.default_rng(5).choice(np.arange(1, 6), (1500, 100), p=RATINGS["mostly high"])
    found = [mean_of(list(run), (1.0, 5.0)).ci95 for run in runs]
    assert np.mean([low <= 4 <= high for low, high in found]) == pytest.approx(0.95, abs=0.02)


def test_a_hundred_equal_ratings_do_not_prove_that_all_are_so():
    found = mean_of([5.0] * 100, (1.0, 5.0))
    assert 4.8 < found.lower95 < 5 - 4 * (1 - 0.05 ** (1 / 100))  # no bound can be higher than what 0 of 100 leaves
    assert mean_of([], (1.0, 5.0)).mean is None
    assert mean_of([5.0], (1.0, 5.0)).lower95 == 1.0
