"""Benchmark text does not reach the training set."""

import pytest

_ITEM = (
    "A 62-year-old woman comes to the clinic with a three week history of progressive shortness of breath and swelling of both ankles "
    "after stopping her water tablets. Which finding on examination would most strongly support heart failure?"
)
_ANSWER = "A raised jugular venous pressure supports it."


@pytest.fixture
def benchmark(record):
    other = [
        record(
            f"other {i}", f"Which of the following is the most likely diagnosis in patient number {i} of all?", "x" * 12
        )
        for i in range(9)
    ]
    return {"exam": [record("item", _ITEM, "", source="exam"), *other]}


def test_a_verbatim_question_is_dropped(record, run, tmp_path, benchmark):
    leak, clean = record("1", _ITEM, _ANSWER), record("2", "What is a cold?", "An infection of the nose.")
    result = run([leak, clean], tmp_path, benchmarks=benchmark)
    assert result.reason(leak) == "benchmark_question"
    assert not result.reason(clean)
    assert result.counts["overlap"] == [{"benchmark": "exam", "items": 10, "items_touched": 1, "records_dropped": 1}]


@pytest.mark.parametrize(
    "question",
    [
        _ITEM.replace("62-year-old", "61-year-old").replace("three week", "four week"),
        _ITEM[: len(_ITEM) // 2],
        "Please solve this one for me. " + _ITEM + " Thank you.",
        _ITEM.upper().replace(",", ""),
    ],
)
def test_reworded_and_half_quoted_questions_are_dropped(record, run, tmp_path, benchmark, question):
    leak = record("1", question, _ANSWER)
    assert run([leak], tmp_path, benchmarks=benchmark).reason(leak) in {"benchmark_text", "benchmark_question"}


def test_a_question_quoted_in_an_answer_is_dropped(record, run, tmp_path, benchmark):
    leak = record("1", "Give me a question to practise.", f"Here is one: {_ITEM}")
    assert run([leak], tmp_path, benchmarks=benchmark).reason(leak) == "benchmark_text"


def test_a_passage_of_a_benchmark_is_dropped(record, run, tmp_path):
    item = record("i", "Does it help?", "", source="exam", context=(_ITEM,))
    leak = record("1", "Summarise the study.", _ITEM)
    assert run([leak], tmp_path, benchmarks={"exam": [item]}).reason(leak) == "benchmark_text"


def test_the_boilerplate_of_a_benchmark_proves_nothing(record, run, tmp_path, benchmark):
    harmless = record("1", "Which of the following is the most likely diagnosis in patient number of mine?", _ANSWER)
    assert not run([harmless], tmp_path, benchmarks=benchmark).reason(harmless)


def test_an_instruction_shared_by_items_is_no_question_of_theirs(record, run, tmp_path):
    items = [record(f"i{i}", "Summarise the note.", "", source="exam", context=(f"Note {i}",)) for i in range(3)]
    harmless = record("1", "Summarise the note.", _ANSWER, context=("Another note altogether",))
    assert not run([harmless], tmp_path, benchmarks={"exam": items}).reason(harmless)


def test_a_benchmarks_own_record_is_dropped_by_its_id(record, run, tmp_path):
    item = record("same row", "Short?", _ANSWER)
    leak = record("same row", "Quite another wording", _ANSWER)
    assert run([leak], tmp_path, benchmarks={"exam": [item]}).reason(leak) == "benchmark_item"


def test_switched_off_it_drops_nothing_and_still_counts_items(record, run, tmp_path, benchmark):
    leak = record("1", _ITEM, _ANSWER)
    result = run([leak], tmp_path, {"decontaminate": {"enabled": False}}, benchmarks=benchmark)
    assert not result.dropped
    assert result.counts["overlap"][0]["items"] == 10


def test_no_detail_holds_text_of_the_benchmark(record, run, tmp_path, benchmark):
    result = run([record("1", _ITEM, _ANSWER)], tmp_path, benchmarks=benchmark)
    assert all("clinic" not in row["detail"] for row in result.dropped.values())


_OPTIONS = ("Adrenal cortex", "Adrenal medulla", "Thyroid gland", "All of the above")


@pytest.mark.parametrize(
    ("question", "options", "reason"),
    [
        ("Aldosterone is chiefly made in:", _OPTIONS[::-1], "benchmark_options"),
        ("Aldosterone is chiefly made in:", (*_OPTIONS[:3], "None of these"), "benchmark_options"),
        ("Insulin comes from where?", _OPTIONS, ""),
        ("Aldosterone is chiefly made in:", ("Adrenal cortex", "Pancreas", "Liver", "Spleen"), ""),
    ],
)
def test_a_short_question_is_known_by_its_options(record, run, tmp_path, question, options, reason):
    choice = {"task": "choice", "answer": 0}
    item = record("i", "Aldosterone is mainly made in:", "", source="exam", choices=_OPTIONS, **choice)
    leak = record("1", question, "", choices=options, **choice)
    assert run([leak], tmp_path, benchmarks={"exam": [item]}).reason(leak) == reason


def test_a_short_question_with_more_said_is_dropped(record, run, tmp_path):
    item = record("i", "Where is aldosterone made?", "", source="exam")
    leak = record("1", "Hello. Where is aldosterone made? The answer is the adrenal cortex.", _ANSWER)
    in_answer = record("2", "What may a student ask?", "Where is aldosterone made? That is one.")
    result = run([leak, in_answer], tmp_path, benchmarks={"exam": [item]})
    assert result.reason(leak) == "benchmark_question"
    assert not result.reason(in_answer)


def test_a_question_of_three_words_is_known_by_its_right_option(record, run, tmp_path):
    item = record("i", "Aldosterone comes from:", "", source="exam", task="choice", choices=_OPTIONS, answer=0)
    leak = record("1", "Aldosterone comes from: The answer is adrenal cortex", "As was said.")
    answered = record("2", "Aldosterone comes from where?", "It is made by the adrenal cortex.")
    other = record("3", "Aldosterone comes from which steroid?", "It is made of cholesterol.")
    result = run([leak, answered, other], tmp_path, benchmarks={"exam": [item]})
    assert result.reason(leak) == result.reason(answered) == "benchmark_question"
    assert not result.reason(other)


def test_items_are_compared_as_cleaning_writes_records(record, run, tmp_path):
    item = record("i", "The aery of hypeension?", "", source="medmcqa")
    leak = record("1", "The artery of hypertension?", _ANSWER)
    assert run([leak], tmp_path, benchmarks={"exam": [item]}).reason(leak) == "benchmark_question"
