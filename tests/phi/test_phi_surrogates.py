"""Surrogates: consistent within a text, keyed, with intervals of dates kept; and the dates they move."""

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


@pytest.mark.parametrize("key", ["", "short"])
def test_a_missing_or_short_key_is_an_error_that_names_the_variable(key, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(EnvironmentLacks, match=KEY_VARIABLE):
        key_of_environment()


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
def test_moving_never_raises(text: str):
    moved(text, 1)
