"""Planted faults among real records: what curation finds of them, and what it takes for one that is none.

    python benchmarks/planted.py /path/to/data [--n 500] [--seed 1] [--out benchmarks/results/planted.json]

Real MedQuAD rows, and MedMCQA, MedQA and PubMedQA as benchmarks. Planted into the training records: benchmark items with one
edit each, near copies from another source, near copies that say otherwise (these must stay), rows with invented identifiers,
and contradictions. The rest is all that was not planted; a false alarm is a record of the rest that a step took for a fault.
"""

import argparse
import json
import platform
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from osler.curate.clean import Clean
from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.evaluate.stats import wilson
from osler.records.io import read_jsonl, read_records, write_records
from osler.records.record import Message, Origin, Record, record_id
from osler.runs.progress import silent
from osler.sources.collect import collect
from osler.sources.config import CollectConfig
from osler.text import jaccard, shingles, words

RESULT = Path(__file__).parent / "results" / "planted.json"
TRAINED = ("medquad", "symptom_to_diagnosis")
ASKED = ("medmcqa", "medqa", "pubmedqa")
MIN_FOUND, MAX_FALSE = 0.98, 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="0 was in view while the rules were improved")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "aims": {"found": MIN_FOUND, "false_alarms": MAX_FALSE},
        "seed": options.seed,
        **measure(options.data, options.n, options.seed),
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for part in ("found", "false_alarms"):
        for kind, row in result[part].items():
            print(f"{part:13} {kind:30} {row['hits']:6} of {row['of']:6} {row['share']:.4f} {row['ci95']}")


