"""Finding identifiers: allow list first, then patterns, the trained tagger, and other mentions of the names found.

What it does not do: it is no certification of de-identification. Safe Harbor (45 CFR 164.514) asks besides for "no actual
knowledge", which no program can give. Ages under 90, years alone and weekdays stay, as Safe Harbor allows; what describes a person
without naming anybody ("the only dentist of the village") is not found.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from osler.phi.grow import grown
from osler.phi.patterns import WHOLE, Allowed, Pattern, load_allowed, load_patterns
from osler.phi.searched import DIGIT, DIGITS, Searched
from osler.phi.spans import Span, merged, overlaps, replace, without_overlap
from osler.phi.tagged import has_likely, has_name, names_somebody, risk_of, tagged_spans, without_words
from osler.phi.tagger import load_tagger

Finder = Callable[[str], Sequence[Span]]
"""Anything that finds identifiers in a text, such as a stronger model: a second opinion for `find`."""
_MENTION = re.compile(r"(?<![\w-])(?<!\w['’])[^\W\d_a-z][\w'’-]{2,24}")
_NAMED_DISEASE = re.compile(
    r"([A-ZÀ-Þ](?<!\w.)[\w’'-]{0,29}(?:[ /](?:(?:de|De|von|van|der|la|Le|type) ){0,2}[A-ZÀ-Þ][\w’'-]{0,29}){0,5}(?:['’]s)?)[ -]"
    r"(?:[a-z-]{3,20} ){0,2}(?:syndromes?|[Dd]iseases?|tumou?rs?|anomaly|disorder|paralysis|palsy|sulcus|pupils?|sequence|type|porphyrias?|[Vv]irus(?:es)?|[Ff]lu"
    r"|cells?|[A-Za-z][a-z]{1,24}(?:itis|osis|oses|oma|omas|plasia|pathy|pathies|trophy|emia|aemia|philia|matosis|plegia|oma|ectomy|oscopy))\b"
)
"""What comes before the name of a disease or of a part of the body."""
_AUTHORS = re.compile(
    r"[A-ZÀ-Þ](?<!\w.)[\w’'-]{1,29},? [A-Z]{1,3}(?:, [A-ZÀ-Þ][\w’'-]{1,29},? [A-Z]{1,3}){1,40}\b|[A-ZÀ-Þ](?<!\w.)[\w’'-]{1,29}(?: [A-Z]{1,3})?,? et al\b"
)
"""Authors as a bibliography lists them, two or more of them, surname first; or one "et al."."""
_SOURCE_OR_OPTION = re.compile(
    r"(?:\(Ref\b|\bRef(?:erences?)?:)[^\n]{1,200}|\bAns(?:wer)?\b[.:]? {0,2}(?:is )?\(?[A-Ea-e][.)]\)? ?\w{1,30}(?: \w{1,30}){0,3}"
)
"""The books that an explanation refers to, and the option that it says is right ("Ans: B. Rabeprazole")."""
_WORDS = re.compile(r"[\w’'-]+")
_WEB_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>]{1,300}")
_TITLED = 0.95
"""Score of the patterns that see a title or a form field before the name."""
_MIN_MENTION_CHARS = 4
"""Shorter surnames ("Le", "Sun") are also words; they are replaced only where a pattern or the tagger finds them."""
_PERSON_TYPES = frozenset({"NAME", "DOCTOR", "MRN", "SSN", "EMAIL", "PHONE", "FAX", "HEALTHPLAN", "ACCOUNT", "ADDRESS"})
_CONTACTS = frozenset({"PHONE", "FAX", "EMAIL", "ADDRESS", "ZIP", "CITY", "URL", "HOSPITAL"})
_MASKED = re.compile(r"\[(?:NAME|DOCTOR|MRN|SSN|EMAIL|PHONE|FAX|HEALTHPLAN|ACCOUNT|ADDRESS|PATIENT)\]|\[\*\*|___")


def find(text: str, also: Sequence[Finder] = (), *, every_kind: bool = False) -> list[Span]:
    """The identifiers of `text`, sorted, without overlap. Never raises; an empty text gives an empty list.

    The search is repeated on the text with tags until nothing new is found, so `find(replace(text, find(text)))` is empty.

    Args:
        also: second opinions, whose spans are added where nothing allowed stands.
        every_kind: whether to find besides what Safe Harbor leaves: years, every age, nationalities, countries, titles, any web address
            and companies, also where nobody is named.
    """
    spans: list[Span] = []
    current = text
    # What Safe Harbor leaves comes last: the country of an address belongs to the address.
    for with_rest in (False, True) if every_kind else (False,):
        search = _Search(tuple(also), is_about_someone=every_kind, with_rest=with_rest)
        while new := _find_once(current, search):
            spans = sorted([*spans, *_in_original(new, spans)])
            current = replace(text, spans)
    return spans


def residual_risk(text: str) -> float:
    """How likely an identifier is left in `text`, 0 to 1, as the tagger sees it: for choosing what a person reads again.

    An estimate by the same model that failed to find what may be left: it ranks texts, it does not certify them.
    """
    protected = merged(_protected(Searched(text), load_allowed()))
    return risk_of(text, load_tagger().tag(text), protected)


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for."""

    also: tuple[Finder, ...]
    is_about_someone: bool
    """Whether every text counts as being about somebody."""
    with_rest: bool
    """Whether to find what Safe Harbor leaves."""


