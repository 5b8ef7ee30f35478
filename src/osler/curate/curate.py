"""Curation as a whole: collected records in, the training set and the account of it out.

Writes `train.jsonl`, `validation.jsonl`, `test.jsonl`, `dropped.jsonl`, `changes.jsonl` and `counts.json`. The same records,
benchmarks, options and seed give the same bytes, whatever the order of the records.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.curate import contradictions, decontaminate, dedupe, split
from osler.curate import mix as mixing
from osler.curate.clean import Clean
from osler.curate.config import CurateConfig
from osler.curate.decontaminate import BenchmarkIndex, Contact, drop_contacts, drop_test_groups
from osler.curate.dedupe import find_copies
from osler.curate.deidentify import Deidentify
from osler.curate.filter import Filter, read_verdicts
from osler.curate.intake import Intake, Kernel, sort_sketches, take_in
from osler.curate.key import Key
from osler.curate.ledger import Ledger
from osler.curate.mix import Mixed
from osler.curate.sketch import MinHasher, rows_per_band
from osler.curate.split import SPLITS, Split, assign_splits, name_groups
from osler.curate.spool import HashSpool, Spool
from osler.curate.step import Step
from osler.errors import InputError
from osler.records.arrow import from_batch, in_batches
from osler.records.drop import Drop
from osler.records.io import JsonlWriter, from_dict, to_dict
from osler.records.record import TASKS, Record
from osler.runs.files import write_json
from osler.runs.progress import Progress

Benchmarks = Mapping[str, Sequence[Record]]


def curate(
    records: Callable[[], Iterator[Record]],
    benchmarks: Benchmarks,
    config: CurateConfig,
    seed: int,
    out: Path,
    progress: Progress,
    sources: Sequence[str] = (),
) -> None:
    """Run all steps of curation and write the stage's files into `out`.

    Args:
        records: gives the collected records; called once.
        benchmarks: items of each benchmark of the recipe, which may not stay in the training set.
        out: the stage's folder. A folder `scratch` in it is used and removed.
        sources: their names in the recipe's order: one added at the end leaves the records of the others in their splits.

    Raises:
        InputError: two records share an id, an option names a source that is not there, or the mix asked for cannot be made.
            Nothing is written then.
    """
    scratch = out / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    steps: list[Step] = [Clean(config.clean), Deidentify(config.deidentify), Filter(config.filter, read_verdicts(out))]
    ledger = Ledger([*(step.name for step in steps), dedupe.NAME, decontaminate.NAME, mixing.NAME, split.NAME])
    index = BenchmarkIndex(
        _cleaned(benchmarks, config) if config.decontaminate.enabled else {},
        config.decontaminate.ngram_words,
        config.decontaminate.coverage,
    )
    kernel = Kernel(config.dedupe.shingle_words, MinHasher(config.dedupe.permutations), index)
    with ExitStack() as stack:
        intake = Intake(
            stack.enter_context(Spool(scratch / "records")),
            stack.enter_context(Spool(scratch / "changes")),
            HashSpool(scratch / "shingles"),
        )
        take_in(records(), steps, kernel, intake, ledger, progress)
        _check_sources(config, {*ledger.sources, *sources})
        keys, groups, mixed = _choose(intake, config, seed, ledger, progress, sources)
        shares = (config.split.train, config.split.validation, config.split.test)
        splits = assign_splits(groups, [key.split for key in keys], shares, seed)
        ledger.add_step(split.NAME, len(keys), len(keys), ())
        ledger.check()
        repeated = _write_splits(intake, keys, groups, splits, mixed.copies, out)
        _write_rows(out / "dropped.jsonl", (drop.to_dict() for drop in ledger.drops()))
        _write_rows(out / "changes.jsonl", intake.changes.rows(sorted(intake.changes.keys())))
    facts = _facts(keys, groups, splits)
    facts["mix"] = {"binding": mixed.binding, "largest": mixed.largest, "repeated": repeated}
    overlap = _overlap(benchmarks, intake.contacts, ledger.drops())
    tallies = {
        "mended": dict(intake.tallies.get("clean", {})),
        "identifiers": dict(intake.tallies.get("deidentify", {})),
        "outside_guide_lengths": dict(intake.tallies.get("filter", {})),
    }
    write_json(out / "counts.json", {**ledger.to_dict(), **facts, "overlap": overlap, **tallies})
    shutil.rmtree(scratch)


def _choose(
    intake: Intake, config: CurateConfig, seed: int, ledger: Ledger, progress: Progress, sources: Sequence[str]
) -> tuple[list[Key], list[str], Mixed]:
    """The whole-set steps: the keys that stay, sorted by id, the leakage group of each, and how they were mixed."""
    keys, sketches = sort_sketches(intake, config.dedupe.permutations)
    rows = rows_per_band(config.dedupe.permutations, config.dedupe.near_threshold)
    copies = find_copies(keys, sketches, rows, config.dedupe.near_threshold)
    # Groups are named over all records read, so that a cap on a source renames none.
    groups = dict(zip((key.id for key in keys), name_groups(keys, copies.links, sources), strict=True))
    progress("curate: copies", 1, 3, "steps")
    kept = _without(keys, copies.drops, dedupe.NAME, ledger)
    touched = drop_contacts(kept, intake.contacts)
    # Official test records stay out of training even where no benchmark of the recipe asks them.
    held = () if config.filter.keep_published_splits else drop_test_groups(kept, intake.test_groups)
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
    ledger.add_step(step, len(keys), len(kept), drops)
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


def _cleaned(benchmarks: Benchmarks, config: CurateConfig) -> dict[str, list[Record]]:
    """The items as cleaning writes records, for mended and unmended texts would not match."""
    clean = Clean(config.clean)
    return {
        name: [record for batch in in_batches(items) for record in from_batch(clean(batch).kept)]
        for name, items in benchmarks.items()
    }


def _write_splits(
    intake: Intake, keys: list[Key], groups: list[str], splits: list[Split], copies: Mapping[str, int], out: Path
) -> dict[str, int]:
    """Write the three files; repeats go into training only, as `<id>~2` and so on. Returns the repeats written, by source."""
    repeated: Counter[str] = Counter()
    for name in SPLITS:
        chosen = [row for row, own in enumerate(splits) if own == name]
        with JsonlWriter(out / f"{name}.jsonl") as writer:
            for number, row in zip(chosen, intake.records.rows([keys[row].id for row in chosen]), strict=True):
                record = replace(from_dict(row), group=groups[number], split=name)
                writer.write(to_dict(record))
                times = copies.get(record.id, 0) if name == "train" else 0
                for time in range(times):
                    writer.write(to_dict(replace(record, id=f"{record.id}~{time + 2}")))
                if times:
                    repeated[record.origin.source] += times
    return dict(repeated)


def _write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with JsonlWriter(path) as writer:
        for row in rows:
            writer.write(row)


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
            records.update({contact.item.benchmark for contact in touched})
            for contact in touched:
                items[contact.item.benchmark].add(contact.item.id)
    return [
        {
            "benchmark": name,
            "items": len(benchmarks[name]),
            "items_touched": len(items[name]),
            "records_dropped": records[name],
        }
        for name in sorted(benchmarks)
    ]
