"""A server judges in several threads at once, and forgets words when it has met too many."""

import sys
import threading

import numpy as np
import pytest

from osler.guard import classify
from osler.guard.classify import WEIGHTS, load_classifier, word_sums

TEXTS = [
    [tuple(f"{first} {word} zq{first[:1]}{word[:3]} {last} xv{last[:2]}{word[-3:]}".split())]
    for first in ("can i stop my", "what are the side effects of", "how do i get rid of", "my father has")
    for word in (
        "warfarin",
        "metformin",
        "insulin",
        "sertraline",
        "crushing pain",
        "asthma",
        "a rash",
        "gout",
        "lithium",
    )
    for last in ("tablets before surgery", "when i feel better", "and is it dangerous")
]


@pytest.fixture
def forgetful(monkeypatch):
    """A classifier that keeps few words, while threads take turns as often as they can."""
    monkeypatch.setattr(classify, "_MAX_KNOWN", 24)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield load_classifier.__wrapped__(WEIGHTS)
    sys.setswitchinterval(interval)


def test_threads_that_judge_at_once_score_as_one_alone(forgetful):
    alone = [load_classifier().guess(text) for text in TEXTS]
    wrong, failed = [], []

    def judge():
        try:
            for _ in range(6):
                for text, right in zip(TEXTS, alone, strict=True):
                    guess = forgetful.guess(text)
                    if guess.intent != right.intent or abs(guess.score - right.score) > 1e-4:
                        wrong.append(text)
        except KeyError as error:
            failed.append(error)

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, failed) == ([], [])


def test_what_the_file_knows_of_a_word_is_what_its_letters_give():
    with np.load(WEIGHTS) as file:
        words = str(file["words"]).split(" ")
        some = slice(0, None, 97)
        worked_out = word_sums(words[some], file["weights"])
        for name in ("sums", "counts", "hashes"):
            assert (file[name][some] == getattr(worked_out, name)).all()
