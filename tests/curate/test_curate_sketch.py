"""Word runs, band keys and pairs of like rows, against plain sets of words."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.curate.pairs import Runs, candidate_pairs, like_pairs
from osler.curate.sketch import band_keys, choose_bands, distinct, hash_words, word_runs
from osler.text import jaccard, shingles, words

_BANDS = choose_bands(128, 0.8)


def _keys(texts, n=5):
    return band_keys(word_runs(hash_words(texts), n), _BANDS)


def _like(texts, threshold=0.8):
    runs = word_runs(hash_words(texts), 5)
    sizes = np.diff(runs.ends, prepend=0)

    def runs_of(rows):
        values = np.concatenate([runs.row(row) for row in rows])
        return Runs((values >> np.uint64(32)).astype(np.uint32), sizes[rows])

    pairs = like_pairs(*candidate_pairs(iter(band_keys(runs, _BANDS))), sizes, runs_of, threshold)
    return dict(zip(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True), pairs.similarity, strict=True))


_TEXTS = st.lists(st.text(st.sampled_from("aB1_ .,-\n\té\u00a0ﬁß中文字かな한국İ\ud800"), max_size=40), max_size=12)


@given(_TEXTS, st.integers(1, 8))
def test_a_text_has_the_word_runs_of_its_words_beside_any_others(texts, n):
    runs = word_runs(hash_words(texts), n)
    assert len(runs) == len(texts)
    for row, text in enumerate(texts):
        assert len(distinct(runs, row)) == len(shingles(words(text), n))
        alone = word_runs(hash_words([text]), n)
        assert distinct(alone, 0).tolist() == distinct(runs, row).tolist()


@given(_TEXTS, st.integers(1, 12))
def test_keys_do_not_depend_on_the_batch(texts, cut):
    parts = [_keys(texts[start : start + cut]) for start in range(0, len(texts), cut)]
    assert np.array_equal(_keys(texts), np.concatenate([np.zeros((_BANDS.count, 0), np.uint64), *parts], axis=1))


def test_case_marks_and_width_do_not_count_and_order_does():
    one, other, turned = (distinct(word_runs(hash_words([t]), 5), 0).tolist() for t in (
        "Take ONE tablet, with water!", "take one （tablet） with ｗａｔｅｒ", "water with tablet one take"))  # fmt: skip
    assert one == other != turned


def test_chinese_japanese_and_korean_are_cut_by_character():
    text = "糖尿病患者应该注意饮食并且定期检查血糖水平以及血压"
    assert len(distinct(word_runs(hash_words([text]), 5), 0)) == len(text) - 4
    assert len(_like([text * 3, text * 2 + text.replace("血压", "体重")])) == 1


def test_like_pairs_are_found_with_their_true_similarity():
    rng = random.Random(5)
    texts, expected = [], {}
    for number in range(150):
        tokens = [f"t{number}w{i}" for i in range(120)]
        changed = list(tokens)
        for place in rng.sample(range(120), rng.randrange(0, 9)):
            changed[place] = "edited"
        texts += [" ".join(tokens), " ".join(changed)]
        similarity = jaccard(shingles(tokens, 5), shingles(changed, 5))
        if similarity >= 0.8:
            expected[(2 * number, 2 * number + 1)] = similarity
    found = _like(texts)
    assert set(found) <= set(expected)
    assert len(found) >= 0.98 * len(expected) > 50
    assert all(found[pair] == pytest.approx(expected[pair]) for pair in found)


def test_rows_without_words_are_like_nothing():
    assert _like(["", "", "  ", "..."]) == {}
    assert _like([]) == {}


def test_boilerplate_in_very_many_rows_costs_no_square_and_stays_connected():
    n = 3000
    first, second = candidate_pairs([np.full(n, 7, np.uint64)])
    assert len(first) <= 64 * n
    reached = {0}
    for left, right in zip(first.tolist(), second.tolist(), strict=True):
        if left in reached:
            reached.add(right)
    assert len(reached) == n


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_bands_propose_nearly_every_pair_at_the_threshold(threshold):
    for permutations in (16, 64, 128, 256):
        bands = choose_bands(permutations, threshold)
        assert bands.count * bands.rows <= permutations
        assert 1 - (1 - threshold**bands.rows) ** bands.count >= 0.98
