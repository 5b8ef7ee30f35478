"""From a request to a released answer: guard first, then switch and consent, then the model, and the audit log before release.

Order matters. The guard's verdict on the question comes first because crisis and emergency replies go out whatever else stands in
the way. A whole answer is logged before any of it is sent. A streamed one is logged as `open` before its first piece and as
`answer` before its end, so that a broken stream leaves a trace too.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from osler.errors import EnvironmentLacks, OslerError
from osler.models.action import URGENT, Verdict
from osler.serve.backend import Draft, Source
from osler.serve.fault import Fault, consent_required, internal_error, unavailable
from osler.serve.gateway import Gateway, append, no_audit
from osler.serve.interrupt import Interrupt
from osler.serve.library import grounded
from osler.serve.limits import Caller, tokens_of
from osler.serve.wire import Ask, Label

if TYPE_CHECKING:
    from osler.guard.wrap import Screen

_QUICK_CHARS = 2000
"""Questions up to this length are judged in the event loop: it takes a millisecond, and another thread costs a tenth of that."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """Who asks what, and what comes of it."""

    label: Label
    caller: Caller
    consent: str
    """Version of the terms that the caller accepted; empty for none."""
    ask: Ask
    began: float
    """By the monotonic clock."""
    screen: "Screen"
    is_urgent: bool
    """Whether the reply goes out whatever stands in the way. By the verdict on the question: that on the answer may come later,
    when the model has spoken already."""
    draft: Draft | None = None
    """What the model makes; None where it is not asked."""
    shown: list[str] = field(default_factory=list)
    """What was released, where the operator keeps texts."""
    ended: str = ""
    """Why it ended, as the log has it; empty while it is under way."""

    def note(self, gateway: Gateway, piece: str) -> None:
        """Remember a released piece for the log, where texts are kept."""
        if gateway.facts.keeps_texts:
            self.shown.append(piece)

    @property
    def verdict(self) -> Verdict:
        """The guard's decision as of now."""
        return self.screen.verdict

    @property
    def finish(self) -> str:
        """Why the answer ended, in OpenAI's words; valid after the last piece."""
        if self.draft is None or self.screen.finish == "content_filter":
            return self.screen.finish
        return self.draft.finish

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the answer was made from; nothing where the guard answered."""
        return self.draft.sources if self.draft is not None and self.finish != "content_filter" else ()

    def usage(self) -> dict[str, int | bool]:
        """Tokens by the backend's own count; none where the model was not asked.

        Estimated where the answer was cut before the count came: a piece is a token then, and four characters of the prompt.
        """
        if self.draft is None:
            return _counts(0, 0)
        if self.draft.usage is not None:
            return _counts(self.draft.usage.prompt, self.draft.usage.reply)
        n_chars = sum(len(turn.content) for turn in self.ask.conversation)
        return {**_counts(n_chars // 4, self.draft.n_pieces), "estimated": True}


async def admit(gateway: Gateway, ask: Ask, label: Label, caller: Caller, consent: str) -> Visit:
    """Let the guard judge the question, and turn away what may not be answered.

    Raises:
        Fault: killed, draining, no consent to the current terms, or too many waiting, for anything but a crisis or an emergency.
    """
    began = time.monotonic()
    guard = gateway.answerer.guard
    if guard.is_quick and sum(len(turn.content) for turn in ask.conversation[1:]) <= _QUICK_CHARS:
        verdict = guard.judge(ask.conversation)
    else:
        verdict = await asyncio.get_running_loop().run_in_executor(gateway.guards, guard.judge, ask.conversation)
    gateway.metrics.judged(verdict, time.monotonic() - began)
    is_urgent = verdict.action in URGENT
    screen, draft = guard.screen(verdict, country=label.country), None
    consent = gateway.terms.version if gateway.terms.version in caller.accepted else consent
    if not is_urgent and (fault := _objection(gateway, consent, is_fixed=screen.is_over)) is not None:
        raise fault
    gateway.taken.add(label.request_id)
    caller.ticket.at_end(lambda: gateway.taken.discard(label.request_id))
    if not screen.is_over:
        await caller.ticket.reserve(sum(tokens_of(turn.content) for turn in ask.conversation) + ask.max_tokens)
        draft, screen = await _prepared(gateway, ask, label, verdict)
    return Visit(label, caller, consent, ask, began, screen, is_urgent, draft)


def _objection(gateway: Gateway, consent: str, *, is_fixed: bool) -> Fault | None:
    """Why nothing may be answered now."""
    fault = gateway.switch.may_begin(is_fixed=is_fixed)
    if gateway.audit.failure is not None:
        fault = no_audit()
    if fault is None and gateway.config.consent_required and consent != gateway.terms.version:
        fault = consent_required(gateway.terms)
    if fault is None and len(gateway.taken) >= gateway.config.limits.answers:
        fault = Fault(
            429,
            "rate_limit_exceeded",
            f"{len(gateway.taken)} answers are being made; ask again in a moment.",
            kind="requests",
            headers={"retry-after": "1"},
        )
    return fault


async def _prepared(gateway: Gateway, ask: Ask, label: Label, verdict: Verdict) -> "tuple[Draft, Screen]":
    """The model's answer, not begun, and what it must pass."""
    turns, found = ask.conversation, tuple[Source, ...]()
    library = gateway.answerer.library
    if library is not None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(gateway.guards, library.find, turns[-1].content)
        found = library.fitting(turns, ask.max_tokens, found)
    secret = "\n".join(turn.content for turn in turns if turn.role == "system")
    spoken = [turn.content for turn in turns if turn.role != "system"]
    draft = gateway.answerer.backend.draft(grounded(turns, found), ask.max_tokens, label.traceparent)
    draft.sources = draft.sources or found
    given = "\n".join([*spoken, *(f"{one.text}\n{one.url}" for one in draft.sources)])
    return draft, gateway.answerer.guard.screen(verdict, secret, given, label.country)


