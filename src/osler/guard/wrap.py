"""A model inside a guard: again a model, so that everything that works with a model works with a guarded one.

The question is judged first. A crisis, an emergency, a refusal and a redirection are answered from the policy, and the model
is not asked. Anything else goes to the model, whose answer is checked on its way out. When the guard itself fails, the
reader gets the safe reply, never an unchecked one; a failure of the model is passed on to the caller.
"""

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Literal

from osler.guard.check import check
from osler.guard.policy import Policy
from osler.guard.replies import FIXED, GUARD_ERROR, country_of, reply_to
from osler.guard.stream import SentenceGuard
from osler.guard.stronger import StrongerGuard
from osler.models.action import URGENT, Verdict
from osler.models.protocol import Conversation, Model, Reply

LAST_RESORT = (
    "I cannot answer this right now. In an emergency call 911, 112 or your local emergency number; for anything else please "
    "ask a doctor or pharmacist."
)
"""Said when not even the policy's own safe reply can be made."""

logger = logging.getLogger(__name__)


class Screen:
    """One answer on its way to the reader: fed with the model's pieces, it gives what may be shown.

    Args:
        verdict: the decision about the question.
        secret: text that must not come out, usually the system prompt.
        given: what the conversation holds; identifiers and sources that stand there may come out again.
    """

    def __init__(
        self, policy: Policy, verdict: Verdict, country: str | None = None, secret: str = "", given: str = ""
    ) -> None:
        self._policy = policy
        self._country = country
        self._secret, self._given = secret, given
        self._guard: SentenceGuard | None = None
        self._is_begun = False
        self.verdict = verdict
        """The decision about the question; once the answer is over, that about the whole of it."""
        self.is_over = verdict.action in FIXED
        """Whether the answer has ended, so that the model need not go on (or need not be asked at all)."""

    @property
    def finish(self) -> Literal["stop", "content_filter"]:
        """Whether the guard ended the answer; once it is over."""
        return "content_filter" if self.verdict.action in FIXED else "stop"

    def begin(self) -> str:
        """The policy's reply where the verdict asks for one, which is then the whole answer; else nothing."""
        return self._fixed(self.verdict) if self.is_over else ""

    def feed(self, piece: str) -> str:
        """Take the model's next piece; gives text that may be shown now, often none."""
        if self.is_over:
            return ""
        try:
            guard = self._sentences()
            shown = guard.feed(piece)
        except Exception as error:  # noqa: BLE001 - whatever fails in the guard, nothing unchecked may pass
            return self._closed(error)
        self._is_begun = self._is_begun or bool(shown)
        self._settle(guard)
        return shown

    def end(self) -> str:
        """The model has ended: the last sentence, the notes and the disclaimer."""
        if self.is_over:
            return ""
        try:
            guard = self._sentences()
            shown = guard.finish()
        except Exception as error:  # noqa: BLE001 - as above
            return self._closed(error)
        self._settle(guard)
        self.is_over = True
        return shown

    def passed(self, raw: Iterator[str]) -> Iterator[str]:
        """A whole answer as it may be shown; nothing is drawn from `raw`, the model's, once the answer is over."""
        if opening := self.begin():
            yield opening
            return
        for piece in raw:
            if shown := self.feed(piece):
                yield shown
            if self.is_over:
                break
        if shown := self.end():
            yield shown
        if isinstance(raw, Generator):
            raw.close()

    def _sentences(self) -> SentenceGuard:
        if self._guard is None:
            self._guard = SentenceGuard(self._policy, self.verdict, self._country, self._secret, self._given)
        return self._guard

    def _settle(self, guard: SentenceGuard) -> None:
        if guard.violation is not None:
            self.verdict, self.is_over = guard.violation, True

    def _closed(self, error: Exception) -> str:
        """The safe reply in place of what could not be checked."""
        _log_failure(error)
        self.verdict, self.is_over = GUARD_ERROR, True
        return ("\n\n" if self._is_begun else "") + self._fixed(GUARD_ERROR)

    def _fixed(self, verdict: Verdict) -> str:
        try:
            return reply_to(self._policy, verdict, self._country)
        except Exception as error:  # noqa: BLE001 - a reply that cannot be made must not become an unguarded one
            _log_failure(error)
            self.verdict = GUARD_ERROR
            return LAST_RESORT


