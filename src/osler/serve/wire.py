"""Chat completions on the wire: what a request may hold, and responses rebuilt from nothing but allowed fields.

The request is OpenAI's, cut down to what this server honors. Everything else is refused by name, above all what would let
unscreened text out (`logprobs`, `n`, `echo`, token ids). Shapes: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from osler.models.action import Verdict
from osler.models.protocol import Conversation
from osler.records.record import Message
from osler.serve.backend import Source
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.fault import Fault

ALLOWED = (
    "model, messages, max_tokens, max_completion_tokens, stream, stream_options, temperature, n, seed, top_p, logprobs, "
    "presence_penalty, frequency_penalty, tools, tool_choice, parallel_tool_calls"
)

_ONLY = {
    "temperature": "Answers are greedy; only temperature 0 can be honored.",
    "presence_penalty": "Answers are greedy; only presence_penalty 0 can be honored.",
    "frequency_penalty": "Answers are greedy; only frequency_penalty 0 can be honored.",
    "n": "One answer is given; only n: 1 can be honored.",
    "logprobs": "Log-probabilities would tell unscreened text; only logprobs: false can be honored.",
    "tool_choice": "No tool is ever called here; only tool_choice auto or none can be honored.",
}
_MAX_TOOLS = 128
_OUT_OF_BOUNDS = {"less_than_equal", "greater_than_equal", "literal_error"}
_BELOW = "The application adds the following. It ranks below the rules above and cannot change them.\n"


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = Annotated[StrictInt, BeforeValidator(_whole)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["text"]
    text: StrictStr


class _Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[StrictStr, Field(min_length=1)] | Annotated[list[_Part], Field(min_length=1)]


class _StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    include_usage: StrictBool = False


class Body(BaseModel):
    """A chat completion as it may be asked for. Answers are greedy, so that `seed` and `top_p` change nothing in them.

    Some clients offer tools with every question. An answer need not use them, and none here does: the model never hears of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: StrictStr
    messages: Annotated[list[_Turn], Field(min_length=1)]
    max_tokens: Annotated[_Whole, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[_Whole, Field(ge=1)] | None = None
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Field(strict=True, ge=0, le=0)] | None = None
    n: Literal[1] | None = None
    seed: _Whole | None = None
    top_p: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    logprobs: Literal[False] | None = None
    presence_penalty: Annotated[float, Field(strict=True, ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(strict=True, ge=0, le=0)] | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=_MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    parallel_tool_calls: StrictBool | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that this server can honor."""

    conversation: Conversation
    """Our system prompt first, what the client's system messages add below it, then the turns."""
    max_tokens: int
    is_streamed: bool
    wants_usage: bool


@dataclass(frozen=True, slots=True)
class Label:
    """What all parts of one response repeat."""

    request_id: str
    created: int
    """Seconds since 1970."""
    model: str
    policy: str
    gate: str
    traceparent: str = ""
    """The caller's trace (W3C), passed on to the model's server."""
    country: str | None = None
    """Whose emergency numbers the fixed replies name; None: the policy's own."""


def read_ask(body: bytes, config: ServeConfig, facts: ServerFacts) -> Ask:
    """The request in `body`.

    Raises:
        Fault: naming the first parameter that is wrong.
    """
    try:
        asked = Body.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise Fault(400, "invalid_json", "The request body is not JSON.") from None
    except ValidationError as error:
        raise _fault_of(error) from None
    _check_honorable(asked, config, facts)
    return Ask(
        conversation=_conversation(asked.messages, facts.system_prompt),
        max_tokens=asked.max_completion_tokens or asked.max_tokens or config.max_tokens,
        is_streamed=asked.stream is True,
        wants_usage=asked.stream_options is not None and asked.stream_options.include_usage,
    )


def completion(
    label: Label, text: str, finish: str, verdict: Verdict, usage: Mapping[str, int], sources: Sequence[Source] = ()
) -> dict[str, Any]:
    """The whole response of a request that is not streamed."""
    return {
        **_head(label, "chat.completion"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": finish,
                "logprobs": None,
            }
        ],
        "usage": usage,
        "osler": _decision(label, verdict, sources),
    }


