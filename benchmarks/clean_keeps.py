"""Does cleaning keep every number, unit, drug name and negation? On all local copies, with an extractor that shares no code with it.

    python benchmarks/clean_keeps.py /path/to/data [--show 5]

Every text of every record of every source is cleaned. Where that changed it, both texts are read by the regular expressions
below, and what went or came is counted. What may go, and is counted apart: the paragraphs about GARD's tables (the numbers 25/25
and 25 and one "no", the same in each), and attributes of HTML tags. Cleaning what was cleaned must change nothing.
"""

import argparse
import html
import json
import platform
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from osler.curate.clean import Clean
from osler.curate.config import CleanConfig
from osler.records.io import read_records
from osler.records.record import Record
from osler.runs.progress import silent
from osler.sources.catalog import catalog_sources, source_named
from osler.sources.collect import collect_copies, copy_of
from osler.sources.files import has_files

RESULT = Path(__file__).parent / "results" / "clean_keeps.json"

NUMBER = re.compile(r"[0-9]+")
UNIT = re.compile(
    r"[0-9]\s*(mg|mcg|µg|μg|ug|kg|g|ng|ml|dl|l|iu|units?|mmol|meq|mmhg|mm|cm|%|hours?|days?|weeks?|months?|years?)\b",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(?:no|not|nor|none|never|neither|without|cannot|denies|negative|avoid|except|unless|contraindicated)\b|n['’]t\b",
    re.IGNORECASE,
)
DRUG = re.compile(
    r"\b[a-z]{3,}(?:mab|nib|pril|sartan|olol|statin|cillin|mycin|micin|azole|prazole|vir|gliptin|gliflozin|glutide|floxacin|cycline|dipine|"
    r"triptan|setron|zepam|zolam|barbital|caine|parin|xaban|gatran|thiazide|semide|tidine|profen|oxetine|traline|sone|solone|lukast|terol|"
    r"dronate|tretin|platin|rubicin|taxel|azine|idone|apine|etine|amine|idine|icin|oin)\b|\b(?:aspirin|insulin|warfarin|heparin|digoxin|"
    r"lithium|metformin|morphine|codeine|paracetamol|acetaminophen|ibuprofen|methotrexate|levothyroxine|tamoxifen|clopidogrel)\b",
    re.IGNORECASE,
)  # fmt: skip
SIGN = re.compile(r"[<>≤≥±]\s*(?=[0-9])")
KINDS = {"numbers": NUMBER, "units": UNIT, "negations": NEGATION, "drug names": DRUG, "signs": SIGN}
TAG = re.compile(r"</?[a-z][a-z0-9]{0,10}(?:\s+[a-z-]+\s*=\s*[^<>]*)?\s*/?>", re.IGNORECASE)
TABLE_PARAGRAPH = "has collected information on how often a sign or symptom occurs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--show", type=int, default=0, help="show so many differences of each kind")
    options = parser.parse_args()
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        **measure(options.data, options.show),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "sources"}, indent=2))


def measure(data: Path, show: int = 0) -> dict:
    """Counts over all sources that `data` holds."""
    names = [source.name for source in catalog_sources() if has_files(source, data)]
    changed, texts, twice = Counter(), Counter(), 0
    lost: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        copies = [copy_of(source_named(name), data, {}) for name in names]
        collect_copies(copies, Path(folder), silent)
        for name in names:
            for before, after, again in _cleaned(read_records(Path(folder) / "records" / f"{name}.jsonl")):
                texts[name] += 1
                twice += again != after
                if before == after:
                    continue
                changed[name] += 1
                for kind, expression in KINDS.items():
                    if difference := _difference(expression, before, after, name):
                        lost[kind][name] += 1
                        if lost[kind].total() <= show:
                            print(kind, name, difference)
    return {
        "texts": texts.total(),
        "changed": changed.total(),
        "changed_again_by_cleaning_twice": twice,
        "texts_with_a_difference": {kind: found.total() for kind, found in lost.items()},
        "sources": {
            name: {"texts": texts[name], "changed": changed[name], **{kind: lost[kind][name] for kind in KINDS}}
            for name in names
        },
    }


def _cleaned(records: Iterator[Record]) -> Iterator[tuple[str, str, str]]:
    """Each text as collected, cleaned, and cleaned twice."""
    clean = Clean(CleanConfig())
    for record in records:
        once = clean(record).record
        twice = clean(once).record
        yield from zip(*map(_texts, (record, once, twice)), strict=True)


def _texts(record: Record) -> list[str]:
    return [*(message.content for message in record.messages), *record.context, *record.choices, record.rationale]


def _difference(expression: re.Pattern[str], before: str, after: str, source: str) -> dict[str, int]:
    """What the expression finds more or less often after cleaning, less what may go."""
    if TABLE_PARAGRAPH in before:
        before = re.sub(
            r"The Human Phenotype Ontology \(HPO\) has collected.*?may be rare or common\.",
            " ",
            before,
            flags=re.DOTALL,
        )
        before = before.replace("Approximate number of patients (when available)", " ")
    texts = [TAG.sub(" ", html.unescape(html.unescape(before))), after]
    if source == "medmcqa":
        # Its files lost these letters, and cleaning gives them back: "seraline", "sertraline".
        texts = [re.sub("rt", "", text, flags=re.IGNORECASE) for text in texts]
    counts = [Counter(_folded(match) for match in expression.finditer(text)) for text in texts]
    counts[1].subtract(counts[0])
    return {what: n for what, n in counts[1].items() if n}


def _folded(match: re.Match[str]) -> str:
    found = match[1] if match.re is UNIT else match[0]
    return found.lower().replace("’", "'").replace("μ", "µ").strip()


if __name__ == "__main__":
    main()
