"""What a client asks of somebody else's OpenAI server, cut down to what a guard can stand behind.

More is allowed here than at the gateway, because the server behind honors it: sampling options above all. What would bring out
text that nobody has read (`logprobs`, `n`, `echo`, `tools`, token ids) is refused by name, and so is what is not known.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from osler.models.action import Verdict
from osler.models.protocol import Conversation
from osler.records.record import Message
from osler.serve.fault import Fault

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"

_Text = Annotated[StrictStr, Field(min_length=1, max_length=65536)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["text"]
    text: StrictStr


class _Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: _Text | Annotated[list[_Part], Field(min_length=1)]


class _StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    include_usage: StrictBool = False


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    model: Annotated[StrictStr, Field(max_length=256)] | None = None
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
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
    messages: Annotated[list[_Turn], Field(min_length=1)]
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None


class _Completion(_Asked):
    prompt: _Text


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
    kind = _Chat if path == CHAT else _Completion
    try:
        asked = kind.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise Fault(400, "invalid_json", "The request body is not JSON.") from None
    except ValidationError as error:
        raise _fault_of(error) from None
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
    return tuple(Message(_role(turn.role), _text(turn)) for turn in asked.messages)


def _role(role: str) -> Literal["system", "user", "assistant"]:
    if role == "user":
        return "user"
    return "assistant" if role == "assistant" else "system"


def _text(turn: _Turn) -> str:
    return turn.content if isinstance(turn.content, str) else "\n".join(part.text for part in turn.content)


def _fault_of(error: ValidationError) -> Fault:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    place = ".".join(str(part) for part in first["loc"] if "[" not in str(part)) or None
    if first["type"] == "extra_forbidden":
        return Fault(400, "unknown_parameter", "The parameter is not supported behind this guard.", place)
    return Fault(400, "invalid_value", f"{first['msg']}.", place)
