"""The terms that a caller accepts before the first answer, with a version that changes whenever a word of them does."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EMERGENCY_LINE = "In an emergency call your local emergency number now (911 in the US, 112 in Europe, 999 in the UK)."
"""Goes with every refusal that leaves a person without an answer."""

_COUNTRY_OF = {"de": "de", "fr": "fr", "es": "es", "pt": "pt", "it": "it"}
"""Where a language without a region is mostly spoken by those who send it so; English says nothing."""

_FILE = Path(__file__).with_name("terms.md")


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the terms."""

    text: str
    version: str
    """First 12 hex digits of the text's SHA-256."""


def read_terms() -> Terms:
    """The terms that ship."""
    text = _FILE.read_text(encoding="utf-8").strip()
    return Terms(text, hashlib.sha256(text.encode()).hexdigest()[:12])


def emergency_line(languages: str, numbers: Mapping[str, str]) -> str:
    """The standing line with the number to call, for the place that a browser's languages name.

    Args:
        languages: the header Accept-Language (`en-GB,en;q=0.8`); only its first language counts.
        numbers: emergency number by country, lower case.

    Returns:
        The general line where the place is not known: a wrong number is worse than a list.
    """
    country = country_in(languages, numbers)
    return (
        f"In an emergency call {numbers[country]} now, or your local emergency number." if country else EMERGENCY_LINE
    )


def country_in(languages: str, numbers: Mapping[str, str]) -> str | None:
    """The country that a browser's languages name; None where that is not known or has no numbers. Arguments as above."""
    language, _, region = languages.partition(",")[0].partition(";")[0].strip().lower().partition("-")
    country = region.rpartition("-")[2] or _COUNTRY_OF.get(language, "")
    return country if country in numbers else None
