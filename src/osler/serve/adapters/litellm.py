"""The guard inside a LiteLLM proxy: `guardrail: osler.serve.adapters.litellm.OslerGuardrail` (docs/adapters.md has the file).

LiteLLM asks a guardrail in one of two ways. Its own way hands over the text only and then replays the model's chunks as they
came, with whatever else they hold; so this class takes the whole stream itself (`use_native_lifecycle_hooks`) and rebuilds it
from the text of each choice. A version that does not know that flag falls back to `apply_guardrail`, which LiteLLM looks for in
the class itself and silently skips when it is inherited; streams then wait for the end (`streaming_buffer_until_moderated`).
Checked with LiteLLM 1.106.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar, Literal

import orjson
from fastapi import HTTPException
from litellm.exceptions import ModifyResponseException
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.types.utils import Delta, Message, ModelResponse, ModelResponseStream, StreamingChoices

from osler.errors import InputError
from osler.guard.replies import FIXED
from osler.models.protocol import Conversation
from osler.serve.adapters.endpoint import NOT_READ, conversation_of
from osler.serve.adapters.questions import CHAT, Question, read_question
from osler.serve.adapters.screen import Screened, watch_from
from osler.serve.fault import Fault

MODES = {"pre_call", "post_call"}
_ADDED = frozenset({"metadata", "litellm_metadata"})
"""LiteLLM writes these into the request; they ask nothing of the model."""


class OslerGuardrail(CustomGuardrail):  # type: ignore[misc]  # LiteLLM is no dependency, so its class is Any here
    """One guard for one proxy. Settings by environment, as for the middleware: `OSLER_POLICY`, `OSLER_COUNTRY`."""

    use_native_lifecycle_hooks: ClassVar[bool] = True
    streaming_buffer_until_moderated = True

    def __init__(self, **options: Any) -> None:
        hook = options.get("event_hook")
        if {str(getattr(one, "value", one)) for one in (hook if isinstance(hook, list) else [hook])} != MODES:
            raise InputError(
                "the guardrail needs mode: [pre_call, post_call]; with one of them half of the text is unread"
            )
        super().__init__(**options)
        self._watch = watch_from(os.environ)

    def should_run_guardrail(self, data: Any, event_type: Any) -> bool:
        """Always; LiteLLM's own answer lets metadata of a key or team switch a guardrail off."""
        del data
        return str(getattr(event_type, "value", event_type)) in MODES

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> None:
        """Judge the question.

        Raises:
            ModifyResponseException: it is answered from the policy; LiteLLM sends the reply with status 200.
            HTTPException: another path than chat, or a field that would let unread text out.
        """
        del user_api_key_dict, cache
        screened = await self._watch.begin(_question(data, call_type).conversation)
        reply = screened.opening()
        if reply:
            raise self._replaced(reply, data)

    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        """The whole response, rebuilt."""
        del user_api_key_dict
        if not isinstance(response, ModelResponse):
            raise HTTPException(502, "the answer is not a chat completion")
        (checked,) = await self._watch.checked(_turns(data), [_content(response.choices[0].message)])
        choice = response.choices[0]
        choice.message = Message(role="assistant", content=checked.text)
        is_cut = checked.verdict.action in FIXED
        choice.finish_reason = "content_filter" if is_cut else _finish(choice.finish_reason)
        rebuilt = {"id": response.id, "created": response.created, "model": response.model}
        return ModelResponse(**rebuilt, choices=[choice], usage=getattr(response, "usage", None))

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: AsyncIterator[Any], request_data: dict[str, Any]
    ) -> AsyncGenerator[ModelResponseStream, None]:
        """The stream, rebuilt sentence by sentence."""
        del user_api_key_dict
        screened = await self._watch.begin(_turns(request_data))
        opening, last, finish = screened.opening(), None, ""
        if opening:
            yield _chunk(None, opening)
        async for chunk in response:
            if screened.is_over:
                break
            last = chunk
            choice = next((one for one in chunk.choices if one.index == 0), None)
            if choice is None or finish:
                continue
            finish = choice.finish_reason or ""
            shown = await screened.feed(_content(choice.delta))
            if shown:
                yield _chunk(chunk, shown)
        async for chunk in _ended(screened, last, finish):
            yield chunk

    async def apply_guardrail(
        self,
        inputs: Any,
        request_data: dict[str, Any],
        input_type: Literal["request", "response"],
        logging_obj: Any = None,
    ) -> Any:
        """The texts alone, for `/guardrails/apply_guardrail` and for versions without the hooks above.

        Raises:
            ModifyResponseException: they may not be shown, or are answered from the policy.
        """
        del logging_obj
        if inputs.get("tool_calls") or inputs.get("tools") or inputs.get("images"):
            raise self._replaced(NOT_READ, request_data)
        texts = inputs.get("texts") or []
        if input_type == "request":
            reply = (await self._watch.begin(conversation_of(None, texts))).opening()
            if reply:
                raise self._replaced(reply, request_data)
            return inputs
        found = await self._watch.checked((), texts)
        for one in found:
            if one.verdict.action in FIXED:
                raise self._replaced(one.text, request_data)
        return {**inputs, "texts": [one.text for one in found]}

    def _replaced(self, text: str, data: dict[str, Any]) -> Exception:
        found: Exception = ModifyResponseException(
            message=text, model=str(data.get("model", "")), request_data=data, guardrail_name=self.guardrail_name
        )
        return found


async def _ended(screened: Screened, last: Any, finish: str) -> AsyncGenerator[ModelResponseStream, None]:
    if not screened.is_over:
        if not finish:
            raise HTTPException(502, "the model's answer broke off")
        yield _chunk(last, await screened.end())
    yield _chunk(last, "", screened.finish if screened.finish != "stop" else _finish(finish))


def _turns(data: dict[str, Any]) -> Conversation:
    return conversation_of(data.get("messages"), [])


def _question(data: dict[str, Any], call_type: str) -> Question:
    """The request as the client sent it; what LiteLLM added for itself is left out."""
    if call_type not in {"completion", "acompletion"}:
        raise HTTPException(404, "only /v1/chat/completions is behind the guard; everything else is refused")
    sent = (data.get("proxy_server_request") or {}).get("body") or {}
    body = {name: value for name, value in sent.items() if name not in _ADDED}
    try:
        return read_question(CHAT, orjson.dumps(body))
    except Fault as fault:
        raise HTTPException(fault.status, fault.body()) from None


def _content(said: Any) -> str:
    return said.content if isinstance(getattr(said, "content", None), str) else ""


def _finish(reason: object) -> str:
    return "length" if reason == "length" else "stop"


def _chunk(like: Any, text: str, finish: str | None = None) -> ModelResponseStream:
    named = {name: getattr(like, name) for name in ("id", "created", "model")} if like is not None else {}
    choice = StreamingChoices(index=0, delta=Delta(role="assistant", content=text), finish_reason=finish)
    return ModelResponseStream(**named, choices=[choice])
