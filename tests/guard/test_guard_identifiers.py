"""An answer gives out nobody's identifiers; what the reader wrote, organisations and discoverers may be named."""

from datetime import date

import pytest

from osler.guard.identifiers import leaks
from osler.guard.load import load_policy
from osler.guard.stream import SentenceGuard, guard_text


@pytest.mark.parametrize(
    "sentence",
    [
        "Mr. Peter Hansen was seen on 03/04/2021 for chest pain.",
        "The patient John Smith, MRN 12345678, lives at 12 Oak Street, Boston.",
        "Call 415-555-2671 to reach her daughter.",
        "Jane, a 45-year-old woman from Ohio, was diagnosed by Dr. Reed.",
        "Write to john.smith@gmail.com for the results.",
        "Her SSN is 123-45-6789.",
        "Patient: Emily Brown, DOB 4/5/1962",
    ],
)
def test_a_patients_identifier_is_a_leak(sentence):
    assert leaks(sentence, "")


@pytest.mark.parametrize(
    "sentence",
    [
        "Alexander Fleming discovered penicillin in 1928.",
        "Parkinson's disease was described by James Parkinson.",
        "Dr. Alois Alzheimer described the disease in 1906.",
        "Contact the American Cancer Society at 1-800-227-2345.",
        "Call 988 or 1-800-222-1222.",
        "The patient was treated with Lasix at the Mayo Clinic.",
        "Crohn's disease and Hodgkin lymphoma are named after physicians.",
        "Take the tablets at 8 and 20 hours; 120/80 is a usual pressure.",
    ],
)
def test_knowledge_is_no_leak(sentence):
    assert not leaks(sentence, "")


def test_what_the_reader_wrote_may_come_back():
    assert not leaks("Mr. Peter Hansen, your question is a good one.", "I am Peter Hansen and have a question")
    assert leaks("Mr. Peter Hansen, your question is a good one.", "I am Paul and have a question")


def test_a_stream_ends_before_an_identifier_is_shown():
    policy = load_policy("education", date(2026, 1, 1))
    guard = SentenceGuard(policy)
    text = guard_text(guard, list("Asthma is common. The patient John Smith, MRN 12345678, had it. It can be treated."))
    assert guard.violation is not None
    assert guard.violation.rule == "output.identifier"
    assert "Smith" not in text
    assert text.startswith("Asthma is common. ")
