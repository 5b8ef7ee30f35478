"""The decision about one text: normalise, run the rules over every view, and take the strongest action.

A rule looks at one sentence at a time, so text around a question neither hides it nor excuses it. Rules alone: what no
rule describes is allowed. `check` does not know whether a medical claim is true.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from osler.errors import InputError
from osler.guard.classify import Guess
from osler.guard.language import check_language, is_foreign
from osler.guard.normalize import View, is_ended, mended, place_of, plain_view, views
from osler.guard.patterns import Pattern
from osler.guard.policy import CLASSIFIER, Policy, Rule, Sense, Trigger
from osler.models.action import ACTIONS, URGENT, Action, Verdict

TOO_LONG = Verdict("redirect", "too_long", "guard_error", None, 0.0)
"""The verdict about a text that is longer than the policy allows; it gets the safe reply."""
LONG_WORDS = 25
"""A text of so many words is long enough to meet a rule by chance."""
_SMALL_TALK = 40
"""So many words in sentences without a word of health, when they are most of a text, are talk around a short question."""
_TALK_SHARE = 0.6
JAILBREAK = "jailbreak_injection"
"""Intent of a wrapper; what it wraps decides, where it can be told apart."""
_MIN_CORE_WORDS = 4
_MAX_WRAPPERS = 2
_HARMLESS_BELOW = 0.3
_WRAPPER_FROM = 0.35
"""A sentence that is so likely a wrapper is set aside, and the others are judged each alone."""
_ASKS = frozenset(
    "how can could should what which where who is are do does did may will would give write tell help make draft create explain "
    "list show describe provide develop find get recommend prescribe teach prove design generate want need please".split()
)
"""Words near the beginning of a sentence that asks or demands."""
_ASKING = frozenset("how can could should may shall is what which where ok safe".split())
_ASKED_OF = frozenset("i we my me to do much many long it he she you".split())
_EXCUSE_CHARS = 120
"""How far from what a rule found its excuses are looked for: somebody who does not end sentences must not be excused by the next."""
_CIPHERS = frozenset({"rot13", "reversed", "base64", "hex"})
_WHOLE = frozenset({"folded", "spaced"})
CONTEXT_CHARS = 160
"""How much of the text before a sentence `check_output` looks at."""


_Line = tuple[str, int, int]
"""A sentence of a view's text, where it starts there, and the bits of the gate that its words set."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A view and what is known of its words before any rule looks at it."""

    view: View
    lines: tuple[_Line, ...]
    present: int
    """Bits of all sentences."""
    is_long: bool
    """Whether the text, or what it was made from, has so many words that it may meet a rule or a threshold by chance."""
    guess: Guess | None = None
    """The classifier's; None where the policy has none."""
    asked: Guess | None = None
    """That about the sentences that ask or demand something; only in a long text."""
    wrapper: float = 0.0
    """How likely one of its sentences is a wrapper."""
    is_talk: bool = False
    """Whether most of it is talk without a word of health."""
    fresh: int = -1
    """Bits of the words that this reading alone has; patterns with none of them were judged in another reading. -1: all."""


class _Facts:
    """What was said in this turn or an earlier one, looked up when a rule asks for it."""

    def __init__(self, policy: Policy, found: Sequence[_Read], history: Sequence[str]) -> None:
        self._policy = policy
        self._found = found
        self._history = history
        self._earlier: list[_Read] | None = None
        self._known: dict[str, bool] = {}

    def hold(self, name: str) -> bool:
        """Whether the fact was said."""
        if name not in self._known:
            if self._earlier is None:
                self._earlier = [read for turn in self._history for read in _read(self._policy, turn, None)]
            self._known[name] = any(
                _search(pattern, sentence, bits)
                for read in (*self._found, *self._earlier)
                for pattern in self._policy.facts[name]
                if pattern.need & ~read.present == 0
                for sentence, _, bits in read.lines
            )
        return self._known[name]


def check(policy: Policy, text: str, history: Sequence[str] = ()) -> Verdict:
    """The strongest verdict about a user's text.

    Args:
        history: the user's earlier turns, oldest first; facts said there (a pregnancy, thoughts of suicide) still hold.
    """
    return findings(policy, text, history)[0]


