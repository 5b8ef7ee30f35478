"""How texts are read: canonical form, disguises, mistyped words, and the gate before the rules."""

import random
from datetime import date

import pytest

from osler.guard.gate import Gate, split_outside
from osler.guard.load import load_policy
from osler.guard.normalize import is_ended, mended, views
from osler.guard.patterns import Compiler
from osler.guard.policy import Policy
from osler.guard.vocabulary import vocabulary_of

WORDS = vocabulary_of(["kill myself surgery perform suicide insulin medicine tonight stop taking home want should"])


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("education", date(2026, 1, 1))


def plain(text: str) -> str:
    return views(text, {}, WORDS)[0].text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("I can't breathe!  Help  me", "i can not breathe\nhelp me"),
        ("He's ill; dad's asleep.", "he is ill dad asleep"),
        ("Take 2.5mg, not 1,000 mg", "take 2.5 mg not 1,000 mg"),
        ("self-harm", "self harm"),
        ("Dr. Smith said no. Why?", "dr smith said no\nwhy"),
        ("one\ntwo\n\nthree", "one two\nthree"),
        ("DON’T", "do not"),
        ("…", ""),
    ],
)
def test_canonical_form(text, canonical):
    assert plain(text) == canonical


def test_canonical_form_of_canonical_form_is_itself(policy):
    for rule in policy.rules:
        for text in rule.tests.match:
            once = plain(text)
            assert plain(once.replace("\n", ". ")) == once


def test_a_plain_text_has_one_view():
    assert [view.name for view in views("What is asthma?", {}, WORDS)] == ["plain"]
    assert [view.name for view in views("Is 500mg of b12 fine?", {}, WORDS)] == ["plain"]


def test_spelled_out_words_are_found_without_gaps_between_them():
    readings = [view.text for view in views("k i l l m y s e l f t o n i g h t", {}, WORDS)]
    assert "kill myself tonight" in readings


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("suicde", "suicide"),
        ("sucide", "suicide"),
        ("inuslin", "insulin"),
        ("medicinne", "medicine"),
        ("madicine", "medicine"),
    ],
)
def test_one_slip_is_mended(typed, meant):
    assert WORDS.mend_all([typed]) == {typed: meant}


@pytest.mark.parametrize("word", ["insulin", "kil", "asthma", "zuicide", "medicines and", "x" * 50, ""])
def test_known_short_and_distant_words_are_left_alone(word):
    assert WORDS.mend_all([word]) == {}


def test_mended_text_is_another_reading():
    view = mended(views("i want sugrery now", {}, WORDS)[0], {}, WORDS)
    assert view is not None
    assert view.text == "i want surgery now"
    assert mended(views("i want surgery", {}, WORDS)[0], {}, WORDS) is None


def test_a_gap_stays_in_its_sentence_and_counts_words():
    pattern = Compiler({}).compile("chest ~2 pain").expression
    assert pattern.search("chest pain")
    assert pattern.search("chest has some pain")
    assert not pattern.search("chest has got some pain")
    assert not pattern.search("chest\npain")


def test_long_word_lists_match_as_the_same_words_written_out():
    names = [f"drug{letter}" for letter in "abcdefghijklmnop"]
    long = Compiler({"drug": ", ".join(names)})
    text = views("stop my drugc now", long.marks, WORDS)[0].text
    assert long.compile("stop ~2 {drug} now").expression.search(text)
    assert long.compile("my ~1 now").expression.search(text)
    assert not long.compile("stop {drug}").expression.search(text)


def test_a_list_in_a_list_matches_also_at_the_end_of_a_sentence():
    names = [f"drug{letter}" for letter in "abcdefghijklmnop"]
    compiler = Compiler({"drug": ", ".join(names), "medicine": "{drug}, tablets"})
    pattern = compiler.compile("stop {medicine}$")
    for text, expected in (("stop drugc", True), ("stop tablets", True), ("stop drugc now", False)):
        read = views(text, compiler.marks, WORDS)[0]
        assert (pattern.find(read.text) is not None) is expected
        assert pattern.need & ~compiler.gate.present(read.sentences[0], compiler.marks) == 0


def test_the_gate_never_hides_a_match(policy):
    """Every expression that matches a text has its bits set by that text."""
    rng = random.Random(3)
    rules = (*policy.rules, *policy.output_rules)
    texts = [text for rule in rules for text in (*rule.tests.match, *rule.tests.no_match)]
    patterns = [pattern for rule in rules for pattern in (*rule.any, *rule.also, *rule.unless)]
    for text in rng.sample(texts, 120):
        view = views(text, policy.marks, policy.vocabulary)[0]
        present = policy.gate.present({word for words in view.sentences for word in words}, policy.marks)
        for pattern in patterns:
            if pattern.need & ~present:
                assert not pattern.expression.search(view.text)


def test_most_patterns_have_a_gate(policy):
    patterns = [pattern for rule in policy.rules for pattern in rule.any]
    assert sum(pattern.need == 0 for pattern in patterns) < 0.05 * len(patterns)


def test_places_that_may_stay_empty_need_nothing():
    gate = Gate()
    assert gate.need("(very )?ill", {}) & ~gate.present(["ill"], {}) == 0
    assert gate.need("pain ?killers?", {}) & ~gate.present(["painkiller"], {}) == 0
    assert gate.need("a|b", {}) == 0
    assert split_outside("a (b c) d", " ") == ["a", "(b c)", "d"]


def test_words_of_the_language_are_not_mended(policy):
    assert policy.vocabulary.mend_all(["lithum", "heart", "garden", "zqxwvut"]) == {"lithum": "lithium"}


@pytest.mark.parametrize("before", ["Rest. ", "Is it? ", 'He said "wait." ', "(See page four.)\n", "Drink a lot!  "])
def test_where_a_sentence_is_ended_the_next_is_read_as_alone(before):
    assert is_ended(before)
    assert plain(before + "take two tablets").split("\n")[-1] == "take two tablets"


@pytest.mark.parametrize("before", ["Ask Dr. ", "Take 20. ", "as follows: ", "a line\n", "no end", ""])
def test_where_no_sentence_surely_ended_what_stood_before_is_read_too(before):
    assert not is_ended(before)
