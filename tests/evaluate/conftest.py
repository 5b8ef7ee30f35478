"""Invented questions and small stand-ins for models."""

import pytest

from osler.records.record import Message, Origin, Record, record_id

TOPICS = ("heart", "lung", "kidney", "liver", "skin", "bone", "eye", "ear", "nerve", "blood", "gut", "joint")


@pytest.fixture(scope="session")
def choice_record():
    """Makes an invented choice question; the number decides its words and its answer."""

    def make(number: int, source: str = "medqa", split: str = "test", answer: int | None = None) -> Record:
        topic = TOPICS[number % len(TOPICS)]
        stem = f"Invented question {number}: patient {number * 7} asks which organ number {number + 3} is the {topic}?"
        return Record(
            id=record_id(source, str(number)),
            task="choice",
            messages=(Message("user", stem),),
            origin=Origin(source, str(number)),
            choices=tuple(f"Option {number}{letter}{'x' * place}" for place, letter in enumerate("pqrs")),
            answer=number % 4 if answer is None else answer,
            split=split,
        )

    return make


@pytest.fixture(scope="session")
def yesno_record():
    """Makes an invented yes/no/maybe question with two passages."""

    def make(number: int, label: str, split: str = "test") -> Record:
        return Record(
            id=record_id("pubmedqa", str(number)),
            task="yesno",
            messages=(Message("user", f"Does invented remedy {number} help trial {number * 3}?"),),
            origin=Origin("pubmedqa", str(number)),
            context=(
                f"We gave remedy {number} to {number + 40} volunteers.",
                f"Group {number} did as group {number + 1}.",
            ),
            choices=("yes", "no", "maybe"),
            answer=("yes", "no", "maybe").index(label),
            split=split,
        )

    return make


class FunctionScorer:
    """Log-likelihoods from a function of the prompt; remembers how many prompts each call had."""

    def __init__(self, function):
        self.function = function
        self.calls = []

    def log_likelihoods(self, prompts):
        self.calls.append(len(prompts))
        return [tuple(self.function(prompt)) for prompt in prompts]


@pytest.fixture(scope="session")
def scorer_of():
    """Makes a scorer from a function of a prompt."""
    return FunctionScorer


@pytest.fixture(scope="session")
def hashed_scorer():
    """Makes a scorer whose answers look random and are the same for the same prompt."""
    from osler.text import hash64

    def make(salt: str):
        return FunctionScorer(
            lambda prompt: [-(hash64(salt + prompt.prefix + end) % 10_007) / 997 for end in prompt.continuations]
        )

    return make


@pytest.fixture(scope="session")
def real_records(shared_data, tmp_path_factory):
    """The records of a source's real files, read once."""
    from osler.records.io import JsonlWriter, read_records
    from osler.runs.progress import silent
    from osler.sources.catalog import source_named
    from osler.sources.collect import Copy, collect_source

    folder = tmp_path_factory.mktemp("real")
    known = {}

    def read(name: str) -> list[Record]:
        if name not in known:
            with JsonlWriter(folder / f"{name}_aside.jsonl") as aside:
                collect_source(Copy(source_named(name), shared_data, ()), folder, aside, silent)
            known[name] = list(read_records(folder / "records" / f"{name}.jsonl"))
        return known[name]

    return read
