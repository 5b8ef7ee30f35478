"""The decision about one text: normalise, run the rules over every view, and take the strongest action.

A rule looks at one sentence at a time, so text around a question neither hides it nor excuses it. Rules alone: what no
rule describes is allowed. `check` does not know whether a medical claim is true.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from osler.errors import InputError
from osler.guard.classify import Guess
from osler.guard.language import check_language
from osler.guard.normalize import View, mended, place_of, views
from osler.guard.patterns import Pattern
from osler.guard.policy import CLASSIFIER, Policy, Rule, Sense
from osler.models.action import ACTIONS, Verdict

TOO_LONG = Verdict("redirect", "too_long", "guard_error", None, 0.0)
"""The verdict about a text that is longer than the policy allows; it gets the safe reply."""
LONG_WORDS = 40
"""A text of so many words is long enough to meet a rule by chance."""
CONTEXT_CHARS = 160
"""How much of the text before a sentence `check_output` looks at."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A view and what is known of its words before any rule looks at it."""

    view: View
    lines: tuple[tuple[str, int, int], ...]
    """Each sentence of the view's text, where it starts there, and the bits of the gate that its words set."""
    present: int
    """Bits of all sentences."""
    guess: Guess | None
    """The classifier's; None where the policy has none."""
    fresh: int = -1
    """Bits of the words that this reading alone has; patterns with none of them were judged in another reading. -1: all."""


def check(policy: Policy, text: str, history: Sequence[str] = ()) -> Verdict:
    """The strongest verdict about a user's text.

    Args:
        history: the user's earlier turns, oldest first; facts said there (a pregnancy, thoughts of suicide) still hold.
    """
    if len(text) > policy.max_chars:
        return TOO_LONG
    return next(iter(findings(policy, text, history)))


def grey_guess(policy: Policy, text: str) -> Guess | None:
    """The classifier's guess about a text that it neither lets pass nor flags; None outside that band."""
    if policy.sense is None:
        return None
    guess = policy.sense.classifier.guess(views(text, policy.marks, policy.vocabulary)[0].sentences)
    return guess if guess.intent and guess.score >= policy.sense.grey_from else None


def findings(policy: Policy, text: str, history: Sequence[str] = ()) -> Iterator[Verdict]:
    """Everything that was found, strongest action first; allow alone when nothing was.

    Mistyped words are mended and read again only when the text as given shows nothing.
    """
    found = _read(policy, text, policy.sense)
    facts = _facts(policy, found, history)
    verdicts = sorted([*_by_rules(policy, found, facts), *_by_classifier(policy, found)], key=_rank)
    if verdicts:
        yield from verdicts
        return
    verdict = check_language(policy, text)
    if verdict.action == "allow":
        plain = found[0].view
        view = mended(plain, policy.marks, policy.vocabulary)
        if view is not None:
            known = frozenset[str]().union(*plain.sentences)
            fresh = policy.gate.present([w for s in view.sentences for w in s if w not in known], policy.marks)
            again = [replace(_present(policy, view, policy.sense), fresh=fresh)]
            verdicts = sorted([*_by_rules(policy, again, facts), *_by_classifier(policy, again)], key=_rank)
    yield from verdicts or [verdict]


def _rank(verdict: Verdict) -> int:
    return ACTIONS.index(verdict.action)


def matches(policy: Policy, rule: Rule, text: str) -> bool:
    """Whether one rule, alone, matches a text."""
    found = _read(policy, text, None)
    if rule.fact is not None and rule.fact not in _facts(policy, found, ()):
        return False
    return any(_match(rule, read) is not None for read in found)


def check_output(policy: Policy, sentence: str, context: str = "") -> Verdict:
    """The verdict about one sentence of a model's answer; anything but allow means that it must not be shown.

    Args:
        context: text that stood before it. A match that ends inside the context is not counted again.
    """
    before = context[-CONTEXT_CHARS:]
    whole = before + sentence
    read = _present(policy, views(whole, policy.marks, policy.vocabulary)[0], None)
    for rule in policy.output_rules:
        match = _match(rule, read)
        if match is None:
            continue
        place = place_of(read.view, *match)
        if place is not None and place[1] <= len(before):
            continue
        span = (max(0, place[0] - len(before)), place[1] - len(before)) if place is not None else None
        return Verdict(rule.action, rule.intent, rule.id, span, 1.0)
    return Verdict("allow")


