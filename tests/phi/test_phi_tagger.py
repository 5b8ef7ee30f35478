"""The tagger: its weights are what the package says, its features mean what they say, and its memory changes nothing."""

import numpy as np
import pytest

from osler.phi import find, replace, residual_risk
from osler.phi.features import REACH, TABLE_BITS, TOKEN, capitals_around, case_of, describe
from osler.phi.tagger import GIVEN, LABELS, LOWER, TOWN, load_tagger


def test_names_towns_and_hospitals_are_found_without_any_title_or_field():
    text = (
        "yesterday Oluwaseun Adebayo came with her sister from Ibadan; she was treated at Greenfield Memorial Hospital"
    )
    assert (
        replace(text, find(text)) == "yesterday [NAME] came with her sister from [CITY]; she was treated at [HOSPITAL]"
    )


@pytest.mark.parametrize(
    "text",
    [
        "my name is zsófia nagy, thanks",
        "THIS IS DR. THANDIWE NKOSI DICTATING ON RADOSLAV PETKOV.",
        "Pt's niece Xochitl will drive him home.",
        "hi it's mehmet, can you call me back?",
    ],
)
def test_names_of_many_countries_are_found_in_any_case(text: str):
    names = {"zsófia", "nagy", "thandiwe", "nkosi", "radoslav", "petkov", "xochitl", "mehmet", "ayşe"}
    assert names.isdisjoint(replace(text, find(text)).lower().replace(",", " ").replace(".", " ").split())


def test_word_lists_hold_their_words():
    lists = load_tagger().lists
    assert lists.of("Maria") & GIVEN
    assert lists.of("Boston") & TOWN
    assert lists.of("pain") & LOWER
    assert not lists.of("qqqzzz")


def test_forgetting_changes_nothing():
    tagger = load_tagger()
    text = "Ms. Roe of Leeds saw John Doe at St. Example's Hospital on 3 May."
    before = tagger.tag(text)
    tagger._forget()
    after = tagger.tag(text)
    assert np.array_equal(before.labels, after.labels)
    assert np.array_equal(before.margins, after.margins)


@pytest.mark.parametrize("n", [1, 2, 5, 13, 40])
def test_capitals_are_counted_among_the_words_around(n: int):
    shapes = np.random.default_rng(n).integers(0, 4, n)
    for i, got in enumerate(capitals_around(np.array([case_of(token) for token in (".", "x", "Xx", "XX")])[shapes].T)):
        near = shapes[max(0, i - 12) : i + 13]
        words, capitalised, upper = (int((near >= least).sum()) for least in (1, 2, 3))
        assert got == (2 if upper * 2 > words else int(capitalised * 12 > words))


def test_features_point_into_the_table():
    for token in ("Kowalsky", "x", "1234567890123", "?", "\n", "_", "Ö" * 500):
        described = describe([token], [255])
        for rows in (described.own, described.beside):
            assert rows.min() >= 0
            assert rows.max() < 1 << TABLE_BITS
        assert described.beside.shape[1] == 2 * REACH + 1


def test_tokens_cover_every_mark_but_spaces():
    text = "O'Neil-Smith's 12mg,\n\tŻółć!_ a"
    assert "".join(TOKEN.findall(text)) == "".join(text.replace("\n", "\0").split()).replace("\0", "\n")


def test_risk_is_high_where_an_identifier_stands_and_low_where_none_does():
    assert residual_risk("The patient is John Smith of Boston.") > 0.9
    assert residual_risk("Take 5 mg of it twice a day with water.") < 0.1
    assert residual_risk("") == 0.0


def test_labels_and_shipped_weights_agree():
    assert load_tagger()._weights.shape == (1 << TABLE_BITS, len(LABELS))
