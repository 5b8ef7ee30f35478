"""Cleaning mends how a text is written and keeps what it says."""

import gzip
import importlib.util
import sys
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.curate.artefacts import mend_lost_letters, mend_question, mend_tables
from osler.curate.clean import Clean, clean_text
from osler.curate.config import CleanConfig
from osler.curate.facts import negations, numbers

CONFIG = CleanConfig()


def clean(text: str) -> str:
    return clean_text(text, CONFIG)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Take 500mg twice, 10mL/min", "Take 500 mg twice, 10 mL/min"),
        ("120mmHg, Emgality, mg/mL, (mg/kg), Holmgren", "120mmHg, Emgality, mg/mL, (mg/kg), Holmgren"),
        ("Key Points\n                    - one    - two\n   \n\n\n   end", "Key Points\n- one - two\n\nend"),
        ("A. yes\r\nB. no", "A. yes\nB. no"),
        ("<p>First</p><p>Second <b>bold</b></p>", "First\n\nSecond bold"),
        ("salt &amp; water &lt; 5&nbsp;g", "salt & water < 5 g"),
        ("&amp;lt;", "<"),
        ("p<0.05 and >5, b <3 i> 2", "p<0.05 and >5, b <3 i> 2"),
        ("10<sup>9</sup>/L and B<sub>12</sub>", "10^9/L and B12"),
        ("patientâ€™s fever", "patient’s fever"),
        ("cafÃ© au lait spots â€“ many", "café au lait spots – many"),
        ("Sjögren, Ménière, 5 µg", "Sjögren, Ménière, 5 µg"),
        ("zero\u200bwidth \ufeffmarks", "zerowidth marks"),
        ("1\u200b5", "1 5"),
        ("cafe\u0301", "café"),
        ("See <link> here</link> &quot;now&quot;", 'See here "now"'),
    ],
)
def test_text_is_mended(text: str, cleaned: str):
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("What is (are) Gout ?", "What is Gout?"),
        ("What are the symptoms of Gout ?", "What are the symptoms of Gout?"),
        ("Is 5 ?3 right", "Is 5 ?3 right"),
    ],
)
def test_marks_of_generated_questions_go(text: str, cleaned: str):
    assert mend_question(text) == cleaned


def test_only_questions_lose_their_marks(record):
    result = Clean(CONFIG)(record("1", "What is (are) Gout ?", "Ask: What is (are) Gout ?"))
    assert result.record.question == "What is Gout?"
    assert result.record.target == "Ask: What is (are) Gout ?"
    assert [(change.field, change.before, change.after) for change in result.changes] == [
        ("messages[0]", "What is (are) Gout ?", "What is Gout?")
    ]


def test_each_option_switches_its_part_off():
    off = CleanConfig(mojibake=False, unit_spacing=False, strip_markup=False)
    assert clean_text("5mg &amp; <b>â€™</b>", off) == "5mg &amp; <b>â€™</b>"


def test_switched_off_cleaning_hands_the_record_on(record):
    made = record("1", "q ?", "5mg")
    assert Clean(CleanConfig(enabled=False))(made).record is made


_PIECES = st.sampled_from(
    ["5", "mg", " mg", "0.5", "10-20", "120/80", "mmHg", " not ", "no ", "n't", " ", "\n", "\t", "\xa0", "<5", ">", "%", "IU", "µg", "kg", "mL",
     "word", "&amp;", "&nbsp;", "&gt;", "<b>", "</b>", "<br/>", "<p>", "â€™", "Ã©", "\u200b", " ?", "(", ")", "e\u0301", "\r\n", "never", "."]
)  # fmt: skip
_TEXTS = st.one_of(st.lists(_PIECES, max_size=16).map("".join), st.text(max_size=60))


@settings(max_examples=400, deadline=None)
@given(_TEXTS)
def test_cleaning_twice_is_cleaning_once(text: str):
    once = clean(text)
    assert clean(once) == once
    assert mend_question(mend_question(once)) == mend_question(once)


