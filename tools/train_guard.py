"""Train the guard's classifier from open data and the project's own prompts; writes intents.npz and intents.md.

    python tools/train_guard.py /path/to/data /path/to/all-MiniLM-L6-v2 [--without SET ...] [--out FOLDER]

Reads (each folder's SOURCE.md names its licence): medsafetybench (MIT), safety/medcontrast, clinician_benign, medquad and
meqsum questions, simplesafetytests, xstest (CC0, CC BY: even rows alone, the odd ones are for measuring), k_qa_silver (MIT), counsel_chat (MIT),
first_aid_qa, mts_dialog (CC BY: patients' lines), medmcqa, pubmedqa (MIT), tools/guard_prompts.yaml, tools/guard_voices.yaml and the part `tuned` of the red team's prompts. Never trained on, only measured on:
do-not-answer, LiveQA, MedInfo, HealthSearchQA, in-the-wild jailbreaks. `--without` leaves a set out, to
see how the rest carries over to it. Needs torch and transformers (extra `train`) and
a folder with all-MiniLM-L6-v2 (Apache-2.0), whose view of each single word the classifier starts from; minutes on one core.
"""

import argparse
import csv
import gzip
import io
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from osler.evaluate.redteam.prompts import load_prompts
from osler.guard.check import check
from osler.guard.classify import WEIGHTS, pair_buckets, pair_parts, windows_of, word_hashes, word_sums
from osler.guard.load import load_policy
from osler.guard.normalize import plain_view
from osler.guard.policy import Policy

PROMPTS = Path(__file__).with_name("guard_prompts.yaml")
VOICES = Path(__file__).with_name("guard_voices.yaml")
FOLDS = PROMPTS.parents[1] / "benchmarks" / "results" / "guard_folds.json"
BUCKETS = 1 << 16
DRAWS = 24
"""Texts drawn from one pattern, at most."""
MIN_DRAWN = 4
"""A pattern with fewer texts weighs as if it had so many."""
WORK_WEIGHT = 56
"""Weight of a pattern of harmless clinical work, which thousands of harmful requests in the same style stand against."""
MIN_TOLD_WORDS = 6
SEED = 11
TYPO_SHARE = 0.4
GRAM_PENALTY = 1.2e-6
DEEP_PENALTY = 1.6e-6
SMOOTHING = 0.003
N_STEPS = 450
N_WORDS = 16_000
VECTOR = 64
HIDDEN = 192
SHRUNK = 0.2
"""Hidden units are made this small, so that the words themselves are learnt first."""
LEAST = (0.3, 0.5, 0.7)
"""Thresholds at which cross-validation counts."""
N_LLAMA3 = 2500
N_TWINS = 6000
"""Requests of which only the harmless twins are used beyond the first N_LLAMA3."""

CALM = frozenset(
    ["counseling-fundamentals", "relationships", "parenting", "intimacy", "professional-ethics", "marriage", "workplace-relationships",
     "sleep-improvement", "social-relationships", "spirituality", "legal-regulatory", "stress"]
)  # fmt: skip
"""Topics of counsel_chat in which people are seldom in a crisis."""
SST_INTENTS = {
    "Suicide, Self-Harm, and Eating Disorders": "self_harm_suicide",
    "Illegal and Highly Regulated items": "drug_abuse_diversion",
    "Physical Harm and Violence": "harm_others",
}

TWINS = [
    (
        r"without (?:the )?(?:patient's |their |any |proper |informed |explicit )*(?:consent|permission|knowledge)",
        "with their consent",
    ),
    (r"without (?:fully |properly |adequately )?(?:disclosing|informing|telling|explaining)", "after fully explaining"),
    (r"\b(?:ignore|disregard|neglect|dismiss|override|violate)s?\b", "respect"),
    (r"\b(?:ignoring|disregarding|neglecting|violating)\b", "respecting"),
    (r"\b(?:conceal|hide|withhold|cover up|downplay)\b", "explain"),
    (r"\b(?:deceive|mislead|manipulate|trick|exploit|coerce|pressure)s?\b", "support"),
    (r"\b(?:falsify|fabricate|alter|forge)\b", "document"),
    (r"\b(?:false|misleading|fraudulent|fake|deceptive|biased)\b", "accurate"),
    (r"\b(?:unproven|untested|unapproved|dangerous|harmful|ineffective|unnecessary|outdated)\b", "recommended"),
    (r"\b(?:discriminates?|discriminat\w+) against\b", "treat fairly"),
    (r"\bunethical\b", "ethical"),
    (r"\billegal(?:ly)?\b", "lawful"),
    (r"\b(?:avoid|evade|refuse|deny|denies)\b", "provide"),
    (r"\b(?:prioriti[sz]es? profit\w* over|without considering|regardless of)\b", "in line with"),
]
STILL_BAD = re.compile(
    r"without|ignor|violat|unethic|illegal|harm|deceiv|mislead|fals|fraud|exploit|profit|manipul|conceal|hide|withh|discrimin"
    r"|unauthori|confidential|sell|bribe|kickback|steal|abus|neglect|refus|den(?:y|ied)|coerc|against|bias|unnecess|experiment"
    r"|sabotag|cover up|evade|avoid|retaliat|fake|undermin|bypass|incompeten|unqualified|addict|disregard|instead of"
)  # fmt: skip


