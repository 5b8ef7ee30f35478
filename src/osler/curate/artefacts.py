"""What single publishers left in their texts: pasted frequency tables, lost letters, marks of generated questions.

Each rule knows its own words exactly and touches nothing else.
"""

import re
from functools import cache
from importlib.resources import files

_IS_ARE = re.compile(r"\b([Ww]hat is) \(are\) ")
_SPACE_BEFORE_MARK = re.compile(r"(?<=[\w)\]]) +(?=\?(?:\s|$))")

# GARD's answers (MedQuAD): a table of the Human Phenotype Ontology, flattened, between two fixed paragraphs.
_AFTER_TABLE = (
    "The Human Phenotype Ontology (HPO) has collected information on how often a sign or symptom occurs in a condition. Much of this "
    "information comes from Orphanet, a European rare disease database. The frequency of a sign or symptom is usually listed as a rough "
    "estimate of the percentage of patients who have that feature. The frequency may also be listed as a fraction. The first number of "
    "the fraction is how many people had the symptom, and the second number is the total number of people who were examined in one "
    "study. For example, a frequency of 25/25 means that in a study of 25 people all patients were found to have that symptom. Because "
    "these frequencies are based on a specific study, the fractions may be different if another group of patients are examined. "
    "Sometimes, no information on frequency is available. In these cases, the sign or symptom may be rare or common."
)
_BEFORE_TABLE = (
    "If the information is available, the table below includes how often the symptom is seen in people with this condition. You can use "
    "the MedlinePlus Medical Dictionary to look up the definitions for these medical terms. Signs and Symptoms Approximate number of "
    "patients (when available)"
)


def _spaced(text: str) -> str:
    return r"\s+".join(map(re.escape, text.split()))


_TABLE = re.compile(
    r"(?<!\s)\s*(?P<lead>The Human Phenotype Ontology provides the following list of signs and symptoms for [^\n]{1,300}?\.)"
    rf"\s+{_spaced(_BEFORE_TABLE)}\s(?P<cells>.*?)\s*{_spaced(_AFTER_TABLE)}\s*",
    re.DOTALL,
)
_CELL = re.compile(r"(?<=\s)(\d+(?:\.\d+)? ?%|\d+ ?/ ?\d+|\d+ of \d+|-)(?=\s|$)")

_LOST = "rt"
_ABBREVIATION_LETTERS = 4
"""Capitals of up to so many letters may be an abbreviation (STA, SHO, AOA): left alone."""
_WORD = re.compile(r"(?<!\w)[A-Za-z]+(?!\w)")


def mend_question(text: str) -> str:
    """Take out the marks that MedQuAD's generator left in questions: "What is (are) Gout ?" becomes "What is Gout?"."""
    return _SPACE_BEFORE_MARK.sub("", _IS_ARE.sub(r"\1 ", text))


def mend_tables(text: str) -> str:
    """Pasted tables as lists, "- Cataract: 90%" a line, without the paragraphs about what such a table is.

    Every sign and frequency stays: for rare diseases the table is the answer. The paragraphs are the same in 1,993 answers
    and say nothing of the disease; their only numbers are the example "25/25".
    """
    # Without both ends there is no table to look for: a text of a hundred leads would be read a hundred times.
    return _TABLE.sub(_as_list, text) if _AFTER_TABLE[:60] in " ".join(text.split()) else text


def _as_list(found: re.Match[str]) -> str:
    *pairs, last = [part.strip() for part in _CELL.split(f" {found['cells']} ")]
    rows = [name if value == "-" else f"{name}: {value}" for name, value in zip(pairs[::2], pairs[1::2], strict=True)]
    lines = [found["lead"], *(f"- {row}" for row in (*rows, last) if row)]
    before = "\n\n" if found.start() else ""
    after = "\n\n" if found.end() < len(found.string) else ""
    return before + "\n".join(lines) + after


def mend_lost_letters(text: str) -> str:
    """Give words their lost "rt" back ("aery", "hea"), from a list of whole words and where it is certain.

    Meant for texts of a source that is known to have lost them. What is left of a word must be no word itself ("pa" and
    "aerial" stay). Where it is near another word ("poion"), the text must have lost the letters elsewhere and nowhere kept
    them.
    """
    certain, likely = _lost_letters()
    has_lost = _LOST not in text.lower() and any(word.lower() in certain for word in _WORD.findall(text))

    def mend(found: re.Match[str]) -> str:
        word = found.group()
        if word.isupper() and len(word) <= _ABBREVIATION_LETTERS:
            return word
        place = certain.get(word.lower())
        if place is None and has_lost:
            place = likely.get(word.lower())
        if place is None or not (word.islower() or word.isupper() or word.istitle()):
            return word
        return word[:place] + (_LOST.upper() if word.isupper() else _LOST) + word[place:]

    return _WORD.sub(mend, text)


@cache
def _lost_letters() -> tuple[dict[str, int], dict[str, int]]:
    """Where the letters belong in what is left of each word: certainly, and likely."""
    certain: dict[str, int] = {}
    likely: dict[str, int] = {}
    lines = files("osler.curate").joinpath("lost_letters.txt").read_text("ascii").splitlines()
    for line in lines:
        if line.startswith("#"):
            continue
        word = line.removeprefix("?")
        for place in (found.start() for found in re.finditer(_LOST, word)):
            (likely if line.startswith("?") else certain)[word[:place] + word[place + len(_LOST) :]] = place
    return certain, likely
