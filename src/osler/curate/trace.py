"""What became of one row: from the publisher's file to the training set, or to the reason why it is not there.

Reads a run's files line by line and keeps only the lines that name the row. The answer holds record text: it is for the
reader who asked, never for a log.
"""

import difflib
import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from osler.curate import decontaminate, dedupe
from osler.curate.split import SPLITS
from osler.errors import InputError
from osler.records.io import read_jsonl
from osler.records.record import record_id
from osler.runs.files import read_json

Row = dict[str, Any]
Fate = Literal["kept", "dropped", "set_aside", "examined_only"]

_TOKENS = re.compile(r"\s+|\S+")
_N_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Training:
    """Whether a model was trained on the row."""

    trained_on: bool | None
    """None: not known, or not yet."""
    why: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one row through a run."""

    id: str
    fate: Fate
    """`set_aside`: the native row did not become a record. `examined_only`: its source is asked from, not trained on."""
    origin: Row
    """Source, publisher's row, revision, license, access, url, generator."""
    written: Row | None
    """Of a generated row: document, page, quote and request, with the `page_text` it quotes; None for any other."""
    record: Row | None
    """As it stands in the training set, or as it was collected when it is not there."""
    changes: tuple[Row, ...]
    """Every field changed: step, field, before, after; in the order of the steps."""
    drop: Row | None
    """Step, reason and detail, when it was dropped or set aside."""
    lost_to: str
    """Id of the row that was kept instead of this copy; empty when it is none."""
    beat: tuple[Row, ...]
    """The drops of the rows that were exact or near copies of this one."""
    benchmark: str
    """The benchmark item that it holds text of, for which it was dropped; empty when there is none."""
    held_by: tuple[Row, ...]
    """The drops of the rows that hold its text, when it is a benchmark's item itself."""
    benchmarks_checked: tuple[str, ...]
    contradicts: tuple[str, ...]
    """Ids of the rows that answer its question otherwise, as far as `counts.json` names them."""
    times: int
    """How often it stands in the training set: more than once when the mix asked for repeats."""
    split: str
    group: str
    training: Training


def trace(folder: Path, identity: str) -> Trace:
    """The way of the row `identity` through the run in `folder`; of a repeat (`<id>~2`), that of the row it repeats.

    Raises:
        InputError: the run has no finished curation, or no row of that id; names the nearest ids.
    """
    curated = folder / "curate"
    if not (curated / "done").is_file():
        raise InputError(f"{folder.name} has no finished training set to trace in. Make it with `osler curate RECIPE`.")
    identity = _without_repeat(identity)
    collected = _collected(folder / "collect", identity) or _collected(folder / "synth", identity)
    standing = [row for name in SPLITS for row in _naming(curated / f"{name}.jsonl", identity)]
    kept = standing[0] if standing else None
    counts = read_json(curated / "counts.json")
    drops = tuple(_lines_with(curated / "dropped.jsonl", identity))
    own = next((row for row in drops if row["id"] == identity), None)
    aside = _set_aside(folder / "collect", identity) if collected is None else None
    found = kept or collected
    if found is None and aside is None:
        raise InputError(_unknown(folder, identity))
    detail = own["detail"] if own else ""
    return Trace(
        id=identity,
        fate="kept" if kept else "dropped" if own else "set_aside" if aside else "examined_only",
        origin=found["origin"] if found else {"source": aside["source"], "row": aside["row"]} if aside else {},
        written=_written(folder / "synth", identity),
        record=found,
        changes=tuple(_naming(curated / "changes.jsonl", identity)),
        drop=own or aside,
        lost_to=dedupe.kept_for(detail) if own and own["step"] == dedupe.NAME else "",
        beat=tuple(row for row in drops if row["step"] == dedupe.NAME and dedupe.kept_for(row["detail"]) == identity),
        benchmark=detail if own and own["step"] == decontaminate.NAME else "",
        held_by=tuple(row for row in drops if row["step"] == decontaminate.NAME and row["id"] != identity),
        benchmarks_checked=tuple(row["benchmark"] for row in counts["overlap"]),
        contradicts=tuple(_contradicting(counts, identity)),
        times=len(standing),
        split=kept["split"] if kept else "",
        group=kept["group"] if kept else "",
        training=_training(folder, identity, kept),
    )