_PLAIN = st.lists(
    st.sampled_from(
        ["5", "mg", " mg", "0.5", " 10-20", "120/80", "mmHg", " not ", " no ", "don't", " ", "\n", "\t", "\xa0", " < 5", "%", "IU", "µg", "kg",
         "mL", " word", " â€™ ", "Ã©", " ?", "(", ")", "\r\n", " never ", ". ", "   ", "mmol"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(_PLAIN)
def test_numbers_units_and_negations_survive_cleaning(text: str):
    cleaned = mend_question(clean(text))
    assert numbers(cleaned) == numbers(text)
    assert negations(cleaned) == negations(text)


_TABLE = (
    "What are the signs and symptoms of X? The Human Phenotype Ontology provides the following list of signs and symptoms for X. "
    "If the information is available, the table below includes how often the symptom is seen in people with this condition. "
    "You can use the MedlinePlus Medical Dictionary to look up the definitions for these medical terms. "
    "Signs and Symptoms Approximate number of patients (when available) Cataract 90% Short 5th finger 3/10 Ataxia 2 of 4 "
    "Low-set ears - {last}The Human Phenotype Ontology (HPO) has collected information on how often a sign or symptom occurs in a "
    "condition. Much of this information comes from Orphanet, a European rare disease database. The frequency of a sign or symptom is "
    "usually listed as a rough estimate of the percentage of patients who have that feature. The frequency may also be listed as a "
    "fraction. The first number of the fraction is how many people had the symptom, and the second number is the total number of people "
    "who were examined in one study. For example, a frequency of 25/25 means that in a study of 25 people all patients were found to "
    "have that symptom. Because these frequencies are based on a specific study, the fractions may be different if another group of "
    "patients are examined. Sometimes, no information on frequency is available. In these cases, the sign or symptom may be rare or "
    "common."
)
_LIST = (
    "What are the signs and symptoms of X?\n\nThe Human Phenotype Ontology provides the following list of signs and symptoms for X.\n"
    "- Cataract: 90%\n- Short 5th finger: 3/10\n- Ataxia: 2 of 4\n- Low-set ears"
)


def test_a_pasted_table_becomes_a_list_with_every_sign_and_number():
    assert mend_tables(_TABLE.format(last="")) == _LIST
    assert mend_tables(_TABLE.format(last="No value ") + " More.") == _LIST + "\n- No value\n\nMore."
    assert mend_tables(_LIST) == _LIST


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Radial aery, Aery, IMPOANT", "Radial artery, Artery, IMPORTANT"),
        ("post-paum, hypeension's", "post-partum, hypertension's"),
        ("pa of the aerial wall", "pa of the aerial wall"),
        ("hea failure", "hea failure"),
        ("hea failure with hypeension", "heart failure with hypertension"),
        ("part of the hea with hypeension", "part of the hea with hypertension"),
        ("the STA and AOA near the aery", "the STA and AOA near the artery"),
        ("aOA, aery2, aeryé", "aOA, aery2, aeryé"),
    ],
)
def test_lost_letters_come_back_where_it_is_certain(text: str, mended: str):
    assert mend_lost_letters(text) == mended


def test_only_sources_that_lost_letters_get_them_back(record):
    records = [record(name, "Which aery?", "The aoic one.", source=name) for name in ("medmcqa", "other")]
    lost, other = map(Clean(CONFIG), records)
    assert (lost.record.question, other.record.question) == ("Which artery?", "Which aery?")
    assert {change.reason for change in lost.changes} == {"lost_letters"}
    assert (lost.tallies, other.tallies) == ({"lost_letters": 2}, {})


def test_no_word_of_other_sources_is_taken_for_one_that_lost_letters(shared_data):
    with gzip.open(shared_data / "medquad" / "medquad_with_answers.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            assert mend_lost_letters(line) == line or "aeries" in line


_SOUP = st.lists(
    st.sampled_from(
        [*_TABLE.split(" "), *_TABLE.format(last="").split(". "), "aery", "hea", "AOA", "heparin", "not", "5 mg", "0.5", "90%", "3/4", " - ", "\n",
         " ?", "What is (are)", "<link>", "&#13;", "<ref>", "\ud800"]
    ),
    max_size=25,
).map(" ".join)  # fmt: skip
_MCQ = CleanConfig(lost_letters=("invented",))


@settings(max_examples=300, deadline=None)
@given(st.one_of(_SOUP, st.text(st.characters(), max_size=60)), st.booleans())
def test_fuzzed_records_are_cleaned_once_and_keep_what_they_say(record, text: str, whole: bool):
    text = text.encode("utf-8", "replace").decode()
    text = f"{text} {_TABLE.format(last='')} {text}" if whole else text
    cleaned = Clean(_MCQ)(record("1", text, text)).record
    assert not Clean(_MCQ)(cleaned).changes
    gone = Counter(numbers(clean(text)))
    gone.subtract(numbers(cleaned.target))
    # "25/25", "25" and "no information" stand in the paragraph about tables, and are all that ever goes.
    assert set(gone.elements()) <= ({"25/25", "25"} if whole else set())
    denied = Counter(negations(clean(text)))
    denied.subtract(negations(cleaned.target))
    assert set(denied.elements()) <= ({"no"} if whole else set())
    assert text.count("heparin") == cleaned.target.count("heparin")


_HUGE = (
    " ",
    "\n",
    "a ",
    "&amp;",
    "<b ",
    "5mg",
    " ?",
    "1,",
    "1\u200b",
    "\ud800",
    "â€™",
    "aery ",
    "The Human Phenotype Ontology provides the following list ",
)


@pytest.mark.parametrize("piece", _HUGE)
def test_huge_lines_and_lone_surrogates_are_cleaned_in_time_that_grows_with_their_length(piece: str):
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    for rule in (clean, mend_tables, mend_question, mend_lost_letters):
        rule(text)
    # A rule that reads a text again from each of its places needs minutes here.
    assert time.process_time() - began < 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["utf-8", "cp1252", "latin-1", "utf-16-le"]))
def test_garbage_bytes_are_cleaned_once(raw: bytes, encoding: str):
    text = raw.decode(
        encoding, "surrogatepass" if encoding.startswith("utf") and _decodes(raw, encoding) else "replace"
    )
    once = clean(text)
    assert clean(once) == once
    for rule in (mend_tables, mend_question, mend_lost_letters):
        rule(rule(once))


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.slow
def test_cleaning_keeps_what_real_texts_say(repository, shared_data):
    spec = importlib.util.spec_from_file_location("clean_keeps", repository / "benchmarks" / "clean_keeps.py")
    clean_keeps = importlib.util.module_from_spec(spec)
    sys.modules["clean_keeps"] = clean_keeps
    spec.loader.exec_module(clean_keeps)
    found = clean_keeps.measure(shared_data)
    assert found["texts"] > 100_000
    assert found["changed_again_by_cleaning_twice"] == 0
    assert set(found["texts_with_a_difference"].values()) == {0}
