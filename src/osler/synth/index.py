"""Finding passages for a query: BM25 by default, embeddings where asked, or both fused."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from osler.errors import missing_package
from osler.synth.passage import Passage
from osler.text import words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, one row a text."""

_FUSION_OFFSET = 60
"""k of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""
_FUSED_DEPTH = 50
_STOP_WORDS = frozenset(
    (
        "a an and are as at be by can do does for from has have how i if in is it of on or should that the their there "
        "these they this to was what when where which who why will with you your"
    ).split()
)


class Index(Protocol):
    """Passages that can be asked."""

    def find(self, query: str, n: int) -> list[Passage]:
        """The best `n` passages, best first; fewer where fewer match."""


class LexicalIndex:
    """Okapi BM25 over the words of heading and text, by the package bm25s.

    Raises:
        EnvironmentLacks: bm25s is not installed.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        try:
            import bm25s  # type: ignore[import-untyped]
        except ImportError as error:
            raise missing_package("bm25s", "Finding passages", "synth") from error
        self._passages = list(passages)
        self._vocabulary: dict[str, int] = {}
        corpus = [[self._known(term) for term in terms(f"{p.heading}\n{p.text}")] for p in passages]
        self._n_with = Counter(term for ids in corpus for term in set(ids))
        self._scorer = bm25s.BM25(method="lucene")
        self._scorer.index((corpus, self._vocabulary), show_progress=False)

    def find(self, query: str, n: int) -> list[Passage]:
        """The best `n` passages that share a word with the query; ties in the order of the documents."""
        known = [self._vocabulary[term] for term in dict.fromkeys(terms(query)) if term in self._vocabulary]
        if not known:
            return []
        scores = self._scorer.get_scores_from_ids(known)
        order = np.argsort(-scores, kind="stable")[:n]
        return [self._passages[at] for at in order if scores[at] > 0]

    def covered(self, query: str, text: str) -> float:
        """Share of the query that stands in the text, each word by its weight in the collection.

        Rare words count, common ones hardly; a word that no passage has counts as the rarest. 0 for a query without words.
        """
        there = set(terms(text))
        weights = {term: self._weight(term) for term in terms(query)}
        whole = sum(weights.values())
        return sum(weight for term, weight in weights.items() if term in there) / whole if whole else 0.0

    def _weight(self, term: str) -> float:
        return math.log(1 + len(self._passages) / (1 + self._n_with[self._vocabulary.get(term, -1)]))

    def _known(self, term: str) -> int:
        return self._vocabulary.setdefault(term, len(self._vocabulary))


class DenseIndex:
    """Nearest passages by the cosine of their embeddings; FAISS where it is installed, else NumPy, with the same result."""

    def __init__(self, passages: Sequence[Passage], embed: Embed) -> None:
        self._passages = list(passages)
        self._embed = embed
        self._vectors = embed([f"{p.heading}\n{p.text}" for p in passages])
        try:
            import faiss  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            self._faiss = None
        else:
            self._faiss = faiss.IndexFlatIP(self._vectors.shape[1])
            self._faiss.add(self._vectors)

    def find(self, query: str, n: int) -> list[Passage]:
        """The `n` nearest passages."""
        vector = self._embed([query])
        if self._faiss is not None:
            nearest = self._faiss.search(vector, min(n, len(self._passages)))[1][0]
        else:
            nearest = np.argsort(-(self._vectors @ vector[0]), kind="stable")[:n]
        return [self._passages[at] for at in nearest]


class FusedIndex:
    """Both, by reciprocal rank fusion."""

    def __init__(self, parts: Sequence[Index]) -> None:
        self._parts = tuple(parts)

    def find(self, query: str, n: int) -> list[Passage]:
        """The best `n` passages of the fused rankings."""
        scores: dict[str, float] = {}
        found: dict[str, Passage] = {}
        for part in self._parts:
            for rank, passage in enumerate(part.find(query, _FUSED_DEPTH), start=1):
                found[passage.id] = passage
                scores[passage.id] = scores.get(passage.id, 0.0) + 1 / (_FUSION_OFFSET + rank)
        return [found[name] for name in sorted(scores, key=lambda name: (-scores[name], name))[:n]]


def terms(text: str) -> list[str]:
    """Words without the commonest, plural and possessive endings off: `Burns` and `burn` are one term."""
    return [_stem(word) for word in words(text) if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    """The S stemmer of Harman (JASIS 1991): only plurals, so that no two medical terms fall together."""
    if len(word) > 3 and word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word
