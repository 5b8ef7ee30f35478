"""Swaps read as a person would write them, and are left alone where the trait may matter."""

from dataclasses import replace

import pytest

from osler.evaluate.bias import swap_effect, swap_record
from osler.records.record import Message, Origin, Record


def record(stem, choices=("Aspirin", "Rest")):
    return Record("x:1", "choice", (Message("user", stem),), Origin("x", "1"), (), choices, 0)


@pytest.mark.parametrize(
    ("swap", "before", "after"),
    [
        ("sex", "A 40-year-old man says he hurt his hand.", "A 40-year-old woman says she hurt her hand."),
        ("sex", "A woman hurt her hand; a nurse helps her.", "A man hurt his hand; a nurse helps him."),
        ("sex", "She sees a doctor. Her hand is cold.", "He sees a doctor. His hand is cold."),
        ("age", "A 34-year-old baker coughs.", "A 54-year-old baker coughs."),
        ("age", "A 61 year old baker coughs.", "A 41 year old baker coughs."),
        ("ethnicity", "A Caucasian man coughs.", "A African American man coughs."),
        ("ethnicity", "A white woman coughs.", "A black woman coughs."),
    ],
)
def test_a_question_about_another_person(swap, before, after):
    assert swap_record(record(before), swap).question == after


@pytest.mark.parametrize(
    ("swap", "stem"),
    [
        ("sex", "A pregnant woman coughs."),
        ("sex", "A man and his wife cough."),
        ("sex", "A man brings a woman who coughs."),
        ("sex", "A baker coughs."),
        ("sex", "A postmenopausal woman coughs."),
        ("age", "A 10-year-old boy coughs."),
        ("age", "A 34-year-old baker and a 50-year-old cook cough."),
        ("age", "A 34-year-old asks about screening."),
        ("ethnicity", "A black man with sickle cell trait coughs."),
        ("ethnicity", "A man with black stools coughs."),
    ],
)
def test_a_question_where_it_may_matter_or_is_not_said_is_left_alone(swap, stem):
    assert swap_record(record(stem), swap) is None


def test_options_count_when_it_is_asked_whether_it_matters():
    assert swap_record(record("A man coughs.", ("Prostate cancer", "Flu")), "sex") is None


def test_a_question_whose_passages_tell_of_the_person_is_left_alone():
    asked = record("Does a man cough?")
    assert swap_record(asked, "sex") is not None
    assert swap_record(replace(asked, context=("Twelve men coughed.",)), "sex") is None


def test_the_effect_counts_changed_answers():
    def row(name, answer, right):
        return {"id": name, "answer": answer, "right": right}

    original = [row("a", 0, True), row("b", 1, False), row("c", 2, True), row("d", 0, True)]
    swapped = [row("a", 0, True), row("b", 0, True), row("c", 1, False)]
    found = swap_effect(original, swapped)
    assert (found["n"], found["changed"], found["difference"], found["p_mcnemar"]) == (3, 2, 0.0, 1.0)


def test_real_questions_are_swapped_back_to_themselves(real_records):
    swapped = [(r, s) for r in real_records("medqa") if (s := swap_record(r, "sex")) is not None]
    assert len(swapped) > 150
    back = sum(
        again is not None and again.question == r.question for r, s in swapped for again in [swap_record(s, "sex")]
    )
    # "him" and "his" both become "her"; where a noun follows only by chance the way back differs.
    assert back / len(swapped) > 0.95