def _find_once(text: str, search: _Search) -> list[Span]:
    searched = Searched(text)
    matched = [
        (pattern.is_weak, span)
        for pattern in worth_trying(searched, every_kind=search.with_rest)
        for span in matches(pattern, searched)
    ]
    tagged = load_tagger().tag(text)
    # Most texts, and nearly all whose identifiers were replaced, end here.
    if not (matched or search.also or has_likely(tagged)):
        return []
    allowed = load_allowed()
    protected = merged(_protected(searched, allowed))
    certain: list[Span] = []
    weak: list[Span] = []
    for is_weak, span in matched:
        if not overlaps(span.start, span.end, protected) and not _is_eponym(text, span, allowed):
            (weak if is_weak else certain).append(span)
    if (
        certain
        and not search.is_about_someone
        and _CONTACTS.issuperset(span.type for span in certain)
        and not has_name(tagged)
    ):
        # Nobody is named, so the contacts in one line with a public body are the body's own.
        bodies = (found.span() for found in allowed.body_with_contacts.finditer(text))
        protected = merged([*protected, *bodies])
        certain = [span for span in certain if not overlaps(span.start, span.end, protected)]
    is_about_someone = (
        search.is_about_someone
        or any(span.type in _PERSON_TYPES for span in certain)
        or _MASKED.search(text) is not None
    )
    if not is_about_someone:
        tagged = without_words(tagged, _eponyms(text))
        is_about_someone = names_somebody(tagged)
    ruled = without_overlap([*certain, *weak] if is_about_someone else certain)
    taken = [*protected, *((span.start, span.end) for span in ruled)]
    if not is_about_someone:
        taken += (found.span() for found in _WEB_ADDRESS.finditer(text))
    taken = merged(taken)
    guessed = [
        span
        for span in tagged_spans(text, tagged, taken, is_about_someone=is_about_someone)
        if not _is_eponym(text, span, allowed)
    ]
    others = [s for finder in search.also for s in finder(text) if not overlaps(s.start, s.end, protected)]
    chosen = without_overlap([*ruled, *guessed, *others])
    if not chosen:
        return []
    return grown(text, without_overlap([*chosen, *_mentions(text, chosen, protected, allowed)]), protected)


def _eponyms(text: str) -> set[str]:
    """The words before "syndrome", "disease" and the like, and authors quoted.

    In a text with no sign of a person they name no person elsewhere either.
    """
    words: set[str] = set()
    for found in _NAMED_DISEASE.finditer(text):
        words.update(found.group(1).removesuffix("'s").removesuffix("’s").split())
    for pattern in (_AUTHORS, _SOURCE_OR_OPTION):
        for found in pattern.finditer(text):
            words.update(_WORDS.findall(found.group()))
    return words


def worth_trying(searched: Searched, *, every_kind: bool = False) -> list[Pattern]:
    """The patterns that need nothing or something that the text has, in their order."""
    by_need = _by_need(every_kind)
    numbers = {number for need in searched.has for number in by_need.get(need, ())}
    patterns = load_patterns()
    return [patterns[number] for number in sorted(numbers.union(by_need[""]))]