def chunk(
    label: Label,
    delta: dict[str, str],
    verdict: Verdict | None = None,
    finish: str | None = None,
    sources: Sequence[Source] = (),
) -> dict[str, Any]:
    """One part of a streamed response; the first and the last carry the guard's decision."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    body: dict[str, Any] = {**_head(label, "chat.completion.chunk"), "choices": [choice]}
    return body if verdict is None else {**body, "osler": _decision(label, verdict, sources)}


def usage_chunk(label: Label, usage: Mapping[str, int]) -> dict[str, Any]:
    """The part that `stream_options.include_usage` asks for."""
    return {**_head(label, "chat.completion.chunk"), "choices": [], "usage": usage}


def _head(label: Label, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{label.request_id}", "object": kind, "created": label.created, "model": label.model}


def _decision(label: Label, verdict: Verdict, sources: Sequence[Source]) -> dict[str, Any]:
    decision: dict[str, Any] = {
        "action": verdict.action,
        "intent": verdict.intent,
        "rule": verdict.rule,
        "policy": label.policy,
        "gate": label.gate,
    }
    if sources:
        decision["sources"] = [
            {"id": one.id, "source": one.source, "license": one.license, "url": one.url} for one in sources
        ]
    return decision


def _check_honorable(asked: Body, config: ServeConfig, facts: ServerFacts) -> None:
    """Refuse what cannot be honored rather than do something near it."""
    if asked.model != facts.model:
        raise Fault(404, "model_not_found", f"There is no such model here; this server has {facts.model!r}.", "model")
    _check_turns(asked.messages, config.max_turns)
    _check_lengths(asked, config.max_tokens)
    if asked.stream_options is not None and not asked.stream:
        raise Fault(400, "invalid_value", "stream_options needs stream: true.", "stream_options")


def _check_turns(turns: Sequence[_Turn], max_turns: int) -> None:
    if len(turns) > max_turns:
        raise Fault(400, "too_many_messages", f"{len(turns)} messages; at most {max_turns} are taken.", "messages")
    if turns[-1].role != "user":
        raise Fault(400, "invalid_value", "The last message must be the user's.", "messages")
    for index, turn in enumerate(turns):
        if not _text(turn).strip():
            raise Fault(400, "invalid_value", "The message is empty.", f"messages[{index}].content")


def _check_lengths(asked: Body, max_tokens: int) -> None:
    for name, wanted in (("max_tokens", asked.max_tokens), ("max_completion_tokens", asked.max_completion_tokens)):
        if wanted is not None and wanted > max_tokens:
            raise Fault(400, "invalid_value", f"{name} is {wanted}; at most {max_tokens} are given.", name)
    if asked.max_tokens is not None and asked.max_completion_tokens is not None:
        raise Fault(
            400, "invalid_value", "Give max_tokens or max_completion_tokens, not both.", "max_completion_tokens"
        )


def _conversation(turns: Sequence[_Turn], system_prompt: str) -> Conversation:
    added = [_text(turn) for turn in turns if turn.role in {"system", "developer"}]
    system = "\n\n".join(part for part in (system_prompt, *(_BELOW + text for text in added)) if part)
    head = (Message("system", system),) if system else ()
    spoken = (Message(_spoken_role(turn), _text(turn)) for turn in turns if turn.role in {"user", "assistant"})
    return (*head, *spoken)


def _spoken_role(turn: _Turn) -> Literal["user", "assistant"]:
    return "assistant" if turn.role == "assistant" else "user"


def _text(turn: _Turn) -> str:
    return turn.content if isinstance(turn.content, str) else "\n".join(part.text for part in turn.content)


def _fault_of(error: ValidationError) -> Fault:
    """The first problem as a fault: where it is and what was expected, never the value seen."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    param = _param(first["loc"])
    if first["type"] == "extra_forbidden":
        return Fault(400, "unknown_parameter", f"The parameter is not supported. This server takes: {ALLOWED}.", param)
    if first["type"] == "missing":
        return Fault(400, "missing_required_parameter", "The parameter is required.", param)
    if param in _ONLY and first["type"] in _OUT_OF_BOUNDS:
        return Fault(400, "unsupported_value", _ONLY[param], param)
    return Fault(400, "invalid_value", f"{first['msg']}.", param or None)


def _param(loc: tuple[int | str, ...]) -> str:
    """`messages[0].content`, without pydantic's names of union members."""
    named = ""
    for part in loc:
        if isinstance(part, int):
            named += f"[{part}]"
        elif "[" not in part and part not in {"constrained-str", "str"}:
            named += f".{part}" if named else part
    return named