class Guard:
    """A policy at work: it judges questions and screens answers. No model belongs to it.

    Args:
        country: whose emergency numbers the replies name; the policy's own when absent.
        stronger: asked about questions that the classifier is unsure of.
    """

    def __init__(self, policy: Policy, country: str | None = None, stronger: StrongerGuard | None = None) -> None:
        self.policy = policy
        self._stronger = stronger
        self._country = country_of(policy, country)

    @property
    def is_quick(self) -> bool:
        """Whether judging needs no other machine, so that it takes about a millisecond."""
        return self._stronger is None

    def judge(self, conversation: Conversation) -> Verdict:
        """The decision about the last question, in the light of the earlier ones. A failure gives the safe reply's verdict."""
        try:
            turns = [turn.content for turn in conversation if turn.role == "user"]
            began = time.monotonic()
            verdict = check(self.policy, turns[-1], turns[:-1])
            if time.monotonic() - began > self.policy.timeout_s and verdict.action not in URGENT:
                return GUARD_ERROR
            if verdict.action == "allow" and self._stronger is not None:
                return self._stronger.second_look(self.policy, turns[-1])
            return verdict
        except Exception as error:  # noqa: BLE001 - a question that cannot be judged gets the safe reply
            _log_failure(error)
            return GUARD_ERROR

    def screen(self, verdict: Verdict, secret: str = "", given: str = "", country: str | None = None) -> Screen:
        """What an answer to a question with this verdict must pass; the arguments are those of `Screen`."""
        return Screen(self.policy, verdict, country or self._country, secret, given)


class GuardedModel:
    """A model behind a guard."""

    def __init__(self, model: Model, guard: Guard) -> None:
        self._model = model
        self._guard = guard

    @property
    def name(self) -> str:
        """Name for reports: the model's, and the policy's with its version."""
        return f"{self._model.name} + guard {self._guard.policy.name}"

    def reply(self, conversations: Sequence[Conversation], max_tokens: int) -> list[Reply]:
        """Guarded replies in order; the model is asked once, for those that need it."""
        screens = [self._screen(conversation) for conversation in conversations]
        open_ones = [i for i, screen in enumerate(screens) if not screen.is_over]
        asked = self._model.reply([conversations[i] for i in open_ones], max_tokens) if open_ones else []
        raw = dict(zip(open_ones, asked, strict=True))
        replies = []
        for i, screen in enumerate(screens):
            text = "".join(screen.passed(iter((raw[i].text,) if i in raw else ())))
            finish = raw[i].finish if i in raw and screen.finish == "stop" else screen.finish
            verdict = screen.verdict
            replies.append(Reply(text, finish, verdict.action, verdict.intent, verdict.rule))
        return replies

    def stream(self, conversation: Conversation, max_tokens: int) -> Iterator[str]:
        """The guarded reply in pieces; joined they are the text that `reply` gives."""
        screen = self._screen(conversation)
        yield from screen.passed(iter(()) if screen.is_over else self._model.stream(conversation, max_tokens))

    def _screen(self, conversation: Conversation) -> Screen:
        secret = "\n".join(turn.content for turn in conversation if turn.role == "system")
        given = "\n".join(turn.content for turn in conversation if turn.role != "system")
        return self._guard.screen(self._guard.judge(conversation), secret, given)


def guarded(
    model: Model, policy: Policy, country: str | None = None, stronger: StrongerGuard | None = None
) -> GuardedModel:
    """The model behind the policy; the other arguments are those of `Guard`."""
    return GuardedModel(model, Guard(policy, country, stronger))


def _log_failure(error: Exception) -> None:
    # The message of an error may hold the reader's words; its type does not.
    logger.error("the guard failed with %s; the safe reply was given", type(error).__name__)
