"""A user's own benchmark: every mistake is named by file, row and field, and never by its text."""

import json

import pytest

from osler.errors import InputError
from osler.evaluate.benchmarks import parse_benchmark, questions_for
from osler.evaluate.items import as_item
from osler.evaluate.own import load_own


def written(folder, rows, **facts):
    given = {"name": "ward-quiz", "file": "rows.jsonl", "attribution": "Ward 7.", **facts}
    (folder / "own.yaml").write_text(json.dumps(given))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "own.yaml"


@pytest.mark.parametrize("answer", [1, "B", "b", "Rest", " rest "])
def test_answers_are_numbers_letters_or_texts(tmp_path, answer):
    row = {"stem": "What helps?", "options": {"A": "Aspirin", "B": "Rest"}, "key": answer, "area": "general"}
    fields = {"question": "stem", "choices": "options", "answer": "key", "subject": "area"}
    benchmark, records = load_own(written(tmp_path, [row], fields=fields))
    assert (records[0].choices, records[0].answer, records[0].subject) == (("Aspirin", "Rest"), 1, "general")
    asked = parse_benchmark("ward-quiz@letters-0shot", [benchmark])
    assert questions_for(asked, lambda source: records).records == records
    assert as_item(asked, records[0]).prompt.prefix == "Question: What helps?\nA. Aspirin\nB. Rest\nAnswer:"


def test_words_and_open_answers_may_be_asked_too(tmp_path):
    yesno = written(
        tmp_path,
        [{"question": "Does it help?", "answer": "no", "context": "It did not."}],
        task="yesno",
        labels=["yes", "no"],
    )
    benchmark, records = load_own(yesno)
    item = as_item(parse_benchmark("ward-quiz", [benchmark]), records[0])
    assert (item.gold, item.prompt.continuations) == (1, (" yes", " no"))
    opened = written(
        tmp_path, [{"question": "What is gout?", "answer": "Crystals.", "must_have": ["Crystals"]}], task="open"
    )
    benchmark, records = load_own(opened)
    assert records[0].rationale == "- Crystals"
    assert parse_benchmark("ward-quiz", [benchmark]).score_name == "ward-quiz@generate"


@pytest.mark.parametrize(
    ("rows", "facts", "words"),
    [
        ([{"question": "q", "choices": ["a", "b"], "answer": 2}], {}, "line 1: answer"),
        ([{"question": "q", "choices": ["xx", "xx"], "answer": "xx"}], {}, "line 1: answer"),
        ([{"question": "q", "choices": ["a"], "answer": 0}], {}, "line 1: choices"),
        ([{"question": " ", "choices": ["a", "b"], "answer": 0}], {}, "line 1: question"),
        ([], {"name": "medqa"}, "a benchmark that ships"),
        ([], {"name": "Ward Quiz"}, "name"),
        ([], {"labels": ["yes"]}, "labels"),
        ([], {"task": "yesno", "labels": ["yes"]}, "two or more"),
        ([], {"task": "yesno", "labels": ["yes", "yes"]}, "each once"),
        ([], {"task": "yesno", "labels": ["Yes", "No"]}, "labels.0"),
        ([], {"task": "yesno", "labels": [True, False]}, 'write them as "yes" and "no"'),
        ([], {"colour": "red"}, "colour"),
    ],
)
def test_mistakes_are_named(tmp_path, rows, facts, words):
    with pytest.raises(InputError, match=words):
        load_own(written(tmp_path, rows, **facts))
