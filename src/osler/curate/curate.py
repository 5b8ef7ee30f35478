"""Curation as a whole: collected records in, the training set and the account of it out.

Writes `train.jsonl`, `validation.jsonl`, `test.jsonl`, `dropped.jsonl`, `changes.jsonl` and `counts.json`. The same records,
benchmarks, options and seed give the same bytes, whatever the order of the records.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from osler import __version__
from osler.curate import contradictions, decontaminate, dedupe, split
from osler.curate import mix as mixing
from osler.curate.clean import Clean
from osler.curate.config import CurateConfig
from osler.curate.decontaminate import BenchmarkIndex, Contact, drop_contacts, drop_test_groups
from osler.curate.dedupe import find_copies
from osler.curate.deidentify import Deidentify
from osler.curate.engine import choose_engine, run_shards
from osler.curate.filter import Filter, read_verdicts
from osler.curate.key import Key, keys_of
from osler.curate.ledger import Ledger
from osler.curate.mix import Mixed
from osler.curate.row_pass import VERSION, Account, RowPass
from osler.curate.shards import ShardWork, cut
from osler.curate.sketch import choose_bands
from osler.curate.split import SPLITS, Split, assign_splits, name_groups
from osler.curate.step import Step
from osler.curate.store import Store, open_store
from osler.errors import InputError
from osler.records.drop import Drop
from osler.records.io import JsonlWriter, to_dict, write_rows
from osler.records.record import TASKS, Record
from osler.runs.files import sha256_json, write_json
from osler.runs.progress import Progress

Benchmarks = Mapping[str, Sequence[Record]]
_BLOCK_ROWS = 20_000
"""Records in memory at a time when the splits are written."""


@dataclass(slots=True)
class _Read:
    """What is known after every record was looked at by itself."""

    store: Store
    keys: list[Key] = field(default_factory=list)
    """Of the records that the row steps kept, by id."""
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """The row of each key in the store."""
    changed: list[tuple[str, int]] = field(default_factory=list)
    """Id and row of each record that was changed, kept or not."""
    contacts: dict[str, tuple[Contact, ...]] = field(default_factory=dict)
    account: Account = field(default_factory=Account)


def curate(
    files: Sequence[Path],
    benchmarks: Benchmarks,
    config: CurateConfig,
    seed: int,
    out: Path,
    progress: Progress,
    sources: Sequence[str] = (),
) -> None:
    """Run all steps of curation and write the stage's files into `out`.

    Args:
        files: of the collected records.
        benchmarks: items of each benchmark of the recipe, which may not stay in the training set.
        out: the stage's folder. A folder `scratch` in it is used and removed; what a killed run left there is used again.
        sources: their names in the recipe's order: one added at the end leaves the records of the others in their splits.

    Raises:
        InputError: two records share an id, an option names a source that is not there, or the mix asked for cannot be made.
            Nothing is written then.
    """
    scratch = out / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    row_pass, key = _row_pass(config, benchmarks, read_verdicts(out))
    shards = cut(files, max(1, int(config.shard_mb * 1_000_000)))
    engine = choose_engine(config.engine, config.processes)
    made = run_shards(engine, ShardWork(row_pass, key, scratch), shards, "curate", progress)
    ledger = Ledger()
    read = _read(open_store(scratch, made), row_pass.steps, ledger)
    _check_sources(config, {*ledger.sources, *sources})
    keys, groups, mixed = _choose(read, config, seed, ledger, progress, sources)
    shares = (config.split.train, config.split.validation, config.split.test)
    splits = assign_splits(groups, [key.split for key in keys], shares, seed)
    ledger.add_step(split.NAME, len(keys))
    repeated = _write_splits(read, keys, groups, splits, mixed.copies, out)
    drops = ledger.drops()
    write_rows(out / "dropped.jsonl", map(asdict, drops))
    _write_changes(read, out / "changes.jsonl")
    facts = _facts(keys, groups, splits)
    facts["mix"] = {"binding": mixed.binding, "largest": mixed.largest, "repeated": repeated}
    overlap = _overlap(benchmarks, read.contacts, drops)
    tallies = {
        "mended": dict(read.account.tallies.get("clean", {})),
        "identifiers": dict(read.account.tallies.get("deidentify", {})),
        "outside_guide_lengths": dict(read.account.tallies.get("filter", {})),
    }
    write_json(out / "counts.json", {**ledger.to_dict(), **facts, "overlap": overlap, **tallies})
    shutil.rmtree(scratch)


def _row_pass(config: CurateConfig, benchmarks: Benchmarks, verdicts: Mapping[str, str]) -> tuple[RowPass, str]:
    """The pass over single records, and the digest of all that decides its result besides the records."""
    clean = Clean(config.clean)
    # As cleaning writes records, for mended and unmended texts would not match.
    asked = benchmarks if config.decontaminate.enabled else {}
    items = {name: [clean(item).record for item in records] for name, records in asked.items()}
    row_pass = RowPass(
        (clean, Deidentify(config.deidentify), Filter(config.filter, verdicts)),
        BenchmarkIndex(items, config.decontaminate.ngram_words, config.decontaminate.coverage),
        config.dedupe.shingle_words,
        choose_bands(config.dedupe.permutations, config.dedupe.near_threshold),
    )
    options = config.model_dump(mode="json", include={"clean", "deidentify", "filter", "dedupe", "decontaminate"})
    decisive = {
        "work": "records",
        "version": VERSION,
        "osler": __version__,
        "options": options,
        "verdicts": verdicts,
        "items": {name: [to_dict(record) for record in records] for name, records in items.items()},
    }
    return row_pass, sha256_json(decisive)


def _read(store: Store, steps: Sequence[Step], ledger: Ledger) -> _Read:
    """Enter the row steps into the ledger, and hold on to what the later steps need.

    Raises:
        InputError: two records have the same id.
    """
    read = _Read(store)
    ids: list[str] = []
    drops: dict[str, list[Drop]] = {}
    rows: list[int] = []
    for table in store.tables():
        names, sources = table["id"].to_pylist(), table["source"].to_pylist()
        ledger.add_read(sources)
        for identity, source, drop in zip(names, sources, table["drop"].to_pylist(), strict=True):
            if drop is not None:
                name, reason, detail = orjson.loads(drop)
                drops.setdefault(name, []).append(Drop(identity, source, name, reason, detail))
        for line in table["account"].drop_null().to_pylist():
            read.account.add(line)
        rows.extend(len(ids) + np.flatnonzero(table["exact"].is_valid().to_numpy()))
        read.keys.extend(keys_of(table))
        changed = np.flatnonzero(table["changes"].is_valid().to_numpy()).tolist()
        read.changed.extend((names[row], len(ids) + row) for row in changed)
        for row in np.flatnonzero(table["contacts"].is_valid().to_numpy()).tolist():
            contacts = orjson.loads(table["contacts"][row].as_py())
            read.contacts[names[row]] = tuple(Contact(*contact) for contact in contacts)
        ids.extend(names)
    _check_ids(ids)
    for step in steps:
        dropped = drops.get(step.name, [])
        ledger.add_step(step.name, ledger.n_left - len(dropped), dropped, read.account.changed[step.name])
    order = sorted(range(len(read.keys)), key=lambda number: read.keys[number].id)
    read.keys = [read.keys[number] for number in order]
    read.rows = np.array(rows, np.int64)[order] if order else read.rows
    read.changed.sort()
    return read


def _check_ids(ids: list[str]) -> None:
    ordered = sorted(ids)
    for identity, following in pairwise(ordered):
        if identity == following:
            raise InputError(
                f"two records have the id {identity}; ids must be unique. The source gives two rows one place: report it, or "
                "leave the source out of the recipe."
            )


def _choose(
    read: _Read, config: CurateConfig, seed: int, ledger: Ledger, progress: Progress, sources: Sequence[str]
) -> tuple[list[Key], list[str], Mixed]:
    """The whole-set steps: the keys that stay, sorted by id, the leakage group of each, and how they were mixed."""
    keys, own = read.keys, config.dedupe
    bands = choose_bands(own.permutations, own.near_threshold)
    copies = find_copies(keys, read.rows, read.store, bands, own.near_threshold, own.agreement)
    # Groups are named over all records read, so that a cap on a source renames none.
    groups = dict(zip((key.id for key in keys), name_groups(keys, copies.links, sources), strict=True))
    progress("curate: copies", 1, 3, "steps")
    kept = _without(keys, copies.drops, dedupe.NAME, ledger)
    touched = drop_contacts(kept, read.contacts)
    # Official test records stay out of training even where no benchmark of the recipe asks them.
    held = () if config.filter.keep_published_splits else drop_test_groups(kept, read.account.test_groups)
    drops = {drop.id: drop for drop in (*held, *touched)}
    kept = _without(kept, tuple(drops.values()), decontaminate.NAME, ledger)
    progress("curate: copies", 2, 3, "steps")
    mixed = mixing.mix(kept, config.mix, seed)
    kept = _without(kept, mixed.drops, mixing.NAME, ledger)
    progress("curate: copies", 3, 3, "steps")
    return kept, [groups[key.id] for key in kept], mixed


def _without(keys: list[Key], drops: tuple[Drop, ...], step: str, ledger: Ledger) -> list[Key]:
    gone = {drop.id for drop in drops}
    kept = [key for key in keys if key.id not in gone]
    ledger.add_step(step, len(kept), drops)
    return kept


def _check_sources(config: CurateConfig, known: Set[str]) -> None:
    """A source of the recipe without a record may be named: it is absent, or all of it was set aside."""
    shortest = config.filter.min_answer_chars
    named: dict[str, Iterable[str]] = {
        "filter.min_answer_chars": shortest if isinstance(shortest, dict) else (),
        "mix.caps": config.mix.caps,
        "filter.max_answer_chars": config.filter.max_answer_chars,
        "filter.max_answer_tokens": config.filter.max_answer_tokens,
        "filter.cut_at_chars": config.filter.cut_at_chars,
        "mix.shares": config.mix.shares,
    }
    for place, names in named.items():
        tasks = TASKS if place.startswith(("filter.max", "filter.min")) else ()
        for name in sorted(names):
            if name not in known and name not in tasks:
                raise InputError(
                    f"curate.{place} names {name!r}, but no record comes from it; the sources are "
                    f"{', '.join(sorted(known)) or 'none'}. Take it out, or add the source to collect.sources."
                )


def _write_splits(
    read: _Read, keys: list[Key], groups: list[str], splits: list[Split], copies: Mapping[str, int], out: Path
) -> dict[str, int]:
    """Write the three files; repeats go into training only, as `<id>~2` and so on. Returns the repeats written, by source."""
    repeated: Counter[str] = Counter()
    place = {key.id: row for key, row in zip(read.keys, read.rows.tolist(), strict=True)}
    for name in SPLITS:
        chosen = [number for number, own in enumerate(splits) if own == name]
        with JsonlWriter(out / f"{name}.jsonl") as writer:
            lines = _in_blocks(read.store, "line", [place[keys[number].id] for number in chosen])
            for number, line in zip(chosen, lines, strict=True):
                key = keys[number]
                row = {**orjson.loads(line), "group": groups[number], "split": name}
                writer.write(row)
                times = copies.get(key.id, 0) if name == "train" else 0
                for time in range(times):
                    writer.write({**row, "id": f"{key.id}~{time + 2}"})
                if times:
                    repeated[key.source] += times
    return dict(repeated)


def _write_changes(read: _Read, path: Path) -> None:
    """The changes by id, and for each record in the order of the steps."""
    with JsonlWriter(path) as writer:
        for lines in _in_blocks(read.store, "changes", [row for _, row in read.changed]):
            writer.write_lines(lines)


def _in_blocks(store: Store, name: str, rows: list[int]) -> Iterator[bytes]:
    for first in range(0, len(rows), _BLOCK_ROWS):
        yield from store.take(name, np.array(rows[first : first + _BLOCK_ROWS], np.int64))


def _facts(keys: list[Key], groups: list[str], splits: list[Split]) -> dict[str, Any]:
    sizes = Counter(groups)
    chosen = Counter(splits)
    return {
        "splits": {name: chosen[name] for name in SPLITS},
        "groups": len(sizes),
        "largest_group": max(sizes.values(), default=0),
        "contradictions": contradictions.to_dict(contradictions.find_contradictions(keys)),
        "licenses": dict(Counter(key.license or "unknown" for key in keys)),
    }


def _overlap(
    benchmarks: Benchmarks, contacts: Mapping[str, tuple[Contact, ...]], drops: list[Drop]
) -> list[dict[str, Any]]:
    """For each benchmark, its items, how many of them a dropped record touched, and how many records were dropped."""
    items: dict[str, set[str]] = {name: set() for name in benchmarks}
    records: Counter[str] = Counter()
    for drop in drops:
        if drop.step == decontaminate.NAME:
            touched = contacts.get(drop.id, ())
            records.update({contact.benchmark for contact in touched})
            for contact in touched:
                items[contact.benchmark].add(contact.item)
    return [
        {
            "benchmark": name,
            "items": len(benchmarks[name]),
            "items_touched": len(items[name]),
            "records_dropped": records[name],
        }
        for name in sorted(benchmarks)
    ]
