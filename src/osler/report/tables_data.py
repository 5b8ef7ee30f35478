"""Tables of the sections on data and training."""

from collections import defaultdict
from collections.abc import Mapping

from osler.report.format import count, listed, many, maybe, number, part, percent, words
from osler.report.read import Run
from osler.report.read_data import CollectedSource, Curated, Trained, Written
from osler.report.table import Cell, Table, make_table, table_of

_NONE = Cell("none", "quiet")
_NOT_RUN = Cell("not run", "quiet")
_NOT_CURATED = Cell("benchmark only", "quiet")
"""For a source that was read to be asked from, not to be trained on."""
_WRITTEN = Cell("written here", "quiet")
"""For a source whose records a model wrote; there were no rows to read."""

_WARNINGS = {"contradictory": "another record answers the same question otherwise"}


def sources_table(collected: tuple[CollectedSource, ...]) -> Table:
    """What was read, from which revision, under which license."""
    return table_of(
        collected,
        "sources",
        "Sources as they were read. The digests of the publishers' files stand in collect/counts.json.",
        {
            "Source": lambda one: one.source,
            "License": lambda one: Cell(one.license or "not recorded", "whole"),
            "Access": lambda one: one.access or "not recorded",
            "Revision": lambda one: Cell(one.revision or "not recorded", "code" if one.revision else "quiet"),
            "#Files": lambda one: count(len(one.files)),
            "#Bytes": lambda one: count(sum(file.bytes for file in one.files)),
        },
    )


def flow_table(collected: tuple[CollectedSource, ...] | None, curated: Curated | None) -> Table:
    """Rows read, set aside, curated and kept, by source and in all; what a stage that did not run counts is left open."""
    read = {one.source: (one.read, one.n_set_aside, one.records) for one in collected or ()}
    left = {one.source: (sum(one.dropped.values()), one.kept, one.read) for one in curated.sources} if curated else {}
    unread, absent = (_WRITTEN if collected is not None else _NOT_RUN), (_NOT_CURATED if curated else _NOT_RUN)
    rows = [
        _flow_row(source, (read.get(source), unread), (left.get(source), absent))
        for source in dict.fromkeys([*read, *left])
    ]
    all_read = tuple(map(sum, zip(*read.values(), strict=True))) or None
    all_left = tuple(map(sum, zip(*left.values(), strict=True))) or None
    return make_table(
        "flow",
        "From rows read to records kept, by source.",
        ("Source", "#Rows read", "#Set aside", "#Records", "#Dropped", "#Kept", "#Kept of curated"),
        [*rows, _flow_row("All sources", (all_read, _NOT_RUN), (all_left, _NOT_RUN))],
        has_total=True,
    )


def written_table(written: tuple[Written, ...]) -> Table:
    """What each generator was asked about and what of it was kept, with the share of each reason for a drop."""
    return table_of(
        written,
        "written",
        "Records written by a model, by generator. Each record kept quotes its page and passed every check of its generator; that does "
        "not make it right.",
        {
            "Source": lambda one: one.source,
            "Generator": lambda one: one.generator,
            "Model": lambda one: one.model,
            "#Asked about": lambda one: count(one.items),
            "#Kept": lambda one: count(one.kept),
            "#Kept of asked": lambda one: part(one.kept, one.items),
            "Dropped": lambda one: (
                "; ".join(f"{words(reason)} {count(n)} ({part(n, one.items)})" for reason, n in one.dropped.items())
                or _NONE
            ),
        },
    )