def measure(data: Path, n: int, seed: int, max_rows: int | None = None) -> dict:
    """Plant, curate and count. `n` benchmark items and near copies, 2/5 of it of the others."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        config = CollectConfig(root=data, sources=(*TRAINED, *ASKED), max_rows=max_rows)
        collect(config, list(config.sources), Path(folder) / "collect", silent)
        own = {
            name: list(read_records(Path(folder) / "collect" / "records" / f"{name}.jsonl")) for name in config.sources
        }
        rest = [record for name in TRAINED for record in own[name]]
        benchmarks = {name: own[name] for name in ASKED}
        # Near copies are made of text as curation compares it: an edit in a paragraph that cleaning takes out proves nothing.
        clean = Clean(CurateConfig().clean)
        cleaned = [clean(record).record for record in rest]
        planted = plant(cleaned, [item for name in ASKED for item in own[name]], n, rng)
        records = [*rest, *(record for group in planted.values() for record in group)]
        out = Path(folder) / "curate"
        path = Path(folder) / "records.jsonl"
        write_records(path, records)
        curate([path], benchmarks, CurateConfig(), seed, out, silent, TRAINED)
        return count(rest, planted, out)


def plant(rest: list[Record], items: list[Record], n: int, rng: random.Random) -> dict[str, list[Record]]:
    """Planted records by kind."""
    few = max(n * 2 // 5, 1)
    planted: dict[str, list[Record]] = {}
    for number, item in enumerate(rng.sample(items, n)):
        name, edit = EDITS[number % len(EDITS)]
        planted.setdefault(f"benchmark: {name}", []).append(_planted(edit(item, rng), f"benchmark {number}"))
    long = [r for r in rest if r.task == "qa" and 60 <= len(words(r.target)) <= 400]
    twins = filter(None, (_near_copy(record, rng) for record in rng.sample(long, len(long))))
    planted["near copy"] = [_planted(twin, f"near {i}") for i, twin in enumerate(islice(twins, n))]
    others = filter(None, map(_says_otherwise, rng.sample(long, len(long))))
    planted["near copy that says otherwise"] = [_planted(r, f"other {i}") for i, r in enumerate(islice(others, few))]
    planted["identifiers"] = [
        _planted(_with_identifier(r, i, rng), f"phi {i}") for i, r in enumerate(rng.sample(long, few))
    ]
    planted["contradiction"] = [record for number in range(few // 2) for record in _contradiction(number, rng)]
    return planted


def count(rest: list[Record], planted: dict[str, list[Record]], out: Path) -> dict:
    """Shares found and false alarms, with their intervals."""
    dropped = {row["id"]: row for _, row in read_jsonl(out / "dropped.jsonl")}
    tagged = {row["id"] for _, row in read_jsonl(out / "changes.jsonl") if row["step"] == "deidentify"}
    leaks = {r.id: r for name in ("train", "validation", "test") for r in read_records(out / f"{name}.jsonl")}
    told = json.loads((out / "counts.json").read_text("utf-8"))["contradictions"]
    at_odds = {identity for row in told["first"] for identity in row["ids"]}
    signs: dict[str, Callable[[Record], bool]] = {
        "benchmark": lambda r: _is_contaminated(r.id, dropped),
        "near copy": lambda r: _lost_to_its_twin(r, dropped),
        "near copy that says otherwise": lambda r: dropped.get(r.id, {}).get("step") != "dedupe",
        "identifiers": lambda r: r.id in tagged and not _leaks(leaks.get(r.id)),
        "contradiction": lambda r: r.id in at_odds and leaks[r.id].group == leaks[_partner(r)].group,
    }
    found = {kind: _share(sum(map(signs[kind.partition(":")[0]], rows)), len(rows)) for kind, rows in planted.items()}
    edited = [r for kind, rows in planted.items() if kind.startswith("benchmark:") for r in rows]
    found["benchmark"] = _share(sum(map(signs["benchmark"], edited)), len(edited))
    alarms = {
        "benchmark": [r.id for r in rest if dropped.get(r.id, {}).get("step") == "decontaminate"],
        "near copy": [r.id for r in rest if _wrong_near_copy(r, dropped, rest)],
        "identifiers": [r.id for r in rest if r.id in tagged],
        "contradiction": [r.id for r in rest if r.id in at_odds],
    }
    return {
        "rest": len(rest),
        "found": found,
        "false_alarms": {kind: _share(len(ids), len(rest)) for kind, ids in alarms.items()},
        "alarms": {kind: [{"id": i, "detail": dropped.get(i, {}).get("detail", "")} for i in ids[:10]] for kind, ids in alarms.items()},
        "missed": {
            kind: [r.origin.row for r in rows if not signs[kind.partition(":")[0]](r)][:10] for kind, rows in planted.items()
        },
    }  # fmt: skip


def _share(hits: int, of: int) -> dict:
    return {
        "hits": hits,
        "of": of,
        "share": round(hits / of, 4) if of else None,
        "ci95": [round(x, 4) for x in wilson(hits, of)],
    }


def _planted(record: Record, row: str) -> Record:
    origin = Origin("planted", row, license="CC-BY-NC-4.0")
    return replace(record, id=record_id("planted", row), origin=origin, split="", group="")


def _asks(record: Record, question: str, target: str = "") -> Record:
    return replace(record, messages=(Message("user", question), Message("assistant", target or record.target)))


def _change_word(text: str, rng: random.Random) -> str:
    places = list(re.finditer(r"[A-Za-z]{4,}", text)) or [re.match(r".", text)]
    chosen = rng.choice(places)
    return f"{text[: chosen.start()]}sundry{text[chosen.end() :]}" if chosen else text


def _shuffled(record: Record, rng: random.Random) -> Record:
    if record.task != "choice" or record.answer is None:
        return replace(record, context=tuple(rng.sample(record.context, len(record.context))))
    order = rng.sample(range(len(record.choices)), len(record.choices))
    answer = order.index(record.answer)
    choices = tuple(record.choices[i] for i in order)
    return _asks(
        replace(record, choices=choices, answer=answer), record.question, f"{'ABCDEFGHIJ'[answer]}. {choices[answer]}"
    )


def _answer_appended(record: Record, _rng: random.Random) -> Record:
    right = record.choices[record.answer] if record.answer is not None else ""
    plain = replace(record, task="qa", choices=(), answer=None, context=())
    return _asks(plain, f"{record.question} The answer is {right}", f"It is {right}, as was said.")


EDITS: tuple[tuple[str, Callable[[Record, random.Random], Record]], ...] = (
    ("case", lambda r, _: _asks(r, r.question.swapcase())),
    ("punctuation", lambda r, _: _asks(r, re.sub(r"[^\w\s]", " ", r.question) + " ...")),
    ("one word changed", lambda r, rng: _asks(r, _change_word(r.question, rng))),
    ("option order", _shuffled),
    ("answer appended", _answer_appended),
)


def _near_copy(record: Record, rng: random.Random) -> Record | None:
    """The record with small words of its answer changed, none of which states a number, a negation or a side."""
    small = list(re.finditer(r"\b(?:may|usually|people|doctor|often|called|such|these|many|help)\b", record.target))
    own = shingles(words(f"{record.question} {record.target}"), 5)
    for n_changed in (3, 2, 1):
        text = record.target
        for place in sorted(rng.sample(small, min(n_changed, len(small))), key=lambda m: -m.start()):
            text = f"{text[: place.start()]}sundry{text[place.end() :]}"
        if text != record.target and jaccard(own, shingles(words(f"{record.question} {text}"), 5)) >= 0.82:
            return _asks(record, record.question, text)
    return None


def _says_otherwise(record: Record) -> Record | None:
    """The record with a number, a negation or a side changed: one that must not be dropped."""
    for pattern, other in (
        (r"\b(\d+)\b", r"9\1"),
        (r"\bnot\b", "also"),
        (r"\bmore\b", "less"),
        (r"\bmale\b", "female"),
    ):
        text = re.sub(pattern, other, record.target, count=1)
        if text != record.target:
            return _asks(record, record.question, text)
    return None


_NAMES = ("Kowalsky", "Petrova", "Okonkwo", "Lindqvist", "Yamamoto", "Delacroix", "Haddad", "Moreau")
_IDENTIFIERS: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: f"Call 202-555-{rng.randrange(100, 199):04d}",
    lambda rng: f"Write to {rng.choice(_NAMES).lower()}{rng.randrange(99)}@example.org",
    lambda rng: f"MRN: {rng.randrange(1_000_000, 9_999_999)}",
    lambda rng: f"SSN 219-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}",
    lambda rng: f"Patient name: {rng.choice(('Anna', 'John', 'Maria', 'Peter'))} {rng.choice(_NAMES)}",
    lambda rng: f"DOB: {rng.randrange(1, 12):02d}/{rng.randrange(1, 28):02d}/19{rng.randrange(40, 99)}",
    lambda rng: f"Seen by Dr. {rng.choice(_NAMES)}",
)


def _with_identifier(record: Record, number: int, rng: random.Random) -> Record:
    said = _IDENTIFIERS[number % len(_IDENTIFIERS)](rng)
    return _asks(record, f"{record.question} (case {number})", f"{record.target}\n{said}.")


def _leaks(record: Record | None) -> bool:
    last = record.target.rpartition("\n")[2] if record else ""
    return any(name.lower() in last.lower() for name in _NAMES) or len(re.findall(r"\d", last)) > 3


_SUBJECTS = (
    "zinc",
    "iron",
    "folate",
    "vitamin B12",
    "thiamine",
    "iodine",
    "copper",
    "selenium",
    "calcium",
    "magnesium",
)


def _contradiction(number: int, rng: random.Random) -> Iterator[Record]:
    """Two invented records that answer one question differently, written differently."""
    question = f"Is {_SUBJECTS[number % 10]} given in the condition called invented-{number}?"
    kind = number % 3
    for which in (0, 1):
        asked = question if which == 0 else f"  {question.upper()} "
        row = f"contradiction {number}-{which}"
        if kind == 0:
            choices = tuple(rng.sample(("at once", "after a week", "never", f"by dose {number}"), 4))
            answer = choices.index("at once" if which == 0 else "never")
            made = {"task": "choice", "choices": choices, "answer": answer}
            target = f"{'ABCD'[answer]}. {choices[answer]}"
        elif kind == 1:
            made = {
                "task": "yesno",
                "choices": ("yes", "no", "maybe"),
                "answer": which,
                "context": (f"Trial {number} of it.",),
            }
            target = ("Yes", "No")[which] + ". The trial told."
        else:
            made, target = (
                {"task": "qa"},
                (f"Yes, it is given for {number} days.", f"No. It is not given after day {number}.")[which],
            )
        yield Record(id=record_id("planted", row), origin=Origin("planted", row), messages=(Message("user", asked), Message("assistant", target)), **made)  # fmt: skip


def _partner(record: Record) -> str:
    row = record.origin.row
    return record_id("planted", row[:-1] + str(1 - int(row[-1])))


def _is_contaminated(identity: str, dropped: dict[str, dict]) -> bool:
    """Dropped for its benchmark text, or as a copy of a record that was."""
    row = dropped.get(identity)
    if row is None or row["step"] not in {"dedupe", "decontaminate"}:
        return False
    return row["step"] == "decontaminate" or _is_contaminated(row["detail"].partition(",")[0], dropped)


def _lost_to_its_twin(record: Record, dropped: dict[str, dict]) -> bool:
    return dropped.get(record.id, {}).get("reason") in {"near_copy", "exact_copy"}


def _wrong_near_copy(record: Record, dropped: dict[str, dict], rest: list[Record]) -> bool:
    """A record of the rest dropped as near copy of one that is about another focus."""
    row = dropped.get(record.id)
    if row is None or row["reason"] != "near_copy":
        return False
    kept = next((other for other in rest if other.id == row["detail"].partition(",")[0]), None)
    return kept is None or kept.group != record.group


if __name__ == "__main__":
    main()
