"""Answers from curated records: word for word with no model, as material with one; and what may not leave this machine stays."""

import json
from dataclasses import replace

import pytest

from osler.errors import InputError
from osler.models.protocol import Conversation
from osler.records.record import Message, Origin, Record, record_id
from osler.runs.files import write_json
from osler.serve.backend import Draft
from osler.serve.library import Library, LibraryBackend
from osler.serve.start import start

ASTHMA = "What are the symptoms of asthma?"
TOLD = "Asthma makes people wheeze, cough and feel short of breath. It often begins in childhood."


def record(question, answer, access="open"):
    origin = Origin("medquad", question, license="CC-BY-4.0", access=access, url=f"https://example.org/{len(question)}")
    turns = (Message("user", question), Message("assistant", answer))
    return Record(record_id("medquad", question), "qa", turns, origin)


RECORDS = [
    record(ASTHMA, TOLD),
    record("How is scurvy treated?", "Scurvy is treated with vitamin C."),
    record("What causes gallstones?", "Gallstones form when bile holds too much cholesterol."),
    record("What is the outlook for measles?", "Most people get over measles.", access="credentialed"),
]


class Told:
    """A model that remembers what it was given."""

    def __init__(self):
        self.given = []

    def draft(self, conversation: Conversation, max_tokens: int, traceparent: str = "") -> Draft:
        self.given.append(conversation)

        async def pieces():
            yield "It depends."

        return Draft(pieces())

    async def is_up(self):
        return True

    async def close(self):
        pass


@pytest.fixture
def with_library(make_bench):
    def make(backend, library=None):
        bench = make_bench()
        bench.guard.backend, bench.guard.library = backend, library
        return bench

    return make


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_model_the_record_is_said_word_for_word_and_cited(with_library, stream):
    bench = with_library(LibraryBackend(Library(RECORDS, 3)))
    response = bench.ask(ASTHMA, stream=stream)
    if stream:
        events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: {")]
        text, decision = "".join(e["choices"][0]["delta"].get("content", "") for e in events), events[-1]["osler"]
    else:
        text, decision = response.json()["choices"][0]["message"]["content"], response.json()["osler"]
    assert text == TOLD
    cited = {"id": RECORDS[0].id, "source": "medquad", "license": "CC-BY-4.0", "url": RECORDS[0].origin.url}
    assert decision["sources"] == [cited]


def test_without_a_model_a_question_that_no_record_asks_gets_no_answer_and_no_source(with_library):
    bench = with_library(LibraryBackend(Library(RECORDS, 3)))
    body = bench.ask("Who invented the stethoscope?").json()
    assert "holds no answer" in body["choices"][0]["message"]["content"]
    assert "sources" not in body["osler"]


def test_an_empty_library_is_not_served(tmp_path):
    write_json(tmp_path / "recipe.json", {"model": {}, "guard": {}, "serve": {"backend": "library", "port": 0}})
    write_json(tmp_path / "curate" / "done", {"files": {}})
    with pytest.raises(InputError, match="no curated questions"):
        start(tmp_path, None, (), None, lambda _: None)


def test_the_model_is_given_what_was_found_below_our_rules_and_the_answer_cites_it(with_library):
    model = Told()
    bench = with_library(model, Library(RECORDS, 1))
    body = bench.ask(ASTHMA).json()
    system, user = model.given[0]
    assert (system.role, user.content) == ("system", ASTHMA)
    assert system.content.startswith("OUR RULES\n\n")
    assert f"[1] (medquad) {TOLD}" in system.content
    assert [one["id"] for one in body["osler"]["sources"]] == [RECORDS[0].id]


def test_the_model_is_given_nothing_where_nothing_bears_on_the_question(with_library):
    model = Told()
    body = with_library(model, Library(RECORDS, 3)).ask("Who invented the stethoscope?").json()
    assert model.given[0][0].content == "OUR RULES"
    assert "sources" not in body["osler"]


def test_a_fixed_reply_cites_nothing(with_library):
    bench = with_library(Told(), Library([record("Is chest pain dangerous?", "It can be.")], 3))
    assert "sources" not in bench.ask("Is chest pain dangerous?").json()["osler"]


def test_passages_that_do_not_fit_beside_conversation_and_reply_are_left_out():
    long = [record(f"What is asthma, part {n}?", "Asthma narrows the airways. " * 40) for n in range(3)]
    library = Library(long, 3, n_context=1200)
    turns = (Message("user", "What is asthma?"),)
    found = library.find("What is asthma?")
    assert len(found) == 3
    assert len(library.fitting(turns, 100, found)) == 1
    assert library.fitting(turns, 1100, found) == ()
    assert len(Library(long, 3).fitting(turns, 1100, found)) == 3  # where the server alone knows its context


@pytest.mark.parametrize("access", ["application", "credentialed"])
def test_records_that_may_not_leave_this_machine_are_left_out_where_answers_leave_it(access):
    rows = [*RECORDS[:3], replace(RECORDS[3], origin=replace(RECORDS[3].origin, access=access))]
    question = "What is the outlook for measles?"
    assert Library(rows, 3, may_leave=False).answer(question).id == RECORDS[3].id
    away = Library(rows, 3, may_leave=True)
    assert len(away) == 3
    assert away.answer(question) is None
    assert RECORDS[3].id not in [one.id for one in away.find(question)]
