"""The gateway's description for programs, made from the models that requests are checked with."""

from typing import Any

from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.wire import Body

_TEXT = {"type": "string"}
_EVENT = {"type": "object", "properties": {"data": _TEXT}, "required": ["data"]}
"""One server-sent event; its data is a `chat.completion.chunk`, or `[DONE]`."""
_COUNT = {"type": "integer", "minimum": 0}
_ERRORS = {
    "400": "The request cannot be honored.",
    "401": "No valid key.",
    "403": "The terms are not accepted.",
    "404": "No such model.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not JSON by its header.",
    "429": "Too many requests.",
    "500": "The server failed.",
    "503": "Switched off, ending, or no model behind it.",
    "504": "The model took too long.",
}


def openapi(config: ServeConfig, facts: ServerFacts) -> dict[str, Any]:
    """The OpenAPI 3.1 document of one server."""
    body = Body.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = body.pop("$defs")
    body["properties"]["messages"]["maxItems"] = config.max_turns
    body["properties"]["model"] = {"const": facts.model}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "osler",
            "version": "1",
            "description": "A guarded model. For education, not for medical advice.",
        },
        "paths": {"/v1/chat/completions": {"post": _chat()}, "/v1/models": {"get": _models()}, **_probes()},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**parts, "Request": body, **_schemas()},
        },
    }


def _chat() -> dict[str, Any]:
    return {
        "operationId": "chat",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "X-Consent-Version",
                "in": "header",
                "description": "Version of the terms that the reader accepted.",
                "schema": _TEXT,
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Request")}}},
        "responses": {
            "200": {
                "description": "The answer; server-sent events where `stream` is true.",
                "content": {
                    "application/json": {"schema": _ref("Completion")},
                    "text/event-stream": {"schema": _EVENT},
                },
            },
            **_faults(*_ERRORS),
        },
    }


def _models() -> dict[str, Any]:
    return {
        "operationId": "models",
        "security": [{"key": []}],
        "responses": {"200": _json("The one model.", _ref("Models")), **_faults("400", "401", "429", "500", "503")},
    }


def _probes() -> dict[str, Any]:
    def probe(name: str, *statuses: str) -> dict[str, Any]:
        schema = {"type": "object", "additionalProperties": True}
        return {"get": {"operationId": name, "responses": {status: _json(name, schema) for status in statuses}}}

    return {"/livez": probe("livez", "200", "400"), "/readyz": probe("readyz", "200", "400", "503")}


def _schemas() -> dict[str, Any]:
    choice = {
        "index": {"const": 0},
        "message": _object(role={"const": "assistant"}, content=_TEXT, refusal={"type": "null"}),
        "finish_reason": {"enum": ["stop", "length", "content_filter"]},
        "logprobs": {"type": "null"},
    }
    source = _object(id=_TEXT, source=_TEXT, license=_TEXT, url=_TEXT)
    decision = _object(action=_TEXT, intent=_TEXT, rule=_TEXT, policy=_TEXT, gate={"enum": ["passed", "overridden"]})
    decision["properties"] |= {"sources": {"type": "array", "items": source}, "max_tokens": _COUNT}
    usage = _object(prompt_tokens=_COUNT, completion_tokens=_COUNT, total_tokens=_COUNT)
    usage["properties"]["estimated"] = {"const": True}
    error = _object(message=_TEXT, type=_TEXT, param={"type": ["string", "null"]}, code=_TEXT)
    error["additionalProperties"] = _TEXT
    model = _object(id=_TEXT, object={"const": "model"}, created=_COUNT, owned_by=_TEXT)
    return {
        "Completion": _object(
            id=_TEXT,
            object={"const": "chat.completion"},
            created=_COUNT,
            model=_TEXT,
            choices={"type": "array", "minItems": 1, "maxItems": 1, "items": _object(**choice)},
            usage=usage,
            osler=decision,
        ),
        "Models": _object(object={"const": "list"}, data={"type": "array", "items": model}),
        "Error": _object(error=error),
    }


def _faults(*statuses: str) -> dict[str, Any]:
    return {status: _json(_ERRORS[status], _ref("Error")) for status in statuses}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