def reasons_table(collected: tuple[CollectedSource, ...] | None, curated: Curated | None) -> Table:
    """Every reason for which rows were set aside or records dropped, with its sources."""
    by_reason: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for one in collected or ():
        for reason, n in one.set_aside.items():
            by_reason["set aside", reason].append((one.source, n))
    steps: dict[str, list[str]] = defaultdict(list)
    for step in curated.steps if curated else ():
        for reason in step.dropped:
            steps[reason].append(words(step.step))
    for source in curated.sources if curated else ():
        for reason, n in source.dropped.items():
            by_reason[", ".join(steps[reason]) or "curate", reason].append((source.source, n))
    rows = sorted(
        by_reason.items(), key=lambda entry: (entry[0][0] != "set aside", -sum(n for _, n in entry[1]), entry[0])
    )
    return make_table(
        "reasons",
        "Rows set aside while reading, and records dropped by the steps of curation, by reason.",
        ("Reason", "Where", "#Rows", "By source"),
        (
            (
                words(reason),
                "reading" if where == "set aside" else where,
                count(sum(n for _, n in sources)),
                listed(dict(sources)),
            )
            for (where, reason), sources in rows
            if sum(n for _, n in sources)
        ),
    )


def steps_table(curated: Curated) -> Table:
    """The steps of curation in their order."""
    return table_of(
        curated.steps,
        "steps",
        "Steps of curation, in the order in which they ran. Changed records stay in the set.",
        {
            "Step": lambda step: words(step.step),
            "#Read": lambda step: count(step.read),
            "#Kept": lambda step: count(step.kept),
            "#Changed": lambda step: count(step.changed),
            "#Dropped": lambda step: count(sum(step.dropped.values())),
            "Dropped by reason": lambda step: _by_reason(step.dropped),
        },
    )


def splits_table(curated: Curated) -> Table:
    """Records in each split."""
    total = sum(curated.splits.values())
    groups = ""
    if curated.groups is not None:
        groups = f" There are {many(curated.groups, 'group', 'groups')}, the largest of {many(curated.largest_group or 0, 'record', 'records')}."
    return make_table(
        "splits",
        f"Splits. Records of one leakage group never stand in two of them.{groups}",
        ("Split", "#Records"),
        ((words(name), part(n, total)) for name, n in curated.splits.items()),
    )


def overlap_table(curated: Curated) -> Table:
    """What was found in common with benchmarks, and taken out."""
    return table_of(
        curated.overlap,
        "overlap",
        "Overlap with benchmark questions found among the records, and taken out before training.",
        {
            "Benchmark": lambda one: one.benchmark,
            "#Questions": lambda one: count(one.items),
            "#Questions touched": lambda one: count(one.items_touched),
            "#Records dropped": lambda one: count(one.records_dropped),
        },
    )


def small_tables(curated: Curated) -> list[Table]:
    """Splits and mended fields."""
    mended = sorted(curated.mended.items(), key=lambda entry: (-entry[1], entry[0]))
    return [
        splits_table(curated),
        make_table(
            "mended",
            "Fields that cleaning mended, by rule.",
            ("Rule", "#Fields"),
            ((words(rule), count(n)) for rule, n in mended),
        ),
    ]


def identifiers_note(run: Run) -> str:
    """What is known of identifiers in the training text, whether any was found or not."""
    if run.curated is None:
        return "Not known: the records were not curated."
    missed = "Some are missed by every tool; how many in these texts is not known."
    if found := run.curated.identifiers:
        return (
            f"Found in the records that were curated, and replaced: {listed(found)}. {missed} Safe Harbor also needs the absence of "
            "actual knowledge, which no tool certifies."
        )
    is_on = run.curate_options("deidentify").get("enabled")
    if is_on is None:
        return "Whether identifiers were looked for is not known."
    if is_on:
        return f"Looked for, and none found. {missed}"
    return "De-identification was switched off: identifiers of patients may stand in the text."


def overlap_note(run: Run) -> str:
    """What is known of benchmark questions among the records beside the table of those found."""
    if run.curated is None:
        return "Not known: the records were not curated."
    if run.curate_options("decontaminate").get("enabled") is False:
        return "Not checked: decontamination was switched off."
    if not run.curated.overlap:
        return "Not checked: no benchmark was held against the records."
    return "Other benchmarks were not checked. Paraphrases and translations are not found."


