"""What a generated record must hold: quotes that stand on the page, numbers that are there, words of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.documents.page import Block, Page
from osler.synth.passage import Passage, passages_of
from osler.synth.verify import find_quote, foreign_numbers, is_copied, leans_on_page
from osler.text import words

TEXT = "Adults take 0.5 mg of adrenaline into the thigh. Repeat after five to 15 minutes if there is no change. Do not wait."
PASSAGE = Passage("p", "doc.pdf", 3, 100, 100 + len(TEXT), "", TEXT)


@pytest.mark.parametrize(
    ("quote", "similarity"),
    [
        ("Adults take 0.5 mg of adrenaline into the thigh.", 1.0),
        ("adults take 0.5 MG of adrenaline   into the thigh", 1.0),
        ("Repeat after five to 15 minutes if there is no real change", 0.9),
        ("Adults take 0.3 mg of adrenaline into the thigh.", None),
        ("Repeat after five to 15 minutes if there is a change. Do wait.", None),
        ("Repeat after five to 15 minutes unless there is no change", None),
        ("Children rest in bed for a day.", None),
        ("", None),
    ],
)
def test_a_quote_stands_word_for_word_or_aligned_and_never_with_another_number_or_negation(
    quote: str, similarity: float | None
):
    found = find_quote(quote, [PASSAGE], at_least=0.9)
    assert (found.similarity if found else None) == (pytest.approx(similarity, abs=0.02) if similarity else None)
    if found and similarity == 1.0:
        assert words(TEXT[found.start - 100 : found.end - 100]) == words(quote)


@pytest.mark.parametrize(
    ("answer", "foreign"),
    [
        ("Inject 0.5 mg into the thigh.", []),
        ("1. Inject 0.5mg.\n2. Repeat after 5 minutes.\n3. Repeat after 15 minutes.", []),
        ("Repeat after 5-15 minutes.", []),
        ("Inject 5 mg.", ["5 mg"]),
        ("Inject 0.5 ml.", ["0.5 ml"]),
        ("Wait for 20 minutes.", ["20 minute"]),
        ("Call 911.", []),
        ("Wait for ten minutes.", ["10 minute"]),
        ("Press seventy or eighty times.", ["70 time", "80 time"]),
    ],
)
def test_numbers_and_units_must_stand_in_the_passage(answer: str, foreign: list[str]):
    assert foreign_numbers(answer, TEXT, allowed=("911",)) == foreign


@pytest.mark.parametrize(
    ("there", "answer"), [("2 inches", "2 inch"), ("30 secs", "30 seconds"), ("4 metres", "4 m"), ("6 foot", "6 feet")]
)
def test_one_unit_in_two_spellings_is_one_number(there: str, answer: str):
    assert foreign_numbers(answer, there, ()) == []
    assert foreign_numbers(there, answer, ()) == []


@pytest.mark.parametrize(
    ("text", "leans"),
    [
        ("What does the passage say about burns?", True),
        ("According to the WHO guideline, what comes first?", True),
        ("As shown in Table 3, what is the dose?", True),
        ("She lies on the table. What now?", False),
        ("He reports the passage of stones. What helps?", False),
        ("Put on a figure 8 dressing.", False),
        ("What do guidelines recommend for burns?", False),
    ],
)
def test_questions_that_need_the_page_are_found_and_furniture_is_not(text: str, leans: bool):
    assert leans_on_page(text) is leans


def test_a_long_answer_in_the_passages_own_words_is_copied():
    assert is_copied(TEXT, TEXT)
    assert not is_copied(
        "Inject adrenaline into the thigh; do it again when nothing changes, and go on doing so until help comes to you.",
        TEXT,
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "paragraph", "list", "table"]), st.text("ab c.\n1|", min_size=1, max_size=300)
        ),
        max_size=12,
    ),
    st.integers(3, 40),
)
def test_passages_hold_every_word_once_at_their_offsets_and_within_the_limit(blocks: list[tuple[str, str]], limit: int):
    page = Page(1, tuple(Block(kind, text) for kind, text in blocks))  # type: ignore[arg-type]
    passages = list(passages_of("d", (page,), limit, "", "open"))
    body = [word for block in page.blocks if block.kind != "heading" for word in block.text.split()]
    assert [word for passage in passages for word in passage.text.split()] == body
    for passage in passages:
        assert page.text[passage.start : passage.end].strip() == passage.text
        assert len(passage.text.split()) <= limit or len(words(passage.text)) <= limit
