"""What a training set looks like: the facts of the data report, read from the stage's files once curation has written them.

Writes `profile.json` (figures without text) and `examples.jsonl` (excerpts of dropped and changed records, for the reviewer who
sits at this machine). Excerpts of sources under an agreement are left out.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from osler.curate import dedupe
from osler.curate.language import language_of
from osler.curate.split import SPLITS
from osler.phi import find, replace
from osler.records.io import read_jsonl, read_records, write_rows
from osler.records.license import mix_of, terms_of
from osler.records.record import Access, Record
from osler.runs.files import read_json, write_json
from osler.runs.local_only import local_only
from osler.text import shortened

PROFILE_FILE, EXAMPLES_FILE = "profile.json", "examples.jsonl"

_MIN_WORDS = 50
"""Shorter answers have too few sentences for a grade."""
_EXAMPLES = 3
_EXCERPT_CHARS = 240
_NO_EXAMPLE = re.compile(r"published_|source_cap|source_share|max_records")
"""Reasons that say nothing of the text, or keep text of examinations out of sight."""
_CONTEXT_CHARS = 60
_GROUP_BOUNDS = (1, 2, 5, 20, 50)
_Z = 1.959964
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_DIMENSIONS = ("sex", "age", "ethnicity")

Row = dict[str, Any]
Step = tuple[str, str]
"""Name of a step and reason."""


@dataclass(slots=True)
class _Kept:
    """What is counted of the records kept, by source where it is a `defaultdict`."""

    chars: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    grades: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    languages: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    licenses: Counter[tuple[str, Access]] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    named: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    naming: Counter[str] = field(default_factory=Counter)
    """Records that name any of a list."""
    n: int = 0


def write_profile(records: Iterable[Record], folder: Path) -> None:
    """Write both files into the folder of a curation whose other files are written.

    Args:
        records: as they were collected, dropped ones included.
    """
    counts = read_json(folder / "counts.json")
    drops = {row["id"]: row for _, row in read_jsonl(folder / "dropped.jsonl")}
    chosen = _choose_examples(drops.values())
    before: defaultdict[str, list[int]] = defaultdict(list)
    restricted: set[str] = set()
    excerpts: dict[str, Row] = {}
    for record in records:
        before[record.origin.source].append(len(record.target))
        if local_only(record.origin.access):
            restricted.add(record.origin.source)
        elif record.id in chosen:
            excerpts[record.id] = _excerpt(record)
    kept = _read_kept(folder)
    write_json(
        folder / PROFILE_FILE,
        {
            "flow": _flow(counts, drops.values()),
            "answer_chars": [
                {"source": source, "before": _spread(before[source]), "after": _spread(kept.chars[source])}
                for source in sorted(before)
            ],
            "grade": [{"source": source, **_spread(kept.grades[source])} for source in sorted(kept.grades)],
            "languages": {source: _by_count(found) for source, found in sorted(kept.languages.items())},
            "groups": _group_sizes(kept.groups),
            "clusters": _clusters(drops.values()),
            "named": [_share(kept, dimension) for dimension in ("topics", *_DIMENSIONS)],
            **_licenses(kept.licenses),
        },
    )
    dropped = ({**drops[identity], **excerpts.get(identity, {})} for identity in chosen)
    write_rows(folder / EXAMPLES_FILE, chain(dropped, _changed(folder, restricted)))


def grade(text: str) -> float | None:
    """School grade of an English text of at least 50 words, else None. A line counts as a sentence.

    The formula is that of Coleman and Liau, J. Appl. Psychol. 60 (1975) 283: 0.0588 L - 0.296 S - 15.8, with letters L and
    sentences S per 100 words. It looks at lengths alone, and knows nothing of what is hard to understand.
    """
    words = _WORD.findall(text)
    if len(words) < _MIN_WORDS:
        return None
    letters = sum(map(len, words))
    sentences = sum(1 for part in _SENTENCE.split(text) if _WORD.search(part))
    return 0.0588 * 100 * letters / len(words) - 0.296 * 100 * sentences / len(words) - 15.8


def named(text: str, dimension: str) -> list[str]:
    """Entries of a list of `profile_words.yaml` (`topics`, `sex`, `age`, `ethnicity`) that a text names."""
    folded = text.casefold()
    return [name for name, pattern in _lists()[dimension].items() if pattern.search(folded)]


@cache
def _lists() -> dict[str, dict[str, re.Pattern[str]]]:
    content = yaml.safe_load(files("osler.curate").joinpath("profile_words.yaml").read_text("utf-8"))
    return {
        dimension: {name: re.compile(rf"\b(?:{words})\b") for name, words in listed.items()}
        for dimension, listed in content.items()
    }


def _read_kept(folder: Path) -> _Kept:
    """The figures of the training set. Repeats count as the rows they are."""
    kept = _Kept()
    for split in SPLITS:
        for record in read_records(folder / f"{split}.jsonl"):
            source = record.origin.source
            kept.n += 1
            kept.chars[source].append(len(record.target))
            kept.groups[record.group] += 1
            kept.licenses[record.origin.license or "unknown", record.origin.access] += 1
            language = language_of(f"{record.question}\n{record.target}")
            kept.languages[source][language or "not told"] += 1
            if language == "en" and (value := grade(record.target)) is not None:
                kept.grades[source].append(value)
            _count_names(record, kept)
    return kept


def _count_names(record: Record, kept: _Kept) -> None:
    asked = "\n".join(message.content for message in record.messages if message.role == "user")
    whole = "\n".join([*(message.content for message in record.messages if message.role != "system"), *record.context])
    for dimension in ("topics", *_DIMENSIONS):
        found = named(asked if dimension == "topics" else whole, dimension)
        kept.named[dimension].update(found)
        kept.naming[dimension] += bool(found)


def _flow(counts: Row, drops: Iterable[Row]) -> Row:
    """For each source the rows read and those left after each step."""
    gone: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for drop in drops:
        gone[drop["source"]][drop["step"]] += 1
    steps = [step["step"] for step in counts["steps"]]
    sources = []
    for source in counts["sources"]:
        left, after = source["read"], []
        for step in steps:
            left -= gone[source["source"]][step]
            after.append(left)
        sources.append({"source": source["source"], "read": source["read"], "after": after})
    return {"steps": steps, "sources": sources}


def _spread(values: list[int] | list[float]) -> Row:
    """How many, and the values below which 5, 50 and 95 % lie (nearest rank)."""
    ordered = sorted(values)
    shares = {"p5": 0.05, "median": 0.5, "p95": 0.95}
    ranks = {name: max(0, math.ceil(share * len(ordered)) - 1) for name, share in shares.items()}
    return {"n": len(ordered), **{name: round(ordered[rank], 1) if ordered else None for name, rank in ranks.items()}}


def _group_sizes(groups: Mapping[str, int]) -> list[Row]:
    """Leakage groups by size: how many, and the records in them."""
    rows = []
    for low, following in zip(_GROUP_BOUNDS, (*_GROUP_BOUNDS[1:], None), strict=True):
        sizes = [size for size in groups.values() if size >= low and (following is None or size < following)]
        rows.append({"from": low, "to": following and following - 1, "groups": len(sizes), "records": sum(sizes)})
    return rows


def _clusters(drops: Iterable[Row]) -> Row:
    """The clusters of which one record was kept, their sizes, and between which sources copies were found."""
    lost = [row for row in drops if row["step"] == dedupe.NAME]
    clusters: dict[str, Counter[str]] = {"exact_copy": Counter(), "near_copy": Counter()}
    between: Counter[tuple[str, str]] = Counter()
    for row in lost:
        winner = dedupe.kept_for(row["detail"])
        clusters[row["reason"]][winner] += 1
        between[row["source"], winner.partition(":")[0]] += 1
    return {
        "kinds": [
            {
                "reason": reason,
                "clusters": len(found),
                "dropped": found.total(),
                "largest": 1 + max(found.values(), default=-1),
            }
            for reason, found in clusters.items()
        ],
        "between": [
            {"dropped_from": dropped, "kept_in": won, "records": n}
            for (dropped, won), n in sorted(between.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
    }


def _share(kept: _Kept, dimension: str) -> Row:
    """Of the records that name any entry (of topics: of all records), the share that names each, with Wilson's interval."""
    n = kept.n if dimension == "topics" else kept.naming[dimension]
    return {
        "dimension": dimension,
        "records": kept.n,
        "naming": kept.naming[dimension],
        "entries": [
            {"name": name, "k": kept.named[dimension][name], "n": n, "ci95": _wilson(kept.named[dimension][name], n)}
            for name in _lists()[dimension]
        ],
    }


