"""Errors on the wire: always `{"error": {"message", "type", "param", "code"}}`, as OpenAI's clients expect.

A message names fields, limits and states; it never holds the text of a prompt or a reply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from osler.serve.terms import EMERGENCY_LINE, Terms

_OUT_OF_BOUNDS = {"less_than_equal", "greater_than_equal", "literal_error"}

M = TypeVar("M", bound=BaseModel)


@dataclass(eq=False)
class Fault(Exception):
    """A request that gets an error instead of an answer."""

    status: int
    code: str
    message: str
    param: str | None = None
    kind: str = "invalid_request_error"
    """OpenAI's `type`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    """Further fields of the error object (the terms to show)."""

    def __str__(self) -> str:
        return f"{self.status} {self.code}"

    def body(self) -> dict[str, object]:
        """The error as the client gets it."""
        return {
            "error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code, **self.more}
        }


def invalid_key(*, on_page: bool = False) -> Fault:
    """No key, or one that is not on the ring; on a page, no session."""
    key = "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY'."
    session = "Your session is over. Ask whoever runs this server for a new address of the page."
    return Fault(
        401,
        "invalid_api_key",
        session if on_page else key,
        kind="authentication_error",
        headers={"www-authenticate": "Bearer"},
    )


def consent_required(terms: Terms) -> Fault:
    """The caller has not accepted the current terms; carries them."""
    return Fault(
        403,
        "consent_required",
        f"Show the terms to the person who asks and, once accepted, send 'X-Consent-Version: {terms.version}'. {EMERGENCY_LINE}",
        param="X-Consent-Version",
        kind="permission_error",
        more={"version": terms.version, "terms": terms.text},
    )


def limited(what: str, kind: str, after_s: int) -> Fault:
    """A limit of the caller is reached.

    Args:
        after_s: seconds until it makes sense to ask again.
    """
    return Fault(
        429,
        "rate_limit_exceeded",
        f"The limit of {what} is reached; ask again in {after_s} s. {EMERGENCY_LINE}",
        kind=kind,
        headers={"retry-after": str(after_s)},
    )


def unavailable(code: str, what: str) -> Fault:
    """The server answers nobody: kill switch, draining, no audit log, no model."""
    return Fault(503, code, f"{what} {EMERGENCY_LINE}", kind="server_error")


def internal_error() -> Fault:
    """Something broke; the log has the kind of error under the request's id."""
    return Fault(
        500,
        "internal_error",
        f"The server failed on this request; its log has the details under the x-request-id. {EMERGENCY_LINE}",
        kind="server_error",
    )


def plain_fault(status: int, headers: Mapping[str, str] | None = None) -> Fault:
    """The fault for a bare HTTP status, as the router raises them."""
    code, message = {
        404: ("not_found", "There is nothing at this path. The path of a chat API is /v1/chat/completions."),
        405: ("method_not_allowed", "This path does not take this method."),
    }.get(status, ("invalid_request", f"The request failed with status {status}."))
    return Fault(status, code, message, headers=headers or {})


def parsed(kind: type[M], body: bytes, only: Mapping[str, str] | None = None) -> M:
    """The JSON of a body as a value of this kind.

    Args:
        only: by parameter, what is said where its value is of the right type and not among those that can be honored.

    Raises:
        Fault: naming the first parameter that is wrong, never the value seen.
    """
    try:
        return kind.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise Fault(400, "invalid_json", "The request body is not JSON.") from None
    except ValidationError as error:
        raise _fault_of(error, kind, only or {}) from None


def _fault_of(error: ValidationError, kind: type[BaseModel], only: Mapping[str, str]) -> Fault:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    param = _param(first["loc"])
    if first["type"] == "extra_forbidden":
        takes = ", ".join(kind.model_fields)
        return Fault(400, "unknown_parameter", f"The parameter is not supported. This server takes: {takes}.", param)
    if first["type"] == "missing":
        return Fault(400, "missing_required_parameter", "The parameter is required.", param)
    if param in only and first["type"] in _OUT_OF_BOUNDS:
        return Fault(400, "unsupported_value", only[param], param)
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