def check_rows(policy: Policy, rows: Iterable[dict[str, Any]], field: str) -> Iterator[dict[str, Any]]:
    """One decision for each row, in order: `{"id", "action", "intent", "rule", "score"}`.

    A row without an `id` gets its number, counted from 1.

    Raises:
        InputError: a row has no text in `field`; names the row's number.
    """
    for number, row in enumerate(rows, start=1):
        text = row.get(field)
        if not isinstance(text, str):
            seen = "nothing" if text is None else type(text).__name__
            raise InputError(
                f"row {number}: field {field!r} holds {seen}; expected text. The row has the fields "
                f"{', '.join(sorted(map(str, row)))}."
            )
        verdict = check(policy, text)
        yield {
            "id": row.get("id", number),
            "action": verdict.action,
            "intent": verdict.intent,
            "rule": verdict.rule,
            "score": verdict.score,
        }


def _by_rules(policy: Policy, found: Sequence[_Read], facts: set[str]) -> Iterator[Verdict]:
    for rule in policy.rules:
        if rule.fact is not None and rule.fact not in facts:
            continue
        for read in found:
            match = _match(rule, read)
            if match is not None and not _is_set_aside(policy, rule, read):
                yield Verdict(rule.action, rule.intent, rule.id, place_of(read.view, *match), 1.0)
                break


def _is_set_aside(policy: Policy, rule: Rule, read: _Read) -> bool:
    """Whether the classifier is nearly sure that a long text is harmless.

    Long stories meet some rule by chance; short questions do not. Rules that need an earlier turn are not asked about.
    """
    if policy.sense is None or read.guess is None or rule.fact is not None:
        return False
    return _is_long(read) and read.guess.score < policy.sense.floors.get(rule.action, 0.0)


def _is_long(read: _Read) -> bool:
    return sum(map(len, read.view.sentences)) >= LONG_WORDS


def _by_classifier(policy: Policy, found: Sequence[_Read]) -> Iterator[Verdict]:
    sense = policy.sense
    for read in found:
        guess = read.guess
        if sense is None or guess is None or guess.intent not in sense.actions:
            continue
        if guess.score >= max(sense.thresholds[guess.intent], sense.long if _is_long(read) else 0.0):
            yield Verdict(sense.actions[guess.intent], guess.intent, f"{CLASSIFIER}.{guess.intent}", None, guess.score)


def _facts(policy: Policy, found: Sequence[_Read], history: Sequence[str]) -> set[str]:
    """Names of the facts said in this turn or an earlier one."""
    earlier = [read for turn in history for read in _read(policy, turn, None)]
    lines = [line for read in (*found, *earlier) for line in read.lines]
    return {
        name
        for name, patterns in policy.facts.items()
        if any(_search(pattern, sentence, bits) for sentence, _, bits in lines for pattern in patterns)
    }


def _read(policy: Policy, text: str, sense: Sense | None) -> list[_Read]:
    return [_present(policy, view, sense) for view in views(text, policy.marks, policy.vocabulary)]


def _present(policy: Policy, view: View, sense: Sense | None) -> _Read:
    lines = []
    start = present = 0
    for sentence, words in zip(view.text.split("\n"), view.sentences, strict=False):
        bits = policy.gate.present(words, policy.marks)
        lines.append((sentence, start, bits))
        start += len(sentence) + 1
        present |= bits
    return _Read(view, tuple(lines), present, sense.classifier.guess(view.sentences) if sense is not None else None)


def _match(rule: Rule, read: _Read) -> tuple[int, int] | None:
    """Place of the first match whose sentence the rule does not excuse."""
    absent, shared = ~read.present, rule.also_need
    if shared & absent:
        return None
    for pattern in rule.any:
        need = pattern.need | shared
        if need & absent == 0 and (read.fresh == -1 or need & read.fresh):
            for sentence, start, bits in read.lines:
                if need & ~bits == 0:
                    match = pattern.expression.search(sentence)
                    if match is not None and _stands(rule, sentence, bits):
                        return start + match.start(), start + match.end()
    return None


def _stands(rule: Rule, sentence: str, bits: int) -> bool:
    return all(_search(pattern, sentence, bits) for pattern in rule.also) and not any(
        _search(pattern, sentence, bits) for pattern in rule.unless
    )


def _search(pattern: Pattern, sentence: str, bits: int) -> bool:
    return pattern.need & ~bits == 0 and pattern.expression.search(sentence) is not None