def findings(policy: Policy, text: str, history: Sequence[str] = ()) -> list[Verdict]:
    """Everything that was found, strongest action first; allow alone when nothing was.

    Mistyped words are mended and read again only when no rule for more than a note matches the text as given.
    """
    if len(text) > policy.max_chars:
        return [TOO_LONG]
    found = _read(policy, text, policy.sense)
    if any(read.view.name in _CIPHERS for read in found):
        found[0] = _without_gibberish(policy, found[0])
    facts = _Facts(policy, found, history)
    verdicts = _verdicts(policy, found, facts)
    if any(verdict.intent == JAILBREAK for verdict in verdicts) or found[0].wrapper >= _WRAPPER_FROM:
        hidden = _verdicts(policy, [read for read in found[1:] if read.view.name not in _WHOLE], facts)
        verdicts = _ranked([*hidden, *_unwrapped(policy, found[0].view, facts, verdicts)])
    # A text that is hardly English is judged in its own language; the classifier has not learnt it. Single letters are of none.
    spoken = next((read.view for read in found if read.view.name == "spaced"), None)
    is_other = is_foreign((spoken or found[0].view).sentences)
    foreign = check_language(policy, spoken.text if spoken else text) if is_other else Verdict("allow")
    if foreign.action != "allow":
        rules = [verdict for verdict in verdicts if not verdict.rule.startswith(CLASSIFIER)]
        return _ranked([foreign, *rules])
    # Weak findings in a mistyped text do not hide an emergency or a clearer request.
    if all(v.action == "safe_complete" or v.rule.startswith(CLASSIFIER) for v in verdicts):
        verdicts = _ranked([*verdicts, *_mended(policy, found[0], facts)])
    return verdicts or [foreign]


def _without_gibberish(policy: Policy, read: _Read) -> _Read:
    """Without the sentences of which few words are known: turned round, "do" says "od", and a cipher has words of one letter."""
    known, view = policy.vocabulary, read.view
    kept = [
        place
        for place, words in enumerate(view.sentences)
        if sum(len(w) > 1 and (w in known.words or w in known.more) for w in words) >= len(words) / 2
    ]
    if len(kept) == len(view.sentences):
        return read
    lines = tuple(read.lines[place] for place in kept)
    questions = frozenset(number for number, place in enumerate(kept) if place in view.questions)
    text = View(
        view.name, "\n".join(line[0] for line in lines), tuple(view.sentences[p] for p in kept), None, questions
    )
    alone = _present(policy, text, policy.sense)
    return replace(read, lines=lines, guess=alone.guess, asked=alone.asked, wrapper=alone.wrapper)


def _verdicts(policy: Policy, found: Sequence[_Read], facts: _Facts) -> list[Verdict]:
    by_rules, guessed = list(_by_rules(policy, found, facts)), _by_classifier(policy, found)
    if by_rules and policy.sense is not None and (yields := policy.sense.spec.yields):
        intents = {verdict.intent for verdict in by_rules}
        return _ranked([*by_rules, *(verdict for verdict in guessed if yields.get(verdict.intent) not in intents)])
    return _ranked([*by_rules, *guessed])


def _mended(policy: Policy, plain: _Read, facts: _Facts) -> list[Verdict]:
    view = mended(plain.view, policy.marks, policy.vocabulary)
    if view is None:
        return []
    known = frozenset[str]().union(*plain.view.sentences)
    fresh = policy.gate.present([w for s in view.sentences for w in s if w not in known], policy.marks)
    read = _present(policy, view, policy.sense, is_long=plain.is_long)
    return _verdicts(policy, [replace(read, fresh=fresh)], facts)


def _unwrapped(policy: Policy, view: View, facts: _Facts, verdicts: list[Verdict]) -> list[Verdict]:
    """What is found in the sentences beside a wrapper; the wrapper's own verdict where that is nothing, or where it is alone.

    A harmless question in a short wrapper is harmless; of a wrapper of many sentences nothing can be told apart.
    """
    sentences = view.text.split("\n")
    others: list[Verdict] = []
    n_wrappers, is_question, is_harmless = 0, False, True
    for place, (sentence, words) in enumerate(zip(sentences, view.sentences, strict=False)):
        alone = _present(policy, View("part", sentence, (words,), None), policy.sense)
        found = _verdicts(policy, [alone], facts)
        if alone.wrapper >= _WRAPPER_FROM or any(verdict.intent == JAILBREAK for verdict in found):
            n_wrappers += 1
            others += [v for v in found if v.intent != JAILBREAK and not v.rule.startswith(CLASSIFIER)]
        else:
            others += found
            is_question |= len(words) >= _MIN_CORE_WORDS and _is_asked(view, place, words)
            is_harmless &= alone.guess is None or alone.guess.score < _HARMLESS_BELOW
    if others:
        return _ranked(others)
    return [] if 0 < n_wrappers <= _MAX_WRAPPERS and is_question and is_harmless else verdicts


