"""Train the guard's classifier from open data and the project's own prompts; writes intents.npz and intents.md.

    python tools/train_guard.py /path/to/data [--without SET ...] [--out FOLDER]

Reads (each folder's SOURCE.md names its licence): medsafetybench (MIT), safety/medcontrast, clinician_benign, medquad and
meqsum questions, simplesafetytests, xstest (CC0, CC BY: even rows alone, the odd ones are for measuring), k_qa_silver (MIT), counsel_chat (MIT),
first_aid_qa, mts_dialog (CC BY), medmcqa, pubmedqa (MIT), tools/guard_prompts.yaml and the part `tuned` of the red team's prompts. Never trained on, only measured on:
do-not-answer, LiveQA, MedInfo, HealthSearchQA, in-the-wild jailbreaks. `--without` leaves a set out, to
see how the rest carries over to it. Needs scipy (extra `dev`); a minute on one core.
"""

import argparse
import csv
import gzip
import io
import json
import random
import re
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
from osler.guard.classify import WEIGHTS, WINDOW, pair_buckets, windows_of, word_hashes
from osler.guard.load import load_policy
from osler.guard.normalize import views
from osler.guard.policy import Policy

PROMPTS = Path(__file__).with_name("guard_prompts.yaml")
BUCKETS = 1 << 16
DRAWS = 24
"""Texts drawn from one pattern, at most."""
SEED = 11
PENALTY = 2e-6
N_STEPS = 70
N_LLAMA3 = 9000

SST_INTENTS = {
    "Suicide, Self-Harm, and Eating Disorders": "self_harm_suicide",
    "Illegal and Highly Regulated items": "drug_abuse_diversion",
    "Physical Harm and Violence": "harm_others",
}

