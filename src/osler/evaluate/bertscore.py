"""BERTScore: each token's vector against the most like one of the other text (T. Zhang et al., ICLR 2020), without idf or rescaling.

As in the authors' package `bert-score`: the special tokens are not counted, yet a token may be most like one of them.
Optional, and never in the gate: its value moves with the encoder, and stays high for an answer that says the opposite.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from osler.evaluate.means import mean_of
from osler.models.encoder import Encoder, Tokens, open_encoder
from osler.runs.files import digest_folder, sha256_json
from osler.runs.progress import Progress

DEPTH = 3 / 4
"""Of the layers, where none is named: near what the authors found best for BERT (9 of 12, 18 of 24) and RoBERTa (10, 17)."""
_PAIRS_AT_ONCE = 32


class Match(NamedTuple):
    """How like two texts are."""

    precision: float
    recall: float
    f1: float


def encoder_named(text: str) -> Encoder:
    """The encoder of `NAME` or `NAME@LAYER`; raises as `open_encoder`."""
    base, layer = _parts(text)
    return open_encoder(base, layer or None, DEPTH)


def encoder_digest(text: str | None) -> dict[str, str]:
    """Of the encoder's folder, for the inputs of a stage; empty for a hub id, and where none is named."""
    folder = Path(_parts(text or "")[0])
    return {"encoder": sha256_json(digest_folder(folder))} if text and folder.is_dir() else {}


def match(given: Tokens, wanted: Tokens) -> Match:
    """An answer against its reference; zeros where either has no words, or nothing alike."""
    if not (given.is_text.any() and wanted.is_text.any()):
        return Match(0.0, 0.0, 0.0)
    one, other = (tokens.vectors / (tokens.vectors**2).sum(1, keepdims=True) ** 0.5 for tokens in (given, wanted))
    alike = one @ other.T
    precision = float(alike.max(1)[given.is_text].mean())
    recall = float(alike.max(0)[wanted.is_text].mean())
    return Match(
        precision, recall, 2 * precision * recall / (precision + recall) if min(precision, recall) > 0 else 0.0
    )


def matches(encoder: Encoder, pairs: Sequence[tuple[str, str]], progress: Progress) -> tuple[list[Match], int]:
    """The match of each answer with its reference, in order, and how many texts lost their end."""
    found: dict[int, Match] = {}
    n_truncated = 0
    order = sorted(range(len(pairs)), key=lambda index: (sum(map(len, pairs[index])), index))
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        chosen = order[start : start + _PAIRS_AT_ONCE]
        stripped = [text.strip() for index in chosen for text in pairs[index]]
        read = dict(encoder.read([encoder.lead + text if text else "" for text in stripped]))
        n_truncated += sum(one.truncated for one in read.values())
        found |= {index: match(read[2 * at], read[2 * at + 1]) for at, index in enumerate(chosen)}
        progress("bertscore", start + len(chosen), len(order), "answers")
    return [found[index] for index in range(len(pairs))], n_truncated


def bertscore(encoder: Encoder, pairs: Sequence[tuple[str, str]], progress: Progress) -> dict[str, Any]:
    """What `scores.json` says of answers with their references: means, the interval of F1, and by which encoder."""
    found, n_truncated = matches(encoder, pairs, progress)
    f1 = mean_of([one.f1 for one in found], (0.0, 1.0))
    return {
        "n": f1.n,
        "precision": mean_of([one.precision for one in found], (-1.0, 1.0)).mean,
        "recall": mean_of([one.recall for one in found], (-1.0, 1.0)).mean,
        "f1": f1.mean,
        "f1_ci95": list(f1.ci95),
        "encoder": str(encoder.base),
        "layer": encoder.layer,
        "layers": encoder.n_layers,
        "truncated": n_truncated,
    }


def _parts(text: str) -> tuple[str, int | None]:
    base, at, layer = text.rpartition("@")
    base, number = (base, int(layer)) if at and layer.isdecimal() else (text, None)
    folder = Path(base).expanduser()
    return str(folder) if folder.is_dir() else base, number