@contextlib.contextmanager
def interruptible(gateway: Gateway, visit: Visit) -> Generator[Interrupt, None, None]:
    """The time in which an answer is made and sent; ends with a `Fault` when it must end early."""
    interrupt = Interrupt(gateway.config.timeout_s)
    gateway.open[interrupt] = _is_stoppable(visit)
    try:
        with interrupt:
            yield interrupt
    finally:
        del gateway.open[interrupt]


async def released(gateway: Gateway, visit: Visit, interrupt: Interrupt) -> AsyncGenerator[str, None]:
    """The answer's pieces as they may be shown.

    Raises:
        Fault: the model failed.
    """
    screen = visit.screen
    if opening := screen.begin():
        yield opening
    if visit.draft is None:
        return
    interrupt.wait(gateway.config.patience.first_token_s)
    async with aclosing(visit.draft.pieces) as pieces:
        try:
            async for piece in pieces:
                # Before the guard looks: a thousand streams that are ended must not wait for each other's checks.
                if (fault := _stopped(gateway, visit)) is not None:
                    raise fault
                interrupt.wait(gateway.config.patience.idle_s)
                if shown := screen.feed(piece):
                    yield shown
                if screen.is_over:
                    return
        except (Fault, OSError, OslerError, ValueError, RuntimeError) as error:
            gateway.metrics.failed(error)
            raise _model_failure(visit, error) from error
    if rest := screen.end():
        yield rest


def _stopped(gateway: Gateway, visit: Visit) -> Fault | None:
    return gateway.switch.may_go_on() if _is_stoppable(visit) else None


def _is_stoppable(visit: Visit) -> bool:
    return visit.draft is not None and not visit.is_urgent


async def whole(gateway: Gateway, visit: Visit, interrupt: Interrupt) -> str:
    """The whole answer, logged.

    Raises:
        Fault: it may not be released or could not be logged.
    """
    text = ""
    async with aclosing(released(gateway, visit, interrupt)) as pieces:
        async for piece in pieces:
            text += piece
            visit.note(gateway, piece)
    await log_answer(gateway, visit, len(text), visit.finish)
    if (fault := _stopped(gateway, visit)) is not None:
        raise fault
    return text


async def log_open(gateway: Gateway, visit: Visit) -> None:
    """Log that a streamed answer begins.

    Raises:
        Fault: it could not be logged, so nothing may be released.
    """
    row = {"request": visit.label.request_id, "caller": visit.caller.kind, "who": visit.caller.who}
    await append(gateway, "open", **row, **_decision(visit))


async def log_answer(gateway: Gateway, visit: Visit, n_reply_chars: int, finish: str) -> None:
    """Log a finished or broken answer: decision, lengths, latency; no text.

    Raises:
        Fault: it could not be logged.
    """
    visit.ended = finish
    await append(gateway, "answer", **_row(gateway, visit, n_reply_chars, finish))


def log_answer_later(gateway: Gateway, visit: Visit, n_reply_chars: int, finish: str) -> None:
    """The same for an answer that broke off and is not logged yet, when nothing can be waited for any more."""
    if visit.ended:
        return
    visit.ended = finish
    try:
        work = gateway.audit.submit("answer", **_row(gateway, visit, n_reply_chars, finish))
    except (OSError, OslerError) as error:
        _log.error("the audit log could not be written (%s)", type(error).__name__)
    else:
        work.add_done_callback(_tell_failure)


def _tell_failure(work: Future[Any]) -> None:
    if work.exception() is not None:
        _log.error("the audit log could not be written (%s)", type(work.exception()).__name__)


def _row(gateway: Gateway, visit: Visit, n_reply_chars: int, finish: str) -> dict[str, object]:
    visit.caller.ticket.settle(visit.usage()["total_tokens"])
    texts = {"reply": "".join(visit.shown)} if gateway.facts.keeps_texts else {}
    return {
        "request": visit.label.request_id,
        "caller": visit.caller.kind,
        "who": visit.caller.who,
        "consent": visit.consent,
        **_decision(visit),
        "finish": finish,
        "streamed": visit.ask.is_streamed,
        "n_turns": sum(turn.role != "system" for turn in visit.ask.conversation),
        "prompt": visit.ask.conversation[-1].content,  # the log keeps its keyed hash and length
        **texts,
        "n_reply_chars": n_reply_chars,
        "latency_ms": round((time.monotonic() - visit.began) * 1000, 1),
        "policy": gateway.facts.policy,
        "policy_sha256": gateway.facts.policy_sha256,
        "artefact": gateway.facts.permit.artefact,
        "gate": gateway.facts.permit.gate,
    }


def _decision(visit: Visit) -> dict[str, object]:
    return {"action": visit.verdict.action, "intent": visit.verdict.intent, "rule": visit.verdict.rule}


def _counts(prompt: int, reply: int) -> dict[str, int | bool]:
    return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}


def _model_failure(visit: Visit, error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    # The error's own words may quote the prompt: only its kind is told and logged.
    _log.error("request %s: the model failed (%s)", visit.label.request_id, type(error).__name__)
    if isinstance(error, EnvironmentLacks):
        return unavailable("upstream_unavailable", "The model behind this server cannot be reached.")
    return internal_error()