def differences(before: str, after: str) -> list[tuple[str, str]]:
    """The pieces in which two texts differ, in order: what stood there, and what stands there now. Whole words."""
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [("".join(old[a:b]), "".join(new[c:d])) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def _lines_with(path: Path, text: str) -> Iterator[Row]:
    """The rows of a file whose line holds `text`; other lines are not parsed."""
    needle = orjson.dumps(text)[1:-1]
    with path.open("rb") as stream:
        for line in stream:
            if needle in line:
                yield orjson.loads(line)


def _naming(path: Path, identity: str) -> Iterator[Row]:
    return (row for row in _lines_with(path, identity) if _without_repeat(row["id"]) == identity)


def _without_repeat(identity: str) -> str:
    return identity.partition("~")[0]


def _contradicting(counts: Row, identity: str) -> Iterator[str]:
    for group in counts.get("contradictions", {}).get("first", ()):
        if identity in group["ids"]:
            yield from (other for other in group["ids"] if other != identity)


def _collected(folder: Path, identity: str) -> Row | None:
    path = folder / "records" / f"{Path(identity.partition(':')[0]).name}.jsonl"
    return next(_naming(path, identity), None) if path.is_file() else None


def _written(folder: Path, identity: str) -> Row | None:
    """The lineage of a generated row, with the text of the page that it quotes."""
    path = folder / "lineage.jsonl"
    lineage = next(_naming(path, identity), None) if path.is_file() else None
    if lineage is None:
        return None
    pages = _lines_with(folder / "documents.jsonl", lineage["document"])
    texts = (row["text"] for row in pages if (row["document"], row["page"]) == (lineage["document"], lineage["page"]))
    return {**lineage, "page_text": next(texts, "")}


def _set_aside(folder: Path, identity: str) -> Row | None:
    """The native row that would have become the record of this id."""
    source = identity.partition(":")[0]
    for row in _lines_with(folder / "set_aside.jsonl", source):
        if record_id(row["source"], row["row"]) == identity:
            return {"step": "collect", **row}
    return None


def _training(folder: Path, identity: str, kept: Row | None) -> Training:
    train = folder / "train"
    if kept is None:
        return Training(False, "it is not in the training set")
    if kept["split"] != "train":
        return Training(False, f"it is in the {kept['split']} split")
    if not (train / "done").is_file():
        return Training(None, "no model was trained yet")
    digest = read_json(folder / "curate" / "done")["files"]["train.jsonl"]
    if read_json(train / "run.json")["inputs"].get("curate/train.jsonl") != digest:
        return Training(None, "the model was trained on an earlier training set of this run")
    for row in _naming(train / "set_aside.jsonl", identity):
        return Training(False, f"set aside in training: {row['reason']}, {row['detail']}".rstrip(", "))
    epochs = read_json(train / "ledger.json")["epochs"]
    if epochs < 1:
        return Training(None, f"training ended after {epochs:.0%} of the rows; which ones is not recorded")
    return Training(True, f"{epochs:g} passes over the training rows")


def _unknown(folder: Path, identity: str) -> str:
    """The message for an id that no row has, with those most like it."""
    files = sorted(folder.glob("*/records/*.jsonl"))
    ids = (row["id"] for path in files for _, row in read_jsonl(path))
    near = heapq.nsmallest(_N_NEAREST, ids, key=lambda known: (-_likeness(known, identity), known))
    return (
        f"{folder.name} has no row {identity!r}. An id is a source's name, a colon and 16 hex digits; "
        f"the nearest are {', '.join(near) or 'none'}. The files in {folder / 'curate'} hold the ids."
    )


def _likeness(known: str, given: str) -> int:
    """Characters in common at the same place from the front or from the back: one slip of the hand leaves these alike."""
    front = sum(a == b for a, b in zip(known, given, strict=False))
    return max(front, sum(a == b for a, b in zip(reversed(known), reversed(given), strict=False)))
