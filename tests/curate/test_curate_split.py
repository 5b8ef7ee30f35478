"""Groups and splits: what stands in one group, what it is called, and where it goes."""

from collections import Counter
from itertools import pairwise

import pytest

from osler.curate.key import Key
from osler.curate.split import assign_splits, name_groups
from osler.text import hash64


def key(name, *, source="a", group="", question="", page=""):
    asked = (question or f"what about {name}?").encode()
    return Key(name, source, "MIT", "", group, name.encode(), asked, 0, (0, 0, False, "", ""), page=page)


def test_a_group_is_what_copies_groups_of_the_source_questions_and_pages_connect():
    keys = [
        key("copy", source="b"),
        key("original"),
        key("asks", question="why?"),
        key("asks too", source="b", question="why?"),
        key("grouped", group="why?"),
        key("grouped too", source="c", group="why?"),
        key("on a page", page="p"),
        key("on it too", page="p"),
        key("same address, other source", source="b", page="p"),
        key("other group", group="how?"),
        key("other group too", source="b", group="how?"),
        key("other page", page="q"),
        key("other page too", page="q"),
        key("no page", source="c"),
        key("nor this", source="c"),
    ]
    assert name_groups(keys, [(0, 1)]) == [
        *["original"] * 2, *["asks"] * 2, *["why?"] * 2, *["on a page"] * 2, "same address, other source", *["how?"] * 2, *["other page"] * 2, "no page", "nor this",
    ]  # fmt: skip


def test_a_chain_of_links_is_one_group():
    keys = [key(f"{i:02d}") for i in range(20)]
    assert set(name_groups(keys, pairwise(range(20)))) == {"00"}


def test_an_address_of_more_than_fifty_records_is_that_of_a_site():
    for n, groups in ((2, 1), (50, 1), (51, 51)):
        assert len(set(name_groups([key(str(i), page="p") for i in range(n)], []))) == groups


def test_a_group_is_named_after_the_source_that_stands_first():
    keys = [key("1", source="z", question="q"), key("3", source="b", question="q"), key("2", source="b", question="q")]
    assert name_groups(keys, [], ["b", "z"]) == ["2"] * 3
    assert name_groups(keys, [], ["z", "b", "z"]) == ["1"] * 3
    # Those that are not named come after, by name.
    assert name_groups(keys, [], ["y"]) == ["2"] * 3
    assert name_groups(keys, [], ["z"]) == ["1"] * 3
    mixed = [key("1", source="a", question="q"), key("2", source="z", question="q")]
    assert name_groups(mixed, [], ["z"]) == ["2"] * 2


def test_shares_are_met_nearly():
    groups = [f"g{i}" for i in range(5000)]
    splits = assign_splits(groups, [""] * 5000, (0.8, 0.1, 0.1), 0)
    # Four standard errors of a share of 0.1 over 5,000 groups.
    assert abs(splits.count("test") - 500) < 85
    assert abs(splits.count("validation") - 500) < 85


def test_a_group_too_large_for_a_test_set_goes_to_train():
    groups = ["template"] * 400 + [f"g{i}" for i in range(600)]
    for seed in range(10):
        assert assign_splits(groups, [""] * 1000, (0.8, 0.1, 0.1), seed)[0] == "train"


def test_a_share_of_zero_gets_nothing():
    groups = [f"g{i}" for i in range(500)]
    assert set(assign_splits(groups, [""] * 500, (0.9, 0.1, 0.0), 0)) == {"train", "validation"}
    assert set(assign_splits(groups, [""] * 500, (1.0, 0.0, 0.0), 0)) == {"train"}
    assert set(assign_splits(groups, [""] * 500, (0.9, 0.0, 0.1), 0)) == {"train", "test"}
    assert set(assign_splits(groups, [""] * 500, (0.0, 0.5, 0.5), 0)) == {"validation", "test"}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.5, 0.2, 0.3), (0.0, 0.4, 0.6)])
def test_a_group_goes_where_the_hash_of_its_name_and_the_seed_falls(shares):
    groups = [f"g{i}" for i in range(300)]
    for seed in (0, 7):
        for group, split in zip(groups, assign_splits(groups, [""] * 300, shares, seed), strict=True):
            point = hash64(f"split {seed} {group}") / 2**64
            ends = (shares[0], shares[0] + shares[1])
            assert split == ("train" if point < ends[0] else "validation" if point < ends[1] else "test")


def test_groups_stay_where_earlier_versions_put_them():
    groups = ["Asthma", "Gout", "Scurvy", "Rickets", "Mumps", "Lupus", "Croup", "Sepsis"]
    assert assign_splits(groups, [""] * 8, (0.4, 0.3, 0.3), 11) == [
        "train",
        "validation",
        "train",
        "validation",
        "test",
        "test",
        "test",
        "train",
    ]


def test_published_splits_are_kept_for_the_whole_group_and_test_comes_first():
    groups = ["a", "a", "b", "b", "c", "c", "d", *["large"] * 60, *[f"g{i}" for i in range(933)]]
    published = ["", "validation", "test", "", "validation", "test", "train", "test", *[""] * 992]
    splits = assign_splits(groups, published, (1.0, 0.0, 0.0), 0)
    assert splits[:7] == ["validation"] * 2 + ["test"] * 4 + ["train"]
    assert set(splits[7:67]) == {"test"}
    with pytest.raises(ValueError, match="shorter"):
        assign_splits(groups, published[:-1], (1.0, 0.0, 0.0), 0)


def held_out(size, total, shares, name="group"):
    """Whether a group of this size can leave training: with one of 40 names and seeds it would by chance."""
    rest = [f"g{i}" for i in range(total - size)]
    return any(assign_splits([name] * size + rest, [""] * total, shares, seed)[0] != "train" for seed in range(40))


def test_the_largest_group_held_out_has_fifty_records_or_half_of_the_smaller_share():
    shares = (0.6, 0.3, 0.1)
    assert held_out(50, 3000, shares)
    assert not held_out(51, 3000, shares)
    # Half of the 20 records that test should hold.
    assert held_out(10, 200, shares)
    assert not held_out(11, 200, shares)
    # A share of zero sets no limit, and a pair is never a template.
    assert held_out(30, 200, (0.6, 0.4, 0.0))
    assert held_out(2, 10, shares)
    assert not held_out(3, 10, shares)
    assert not held_out(2, 200, (1.0, 0.0, 0.0))


def test_without_training_a_group_of_any_size_is_held_out():
    splits = assign_splits(["big"] * 90 + ["small"] * 10, [""] * 100, (0.0, 0.5, 0.5), 0)
    assert "train" not in Counter(splits)
