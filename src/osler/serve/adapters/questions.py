"""What a client asks of somebody else's OpenAI server, cut down to what a guard can stand behind.

More is allowed here than at the gateway, because the server behind honors it: sampling options above all. What would bring out
text that nobody has read (`logprobs`, `n`, `echo`, `tools`, token ids) is refused by name, and so is what is not known.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StrictBool, StrictInt, StrictStr

from osler.models.action import Verdict
from osler.models.protocol import Conversation
from osler.records.record import Message
from osler.runs.section import Section
from osler.serve.fault import Fault, parsed
from osler.serve.wire import StreamOptions, Turn, message_of

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


class _Asked(Section):
    model: Annotated[StrictStr, Field(max_length=256)] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: StrictStr | list[StrictStr] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    user: StrictStr | None = None


class _Chat(_Asked):
    messages: Annotated[list[Turn], Field(min_length=1)]
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None


class _Completion(_Asked):
    prompt: Annotated[StrictStr, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Question:
    """One request that may go on to the server behind."""

    path: str
    conversation: Conversation
    model: str
    is_streamed: bool
    wants_usage: bool
    body: bytes
    """The request again, with nothing in it but what was read."""


def read_question(path: str, body: bytes) -> Question:
    """The question in a body.

    Raises:
        Fault: naming the first field that is wrong or not allowed.
    """
    kind: type[_Asked] = _Chat if path == CHAT else _Completion
    asked = parsed(kind, body)
    conversation = _conversation(asked)
    if not conversation or conversation[-1].role != "user" or not conversation[-1].content.strip():
        raise Fault(400, "invalid_value", "The last message must be the user's, and not empty.", "messages")
    return Question(
        path,
        conversation,
        asked.model or "",
        asked.stream is True,
        asked.stream_options is not None and asked.stream_options.include_usage,
        orjson.dumps(asked.model_dump(exclude_none=True)),
    )


def whole(question: Question, head: dict[str, Any], text: str, finish: str, verdict: Verdict) -> dict[str, Any]:
    """The response of a request that is not streamed.

    Args:
        head: id, time and usage, already cleaned.
    """
    return _body(question, head, {"message": {"role": "assistant", "content": text}}, text, finish, verdict)


def chunk(
    question: Question, head: dict[str, Any], text: str, finish: str | None, verdict: Verdict, *, first: bool = False
) -> dict[str, Any]:
    """One event of a streamed response; the first and the last of them carry the decision."""
    delta = {**({"role": "assistant"} if first else {}), **({"content": text} if text or first else {})}
    decided = verdict if first or finish else None
    return _body(question, head, {"delta": delta}, text, finish, decided)


def usage_chunk(question: Question, head: dict[str, Any]) -> dict[str, Any]:
    """The event with nothing but the count of tokens."""
    return {**_body(question, head, {}, "", None, None), "choices": []}


def _body(
    question: Question,
    head: dict[str, Any],
    said: dict[str, Any],
    text: str,
    finish: str | None,
    verdict: Verdict | None,
) -> dict[str, Any]:
    is_chat = question.path == CHAT
    kind = "text_completion"
    if is_chat:
        kind = "chat.completion.chunk" if "delta" in said or not said else "chat.completion"
    choice = {"index": 0, **(said if is_chat else {"text": text}), "finish_reason": finish, "logprobs": None}
    body = {"object": kind, "model": question.model, **head, "choices": [choice]}
    if verdict is not None:
        body["osler"] = {"action": verdict.action, "intent": verdict.intent, "rule": verdict.rule}
    return body


def _conversation(asked: _Asked) -> Conversation:
    if isinstance(asked, _Completion):
        return (Message("user", asked.prompt),)
    if not isinstance(asked, _Chat):
        return ()
    return tuple(message_of(turn) for turn in asked.messages)
