"""Why the guard decides as it does, and what a new policy would change: for people who review a policy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from osler.guard.check import check, findings
from osler.guard.normalize import views
from osler.guard.policy import Policy
from osler.guard.replies import reply_to
from osler.models.action import Verdict
from osler.phi import find, replace


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything found in one text."""

    verdict: Verdict
    others: tuple[Verdict, ...]
    """What was found besides, strongest first."""
    readings: tuple[str, ...]
    """Names of the readings that were looked at: plain, folded, base64, ..."""
    classifier: tuple[tuple[str, float], ...]
    """The likeliest labels of the most suspicious window; the empty label is harmless."""
    words: str
    """The words that the verdict rests on; empty where it has no place in the text."""
    reply: str


def explain(policy: Policy, text: str, history: tuple[str, ...] = (), country: str | None = None) -> Explanation:
    """Why this text gets its verdict."""
    found = findings(policy, text, history)
    read = views(text, policy.marks, policy.vocabulary)
    top: tuple[tuple[str, float], ...] = ()
    if policy.sense is not None:
        classifier = policy.sense.classifier
        scores = max(
            (row for view in read for row in classifier.scores(view.sentences)), key=lambda row: -row[0], default=None
        )
        if scores is not None:
            order = scores.argsort()[::-1][:3]
            top = tuple((classifier.labels[i] or "harmless", round(float(scores[i]), 3)) for i in order)
    span = found[0].span
    return Explanation(
        verdict=found[0],
        others=tuple(found[1:]),
        readings=tuple(view.name for view in read),
        classifier=top,
        words=text[span[0] : span[1]] if span else "",
        reply=reply_to(policy, found[0], country),
    )


def diff(old: Policy, new: Policy, rows: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The texts whose action changes, with both decisions; real people's questions, so without identifiers.

    Args:
        rows: id and text.
    """
    for name, text in rows:
        before, after = check(old, text), check(new, text)
        if before.action != after.action:
            yield {
                "id": name,
                "before": before.action,
                "before_rule": before.rule,
                "after": after.action,
                "after_rule": after.rule,
                "text": replace(text, find(text)),
            }
