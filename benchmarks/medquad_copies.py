"""Near copies and the split on real MedQuAD, judged by brute force that shares no code with curation.

    python benchmarks/medquad_copies.py /path/to/data

Curates MedQuAD with the default options. Then, with word 5-grams as plain Python sets: (1) no record was dropped as a copy of one
with another focus, other numbers or another negation; (2) no test record has a near copy (Jaccard 0.8 or more of question and
answer) or its source page in training. Every pair that shares a rare 5-gram is compared, not only those that MinHash proposes.
Also counted: what comparing answers alone, or questions alone, would take for copies.
"""

import argparse
import json
import platform
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.records.io import read_jsonl, read_records
from osler.records.record import Record
from osler.runs.progress import silent
from osler.sources.collect import collect
from osler.sources.config import CollectConfig

RESULT = Path(__file__).parent / "results" / "medquad_copies.json"
THRESHOLD = 0.8
_WORD = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NEGATION = re.compile(r"\b(?:no|not|never|none|without|cannot|neither|nor)\b|n['’]t\b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        **measure(parser.parse_args().data),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def measure(data: Path, max_rows: int | None = None) -> dict:
    """Counts; what must be none is under `faults`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collect(
            CollectConfig(root=data, sources=("medquad",), max_rows=max_rows), ["medquad"], folder / "collect", silent
        )
        path = folder / "collect" / "records" / "medquad.jsonl"
        began = time.process_time()
        curate([path], {}, CurateConfig(), 7, folder / "curate", silent, ("medquad",))
        seconds = time.process_time() - began
        collected = {record.id: record for record in read_records(path)}
        splits = {
            split: list(read_records(folder / "curate" / f"{split}.jsonl")) for split in ("train", "validation", "test")
        }
        drops = [row for _, row in read_jsonl(folder / "curate" / "dropped.jsonl") if row["step"] == "dedupe"]
    kept = [record for records in splits.values() for record in records]
    place = {record.id: split for split, records in splits.items() for record in records}
    pages = {record.id: _page(collected[record.id]) for record in kept}
    training_pages = {pages[record.id] for record in splits["train"]}
    pairs = list(near_pairs(kept))
    across = [(a, b) for a, b in pairs if {place[a], place[b]} == {"train", "test"}]
    wrong = [
        row["id"]
        for row in drops
        if not _says_the_same(collected[row["id"]], collected[row["detail"].partition(",")[0]])
    ]
    return {
        "records": len(collected),
        "curate_cpu_seconds": round(seconds, 1),
        "kept": len(kept),
        "splits": {split: len(records) for split, records in splits.items()},
        "dropped_as_copies": Counter(row["reason"] for row in drops),
        "near_pairs_kept": len(pairs),
        "near_pairs_kept_about_another_focus": sum(collected[a].group != collected[b].group for a, b in pairs),
        "faults": {
            "dropped_though_focus_number_or_negation_differ": wrong,
            "near_copies_across_train_and_test": across,
            "test_records_with_their_source_page_in_training": [
                r.id for r in splits["test"] if pages[r.id] in training_pages
            ],
        },
        "same_answer_other_question": _same(kept, lambda r: r.target, lambda r: r.question),
        "same_question_other_answer": _same(kept, lambda r: r.question, lambda r: r.target),
    }


def near_pairs(records: list[Record]) -> Iterator[tuple[str, str]]:
    """All pairs at the threshold: of two such sets, the rarest fifth of the smaller one has a member in the other (prefix filter)."""
    grams = {record.id: _grams(f"{record.question} {record.target}") for record in records}
    frequency = Counter(gram for found in grams.values() for gram in found)
    index: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for identity in sorted(grams, key=lambda one: (len(grams[one]), one)):
        own = grams[identity]
        ordered = sorted(own, key=lambda gram: (frequency[gram], gram))
        prefix = ordered[: len(own) - int(-(-THRESHOLD * len(own) // 1)) + 1]
        seen = {other for gram in prefix for other in index[gram] if len(grams[other]) >= THRESHOLD * len(own)}
        for other in sorted(seen):
            common = len(own & grams[other])
            if common >= THRESHOLD * (len(own) + len(grams[other]) - common):
                yield other, identity
        for gram in prefix:
            index[gram].append(identity)


def _grams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def _says_the_same(left: Record, right: Record) -> bool:
    """Same focus (MedQuAD's own group), numbers and negations."""
    texts = [f"{record.question} {record.target}".lower() for record in (left, right)]
    same = [
        sorted(expression.findall(texts[0])) == sorted(expression.findall(texts[1]))
        for expression in (_NUMBER, _NEGATION)
    ]
    return left.group == right.group and all(same)


def _page(record: Record) -> str:
    return record.origin.url or record.origin.row.partition("#")[0]


def _same(records: list[Record], same, other) -> int:  # noqa: ANN001
    """Records that share one text with a record whose other text differs."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        found[" ".join(_WORD.findall(same(record).lower()))].append(" ".join(_WORD.findall(other(record).lower())))
    return sum(len(others) for others in found.values() if len(set(others)) > 1)


if __name__ == "__main__":
    main()