TWINS = [
    (r"without (?:the )?(?:patient's |their |any |proper |informed |explicit )*(?:consent|permission|knowledge)", "with their consent"),
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


@dataclass(frozen=True, slots=True)
class Example:
    """A text of the training set."""

    text: str
    label: str
    """An intent, or empty for harmless."""
    origin: str
    weight: float = 1.0


def main() -> None:
    """Train, save, and describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    options = parser.parse_args()
    policy = load_policy("education", datetime.now(UTC).date())
    rng = random.Random(SEED)
    examples = [e for e in collect(options.data, policy, rng) if e.origin not in options.without]
    labels = ["", *sorted({e.label for e in examples} - {""})]
    weights, bias = fit(examples, labels, policy, rng)
    save(options.out, labels, weights, bias, examples, options.without)


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
    """Texts drawn from the patterns of guard_prompts.yaml."""
    spec = yaml.safe_load(PROMPTS.read_text("utf-8"))
    for intent, kinds in spec["intents"].items():
        for kind, patterns in kinds.items():
            for pattern in patterns:
                drawn = sorted({" ".join(drawn_from(pattern, spec["slots"], rng).split()) for _ in range(DRAWS)})
                for text in drawn:
                    yield Example(text, intent if kind == "risky" else "", f"own_{kind}", 14 / len(drawn))


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
        yield from with_twin(row["harmful_medical_request"], f"msb_{row['generator']}", 1.5)
    rows = jsonl(data / "medsafetybench" / "med_harm_llama3_cat_odd.jsonl.gz")
    for row in rng.sample(rows, N_LLAMA3):
        yield from with_twin(row["harmful_medical_request"], "msb_llama3", 0.3)
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
        yield Example(twin, "", f"{origin}_twin", weight)


def questions(data: Path, policy: Policy, rng: random.Random) -> Iterator[Example]:
    """Harmless text by real people, without the sentences that a rule flags; those of people in a crisis go to it."""
    safety = data / "safety"
    for name, weight in (("clinician_benign", 6.0), ("xstest", 3.0), ("medquad_questions", 0.7), ("meqsum_summaries", 1.5)):
        for row in jsonl(safety / f"{name}.jsonl")[::2]:
            if row["label"] == "benign" if name == "xstest" else True:
                yield Example(row["text"], "", name, weight)
    long = [("meqsum_chq", row["text"], 1.0) for row in jsonl(safety / "meqsum_chq.jsonl")[::4]]
    long += [("k_qa", row["Question"], 1.0) for row in jsonl(data / "k_qa_silver" / "questions_without_gold.jsonl.gz")]
    counsel = csv.DictReader(io.StringIO(gzip.decompress((data / "counsel_chat" / "20200325_counsel_chat.csv.gz").read_bytes()).decode()))
    asked = sorted({f"{row['questionTitle']}\n\n{row['questionText']}" for row in counsel})
    long += [("counsel_chat", text, 0.7) for text in asked]
    with (data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8") as file:
        turns = [turn for row in csv.DictReader(file) for turn in re.findall(r"Patient: (.*)", row["dialogue"])]
    long += [("mts_dialog", text, 0.4) for text in rng.sample(sorted(set(turns)), 1500)]
    for name, text, weight in long:
        for words in views(text, {}, policy.vocabulary)[0].sentences:
            sentence = " ".join(words)
            verdict = check(policy, sentence)
            if verdict.action == "crisis" and name == "counsel_chat":
                yield Example(sentence, verdict.intent, name, 1.0)
            elif verdict.action in {"allow", "safe_complete"}:
                yield Example(sentence, "", name, weight)
    short = [("first_aid_qa", str(row["question"])) for row in jsonl(data / "first_aid_qa" / "firstaidqa_train.jsonl.gz")]
    short += [("medmcqa", str(row["question"])) for row in jsonl(data / "medmcqa" / "medmcqa_dev_half_a.jsonl.gz")]
    pubmed = json.loads(gzip.decompress((data / "pubmedqa" / "ori_pqal_open500.json.gz").read_bytes()))
    short += [("pubmedqa", row["QUESTION"]) for row in pubmed.values()]
    for name, text in rng.sample(short, 3500):
        yield Example(text, "", name, 0.5)


# --- fitting ----------------------------------------------------------------------------------------------------------


def fit(examples: Sequence[Example], labels: Sequence[str], policy: Policy, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Weights (bucket by label) and biases of the softmax, by L-BFGS."""
    hashes: list[np.ndarray] = []
    targets: list[int] = []
    counts: list[float] = []
    for example in examples:
        for words in views(example.text, {}, policy.vocabulary)[0].sentences:
            if example.label and len(words) < 2:
                continue
            for start, end in windows_of(len(words)):
                for typos in (False, True):
                    part = [mistyped(w, rng) for w in words[start:end]] if typos else words[start:end]
                    runs = [word_hashes(w) for w in part]
                    first = np.array([1] + [0] * (len(part) - 1))
                    pairs = pair_buckets(np.array([run[0] for run in runs]), first if start == 0 else 0 * first, BUCKETS - 1)
                    found = np.array([h for run in runs for h in run], np.int64) & (BUCKETS - 1)
                    hashes.append(np.concatenate([found, pairs.ravel()]))
                    targets.append(labels.index(example.label))
                    counts.append(example.weight * (0.4 if typos else 1.0))
    rows = np.repeat(np.arange(len(hashes)), [len(h) for h in hashes])
    scale = np.repeat([1 / np.sqrt(len(h)) for h in hashes], [len(h) for h in hashes])
    x = csr_matrix((scale, (rows, np.concatenate(hashes))), (len(hashes), BUCKETS), dtype=np.float32)
    y, weight = np.array(targets), np.array(counts, np.float32)
    print(f"{len(y)} windows, {int(weight.sum())} by weight:", {labels[k] or 'harmless': round(float(weight[y == k].sum())) for k in range(len(labels))})
    xt, n_labels = x.T.tocsr(), len(labels)
    total = float(weight.sum())

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(BUCKETS + 1, n_labels).astype(np.float32)
        logits = x @ w[:-1] + w[-1]
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        slope = np.exp(log_p)
        slope[np.arange(len(y)), y] -= 1
        slope *= (weight / total)[:, None]
        value = -float((weight / total) @ log_p[np.arange(len(y)), y]) + PENALTY / 2 * float((w[:-1].astype(np.float64) ** 2).sum())
        gradient = np.concatenate([xt @ slope + PENALTY * w[:-1], slope.sum(axis=0)[None]])
        return value, gradient.astype(np.float64).ravel()

    best = minimize(loss, np.zeros((BUCKETS + 1) * n_labels), jac=True, method="L-BFGS-B", options={"maxiter": N_STEPS, "maxcor": 6})
    print("loss", best.fun, "steps", best.nit)
    solved = best.x.reshape(BUCKETS + 1, n_labels)
    return solved[:-1], solved[-1]


def mistyped(word: str, rng: random.Random) -> str:
    """A long word with one slip, half of the time."""
    if len(word) < 5 or rng.random() < 0.5:
        return word
    place = rng.randrange(1, len(word) - 1)
    slip = rng.randrange(3)
    if slip == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + (word[place] if slip == 1 else "") + word[place] * (slip == 1) + word[place + 1 :]


def save(folder: Path, labels: Sequence[str], weights: np.ndarray, bias: np.ndarray, examples: Sequence[Example], without: Sequence[str]) -> None:
    """Weights in eight bits, one scale for each label."""
    scale = np.abs(weights).max(axis=0) / 127
    np.savez_compressed(
        folder / WEIGHTS.name,
        labels=np.array(labels),
        weights=np.round(weights / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        bias=bias.astype(np.float32),
    )
    counts = Counter((e.origin, "harmless" if not e.label else "risky") for e in examples)
    print("\n".join(f"{origin} {kind} {n}" for (origin, kind), n in sorted(counts.items())), "without", without)


if __name__ == "__main__":
    main()
