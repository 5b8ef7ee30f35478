"""The rows on which the loss is measured: from every source by its share, the same ones each time."""

from collections.abc import Sequence
from pathlib import Path

from osler.records.io import read_records
from osler.records.record import Record


def stratified(path: Path | None, n_rows: int) -> list[Record]:
    """`n_rows` records of a file in its order, evenly spread within each source; all when there are fewer.

    Each source has its share, by largest remainders, and at least one row while there are rows to give.
    """
    if path is None or not path.is_file() or n_rows == 0:
        return []
    by_source: dict[str, list[tuple[int, Record]]] = {}
    for number, record in enumerate(read_records(path)):
        by_source.setdefault(record.origin.source, []).append((number, record))
    sizes = {name: len(rows) for name, rows in by_source.items()}
    chosen = [
        by_source[name][int(place * sizes[name] / share)]
        for name, share in _shares(sizes, n_rows).items()
        for place in range(share)
    ]
    return [record for _, record in sorted(chosen, key=lambda one: one[0])]


def _shares(sizes: dict[str, int], n_rows: int) -> dict[str, int]:
    total = sum(sizes.values())
    if total <= n_rows:
        return sizes
    names: Sequence[str] = sorted(sizes, key=lambda name: (-sizes[name], name))[:n_rows]
    exact = {name: max(1.0, sizes[name] * n_rows / total) for name in names}
    shares = {name: int(exact[name]) for name in names}
    by_remainder = sorted(names, key=lambda name: (shares[name] - exact[name], name))
    for name in by_remainder[: max(0, n_rows - sum(shares.values()))]:
        shares[name] += 1
    while sum(shares.values()) > n_rows:  # sources of one row took from the others
        shares[max(names, key=lambda name: (shares[name], name))] -= 1
    return shares
