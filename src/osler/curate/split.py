"""Leakage groups and the splits.

Two records belong to one group when they are near copies, when their source says so (`Record.group`: the same web page, disease
or document), when they are of one page, or when they ask the same question; groups are what these connect. A group goes to one split as a whole, chosen
by a hash of its name and the seed. It is named after the member whose source stands first in the recipe, so a source added at
the end moves no record of the others, unless its records join two of their groups that stood in different splits.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from osler.curate.key import Key
from osler.curate.union import Union
from osler.text import hash64

NAME = "split"
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_LARGEST = 50
"""Records of the largest group that may be held out. Fixed, for a limit that grew with the set would move groups."""


def name_groups(keys: Sequence[Key], links: Iterable[tuple[int, int]], sources: Sequence[str] = ()) -> list[str]:
    """The leakage group of every key, named after its first member (a source's own group, or an id).

    Args:
        links: pairs of rows of `keys` that are near copies.
        sources: names of sources in the order in which members are first; those not named follow by name.
    """
    union = Union(len(keys))
    for left, right in links:
        union.join(left, right)
    first: dict[tuple[str, str | bytes], int] = {}
    # One page may be about several diseases; an address of more records is that of a whole site.
    on_page = Counter((key.source, key.page) for key in keys if key.page)
    for row, key in enumerate(keys):
        union.join(row, first.setdefault(("question", key.question), row))
        if key.group:
            union.join(row, first.setdefault(("group", key.group), row))
        if 1 < on_page[key.source, key.page] <= _LARGEST:
            union.join(row, first.setdefault((f"page {key.source}", key.page), row))
    place = {source: number for number, source in enumerate(dict.fromkeys(sources))}
    naming: dict[int, tuple[int, str, str]] = {}
    for row, key in enumerate(keys):
        root = union.root(row)
        own = (place.get(key.source, len(place)), key.source, key.group or key.id)
        naming[root] = min(own, naming.get(root, own))
    return [naming[union.root(row)][2] for row in range(len(keys))]


def assign_splits(
    groups: Sequence[str], published: Sequence[str], shares: tuple[float, float, float], seed: int
) -> list[Split]:
    """The split of every record.

    A group with a record of a published test or validation split goes there. A group of more than 50 records, or in a small
    set of more than half the records that validation or test should hold, goes to train: a single template would fill a whole
    test set.

    Args:
        groups: leakage group of each record.
        published: published split of each record, or empty.
        shares: of train, validation and test; they sum to 1.
    """
    train, validation, test = shares
    sizes = Counter(groups)
    held_out = [share for share in (validation, test) if share > 0]
    largest = min(_LARGEST, min(held_out) * len(groups) / 2) if held_out and train > 0 else len(groups)
    fixed: dict[str, Split] = {}
    for split in ("validation", "test"):
        fixed.update({group: split for group, own in zip(groups, published, strict=True) if own == split})

    def choose(group: str) -> Split:
        if group in fixed:
            return fixed[group]
        # A group of one or two is never a template, however small the whole set is.
        if sizes[group] > max(largest, 2):
            return "train"
        point = hash64(f"split {seed} {group}") / 2**64
        if point < train:
            return "train"
        return "validation" if point < train + validation or test == 0 else "test"

    chosen = {group: choose(group) for group in sizes}
    return [chosen[group] for group in groups]
