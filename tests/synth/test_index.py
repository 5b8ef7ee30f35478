"""Finding passages: by words, by vectors, and by both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from osler.synth.index import DenseIndex, FusedIndex, LexicalIndex, terms
from osler.synth.passage import Passage

TEXTS = (
    "Cool the burn under running water.",
    "Press on the bleeding wound with a cloth.",
    "Burns of the eye need clean water at once.",
    "Call for help when somebody chokes.",
)
PASSAGES = [Passage(str(n), "guide.md", 1, 0, len(text), "", text) for n, text in enumerate(TEXTS)]
WORDS = ("water", "burn", "wound", "help")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A direction for each of four words."""
    counts = np.array([[float(word in text.lower()) for word in WORDS] for text in texts], np.float32)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def ids(found: list[Passage]) -> list[str]:
    return [passage.id for passage in found]


def test_words_that_no_passage_has_find_nothing() -> None:
    index = LexicalIndex(PASSAGES)
    assert index.find("quantum chromodynamics", 3) == []
    assert ids(index.find("choke", 3)) == ["3"]
    assert index.covered("burn water", TEXTS[0]) == 1.0
    assert 0 < index.covered("burn quantum", TEXTS[0]) < 0.5
    assert index.covered("", TEXTS[0]) == 0.0


def test_plurals_are_one_term_and_other_endings_are_not() -> None:
    assert terms("Burns burn allergies allergy virus") == ["burn", "burn", "allergy", "allergy", "virus"]
    assert terms("diabetes") != terms("diabetic")


def test_the_nearest_vectors_come_first_and_ties_in_the_order_of_the_documents() -> None:
    found = DenseIndex(PASSAGES, embed).find("burn and water", 3)
    assert ids(found) == ["0", "2", "1"]


def test_fused_ranks_add_up_as_worked_by_hand() -> None:
    class Fixed:
        def __init__(self, order: str) -> None:
            self.order = order

        def find(self, query: str, n: int) -> list[Passage]:
            return [PASSAGES[int(place)] for place in self.order][:n]

    # 1/61 + 1/63, 1/62 + 1/61, 1/63, 1/62 for passages 0, 1, 2, 3.
    assert ids(FusedIndex([Fixed("012"), Fixed("130")]).find("anything", 3)) == ["1", "0", "3"]