def _ranked(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Strongest action first, else as they came."""
    return sorted(verdicts, key=lambda verdict: ACTIONS.index(verdict.action))


def matches(policy: Policy, rule: Rule, text: str) -> bool:
    """Whether one rule, alone, matches a text."""
    found = _read(policy, text, None)
    if rule.fact is not None and not _Facts(policy, found, ()).hold(rule.fact):
        return False
    return any(True for read in found for _ in _matches(rule.triggers(), read))


def check_output(policy: Policy, sentence: str, context: str = "") -> Verdict:
    """The verdict about one sentence of a model's answer; anything but allow means that it must not be shown.

    Args:
        context: text that stood before it. A match that ends inside the context is not counted again.
    """
    # No rule looks beyond a sentence.
    before = "" if is_ended(context) else context[-CONTEXT_CHARS:]
    whole = before + sentence
    # Plain letters are read as they stand; others may be look-alikes.
    found = [plain_view(whole, policy.marks)] if whole.isascii() else views(whole, policy.marks, policy.vocabulary)
    for view in found:
        read = _present(policy, view, None)
        for rule, start, end in _matches(policy.output_triggers.likely(view.sentences), read):
            place = place_of(view, start, end)
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
        verdict = asdict(check(policy, text))
        yield {"id": row.get("id", number)} | {name: verdict[name] for name in ("action", "intent", "rule", "score")}


def _by_rules(policy: Policy, found: Sequence[_Read], facts: _Facts) -> Iterator[Verdict]:
    seen: set[str] = set()
    for read in found:
        likely = policy.triggers.likely(read.view.sentences)
        if aside := _set_aside(policy, read):
            likely = [
                t for t in likely if t.rule.action not in aside or (t.rule.fact and t.rule.action != "safe_complete")
            ]
        likely = [t for t in likely if t.rule.fact is None or (t.need & ~read.present == 0 and facts.hold(t.rule.fact))]
        for rule, start, end in _matches(likely, read):
            if rule.id not in seen:
                seen.add(rule.id)
                place, sense, guess = place_of(read.view, start, end), policy.sense, read.guess
                # No score at all is no doubt: the classifier did not know the words.
                if sense is not None and guess is not None and 0 < guess.score < sense.spec.doubts.get(rule.intent, 0):
                    softer = sense.spec.softer
                    yield Verdict(sense.actions[softer], softer, f"{CLASSIFIER}.{softer}", place, 1.0)
                else:
                    yield Verdict(rule.action, rule.intent, rule.id, place, 1.0)


def _set_aside(policy: Policy, read: _Read) -> set[Action]:
    """Actions whose rules are not asked, because the classifier is nearly sure that a long text is harmless.

    Long stories meet some rule by chance; short questions do not. Rules that need an earlier turn are always asked.
    """
    if policy.sense is None or read.guess is None or not read.is_long:
        return set()
    return {action for action, floor in policy.sense.spec.floors.items() if read.guess.score < floor}


def _threshold(sense: Sense, intent: str, read: _Read) -> float:
    """In a long text what is told counts when it is urgent and near certain, and what is asked or demanded when it is likely.

    Around a short question talk asks for more only of what is told.
    """
    least, guess = sense.thresholds[intent], read.asked
    is_asked = guess is not None and guess.intent == intent
    if not read.is_long:
        return max(least, sense.spec.talk) if read.is_talk and not is_asked else least
    if is_asked:
        return max(least, sense.spec.long_asked)
    return max(least, sense.spec.long) if sense.actions[intent] in URGENT else 2.0


def _by_classifier(policy: Policy, found: Sequence[_Read]) -> Iterator[Verdict]:
    sense = policy.sense
    # Where letters were only dressed up, the text as given is not language; the readings without the dress are.
    whole = any(read.view.name in _WHOLE for read in found)
    for read, guess in [(one, guess) for one in found for guess in (one.guess, one.asked)]:
        if sense is None or guess is None or guess.intent not in sense.actions or (whole and read.view.name == "plain"):
            continue
        if guess.score >= _threshold(sense, guess.intent, read):
            intent = guess.intent if _is_of_kind(sense, guess, read) else sense.spec.softer
            yield Verdict(sense.actions[intent], intent, f"{CLASSIFIER}.{intent}", None, guess.score)


def _is_of_kind(sense: Sense, guess: Guess, read: _Read) -> bool:
    """Whether the text holds a word of what the classifier takes it for, or it is nearly sure; not so are questions about an ailment."""
    kind = sense.kinds.get(guess.intent)
    if kind is None or sense.about is None:
        return True

    def stands(pattern: Pattern) -> bool:
        return any(_search(pattern, sentence, bits) for sentence, _, bits in read.lines)

    is_sure = guess.score >= sense.spec.sure and not (sense.whether is not None and stands(sense.whether))
    return is_sure or stands(kind) or not stands(sense.about)


def _read(policy: Policy, text: str, sense: Sense | None) -> list[_Read]:
    return [_present(policy, view, sense) for view in views(text, policy.marks, policy.vocabulary)]


def _present(policy: Policy, view: View, sense: Sense | None, *, is_long: bool = False) -> _Read:
    lines = []
    start = present = n_talk = 0
    story = sense.story if sense is not None else 0
    for sentence, words in zip(view.text.split("\n"), view.sentences, strict=False):
        bits = policy.gate.present(words, policy.marks)
        lines.append((sentence, start, bits))
        start += len(sentence) + 1
        present |= bits
        n_talk += len(words) if story & ~bits else 0
    n_words = sum(map(len, view.sentences))
    is_talk = n_talk >= max(_SMALL_TALK, n_words * _TALK_SHARE)
    is_long = is_long or (n_words >= LONG_WORDS and not is_talk)
    if sense is None:
        return _Read(view, tuple(lines), present, is_long)
    chosen = [
        place for place, words in enumerate(view.sentences) if (is_long or is_talk) and _is_asked(view, place, words)
    ]
    guesses = sense.classifier.guesses(view.sentences, chosen, JAILBREAK)
    return _Read(view, tuple(lines), present, is_long, *guesses, is_talk=is_talk)


def _is_asked(view: View, place: int, words: Sequence[str]) -> bool:
    """Whether a sentence asks or demands something, wherever in it."""
    return (
        place in view.questions
        or not _ASKS.isdisjoint(words[:2])
        or any(a in _ASKING and b in _ASKED_OF for a, b in pairwise(words))
    )


def _matches(triggers: Sequence[Trigger], read: _Read) -> Iterator[tuple[Rule, int, int]]:
    """The rules that match, each once, with the place of its first match whose sentence it does not excuse."""
    absent, fresh = ~read.present, read.fresh
    last: Rule | None = None
    for trigger in [t for t in triggers if not t.need & absent]:
        if trigger.rule is last or (fresh != -1 and not trigger.need & fresh):
            continue
        need = trigger.need
        for sentence, start, bits in read.lines:
            if need & ~bits == 0:
                match = trigger.pattern.find(sentence)
                if match is not None and _stands(trigger.rule, sentence, bits, match):
                    last = trigger.rule
                    yield trigger.rule, start + match.start(), start + match.end()
                    break


def _stands(rule: Rule, sentence: str, bits: int, match: re.Match[str]) -> bool:
    """Whether all that must stand beside the match does, and nothing near it excuses it."""
    first, last = max(0, match.start() - _EXCUSE_CHARS), match.end() + _EXCUSE_CHARS
    return all(_search(pattern, sentence, bits) for pattern in rule.also) and not any(
        pattern.need & ~bits == 0 and pattern.find(sentence, first, last) for pattern in rule.unless
    )


def _search(pattern: Pattern, sentence: str, bits: int) -> bool:
    return pattern.need & ~bits == 0 and pattern.find(sentence) is not None