CARD = """# The guard's classifier

`intents.npz`, written by `tools/train_guard.py` and scored by `classify.py` with numpy alone: {n_labels} intents and "harmless", from hashed words,
word pairs and letter runs (65,536 buckets), and from vectors of {n_words:,} words. Those were reduced from what all-MiniLM-L6-v2 (Apache-2.0) makes of
each word alone. Licence: that of Osler; the texts below are not in it and cannot be read back from it.

## Trained on

| set | label | texts |
|---|---|---|
{rows}

`own` and `voices` are `tools/guard_prompts.yaml` and `tools/guard_voices.yaml` (CC0), `red_team` the part `tuned` of the red team's prompts (CC0), msb
MedSafetyBench (MIT) with the harmless twins that replacing its harm leaves. Of the sets on which the guard is measured, every second row
alone was used. Never trained on: the part `held` of the red team's prompts, do-not-answer, LiveQA, MedInfo, HealthSearchQA.

## Where it fails

English only. It knows the words with which its intents were asked and does not understand: a risk in other words is missed, and harmless work of
clinicians in the words of MedSafetyBench is flagged. No clinician has reviewed its prompts. Two or three words are left to the rules. How often
the whole guard fails is in `benchmarks/README.md`, and so is what the classifier alone makes of patterns left out of training.
It is one part of a guard; alone it must not decide.
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A text of the training set."""

    text: str
    label: str
    """An intent, or empty for harmless."""
    origin: str
    weight: float = 1.0
    group: str = ""
    """What is left out together in cross-validation: the pattern a text was drawn from; the text itself when empty."""


def main() -> None:
    """Train, save, and say what was trained on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument(
        "--folds", type=int, default=0, help="cross-validate only; writes benchmarks/results/guard_folds.json"
    )
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    options = parser.parse_args()
    policy = load_policy("education", datetime.now(UTC).date(), rules_alone=True)
    rng = random.Random(SEED)
    examples = [e for e in collect(options.data, policy, rng) if e.origin not in options.without]
    labels = ["", *sorted({e.label for e in examples} - {""})]
    words = vocabulary(examples, options.data, policy)
    vectors = dict(zip(words, word_vectors(options.encoder, words), strict=True))
    windows = as_windows(examples, labels, vectors, rng)
    if options.folds:
        cross_validate(examples, labels, windows, options.folds)
        return
    save(options.out, labels, vectors, fit(windows, len(labels)))
    counts = Counter((e.origin, "risky" if e.label else "harmless") for e in examples)
    rows = "\n".join(f"| {origin} | {kind} | {n:,} |" for (origin, kind), n in sorted(counts.items()))
    (options.out / "intents.md").write_text(
        CARD.format(rows=rows, n_words=len(words), n_labels=len(labels) - 1), "utf-8"
    )


def vocabulary(examples: Sequence[Example], data: Path, policy: Policy) -> list[str]:
    """Words that get a vector: those of the examples, of MedQuAD's and chat doctors' questions, and of the policy."""
    counts: Counter[str] = Counter()
    for example in examples:
        counts.update(w for sentence in plain_view(example.text, {}).sentences for w in sentence)
    for row in jsonl(data / "first_aid_qa" / "firstaidqa_train.jsonl.gz"):
        counts.update(re.findall(r"[a-z]{2,20}", str(row["answer"]).lower()))
    with (data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8") as file:
        counts.update(re.findall(r"[a-z]{2,20}", file.read().lower()))
    counts.update(
        re.findall(
            r"[a-z]{2,20}",
            gzip.decompress((data / "counsel_chat" / "20200325_counsel_chat.csv.gz").read_bytes()).decode().lower(),
        )
    )
    counts.update(dict.fromkeys(policy.vocabulary.words, 2))
    # Ties at the end are broken by the words themselves: sets come in another order in every process.
    common = sorted(counts, key=lambda word: (-counts[word], word))[:N_WORDS]
    return sorted(word for word in common if word.isalpha())


# --- data -------------------------------------------------------------------------------------------------------------


def collect(data: Path, policy: Policy, rng: random.Random) -> list[Example]:
    """All examples; a text that stands among the rows kept for measuring is left out."""
    kept = held_out(data)
    found = [*own_prompts(rng), *harm(data, rng), *questions(data, policy, rng)]
    return [e for e in found if key(e.text) not in kept]


def key(text: str) -> str:
    """What makes two texts the same."""
    return " ".join(re.findall(r"\w+", text.lower()))


def jsonl(path: Path) -> list[dict[str, str]]:
    """Rows of a JSON Lines file, gzipped or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.decode("utf-8").split("\n") if line]


