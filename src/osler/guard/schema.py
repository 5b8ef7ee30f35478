"""The shape of a policy file. Unknown keys are refused."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from osler.models.action import Action

_Texts = Annotated[list[str], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadSpec(_Strict):
    """Who the policy is."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_\-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    locale: str


class TestsSpec(_Strict):
    """Texts that a rule must match and texts that it must not."""

    match: _Texts
    no_match: _Texts


class RuleSpec(_Strict):
    """One rule, in the language of `patterns.py`."""

    id: str
    any: _Texts
    """One of these must match: the trigger."""
    also: list[str] = []
    """Each of these must match in the same sentence."""
    unless: list[str] = []
    """None of these may match in the same sentence."""
    fact: str | None = None
    """Name of a fact that must have been said, here or in an earlier turn."""
    template: str | None = None
    """Its own reply; the intent's when absent."""
    tests: TestsSpec


class IntentSpec(_Strict):
    """One intent: its action, its reply and its rules."""

    action: Action
    template: str
    rules: Annotated[list[RuleSpec], Field(min_length=1)]


class CountrySpec(_Strict):
    """Numbers to call in one country."""

    emergency: str
    crisis: str
    poison: str
    abuse: str


class NumbersSpec(_Strict):
    """Emergency numbers, which somebody has to look up again before `expires`."""

    expires: date
    default: str
    countries: dict[str, CountrySpec]


class LanguageSpec(_Strict):
    """What is known of a language in which the policy has no full rules."""

    name: str
    letters: str = ""
    """Range of letters of its script, as the inside of a character class; empty for Latin script."""
    stop_words: list[str] = []
    crisis: list[str] = []
    emergency: list[str] = []
    replies: dict[str, str]
    """Texts for crisis, emergency and other."""
    disclaimer: str = ""
    """The note at the end of a reply in this language; the policy's own when empty."""
    tests: dict[str, list[str]]
    """Texts by what must come out: crisis, emergency or other."""


class ClassifierSpec(_Strict):
    """How the classifier is used beside the rules."""

    thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]]
    """Score from which an intent's action is taken; `default` for those not named."""
    story: str = ""
    """Pattern of health. Many words in sentences without it are talk around a short question, if they are most of a text. Empty: none."""
    talk: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Least threshold in such talk for what is told."""
    kinds: dict[str, str] = {}
    """Pattern by intent: what a text holds that is of its kind. Where that is absent, `about` is there and the score is below `sure`,
    the text gets the action of the intent `softer`."""
    about: str = ""
    sure: Annotated[float, Field(gt=0, le=1)] = 0.9
    whether: str = ""
    """Pattern of the question whether a claim holds: where it stands, no score is sure."""
    softer: str = ""
    doubts: dict[str, Annotated[float, Field(ge=0, lt=1)]] = {}
    """By intent: a rule gives the action of `softer`, too, where the score is lower."""
    yields: dict[str, str] = {}
    """By intent: another one. Where a rule of that one matches, the classifier's word for the first does not count."""
    long: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Least threshold in a long text, for what is told and urgent: many sentences give many chances."""
    long_asked: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Least threshold in a long text for what is asked or demanded."""
    floors: dict[Action, Annotated[float, Field(ge=0, lt=1)]] = {}
    """In a long text a rule of this action is set aside where the classifier's score is lower."""
    grey_from: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Score from which a stronger model is asked, where one is set up; thresholds end the band."""


class DisclaimerSpec(_Strict):
    """The note added once at the end of a reply."""

    text: str
    unless: str
    """Regular expression; a reply whose end it matches carries such a note already."""


class PolicySpec(_Strict):
    """The whole file."""

    policy: HeadSpec
    numbers: NumbersSpec
    disclaimer: DisclaimerSpec
    templates: dict[str, str]
    lexicons: dict[str, str]
    """Entries with commas between them."""
    facts: dict[str, list[str]]
    intents: dict[str, IntentSpec]
    output: dict[str, IntentSpec]
    classifier: ClassifierSpec | None = None
    """None: rules alone."""
    languages: dict[str, LanguageSpec]
    gates: dict[str, float]
    max_chars: Annotated[int, Field(ge=500)] = 8000
    """A longer question gets the safe reply: reading it would take too long."""
    timeout_s: Annotated[float, Field(gt=0)] = 2.0
    """A question whose check took longer gets the safe reply."""


class ChangesSpec(_Strict):
    """A policy that is another one with changes. What is not named stays."""

    policy: HeadSpec
    base: str
    """A policy that ships."""
    actions: dict[str, Action] = {}
    """By intent; the intent's rules and its classifier threshold take the new action."""
    intent_templates: dict[str, str] = {}
    drop_rules: list[str] = []
    templates: dict[str, str] = {}
    thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}
    disclaimer: DisclaimerSpec | None = None
    gates: dict[str, float] = {}
    max_chars: Annotated[int, Field(ge=500)] | None = None
    tests: dict[Action, _Texts]
    """Whole texts by the action that the changed policy must give."""