def ledger_table(trained: Trained) -> Table:
    """What training used and what came of it."""
    ledger = trained.ledger
    kept_in_spite = {_WARNINGS.get(reason, reason): n for reason, n in ledger.counts("kept_in_spite").items()}
    rows: list[tuple[str, str | Cell]] = [
        ("Records read", count(ledger.count("read"))),
        ("Records kept", count(ledger.count("kept"))),
        ("Records set aside", _by_reason(trained.set_aside)),
        ("Records kept in spite of a warning", _by_reason(kept_in_spite)),
        ("Tokens of the records kept", maybe(count, ledger.maybe_count("tokens"))),
        ("Of these, to be learned (answers)", maybe(count, ledger.maybe_count("trained_tokens"))),
        ("Share of padding", maybe(percent, ledger.maybe_number("padding_share"))),
        ("Parameters", maybe(count, ledger.maybe_count("parameters"))),
        ("Trainable parameters", maybe(count, ledger.maybe_count("trainable_parameters"))),
        ("Steps planned", maybe(count, ledger.maybe_count("planned_steps"))),
        ("Steps", maybe(count, ledger.maybe_count("steps"))),
        ("Records never learned from", maybe(count, ledger.maybe_count("rows_never_used"))),
        ("Epochs", maybe(number, ledger.maybe_number("epochs"))),
        ("Batch size", maybe(count, ledger.maybe_count("batch_size"))),
        ("Longest sequence allowed (tokens)", maybe(count, ledger.maybe_count("max_length"))),
        ("First loss (nats per token)", maybe("{:.3f}".format, ledger.maybe_number("first_loss"))),
        (
            "Last loss (nats per token, mean of the last ten steps)",
            maybe("{:.3f}".format, ledger.maybe_number("last_loss")),
        ),
    ]
    if ledger.has("engine"):
        rows.insert(0, ("Trained by another engine", ledger.text("engine")))
    return make_table("ledger", "Ledger of training.", ("", "#Value"), rows, is_narrow=True)


def balance(collected: tuple[CollectedSource, ...] | None, curated: Curated | None) -> tuple[str, bool] | None:
    """A sentence on whether every row is accounted for, and whether that is so; None when neither stage has run."""
    parts, is_even = [], True
    if collected is not None:
        read, records = sum(one.read for one in collected), sum(one.records for one in collected)
        aside, more = sum(one.n_set_aside for one in collected), sum(one.multiplied for one in collected)
        is_even &= read + more == records + aside
        extra = f" + {many(more, 'further record', 'further records')} from rows that give several" if more else ""
        parts.append(f"{count(read)} rows read{extra} = {count(records)} records + {count(aside)} set aside")
    if curated is not None:
        is_even &= curated.read == curated.kept + curated.dropped
        trained_on = {one.source for one in curated.sources}
        if asked_from := sum(one.records for one in collected or () if one.source not in trained_on):
            parts[-1] += f" ({count(asked_from)} of the records are of sources that benchmarks alone ask from)"
        parts.append(
            f"{count(curated.read)} records curated = {count(curated.kept)} kept + {count(curated.dropped)} dropped"
        )
    if not parts:
        return None
    start = "Every row is accounted for" if is_even else "The counts do not add up"
    return f"{start}: {'; '.join(parts)}.", is_even


_Counted = tuple[tuple[int, ...] | None, Cell]
"""Three counts, or what stands in their place."""


def _flow_row(name: str, read: _Counted, left: _Counted) -> list[str | Cell]:
    row: list[str | Cell] = [name]
    row.extend([read[1]] * 3 if read[0] is None else [count(n) for n in read[0]])
    if left[0] is None:
        return [*row, *[left[1]] * 3]
    dropped, kept, curated = left[0]
    return [*row, count(dropped), count(kept), percent(kept / curated) if curated else _NONE]


def _by_reason(counts: Mapping[str, int]) -> str | Cell:
    return listed({words(reason): n for reason, n in counts.items()}) or _NONE