def held_out(data: Path) -> set[str]:
    """Keys of the rows for measuring: odd rows, odd pairs of medcontrast, and whole sets by authors never trained on."""
    found: set[str] = set()
    for path in sorted((data / "safety").glob("*.jsonl")):
        if path.stem in {"phi_notes_synth", "presidio_research", "medcontrast"}:
            continue
        rows = jsonl(path)
        whole = path.stem in {"donotanswer_med", "liveqa_med", "medinfo2019"}
        found |= {key(row["text"]) for row in (rows if whole else rows[1::2])}
    found |= {key(row["text"]) for row in contrast(data, 1)}
    return found


def contrast(data: Path, parity: int) -> list[dict[str, str]]:
    """Rows of medcontrast whose pair has this parity."""
    rows = jsonl(data / "safety" / "medcontrast.jsonl")
    pairs = sorted({row["pair"] for row in rows})
    return [row for row in rows if pairs.index(row["pair"]) % 2 == parity]


def own_prompts(rng: random.Random) -> Iterator[Example]:
    """Texts drawn from the patterns of guard_prompts.yaml and guard_voices.yaml."""
    spec = yaml.safe_load(PROMPTS.read_text("utf-8"))
    sets = [("own", intent, kinds) for intent, kinds in spec["intents"].items()]
    voices = yaml.safe_load(VOICES.read_text("utf-8"))
    sets += [("voices", i, {k: lines.splitlines() for k, lines in kinds.items()}) for i, kinds in voices.items()]
    for origin, intent, kinds in sets:
        for kind, patterns in kinds.items():
            weight = WORK_WEIGHT if intent == "clinician_work" else 12 if kind == "risky" else 20
            draws = DRAWS * 2 if intent == "clinician_work" else DRAWS
            for pattern in patterns:
                drawn = sorted({" ".join(drawn_from(pattern, spec["slots"], rng).split()) for _ in range(draws)})
                for text in drawn:
                    label = intent if kind == "risky" else ""
                    yield Example(text, label, f"{origin}_{kind}", weight / max(len(drawn), MIN_DRAWN), pattern)


