"""Surrogates: consistent within a text, keyed, with intervals of dates kept; and the dates they move."""

import hashlib
import hmac
import re
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.errors import EnvironmentLacks
from osler.phi import Span, find, replace
from osler.phi.dates import moved
from osler.phi.surrogates import KEY_VARIABLE, key_of_environment, surrogates

_KEY = b"a key that is secret"
_NOTE = (
    "Mr. John Kowalsky, 96 y/o, was seen on 03/04/2019 and again on March 14, 2019 by Dr. Example. Kowalsky, JOHN called "
    "(202) 555-0143. J. Kowalsky's SSN is 219-09-9999. Mail jk@example.net. Zip code 03601. ZIP 62701."
)


def _written(text: str, key: bytes = _KEY, document: str = "1") -> str:
    spans = find(text)
    return replace(text, spans, surrogates(text, spans, key, document))


def test_the_same_person_has_the_same_surrogate_within_a_text():
    made = _written(_NOTE)
    assert "Kowalsky" not in made
    assert "KOWALSKY" not in made.upper()
    (given_name, surname) = re.search(r"Mr\. (\w+) (\w+)", made).groups()
    assert f"{surname}, {given_name.upper()} called" in made
    assert f"{given_name[0]}. {surname}'s" in made


def test_intervals_of_dates_are_kept():
    made = _written(_NOTE)
    first = re.search(r"seen on (\d\d/\d\d/\d{4})", made).group(1)
    second = re.search(r"again on (\w+ \d+, \d{4})", made).group(1)
    days = datetime.strptime(second, "%B %d, %Y") - datetime.strptime(first, "%m/%d/%Y")  # noqa: DTZ007
    assert days.days == 10
    assert first != "03/04/2019"


def test_zip_codes_keep_three_digits_unless_few_people_live_there():
    made = _written(_NOTE)
    assert "Zip code 000." in made
    assert "ZIP 627." in made


def test_ages_over_89_become_90_or_more():
    assert "90+ y/o" in _written(_NOTE)


def test_the_key_and_the_document_decide_and_nothing_else():
    assert _written(_NOTE) == _written(_NOTE)
    assert _written(_NOTE) != _written(_NOTE, b"another key, also secret")
    assert _written(_NOTE) != _written(_NOTE, document="2")


def test_two_people_get_two_names():
    text = "Dear Ms. Anders, Ms. Arnold, Ms. Abrams and Ms. Ashton are ill."
    names = re.findall(r"Ms\. (\w+)", _written(text))
    assert len(set(names)) == len(names) == 4


def test_a_number_keeps_its_shape_and_addresses_of_machines_are_those_kept_for_documentation():
    text = "x"
    spans = [Span(0, 1, kind, 1.0) for kind in ("IP", "EMAIL")]
    ip, mail = surrogates(text, spans, _KEY, "1")
    assert ip.startswith("192.0.2.")
    assert mail.endswith("@example.org")
    assert re.search(r"SSN is \d{3}-\d{2}-\d{4}\.", _written(_NOTE))


# Two data sets that were written at different times with one key still fit together: these values stay as they are.
WRITTEN = [
    ("NAME", "Walter Wilkins", "Jonas Jessop"),
    ("NAME", "WALTER wilkins, W. w.", "JONAS jessop, J. j."),
    ("NAME", "Wanda Wexford-Wyler Wold", "Jana Jarvis-Jarvise4 Jarvise5"),
    ("NAME", "Émile Ñandú 王 é. ñ", "Nina Vickers f n. v"),
    ("NAME", "Aaron Zeb A. Z. a z", "Nils Mona N. M. n m"),
    ("DOCTOR", "Dr. Helen Park", "Dr. Ulla Cyril"),
    ("DOCTOR", "DR Park", "DR Cyril"),
    ("DOCTOR", "dr Park", "dr Cyril"),
    ("DOCTOR", "Doctor  Park", "Doctor  Cyril"),
    ("DOCTOR", "DOCTOR Park", "DOCTOR Cyril"),
    ("DOCTOR", "Prof. Park", "Prof. Cyril"),
    ("DOCTOR", "Professor Park", "Professor Cyril"),
    ("DOCTOR", "Drake Park", "Quentin Cyril"),
    ("NAME", "Dr. Park", "Quayle. Cyril"),
    ("DATE", "03/04/2019", "09/13/2019"),
    ("DATE", "some day", "[DATE]"),
    ("ZIP", "62701-1234", "627"),
    ("ZIP", "036 01", "000"),
    ("ZIP", "12", "000"),
    ("ZIP", "6 2701", "627"),
    ("AGE", "97", "90+"),
    ("CITY", "Springfield", "Millbrook"),
    ("CITY", "SPRINGFIELD", "Millbrook"),
    ("HOSPITAL", "Mercy Medical Center", "Coldhaven Medical Center"),
    ("HOSPITAL", "St. Olaf's Clinic", "Oldcastle Clinic"),
    ("HOSPITAL", "Mercy", "Langmere Hospital"),
    ("ORGANIZATION", "Acme", "Stroud Company"),
    ("PROFESSION", "plumber", "nurse"),
    ("ADDRESS", "1 Main Street, Springfield, IL 62701", "251 Lowry Street, 627"),
    ("ADDRESS", "2 Elm Road", "738 Tarrant Street"),
    ("ADDRESS", "3 Oak Way, VT, 05901-2222", "109 Orwin Street, 000"),
    ("EMAIL", "jk@example.net", "person43142@example.org"),
    ("URL", "http://example.net/a", "https://example.org/247969"),
    ("IP", "10.0.0.1", "192.0.2.245"),
    ("IP", "fe80::1", "2001:db8::fdf6"),
    ("SSN", "219-09-9999", "888-48-0325"),
    ("MRN", "AB-c9", "FT-c5"),
    (
        "ID",
        "A1" * 60,  # uses up the 256 bits of one draw
        (
            "F7S3G2F5P3J0M0R8L7P8B8R0X2M8S6V9J8M8Z6F5N8J5A8Q5I1Z8L7N7W1M1"
            "L0B1V6E5M9Y1H9R0W6J4D0M9R6E6Z4J2C1H9H6X0D6L8N6D6G2H1C5W6U1A9"
        ),
    ),
]