@cache
def _by_need(every_kind: bool) -> dict[str, list[int]]:
    """Numbers of the patterns by what they need; those that need nothing under the empty string."""
    numbers: dict[str, list[int]] = {}
    for number, pattern in enumerate(load_patterns()):
        if pattern.is_of_every_kind and not every_kind:
            continue
        for need in pattern.needs or ("",):
            numbers.setdefault(need, []).append(number)
    return numbers


def matches(pattern: Pattern, searched: Searched) -> list[Span]:
    """Where the pattern finds an identifier, whatever else stands there."""
    text = searched.text
    if pattern.gate is not None and pattern.gate.search(text) is None:
        return []
    is_bounded = pattern.near is not None and searched.is_aligned
    spans = []
    for found in _near_needs(pattern, searched) if is_bounded else pattern.regex.finditer(text):
        start, end = found.span(pattern.group)
        if start < end and (
            pattern.context is None or pattern.context.search(text, max(0, start - pattern.window), start)
        ):
            spans.append(Span(start, end, pattern.type, pattern.score, pattern.name))
    return spans


def _near_needs(pattern: Pattern, searched: Searched) -> Iterator[re.Match[str]]:
    """Matches that begin within the pattern's reach of one of its needs."""
    if pattern.near is None:
        return
    text, match = searched.text, pattern.near.match
    before, after = pattern.reach
    position = 0
    for hit in searched.places(pattern.needs):
        last = hit + after
        position = max(position, hit - before)
        while position <= last and (found := match(text, position)):
            start, end = found.span(WHOLE)
            if start > last:
                break
            position = end if end > start else start + 1
            yield found
        if position <= last:
            position = last + 1


def _protected(searched: Searched, allowed: Allowed) -> Iterator[tuple[int, int]]:
    text = searched.text
    for needs, regex in allowed.always:
        if not needs or not searched.has.isdisjoint(needs):
            for found in regex.finditer(text):
                yield found.span()
    if DIGIT not in searched.has:
        return
    for found in allowed.short_lines.finditer(text):
        start, end = found.span()
        if allowed.called.search(text, max(0, start - 30), start) or (
            end - start > 2 and not allowed.not_called.match(text, end)
        ):
            yield start, end
    if DIGITS in searched.has:
        for found in allowed.toll_free.finditer(text):
            start = found.start()
            if not allowed.toll_free_unless_after.search(text, max(0, start - 24), start):
                yield found.span()


def _is_eponym(text: str, span: Span, allowed: Allowed) -> bool:
    """Whether the span is an eponym with nothing but numbers; after a title, it is a person all the same."""
    if span.type not in {"NAME", "CITY", "ADDRESS"} or span.score >= _TITLED:
        return False
    return text[span.start : span.end].rstrip("0123456789 ") in allowed.sole_eponyms


def _mentions(text: str, chosen: list[Span], protected: list[tuple[int, int]], allowed: Allowed) -> Iterator[Span]:
    """Other places where a name that was found stands alone."""
    parts = {
        part
        for span in chosen
        if span.type in {"NAME", "DOCTOR"}
        for part in re.findall(r"[^\W\d_][\w'’-]+", text[span.start : span.end])
        if len(part) >= _MIN_MENTION_CHARS and part not in allowed.not_names and part not in allowed.sole_eponyms
    }
    for part in sorted(parts):
        start = text.find(part)
        while start >= 0:
            found = _MENTION.match(text, start)
            if (
                found
                and found.group().removesuffix("'s").removesuffix("’s") == part
                and not overlaps(start, found.end(), protected)
            ):
                yield Span(start, start + len(part), "NAME", 0.3, "mention")
            start = text.find(part, start + len(part))


def _in_original(new: list[Span], old: list[Span]) -> Iterator[Span]:
    """Spans found in `replace(text, old)` as places in `text`."""
    if not old:
        yield from new
        return
    shift_from = [0]
    shifts = [0]
    shift = 0
    for span in old:
        tag_chars = len(span.type) + 2
        shift += (span.end - span.start) - tag_chars
        shift_from.append(span.end - shift)
        shifts.append(shift)
    for span in new:
        start_shift = shifts[bisect_right(shift_from, span.start) - 1]
        yield span.at(span.start + start_shift, span.end + start_shift)
