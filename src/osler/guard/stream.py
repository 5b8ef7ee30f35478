"""A model's answer on its way to the reader: held back sentence by sentence, checked, and only then shown.

One class for streams and for whole replies, so that a stream cannot pass what a whole reply would not. What is shown does
not depend on how the text was cut into pieces: a sentence is judged when its end is certain, and its end depends on the
text alone.
"""

import re
from collections.abc import Iterable

from osler.guard.check import CONTEXT_CHARS, check_output
from osler.guard.identifiers import leaks
from osler.guard.policy import Policy
from osler.guard.replies import country_of, filled, reply_to, with_disclaimer
from osler.models.action import URGENT, Verdict
from osler.text import words

PROMPT_LEAK = Verdict("refuse", "output_violation", "output.system_prompt", None, 1.0)
"""The verdict about a sentence that repeats the system prompt."""

IDENTIFIER = Verdict("refuse", "output_violation", "output.identifier", None, 1.0)
"""The verdict about a sentence that holds a person's identifier which the reader did not give."""
REFERENCE = Verdict("refuse", "output_violation", "output.reference", None, 1.0)
"""The verdict about a sentence that names a source which the conversation does not hold: most such are invented."""
_OWN_TEMPLATES = {
    PROMPT_LEAK.rule: "no_answer",
    IDENTIFIER.rule: "output.identifier",
    REFERENCE.rule: "output.reference",
}

_SOURCE = re.compile(
    r"\bPMID:?\s*(\d+)|\bdoi(?:\.org/|:\s*)?\s*(10\.\d{4,9}/\S+)|\b([A-Z]\w+ et al\.,? \(?\d{4})", re.IGNORECASE
)
_END = re.compile(r"[.!?。！？][\"')\]]*\s+(?=\S)|\n\s*(?=\S)|[。！？](?=\S)")
_MAX_CHARS = 600
"""A sentence longer than this is judged in parts; the longest in 2,000 reference answers has 540 characters."""
_LEAK_WORDS = 12
"""So many words in a row from the system prompt count as giving it out."""


class SentenceGuard:
    """Checks one answer.

    Args:
        verdict: the decision about the question: allow or safe_complete.
        country: whose numbers the replies name; the policy's own when absent.
        secret: text that must not come out, usually the system prompt.
        given: what the conversation holds; identifiers and sources that stand there may come out again.
    """

    def __init__(
        self,
        policy: Policy,
        verdict: Verdict | None = None,
        country: str | None = None,
        secret: str = "",
        given: str = "",
    ) -> None:
        self._given = given
        self._policy = policy
        self._question = verdict or Verdict("allow")
        self._country = country_of(policy, country)
        self._secret = _runs(words(secret))
        self._held = ""
        self._shown = ""
        self._violation: Verdict | None = None

    @property
    def violation(self) -> Verdict | None:
        """Why the answer was cut; None while nothing was found."""
        return self._violation

    def feed(self, piece: str) -> str:
        """Take the next piece of the answer; returns text that may be shown now, often none."""
        if self._violation is not None:
            return ""
        self._held += piece
        released = ""
        while self._violation is None and (end := _sentence_end(self._held)):
            sentence, self._held = self._held[:end], self._held[end:]
            released += self._judged(sentence)
        return released

    def finish(self) -> str:
        """The rest, once the model has ended: the last sentence, the note for the intent, and the disclaimer."""
        released = ""
        if self._violation is None and self._held.strip():
            released = self._judged(self._held.rstrip())
        self._held = ""
        if self._violation is not None:
            return released
        if not self._shown.strip():
            return released + with_disclaimer(
                self._policy, filled(self._policy, self._policy.templates["no_answer"], self._country)
            )
        note = reply_to(self._policy, self._question, self._country)
        tail = f"\n\n{note}" if note else ""
        if with_disclaimer(self._policy, self._shown + tail) != self._shown + tail:
            tail += f"\n\n{self._policy.disclaimer}"
        return released + tail

    def _judged(self, sentence: str) -> str:
        """The sentence, or what stands in its place and ends the answer."""
        verdict = self._verdict_on(sentence)
        if verdict.action == "allow":
            opening = "" if self._shown.strip() else self._urgent_line(sentence)
            self._shown += opening + sentence
            return opening + sentence
        self._violation = verdict
        gap = "\n\n" if self._shown.strip() else ""
        template = _OWN_TEMPLATES.get(verdict.rule)
        if template is None:
            return gap + reply_to(self._policy, verdict, self._country)
        return gap + with_disclaimer(
            self._policy,
            filled(
                self._policy, self._policy.templates.get(template, self._policy.templates["no_answer"]), self._country
            ),
        )

    def _verdict_on(self, sentence: str) -> Verdict:
        verdict = check_output(self._policy, sentence, self._shown)
        if verdict.action != "allow":
            return verdict
        if self._secret and self._secret & _runs(words(self._shown[-CONTEXT_CHARS:] + sentence)):
            return PROMPT_LEAK
        if any(next(filter(None, found.groups())) not in self._given for found in _SOURCE.finditer(sentence)):
            return REFERENCE
        return IDENTIFIER if leaks(sentence, self._given) else verdict

    def _urgent_line(self, sentence: str) -> str:
        """The line with the number, where the question was urgent and the answer does not begin with it."""
        if self._question.action not in URGENT:
            return ""
        line = reply_to(self._policy, self._question, self._country).partition("\n")[0]
        numbers = re.findall(r"\d[\d ]+\d", line)
        return "" if any(number in sentence for number in numbers) else f"{line}\n\n"


def guard_text(guard: SentenceGuard, pieces: Iterable[str]) -> str:
    """The whole guarded answer; stops reading the pieces at a violation."""
    text = ""
    for piece in pieces:
        text += guard.feed(piece)
        if guard.violation is not None:
            break
    return text + guard.finish()


def _sentence_end(held: str) -> int:
    """Where the first sentence ends, with the space behind it; 0 while that is not certain."""
    found = _END.search(held, 0, _MAX_CHARS)
    if found:
        return found.end()
    if len(held) < _MAX_CHARS:
        return 0
    space = held.rfind(" ", 0, _MAX_CHARS)
    return space + 1 if space > 0 else _MAX_CHARS


def _runs(tokens: list[str]) -> set[tuple[str, ...]]:
    return {tuple(tokens[i : i + _LEAK_WORDS]) for i in range(len(tokens) - _LEAK_WORDS + 1)}
