"""The fixed replies: which text belongs to a verdict, with the numbers of the reader's country."""

from osler.errors import InputError
from osler.guard.policy import Language, Policy
from osler.models.action import URGENT, Action, Verdict

FIXED: frozenset[Action] = frozenset({"crisis", "emergency", "refuse", "refuse_support", "redirect"})
"""Actions answered from the policy alone: the model is not asked."""
GUARD_ERROR = Verdict("refuse", "guard_error", "guard_error", None, 0.0)
"""The verdict when the guard itself failed."""


def country_of(policy: Policy, country: str | None) -> str:
    """The country whose numbers are given; the policy's own when none is named.

    Raises:
        InputError: the policy has no numbers for it.
    """
    chosen = policy.default_country if country is None else country.lower()
    if chosen not in policy.numbers:
        raise InputError(
            f"country {country!r}: policy {policy.id} has no emergency numbers for it; "
            f"it has {', '.join(sorted(policy.numbers))}"
        )
    return chosen


def reply_to(policy: Policy, verdict: Verdict, country: str | None = None) -> str:
    """The policy's whole reply to a question with this verdict; for safe_complete the note after the model's answer.

    Returns:
        Empty for allow. The disclaimer stands at the end, except for crisis and emergency.
    """
    if verdict.action == "allow":
        return ""
    text = filled(policy, _text(policy, verdict), country)
    # Nothing may stand between the reader and the number.
    if verdict.action in URGENT or verdict.action == "safe_complete":
        return text
    language = _language(policy, verdict)
    if language is not None and language.disclaimer:
        return f"{text}\n\n{language.disclaimer}"
    return with_disclaimer(policy, text)


def filled(policy: Policy, text: str, country: str | None = None) -> str:
    """A template with the country's numbers in it."""
    numbers = policy.numbers[country_of(policy, country)]
    return text.format(
        emergency=numbers.emergency, crisis=numbers.crisis, poison=numbers.poison, abuse=numbers.abuse
    ).strip()


def with_disclaimer(policy: Policy, text: str) -> str:
    """The text with the disclaimer at its end, unless such a note stands there already."""
    return text if policy.disclaimer_unless.search(text[-_TAIL_CHARS:]) else f"{text}\n\n{policy.disclaimer}"


_TAIL_CHARS = 400


def _text(policy: Policy, verdict: Verdict) -> str:
    if verdict.rule == GUARD_ERROR.rule:
        return policy.templates["guard_error"]
    language = _language(policy, verdict)
    if language is not None:
        return language.replies[verdict.rule.rpartition(".")[2]]
    return policy.templates[policy.template_of[verdict.rule]]


def _language(policy: Policy, verdict: Verdict) -> Language | None:
    if not verdict.rule.startswith("language."):
        return None
    code = verdict.rule.split(".")[1]
    return next(language for language in policy.languages if language.code == code)
