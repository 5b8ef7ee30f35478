"""A policy as the guard works with it: compiled rules, templates, numbers. Made by `guard.load` alone, which tests it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from osler.guard.classify import Classifier
from osler.guard.gate import Gate
from osler.guard.patterns import Pattern
from osler.guard.schema import ClassifierSpec, CountrySpec, TestsSpec
from osler.guard.vocabulary import Vocabulary
from osler.models.action import Action

CLASSIFIER = "classifier"
"""What the id of a verdict by the classifier begins with; a dot and the intent follow."""
_MAX_WORDS = 20_000
"""Words whose triggers are kept."""
_FEW = 64
"""So few triggers are looked at sooner than words are looked up."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule."""

    id: str
    intent: str
    action: Action
    template: str
    any: tuple[Pattern, ...]
    also: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    fact: str | None
    tests: TestsSpec
    also_need: int
    """Bits of the gate that a text must have for every pattern of `also` to match."""

    def triggers(self) -> "list[Trigger]":
        """Its triggers in order."""
        return [Trigger(pattern.need | self.also_need, self, pattern) for pattern in self.any]


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger of a rule, with the bits of the gate that it and the rule's `also` need."""

    need: int
    rule: Rule
    pattern: Pattern


class TriggerIndex:
    """Triggers of many rules, asked for with the words of a text.

    Each is filed under the one of its bits that the fewest triggers need, so that a word calls up few of them.

    Args:
        bits_of: the gate's bits that a word sets.
    """

    def __init__(self, triggers: Sequence[Trigger], bits_of: Callable[[str], int]) -> None:
        self._triggers = tuple(triggers)
        self._bits_of = bits_of
        uses = Counter(bit for trigger in triggers for bit in _bits(trigger.need))
        self._by_bit: dict[int | None, list[int]] = {}
        for place, trigger in enumerate(triggers):
            rarest = min(_bits(trigger.need), key=lambda bit: (uses[bit], bit), default=None)
            self._by_bit.setdefault(rarest, []).append(place)
        self._of_word: dict[str, tuple[int, ...]] = {}

    def likely(self, sentences: Iterable[Iterable[str]]) -> Sequence[Trigger]:
        """All that can match a text of these words, and some that can not, in the rules' order."""
        if len(self._triggers) < _FEW:
            return self._triggers
        # Another thread may clear the kept words at any moment.
        get, words = self._of_word.get, set[str]().union(*sentences)
        found = [known if (known := get(word)) is not None else self._looked_up(word) for word in words]
        places = set(self._by_bit.get(None, ())).union(*found)
        return [self._triggers[place] for place in sorted(places)]

    def _looked_up(self, word: str) -> tuple[int, ...]:
        if len(self._of_word) >= _MAX_WORDS:
            self._of_word.clear()
        found = tuple(place for bit in _bits(self._bits_of(word)) for place in self._by_bit.get(bit, ()))
        self._of_word[word] = found
        return found


def _bits(mask: int) -> list[int]:
    """Places of the bits that are set: few of many."""
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length())
        mask ^= lowest
    return found


@dataclass(frozen=True, slots=True)
class Language:
    """A language in which the policy knows crises and emergencies only."""

    code: str
    letters: re.Pattern[str] | None
    stop_words: frozenset[str]
    crisis: re.Pattern[str] | None
    emergency: re.Pattern[str] | None
    replies: Mapping[str, str]
    disclaimer: str
    tests: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Sense:
    """The classifier and how far a policy trusts it."""

    classifier: Classifier
    actions: Mapping[str, Action]
    """By intent."""
    thresholds: Mapping[str, float]
    """Score from which an intent's action is taken, for every intent of the policy."""
    story: int
    """Bits of the gate that a sentence about health has; 0: every one."""
    kinds: Mapping[str, Pattern]
    """By intent: what a text of its kind holds."""
    about: Pattern | None
    whether: Pattern | None
    spec: ClassifierSpec
    """The numbers, and what the patterns are for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that passed its own tests."""

    id: str
    version: str
    sha256: str
    """Digest of the file's bytes."""
    rules: tuple[Rule, ...]
    """Input rules, strongest action first."""
    output_rules: tuple[Rule, ...]
    triggers: TriggerIndex
    """Those of the input rules."""
    output_triggers: TriggerIndex
    facts: Mapping[str, tuple[Pattern, ...]]
    gate: Gate
    marks: Mapping[str, str]
    vocabulary: Vocabulary
    """Every word that the policy's file holds."""
    sense: Sense | None
    """None: rules alone."""
    languages: tuple[Language, ...]
    templates: Mapping[str, str]
    template_of: Mapping[str, str]
    """Name of the template by id of the rule; `classifier.<intent>` for the classifier."""
    numbers: Mapping[str, CountrySpec]
    default_country: str
    expires: date
    disclaimer: str
    disclaimer_unless: re.Pattern[str]
    gates: Mapping[str, float]
    max_chars: int
    timeout_s: float
    tests: Mapping[Action, Sequence[str]]
    """Whole texts by the action that must come out; those of the policy it is based on are not among them."""

    @property
    def name(self) -> str:
        """Id and version, for reports."""
        return f"{self.id}@{self.version}"
