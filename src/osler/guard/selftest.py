"""The tests that a policy must pass before it is used: its own examples, hostile texts, and every reply written out."""

import re
import string
import time

from osler.errors import InputError
from osler.guard.check import check, matches
from osler.guard.language import check_language
from osler.guard.normalize import views
from osler.guard.policy import Policy, Rule

PLACES = frozenset({"emergency", "crisis", "poison", "abuse"})
"""Names that a template may put in braces: the numbers of a country."""
NEEDED_TEMPLATES = ("guard_error", "no_answer")
"""Templates that the guard itself uses."""

_BUDGET_S = 0.05
"""For one search in a text of about 600 characters. A sound expression takes under a thousandth of a second; the rest is
room for a machine that is busy with something else."""
_FILLERS = ("a", "a ", "0")
_SIZES = (8, 11, 14, 17, 19, 21, 23, 25, 600)
"""Small steps first: an expression that doubles its time with each character is caught before it can stall the check."""


def prove(policy: Policy) -> None:
    """Run everything.

    Raises:
        InputError: the first failure; names policy, rule and test.
    """
    _prove_templates(policy)
    for rule in (*policy.rules, *policy.output_rules):
        _prove_speed(policy, rule)
        _prove_examples(policy, rule)
    _prove_languages(policy)
    for action, texts in policy.tests.items():
        for number, text in enumerate(texts, start=1):
            found = check(policy, text).action
            if found != action:
                raise InputError(f"policy {policy.id}: tests.{action} {number} failed: {text!r} gets {found}")


def _prove_examples(policy: Policy, rule: Rule) -> None:
    for kind, texts, expected in (("match", rule.tests.match, True), ("no_match", rule.tests.no_match, False)):
        for number, text in enumerate(texts, start=1):
            if matches(policy, rule, text) is not expected:
                fault = "the rule does not match" if expected else "the rule matches"
                raise InputError(
                    f"policy {policy.id}, rule {rule.id}: test {kind} {number} failed: {fault} {text!r}. "
                    "Mend the rule or the test."
                )


def _prove_speed(policy: Policy, rule: Rule) -> None:
    """Time every expression of the rule on growing texts that are made to stall it."""
    opening = views(rule.tests.match[0], policy.marks, policy.vocabulary)[0].text
    for pattern in (*rule.any, *rule.also, *rule.unless):
        for start in ("", opening + " "):
            for filler in _FILLERS:
                for n_chars in _SIZES:
                    hostile = start + (filler * n_chars)[:n_chars] + "!"
                    if _is_slow(pattern.expression, hostile):
                        raise InputError(
                            f"policy {policy.id}, rule {rule.id}: test speed failed: {n_chars} characters of {filler!r} "
                            f"took more than {_BUDGET_S} s. A repetition inside a repetition does this; "
                            "write a bounded gap (~4) instead."
                        )


def _is_slow(expression: re.Pattern[str], text: str) -> bool:
    """Whether a search takes too long, in processor time; a second try, because the first one may share the machine."""
    for _ in range(2):
        began = time.thread_time()
        expression.search(text)
        if time.thread_time() - began <= _BUDGET_S:
            return False
    return True


def _prove_templates(policy: Policy) -> None:
    texts = dict(policy.templates)
    for language in policy.languages:
        for kind in ("crisis", "emergency", "other"):
            if kind not in language.replies:
                raise InputError(f"policy {policy.id}, language {language.code}: replies.{kind} is missing")
            texts[f"language {language.code} {kind}"] = language.replies[kind]
    for name in NEEDED_TEMPLATES:
        if name not in texts:
            raise InputError(f"policy {policy.id}: template {name!r} is missing; the guard itself needs it")
    for name, text in texts.items():
        used = {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}
        if not used <= PLACES:
            raise InputError(
                f"policy {policy.id}, template {name}: {{{min(used - PLACES)}}} is not known; "
                f"allowed are {', '.join(sorted(PLACES))}"
            )
    for rule in policy.rules:
        first = policy.templates[rule.template].lstrip().partition("\n")[0]
        number = {"emergency": ("{emergency}", "{poison}"), "crisis": ("{crisis}", "{emergency}", "{abuse}")}
        if not any(place in first for place in number.get(rule.action, ("",))):
            raise InputError(
                f"policy {policy.id}, template {rule.template}: the first line of a reply to an emergency or crisis must "
                f"hold a number: {' or '.join(number[rule.action])}"
            )


def _prove_languages(policy: Policy) -> None:
    expected = {"crisis": "crisis", "emergency": "emergency", "other": "redirect"}
    for language in policy.languages:
        for kind, texts in language.tests.items():
            for number, text in enumerate(texts, start=1):
                verdict = check_language(policy, text)
                if verdict.action != expected.get(kind) or not verdict.rule.startswith(f"language.{language.code}."):
                    raise InputError(
                        f"policy {policy.id}, language {language.code}: test {kind} {number} failed: got {verdict.action} "
                        f"by {verdict.rule or 'no rule'}"
                    )
