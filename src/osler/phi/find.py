"""Finding identifiers: allow list first, then patterns, the trained tagger, and other mentions of the names found.

What it does not do: it is no certification of de-identification. Safe Harbor (45 CFR 164.514) asks besides for "no actual
knowledge", which no program can give. Ages under 90, years alone and weekdays stay, as Safe Harbor allows; what describes a person
without naming anybody ("the only dentist of the village") is not found.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace as with_fields

from osler.phi.grow import grown
from osler.phi.patterns import Allowed, Pattern, load_allowed, load_patterns
from osler.phi.spans import Span, merged, overlaps, replace, without_overlap
from osler.phi.tagged import names_somebody, risk_of, tagged_spans
from osler.phi.tagger import load_tagger

Finder = Callable[[str], Sequence[Span]]
"""Anything that finds identifiers in a text, such as a stronger model: a second opinion for `find`."""
_MENTION = re.compile(r"(?<![\w-])[^\W\d_a-z][\w'’-]{2,24}")
_LONGEST = 400
"""Characters that the longest match of a pattern with a reach can have, with what it looks at behind itself."""
_ZEROS = str.maketrans("123456789", "000000000")
_TITLED = 0.95
"""Score of the patterns that see a title or a form field before the name."""
_MIN_MENTION_CHARS = 4
"""Shorter surnames ("Le", "Sun") are also words; they are replaced only where a pattern or the tagger finds them."""
_PERSON_TYPES = frozenset({"NAME", "DOCTOR", "MRN", "SSN", "EMAIL", "PHONE", "FAX", "HEALTHPLAN", "ACCOUNT", "ADDRESS"})
_MASKED = re.compile(r"\[(?:NAME|DOCTOR|MRN|SSN|EMAIL|PHONE|FAX|HEALTHPLAN|ACCOUNT|ADDRESS|PATIENT)\]|\[\*\*|___")


def find(text: str, also: Sequence[Finder] = ()) -> list[Span]:
    """The identifiers of `text`, sorted, without overlap. Never raises; an empty text gives an empty list.

    The search is repeated on the text with tags until nothing new is found, so `find(replace(text, find(text)))` is empty.

    Args:
        also: second opinions, whose spans are added where nothing allowed stands.
    """
    spans: list[Span] = []
    current = text
    while new := _find_once(current, also):
        spans = sorted([*spans, *_in_original(new, spans)])
        current = replace(text, spans)
    return spans


def residual_risk(text: str) -> float:
    """How likely an identifier is left in `text`, 0 to 1, as the tagger sees it: for choosing what a person reads again.

    An estimate by the same model that failed to find what may be left: it ranks texts, it does not certify them.
    """
    protected = merged(_protected(text, fold(text), load_allowed()))
    return risk_of(text, load_tagger().tag(text), protected)


def _find_once(text: str, also: Sequence[Finder]) -> list[Span]:
    allowed = load_allowed()
    folded = fold(text)
    protected = merged(_protected(text, folded, allowed))
    certain: list[Span] = []
    weak: list[Span] = []
    for pattern in load_patterns():
        if _is_worth_trying(pattern, text, folded):
            for span in _matches(pattern, text, folded):
                if not overlaps(span.start, span.end, protected) and not _is_eponym(text, span, allowed):
                    (weak if pattern.is_weak else certain).append(span)
    tagged = load_tagger().tag(text)
    is_about_someone = (
        any(span.type in _PERSON_TYPES for span in certain)
        or names_somebody(tagged)
        or _MASKED.search(text) is not None
    )
    ruled = without_overlap([*certain, *weak] if is_about_someone else certain)
    taken = merged([*protected, *((span.start, span.end) for span in ruled)])
    guessed = [
        span
        for span in tagged_spans(text, tagged, taken, is_about_someone=is_about_someone)
        if not _is_eponym(text, span, allowed)
    ]
    others = [s for finder in also for s in finder(text) if not overlaps(s.start, s.end, protected)]
    chosen = without_overlap([*ruled, *guessed, *others])
    if not chosen:
        return []
    return grown(text, without_overlap([*chosen, *_mentions(text, chosen, protected, allowed)]), protected)


def fold(text: str) -> str:
    """The text in lower case with every digit as 0: what `needs` of patterns are looked for in."""
    return text.lower().translate(_ZEROS)


def _is_worth_trying(pattern: Pattern, text: str, folded: str) -> bool:
    if pattern.needs:
        for need in pattern.needs:
            if need in folded:
                break
        else:
            return False
    return pattern.gate is None or pattern.gate.search(text) is not None


def _matches(pattern: Pattern, text: str, folded: str) -> list[Span]:
    spans = []
    for found in _searched(pattern, text, folded):
        start, end = found.span(pattern.group)
        if start < end and (
            pattern.context is None or pattern.context.search(text, max(0, start - pattern.window), start)
        ):
            spans.append(Span(start, end, pattern.type, pattern.score, pattern.name))
    return spans


def _searched(pattern: Pattern, text: str, folded: str) -> Iterable[re.Match[str]]:
    """Matches everywhere or, where the pattern has a reach, those that begin near one of its needs."""
    # A few letters of other scripts fold to two, and then places in the folded text are no places in the text.
    if pattern.reach is None or len(folded) != len(text):
        return pattern.regex.finditer(text)
    matches = []
    position = 0
    for first, last in _windows(pattern.needs, pattern.reach, folded):
        position = max(position, first)
        # The text seems to end at the bound given to `search`: it must lie behind any match that begins in the window.
        while position <= last and (found := pattern.regex.search(text, position, last + _LONGEST)):
            if found.start() > last:
                break
            position = max(found.end(), found.start() + 1)
            matches.append(found)
    return matches


def _windows(needs: tuple[str, ...], reach: tuple[int, int], folded: str) -> list[tuple[int, int]]:
    """Where a match may begin, merged and in order."""
    before, after = reach
    hits = []
    for need in needs:
        start = folded.find(need)
        while start >= 0:
            hits.append((max(0, start - before), start + after))
            start = folded.find(need, start + len(need))
    return merged(hits)


def _protected(text: str, folded: str, allowed: Allowed) -> Iterator[tuple[int, int]]:
    for needs, regex in allowed.always:
        if not needs or any(need in folded for need in needs):
            for found in regex.finditer(text):
                yield found.span()
    for found in allowed.short_lines.finditer(text):
        start, end = found.span()
        if allowed.called.search(text, max(0, start - 30), start) or (
            end - start > 2 and not allowed.not_called.match(text, end)
        ):
            yield start, end
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
    if not parts:
        return
    for found in _MENTION.finditer(text):
        word = found.group()
        bare = word[:-2] if word.endswith(("'s", "’s")) else word
        if bare in parts and not overlaps(found.start(), found.end(), protected):
            yield Span(found.start(), found.start() + len(bare), "NAME", 0.3, "mention")


def _in_original(new: list[Span], old: list[Span]) -> Iterator[Span]:
    """Spans found in `replace(text, old)` as places in `text`."""
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
        yield with_fields(span, start=span.start + start_shift, end=span.end + start_shift)
