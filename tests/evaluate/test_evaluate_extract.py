"""Every shape of reply has its expected outcome, and a model that says nothing scores nothing."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from osler.evaluate.benchmarks import parse_benchmark
from osler.evaluate.extract import extract
from osler.evaluate.items import as_item, lettered
from osler.evaluate.score import sample_row

HERE = Path(__file__).parent
SHAPES = yaml.safe_load((HERE / "reply_shapes.yaml").read_text("utf-8"))
LABEL_SHAPES = yaml.safe_load((HERE / "label_shapes.yaml").read_text("utf-8"))
QUESTIONS = (
    ("An invented sailor has bleeding gums after months at sea. Which vitamin is missing?",
     ("Vitamin A", "Vitamin B12", "Vitamin C", "Vitamin D"), 2, 0),
    ("An invented baker wheezes at work and is well on Sundays. What is the best next step in care?",
     ("Spirometry", "Chest CT", "Inhaled corticosteroid and a short-acting beta agonist", "No treatment is needed"), 0, 1),
    ("An invented drummer has a trembling hand at rest. Which cells are lost first, and where do they stand?",
     ("Purkinje cells", "Cells of the substantia nigra", "Motor neurons", "Schwann cells", "Oligodendrocytes"), 1, 3),
)  # fmt: skip
NO_ANSWER = ("several", "refusal", "empty", "echo", "unparsed")


def filled(shape, question):
    stem, options, meant, other = question
    letters = "ABCDEFGHIJ"
    return shape.format(
        L=letters[meant], l=letters[meant].lower(), T=options[meant], M=letters[other], U=options[other],
        Q=stem, O=lettered(options),
    )  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS, ids=("short", "long", "five"))
@pytest.mark.parametrize("shape", SHAPES["answers"])
def test_a_reply_with_an_answer_gives_it(shape, question):
    stem, options, meant, _ = question
    reply = filled(shape, question)
    found = extract(reply, options, f"{stem}\n\n{lettered(options)}")
    assert found.answer == meant, (reply, found)
    assert found.matched not in NO_ANSWER


@pytest.mark.parametrize("question", QUESTIONS, ids=("short", "long", "five"))
@pytest.mark.parametrize(("outcome", "shape"), [(kind, shape) for kind in NO_ANSWER for shape in SHAPES[kind]])
def test_a_reply_without_one_answer_gives_none_and_says_why(outcome, shape, question):
    stem, options, _, _ = question
    reply = filled(shape, question)
    found = extract(reply, options, f"{stem}\n\n{lettered(options)}")
    assert found.answer == -1, (reply, found)
    assert found.matched == outcome, (reply, found)


@pytest.mark.parametrize(("word", "other"), [("yes", "no"), ("no", "maybe"), ("maybe", "yes")])
def test_words_are_read_as_they_are(word, other):
    labels = ("yes", "no", "maybe")
    for kind, shapes in LABEL_SHAPES.items():
        for shape in shapes:
            reply = shape.format(W=word, C=word.capitalize(), V=other)
            found = extract(reply, labels, "Does it help?", labelled=True)
            assert found.answer == (labels.index(word) if kind == "answers" else -1), (reply, found)
            assert kind == "answers" or found.matched == kind, (reply, found)


def test_a_letter_in_a_name_is_no_statement():
    options = ("Hepatitis B", "Hepatitis C", "Hepatitis A")
    assert extract("Hepatitis B is the correct answer.", options).answer == 0
    assert extract("Option B is not correct. Option C is correct.", options).answer == 2


def test_three_hundred_shapes_are_tried():
    shapes = [(kind, shape) for own in (SHAPES, LABEL_SHAPES) for kind, shapes in own.items() for shape in shapes]
    assert len(shapes) >= 300


@given(st.text(max_size=400), st.lists(st.text(max_size=30), min_size=2, max_size=10))
def test_reading_never_raises_and_never_names_an_option_that_is_not_there(reply, options):
    assert -1 <= extract(reply, options, "A question?").answer < len(options)


@pytest.mark.parametrize(
    "model",
    [
        lambda item: "I'm sorry, but I can't help with that.",
        lambda item: "",
        lambda item: item.conversation[-1].content,
        lambda item: item.record.question,
        lambda item: lettered(item.options),
    ],
    ids=["refuses", "empty", "echo", "echo of the stem", "echo of the options"],
)
@pytest.mark.parametrize(
    "spec", ["medqa:validation@generate", "medmcqa:validation@generate", "pubmedqa:train@generate", "mmlu-med@generate"]
)
def test_models_that_do_not_answer_have_nothing_right_on_real_questions(spec, model, real_records):
    asked = parse_benchmark(spec)
    records = [r for r in real_records(asked.benchmark.source) if r.split == asked.split][:400]
    assert len(records) >= 200
    right = 0
    for record in records:
        item = as_item(asked, record)
        right += sample_row(asked, item, [model(item)])["right"]
    assert right == 0


def test_an_always_right_model_is_read_right_on_real_questions(real_records):
    for spec in ("medqa:validation@generate", "medmcqa:validation@generate", "mmlu-med@generate"):
        asked = parse_benchmark(spec)
        for record in [r for r in real_records(asked.benchmark.source) if r.split == asked.split][:400]:
            item = as_item(asked, record)
            letter = "ABCDEFGHIJ"[item.gold]
            for reply in (
                letter,
                f"The answer is ({letter}).",
                f"The correct answer is {letter}. {item.options[item.gold]}",
            ):
                row = sample_row(asked, item, [reply])
                assert row["right"], (record.id, row["matched"])