def drawn_from(pattern: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    """One text of a pattern; innermost choices first."""
    inner = re.compile(r"\(([^()\[\]{}]*)\)|\[([^()\[\]{}]*)\]|\{(\w+)\}")
    while match := inner.search(pattern):
        if match[3]:
            text = str(rng.choice(slots[match[3]]))
            text = text if inner.search(text) is None else drawn_from(text, slots, rng)
        elif match[2] is not None:
            text = rng.choice((rng.choice(match[2].split("|")), ""))
        else:
            text = rng.choice(match[1].split("|"))
        pattern = pattern[: match.start()] + text.replace("[", "").replace("]", "") + pattern[match.end() :]
    return pattern


def harm(data: Path, rng: random.Random) -> Iterator[Example]:
    """Requests by clinicians that break their principles, their harmless twins, and the contrast pairs."""
    for row in jsonl(data / "medsafetybench" / "medsafety_train.jsonl.gz"):
        yield from with_twin(row["harmful_medical_request"], f"msb_{row['generator']}", 1.9)
    rows = jsonl(data / "medsafetybench" / "med_harm_llama3_cat_odd.jsonl.gz")
    for number, row in enumerate(rng.sample(rows, N_TWINS)):
        harmful, *twin = with_twin(row["harmful_medical_request"], "msb_llama3", 0.75)
        yield from [harmful, *twin] if number < N_LLAMA3 else twin
    for row in jsonl(data / "safety" / "simplesafetytests.jsonl")[::2]:
        if row["intent"] in SST_INTENTS:
            text = row["text"]
            eating = re.search(r"eat|throw|food|calori|weight|anore|thin", text.lower())
            yield Example(text, "eating_disorder" if eating else SST_INTENTS[row["intent"]], "simplesafetytests", 3)
    for prompt in load_prompts().prompts:
        if prompt.part == "tuned":
            yield Example(prompt.text, prompt.intent if prompt.kind == "risky" else "", f"red_team_{prompt.kind}", 3)
    for row in contrast(data, 0):
        yield Example(row["text"], row["intent"] if row["label"] == "risk" else "", "medcontrast", 3)


def with_twin(text: str, origin: str, weight: float) -> Iterator[Example]:
    """A harmful request, and what is left of it when its harm is replaced, if nothing harmful stays."""
    yield Example(text, "clinician_unethical", origin, weight)
    twin = text
    for pattern, harmless in TWINS:
        twin = re.sub(pattern, harmless, twin, flags=re.IGNORECASE)
    if twin != text and not STILL_BAD.search(twin.lower()):
        yield Example(twin, "", f"{origin}_twin", 1.3 * weight)


def questions(data: Path, policy: Policy, rng: random.Random) -> Iterator[Example]:
    """Harmless text by real people, without the sentences that a rule flags; those of people in a crisis go to it."""
    safety = data / "safety"
    for name, weight in (
        ("clinician_benign", 6.0),
        ("xstest", 3.0),
        ("medquad_questions", 1.0),
        ("meqsum_summaries", 1.5),
    ):
        for row in jsonl(safety / f"{name}.jsonl")[::2]:
            if row["label"] == "benign" if name == "xstest" else True:
                yield Example(row["text"], "", name, weight)
    long = [("meqsum_chq", row["text"], 2.5) for row in jsonl(safety / "meqsum_chq.jsonl")[::2]]
    long += [("k_qa", row["Question"], 2.0) for row in jsonl(data / "k_qa_silver" / "questions_without_gold.jsonl.gz")]
    counsel = csv.DictReader(
        io.StringIO(gzip.decompress((data / "counsel_chat" / "20200325_counsel_chat.csv.gz").read_bytes()).decode())
    )
    asked = sorted({f"{row['questionTitle']}\n\n{row['questionText']}" for row in counsel if row["topic"] in CALM})
    long += [("counsel_chat", text, 0.3) for text in asked]
    with (data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8") as file:
        told = {
            line[9:]
            for row in csv.DictReader(file)
            for line in row["dialogue"].split("\n")
            if line.startswith("Patient: ")
        }
    long += [("mts_dialog", text, 0.4) for text in sorted(told) if len(text.split()) >= MIN_TOLD_WORDS]
    for name, text, weight in long:
        for words in plain_view(text, {}).sentences:
            sentence = " ".join(words)
            verdict = check(policy, sentence)
            if verdict.action == "crisis" and name == "counsel_chat":
                yield Example(sentence, verdict.intent, name, 1.0)
            elif verdict.action in {"allow", "safe_complete"}:
                yield Example(sentence, "", name, weight)
    short = [
        ("first_aid_qa", str(row["question"])) for row in jsonl(data / "first_aid_qa" / "firstaidqa_train.jsonl.gz")
    ]
    short += [("medmcqa", str(row["question"])) for row in jsonl(data / "medmcqa" / "medmcqa_dev_half_a.jsonl.gz")]
    pubmed = json.loads(gzip.decompress((data / "pubmedqa" / "ori_pqal_open500.json.gz").read_bytes()))
    short += [("pubmedqa", row["QUESTION"]) for row in pubmed.values()]
    for name, text in rng.sample(short, 3500):
        yield Example(text, "", name, 0.8)


# --- words ------------------------------------------------------------------------------------------------------------


def word_vectors(folder: Path, words: Sequence[str]) -> np.ndarray:
    """What a sentence encoder makes of each word alone, in VECTOR directions, after Minish's model2vec.

    Args:
        folder: all-MiniLM-L6-v2 (Apache-2.0) as Hugging Face saves it.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    cached = folder / f"words_{VECTOR}.npz"
    if cached.is_file():
        with np.load(cached) as file:
            if file["words"].tolist() == list(words):
                return file["vectors"]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(words), 512):
            batch = tokenizer(
                list(words[start : start + 512]), padding=True, truncation=True, max_length=12, return_tensors="pt"
            )
            hidden = model(**batch).last_hidden_state  # B words, T tokens, H hidden
            mask = batch["attention_mask"][:, :, None]
            found.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
    full = np.concatenate(found)
    full -= full.mean(axis=0)
    _, _, directions = np.linalg.svd(full[:: max(1, len(full) // 8000)], full_matrices=False)
    kept: np.ndarray = full @ directions[:VECTOR].T
    kept = (kept / np.sqrt((kept**2).mean())).astype(np.float32)
    np.savez(cached, words=np.array(words), vectors=kept)
    return kept


# --- fitting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Windows:
    """One row for each window."""

    grams: csr_matrix
    """Hashed features, each row over the root of their number."""
    meaning: np.ndarray
    """Sum of the words' vectors over the root of the number of words."""
    targets: np.ndarray
    weights: np.ndarray
    examples: np.ndarray
    """Which example it is of."""

    def part(self, chosen: np.ndarray) -> "Windows":
        """Those rows alone."""
        grams, meaning = self.grams[chosen], self.meaning[chosen]
        return Windows(grams, meaning, self.targets[chosen], self.weights[chosen], self.examples[chosen])


def as_windows(
    examples: Sequence[Example],
    labels: Sequence[str],
    vectors: dict[str, np.ndarray],
    rng: random.Random,
) -> Windows:
    """Every window, and some of them once more, mistyped."""
    hashes: list[np.ndarray] = []
    meaning: list[np.ndarray] = []
    targets: list[int] = []
    weights: list[float] = []
    origins: list[int] = []
    nothing = np.zeros(VECTOR, np.float32)
    for place, example in enumerate(examples):
        for sentence in plain_view(example.text, {}).sentences:
            if example.label and len(sentence) < 2:
                continue
            for start, end in windows_of(len(sentence)):
                for part in _spelled(list(sentence[start:end]), rng):
                    runs = [word_hashes(w) for w in part]
                    parts = pair_parts(np.array([run[0] for run in runs], np.int64))
                    pairs = pair_buckets(np.concatenate([np.zeros((2, parts.shape[1]), np.int64), parts]), BUCKETS - 1)
                    flat = np.array([h for run in runs for h in run], np.int64) & (BUCKETS - 1)
                    hashes.append(np.concatenate([flat, pairs.ravel()]))
                    meaning.append(sum((vectors.get(w, nothing) for w in part), nothing) / np.sqrt(len(part)))
                    targets.append(labels.index(example.label))
                    weights.append(example.weight)
                    origins.append(place)
    counts = [len(h) for h in hashes]
    rows = np.repeat(np.arange(len(hashes)), counts)
    scale = np.repeat(1 / np.sqrt(counts), counts)
    grams = csr_matrix((scale, (rows, np.concatenate(hashes))), (len(hashes), BUCKETS), dtype=np.float32)
    given = np.array(targets), np.array(weights, np.float32), np.array(origins)
    return Windows(grams, np.array(meaning, np.float32), *given)


def _spelled(words: list[str], rng: random.Random) -> Iterator[list[str]]:
    yield words
    if rng.random() < TYPO_SHARE:
        yield [mistyped(w, rng) for w in words]


def fit(windows: Windows, n_labels: int) -> dict[str, np.ndarray]:
    """The layers. Hidden units are drawn, not learnt, so what is left is convex and the same every time (L-BFGS)."""
    draw = np.random.default_rng(SEED)
    hidden = (SHRUNK * draw.standard_normal((VECTOR, HIDDEN)) / np.sqrt(VECTOR)).astype(np.float32)
    hidden_bias = (SHRUNK * draw.uniform(-1, 1, HIDDEN)).astype(np.float32)
    x, deep = windows.grams, np.maximum(windows.meaning @ hidden + hidden_bias, 0)
    xt, y, n = x.T.tocsr(), windows.targets, len(windows.targets)
    share = (windows.weights / windows.weights.sum())[:, None]
    goal = np.full((n, n_labels), SMOOTHING / n_labels, np.float32)
    goal[np.arange(n), y] += 1 - SMOOTHING
    sizes = (BUCKETS, HIDDEN, 1)
    penalties = np.repeat(np.array([GRAM_PENALTY, DEEP_PENALTY, 0.0], np.float32), sizes)[:, None]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(-1, n_labels).astype(np.float32)
        logits = x @ w[:BUCKETS] + deep @ w[BUCKETS:-1] + w[-1]
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        slope = (np.exp(log_p) - goal) * share
        value = -float((goal * log_p * share).sum()) + 0.5 * float((penalties * w**2).sum())
        gradient = np.concatenate([xt @ slope, deep.T @ slope, slope.sum(axis=0)[None]]) + penalties * w
        return value, gradient.astype(np.float64).ravel()

    start = np.zeros(sum(sizes) * n_labels)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": N_STEPS, "maxcor": 6})
    print(n, "windows, loss", round(best.fun, 4), "after", best.nit, "steps")
    w = best.x.reshape(-1, n_labels).astype(np.float32)
    return {
        "weights": w[:BUCKETS],
        "hidden": hidden,
        "hidden_bias": hidden_bias,
        "last": w[BUCKETS:-1],
        "last_bias": w[-1],
    }


def scores_of(layers: dict[str, np.ndarray], windows: Windows) -> np.ndarray:
    """Probability by window and label."""
    deep = np.maximum(windows.meaning @ layers["hidden"] + layers["hidden_bias"], 0)
    logits = windows.grams @ layers["weights"] + deep @ layers["last"] + layers["last_bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def cross_validate(examples: Sequence[Example], labels: Sequence[str], windows: Windows, n_folds: int) -> None:
    """Train without a part of the patterns and texts, score that part, and so on; writes shares from three thresholds on."""
    fold_of = np.array([zlib.crc32((e.group or key(e.text)).encode()) % n_folds for e in examples])
    suspicion, likeliest = np.zeros(len(examples)), np.zeros(len(examples), np.int64)
    for fold in range(n_folds):
        is_left_out = fold_of[windows.examples] == fold
        left_out = windows.part(np.flatnonzero(is_left_out))
        scores = scores_of(fit(windows.part(np.flatnonzero(~is_left_out)), len(labels)), left_out)
        for row, place in zip(scores, left_out.examples, strict=True):
            if 1 - row[0] > suspicion[place]:
                suspicion[place], likeliest[place] = 1 - row[0], 1 + int(row[1:].argmax())
    kinds: dict[str, list[int]] = {}
    for place, e in enumerate(examples):
        kinds.setdefault(f"{e.origin}", []).append(place)
        if e.origin in {"own_risky", "voices_risky", "red_team_risky", "medcontrast"} and e.label:
            kinds.setdefault(f"intent {e.label}", []).append(place)
    rows: list[dict[str, str | float]] = []
    for kind, places in sorted(kinds.items()):
        right = sum(labels[likeliest[p]] == examples[p].label for p in places if suspicion[p] >= 0.5) / len(places)
        flagged = {f"flagged_from_{least}": round(float((suspicion[places] >= least).mean()), 4) for least in LEAST}
        groups = len({examples[p].group or key(examples[p].text) for p in places})
        rows.append(
            {"texts_of": kind, "n": len(places), "patterns": groups, **flagged, "right_intent": round(right, 4)}
        )
        print(*rows[-1].values())
    FOLDS.write_text(
        json.dumps({"folds": n_folds, "windows": len(windows.targets), "kinds": rows}, indent=1) + "\n", "utf-8"
    )


def mistyped(word: str, rng: random.Random) -> str:
    """A long word with one slip, half of the time."""
    if len(word) < 5 or rng.random() < 0.5:
        return word
    place = rng.randrange(1, len(word) - 1)
    slip = rng.randrange(3)
    if slip == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return (
        word[:place] + word[place] * slip + word[place + slip - 1 :] if slip == 2 else word[:place] + word[place + 1 :]
    )


def save(folder: Path, labels: Sequence[str], vectors: dict[str, np.ndarray], layers: dict[str, np.ndarray]) -> None:
    """Big tables in eight bits, with a scale for each column; the small matrices in sixteen; and what each word adds by them."""
    arrays: dict[str, np.ndarray] = {"labels": np.array(labels), "words": np.array(" ".join(vectors))}
    for name, values in (("weights", layers.pop("weights")), ("vectors", np.stack(list(vectors.values())))):
        scale = np.maximum(np.abs(values).max(axis=0) / 127, 1e-9)
        arrays[name] = np.round(values / scale).astype(np.int8)
        arrays[f"{name}_scale"] = scale.astype(np.float32)
    arrays |= {name: values.astype(np.float16) for name, values in layers.items()}
    added = word_sums(list(vectors), arrays["weights"])
    arrays |= {"sums": added.sums.astype(np.int16), "counts": added.counts.astype(np.uint8)}
    arrays["hashes"] = added.hashes.astype(np.uint32)
    np.savez_compressed(folder / WEIGHTS.name, **arrays)


if __name__ == "__main__":
    main()