def test_the_same_key_writes_the_same_surrogates_in_every_version():
    text, spans = "", []
    for kind, value, _ in WRITTEN:
        spans.append(Span(len(text), len(text) + len(value), kind, 1.0))
        text += value + "\n"
    assert surrogates(text, spans, _KEY, "1") == [written for _, _, written in WRITTEN]


def test_a_draw_is_an_hmac_of_document_kind_and_value():
    def drawn(kind: str, value: str) -> int:
        message = b"\0".join(part.encode() for part in ("1", kind, value))
        return int.from_bytes(hmac.digest(_KEY, message, hashlib.sha256), "big")

    text = "Jk@Example.net 2019-03-04"
    mail, day = surrogates(text, [Span(0, 14, "EMAIL", 1.0), Span(15, 25, "DATE", 1.0)], _KEY, "1")
    assert mail == f"person{drawn('EMAIL', 'jk@example.net') % 100_000}@example.org"
    assert (date.fromisoformat(day) - date(2019, 3, 4)).days == 1 + drawn("days", "") % 365


@pytest.mark.parametrize("key", [None, "", "short", "fifteen letters"])
def test_a_missing_or_short_key_is_an_error_that_names_the_variable(key, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    if key is not None:
        monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(EnvironmentLacks, match=f"{KEY_VARIABLE}; it has {len(key or '')}"):
        key_of_environment()


def test_sixteen_characters_are_a_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "sixteen letters!")
    assert key_of_environment() == b"sixteen letters!"


@given(st.text(max_size=60))
def test_surrogates_never_raise(text: str):
    spans = [Span(0, len(text), kind, 1.0) for kind in ("NAME", "DOCTOR", "DATE", "ZIP", "ADDRESS", "ID", "HOSPITAL")]
    made = surrogates(text, spans, _KEY, "1")
    assert len(made) == len(spans)
    assert made == surrogates(text, spans, _KEY, "1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("03 June 1958", "13 July 1958"),
        ("Saturday, October 30", "Thursday, December 09"),
        ("08/28/12", "10/07/12"),
        ("29-Mar-04", "08-May-04"),
        ("20040819", "20040928"),
        ("2009-12-15 10:20:33", "2010-01-24 10:20:33"),
        ("14.02.1961", "26.03.1961"),
        ("31/12/1999", "09/02/2000"),
        ("March 2022", "April 2022"),
        ("JAN 01", "FEB 10"),
        ("99/99/1999", None),
        ("soon", None),
    ],
)
def test_a_date_moves_by_forty_days_in_its_own_form(value: str, expected: str | None):
    assert moved(value, 40) == expected


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(1, 365))
def test_a_moved_date_is_that_many_days_later(day: date, days: int):
    assert (date.fromisoformat(moved(day.isoformat(), days)) - day).days == days


@given(st.text(max_size=40))
def test_moving_a_text_of_any_kind_gives_a_date_or_says_that_it_is_none(text: str):
    found = moved(text, 1)
    assert found is None or (found and found != text)


def test_what_is_found_only_on_request_becomes_a_tag():
    text = "A 45-year-old Norwegian and a 96-year-old."
    spans = find(text, every_kind=True)
    assert (
        replace(text, spans, surrogates(text, spans, _KEY, "1")) == "A [AGE]-year-old [NATIONALITY] and a 90+-year-old."
    )
