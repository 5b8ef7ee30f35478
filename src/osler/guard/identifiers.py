"""Does a sentence of a model's answer give out somebody's identifier? One look with the engine of `osler.phi`.

Most sentences hold nothing that an identifier could be, and cheap expressions tell: only where they match is the engine asked
(1 to 2 ms with its tagger). No leak are: what the reader wrote, how to reach an organisation, and a name beside which nothing
points to a patient, such as a discoverer's or a public figure's. What it does not do: tell a famous patient from an unknown one.
"""

import re

from osler.phi import Span, find

_PATIENT = (
    r"\b(?:[Pp]atient|PATIENT|MRN|SSN|DOB|Mr|Mrs|Ms|Miss|admitted|discharged|(?:was|were|is|been) (?:seen|diagnosed|treated)|"
    r"year[- ]old|lives|chart|[Mm]edical record|(?:man|woman|boy|girl|lady) named|[Nn]ame is|"
    r"[A-Z]\w+ [A-Z]\w+ (?:has|had|takes|suffers|tested|is taking))\b"
)
_ABOUT_PATIENT = re.compile(_PATIENT)
_SHAPE = re.compile(
    r"[\d@](?:(?<=@)|\d{2}[ .)-]{1,2}\d{2,4}[ .-]?\d{2}|\d{5}|[/.-]\d{1,2}[/.-]\d| [A-Z][a-z]+ (?:St|Ave|Road|Rd|Lane|Dr))"
)
_CAPITAL = re.compile(r"\S [A-Z][a-z]|^[A-Z][a-z]+,|\d{4}")
_ORGANISATION = re.compile(
    r"(?i)\b(?:institutes?|associations?|foundation|society|cent(?:er|re)s?|hospital|clinic|hotline|helpline|lifeline|department|"
    r"agency|services?|office|clearinghouse|network|council|library|registry|university|federation|alliance|orphanet|website)\b"
)
_NUMBERS = frozenset({"SSN", "MRN", "ACCOUNT", "HEALTHPLAN", "LICENSE", "VEHICLE", "DEVICE", "ID"})
_CONTACTS = frozenset({"PHONE", "FAX", "EMAIL", "ADDRESS", "IP"})
_NAMES = frozenset({"NAME", "DOCTOR"})
_LEAST_RULE = 0.7
"""Scores of patterns begin here; the tagger's end below it."""
_LEAST_NAME = 0.6
"""A name that only the tagger saw must be this likely."""
_WORD = re.compile(r"\w+")


def leaks(sentence: str, given: str) -> bool:
    """Whether the sentence holds an identifier of a person that `given`, the conversation so far, does not."""
    if not _SHAPE.search(sentence) and not (_ABOUT_PATIENT.search(sentence) and _CAPITAL.search(sentence)):
        return False
    return any(
        _is_leak(span, sentence) and not _was_given(sentence[span.start : span.end], given) for span in find(sentence)
    )


def _is_leak(span: Span, sentence: str) -> bool:
    if span.type in _NAMES:
        return span.score >= _LEAST_NAME and _ABOUT_PATIENT.search(sentence) is not None
    if span.score < _LEAST_RULE:
        return False
    return span.type in _NUMBERS or (span.type in _CONTACTS and not _ORGANISATION.search(sentence))


def _was_given(value: str, given: str) -> bool:
    """Whether every word of it stands in what was said."""
    said = given.lower()
    return value.lower() in said or set(_WORD.findall(value.lower())) <= set(_WORD.findall(said))
