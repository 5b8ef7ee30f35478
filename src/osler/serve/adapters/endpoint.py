"""The guard over HTTP, for gateways that ask one: LiteLLM's generic guardrail API, `osler guard serve`.

POST /beta/litellm_basic_guardrail_api   texts in; NONE, BLOCKED with the reply to show, or GUARDRAIL_INTERVENED with texts out
GET  /livez

A stream is safe only if the caller holds back what it is told to (`stream_holdback_chars`): in LiteLLM that takes
`streaming_transform_mode: incremental_diff`. With its default (`block_only`) it shows text before it asks.
Form: https://docs.litellm.ai/docs/adding_provider/generic_guardrail_api
"""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from osler.guard.replies import FIXED
from osler.models.protocol import Conversation
from osler.records.record import Message
from osler.serve.adapters.screen import Watch, is_known
from osler.serve.boundary import Boundary
from osler.serve.callers import read_body
from osler.serve.fault import invalid_key, parsed

PATH = "/beta/litellm_basic_guardrail_api"
MAX_BODY_BYTES = 1 << 20
NOT_READ = "This guard reads text only; tools, tool calls and images are refused."

_Role = Literal["system", "user", "assistant"]
_ROLES: dict[str, _Role] = {"user": "user", "assistant": "assistant"}


class _Asked(BaseModel):
    # Callers send many more fields, other ones in each version; none of them brings text past the guard.
    model_config = ConfigDict(frozen=True, extra="ignore")
    input_type: Literal["request", "response"]
    texts: list[str] | None = None
    structured_messages: list[dict[str, Any]] | None = None
    images: list[Any] | None = None
    tools: list[Any] | None = None
    tool_calls: list[Any] | None = None


def create_guard_app(watch: Watch, keys: Sequence[str], *, loopback_only: bool = True) -> ASGIApp:
    """The ASGI application of one guard.

    Args:
        keys: sent as `Authorization: Bearer` or `x-api-key`; none lets in whoever reaches the address.
    """

    async def guard(request: Request) -> Response:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").partition(" ")[2]
        if keys and not is_known(key, keys):
            raise invalid_key()
        return _json(await decide(watch, await read_body(request, MAX_BODY_BYTES)))

    async def live(_: Request) -> Response:
        return _json({"alive": True})

    router = Router([Route(PATH, guard, methods=["POST"]), Route("/livez", live)], redirect_slashes=False)
    return Boundary(router, loopback_only=loopback_only)


async def decide(watch: Watch, body: bytes) -> dict[str, object]:
    """The guard's answer to one question of a gateway.

    Raises:
        Fault: the body is not such a question.
    """
    asked = parsed(_Asked, body)
    if asked.images or asked.tools or asked.tool_calls:
        return _blocked(NOT_READ)
    texts = asked.texts or []
    if asked.input_type == "request":
        screened = await watch.begin(conversation_of(asked.structured_messages, texts))
        reply = screened.opening()
        return _blocked(reply) if reply else {"action": "NONE"}
    found = await watch.checked((), texts)
    broken = next((one for one in found if one.verdict.action in FIXED), None)
    if broken is not None:
        return _blocked(broken.text)
    return {
        "action": "GUARDRAIL_INTERVENED",
        "texts": [one.text for one in found],
        "stream_holdback_chars": [one.n_held for one in found],
    }


def conversation_of(messages: list[dict[str, Any]] | None, texts: list[str]) -> Conversation:
    """The turns as the caller gives them; its bare texts are all taken for the reader's."""
    if not messages:
        return tuple(Message("user", text) for text in texts)
    return tuple(Message(_ROLES.get(str(turn.get("role")), "system"), _text(turn.get("content"))) for turn in messages)


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _blocked(reason: str) -> dict[str, object]:
    return {"action": "BLOCKED", "blocked_reason": reason}


def _json(value: dict[str, object]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