def _wilson(k: int, n: int) -> list[float]:
    """95 % score interval (E. B. Wilson, JASA 22 (1927) 209)."""
    if n == 0:
        return [0.0, 1.0]
    share = k / n
    centre, spread = share + _Z**2 / (2 * n), _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    low, high = (0.0 if k == 0 else centre - spread), (1 + _Z**2 / n if k == n else centre + spread)
    return [round(bound / (1 + _Z**2 / n), 6) for bound in (low, high)]


def _licenses(licenses: Mapping[tuple[str, Access], int]) -> Row:
    """The licenses of the result and what each, and the whole, permits."""
    terms = {(name, access): terms_of(name, access) for name, access in licenses}
    whole = mix_of(
        {f"{name} ({access})" if access == "unclear" else name: terms[name, access] for name, access in terms}
    )
    return {
        "licenses": [
            {"license": name, "access": access, "records": n, **asdict(terms[name, access])}
            for (name, access), n in sorted(licenses.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        "whole": {
            "expression": whole.expression,
            "strictest": whole.strictest,
            "conflicts": [list(pair) for pair in whole.conflicts],
            "commercial_records": sum(
                n for key, n in licenses.items() if terms[key].is_known and terms[key].commercial
            ),
            **asdict(whole.terms),
        },
    }


def _by_count(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def _choose_examples(drops: Iterable[Row]) -> list[str]:
    """Ids of up to three drops of each reason that is about the text, from as many sources as there are."""
    taken: defaultdict[Step, list[Row]] = defaultdict(list)
    for row in drops:
        if not _NO_EXAMPLE.match(row["reason"]):
            taken[row["step"], row["reason"]].append(row)
    chosen = []
    for rows in taken.values():
        seen: Counter[str] = Counter()
        ranked = []
        for row in rows:
            ranked.append((seen[row["source"]], row["id"]))
            seen[row["source"]] += 1
        chosen += [identity for _, identity in sorted(ranked)[:_EXAMPLES]]
    return chosen


def _excerpt(record: Record) -> Row:
    texts = {"question": record.question, "answer": record.target}
    return {name: shortened(" ".join(_masked(text).split()), _EXCERPT_CHARS) for name, text in texts.items()}


def _masked(text: str) -> str:
    """A text as it stood before de-identification, without its identifiers."""
    return replace(text, find(text))


def _changed(folder: Path, restricted: Set[str]) -> Iterator[Row]:
    """Up to three changes of each rule, around the first place in which they differ. What de-identification took is not shown."""
    taken: Counter[Step] = Counter()
    for _, row in read_jsonl(folder / "changes.jsonl"):
        key = (row["step"], row["reason"])
        if taken[key] < _EXAMPLES and row["id"].partition(":")[0] not in restricted:
            taken[key] += 1
            if row["step"] == "deidentify":
                before, after = "", _around(row["before"], row["after"])[1]
            else:
                before, after = _around(_masked(row["before"]), _masked(row["after"]))
            yield {**{name: row[name] for name in ("id", "step", "reason", "field")}, "before": before, "after": after}


def _around(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before the first difference."""
    pairs = zip(before, after, strict=False)
    place = next((at for at, (old, new) in enumerate(pairs) if old != new), min(len(before), len(after)))
    start = max(0, place - _CONTEXT_CHARS // 2)
    return before[start : start + 2 * _CONTEXT_CHARS], after[start : start + 2 * _CONTEXT_CHARS]
