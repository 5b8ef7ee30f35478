"""Shares are met exactly, or the mix is refused with the reason."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.curate.config import MixConfig
from osler.curate.key import read_key
from osler.curate.mix import mix
from osler.errors import InputError


@pytest.fixture(scope="module")
def keys(record):
    counts = {"pubmedqa": 100, "medqa": 1000, "medquad": 3000, "wiki": 500}
    return [
        read_key(record(str(i), f"What about {source} {i}?", "Rest helps.", source=source))
        for source, n in counts.items()
        for i in range(n)
    ]


def _kept(keys, mixed) -> Counter:
    gone = {drop.id for drop in mixed.drops}
    return Counter(key.source for key in keys if key.id not in gone)


def test_shares_are_met_and_the_rest_is_filled_by_the_others(keys):
    mixed = mix(keys, MixConfig(shares={"pubmedqa": 0.2, "medqa": 0.3}, max_records=500), 0)
    kept = _kept(keys, mixed)
    assert (kept["pubmedqa"], kept["medqa"], kept["medquad"] + kept["wiki"]) == (100, 150, 250)
    assert (mixed.binding, mixed.largest) == ("pubmedqa", 500)
    assert not mixed.copies


def test_without_a_size_the_mix_is_the_largest_possible(keys):
    mixed = mix(keys, MixConfig(shares={"pubmedqa": 0.2}), 0)
    assert _kept(keys, mixed).total() == 500


def test_shares_that_sum_to_one_leave_the_others_out(keys):
    mixed = mix(keys, MixConfig(shares={"medqa": 0.7, "medquad": 0.3}), 0)
    kept = _kept(keys, mixed)
    assert set(kept) == {"medqa", "medquad"}
    assert kept["medqa"] == 999 or kept["medqa"] == 1000
    assert {drop.reason for drop in mixed.drops} == {"source_share"}


def test_an_infeasible_mix_names_the_source_that_binds_and_the_largest(record, run, tmp_path):
    records = [
        record(f"{i}", f"What about {source} {i}?", f"Rest number {i}.", source=source)
        for source, n in (("pubmedqa", 20), ("medqa", 200))
        for i in range(n)
    ]
    options = {"mix": {"shares": {"pubmedqa": 0.2, "medqa": 0.8}, "max_records": 150}}
    with pytest.raises(InputError, match=r"pubmedqa.* 20 are left.*pubmedqa binds.* 100 records"):
        run(records, tmp_path, options)
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


def test_the_sources_without_a_share_may_bind(keys):
    with pytest.raises(InputError, match="the sources without a share"):
        mix(keys, MixConfig(shares={"medqa": 0.1}, max_records=5000, caps={"medquad": 10, "wiki": 10}), 0)


def test_a_source_of_which_nothing_is_left_binds_at_zero(keys):
    left = [key for key in keys if key.source != "pubmedqa"]
    with pytest.raises(InputError, match=r"pubmedqa.* 0 records"):
        mix(left, MixConfig(shares={"pubmedqa": 0.2}), 0)
    with pytest.raises(InputError, match="pubmedqa"):
        mix(left, MixConfig(shares={"pubmedqa": 0.2}, max_records=10, upsample=True), 0)


def test_records_are_repeated_only_when_asked_and_only_in_training(record, run, tmp_path):
    records = [
        record(f"{i}", f"What about {source} {i}?", f"Rest number {i}.", source=source)
        for source, n in (("small", 50), ("large", 400))
        for i in range(n)
    ]
    options = {"mix": {"shares": {"small": 0.5, "large": 0.5}, "max_records": 400, "upsample": True}}
    result = run(records, tmp_path, options)
    train = Counter(r.origin.source for r in result.splits["train"])
    assert 0.4 <= train["small"] / train.total() <= 0.6
    assert len({r.id for r in result.splits["train"]}) == train.total()
    for name in ("validation", "test"):
        assert not any("~" in r.id for r in result.splits[name])
    counts = result.counts
    assert counts["read"] == counts["kept"] + counts["dropped"] == 450
    assert counts["kept"] == sum(counts["splits"].values()) == 250
    assert counts["mix"]["repeated"] == {"small": sum("~" in r.id for r in result.splits["train"])}
    groups = [{r.group for r in kept} for kept in result.splits.values()]
    assert not groups[0] & groups[1] | groups[0] & groups[2]


@given(st.integers(1, 3000), st.lists(st.integers(0, 40), min_size=4, max_size=4), st.booleans())
def test_a_mix_has_the_size_asked_or_is_refused(keys, size, weights, upsample):
    shares = {
        name: weight / 160 for name, weight in zip(("pubmedqa", "medqa", "medquad", "wiki"), weights, strict=True)
    }
    try:
        mixed = mix(keys, MixConfig(shares=shares, max_records=size, upsample=upsample), 1)
    except InputError:
        return
    assert _kept(keys, mixed).total() + sum(mixed.copies.values()) == size
    assert upsample or not mixed.copies
    shuffled = random.Random(size).sample(keys, len(keys))
    assert {d.id for d in mix(shuffled, MixConfig(shares=shares, max_records=size, upsample=upsample), 1).drops} == {
        d.id for d in mixed.drops
    }
