"""Who asks, and what they send: keys, sessions and bounded bodies."""

import asyncio
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from osler.serve.fault import Fault, invalid_key
from osler.serve.gateway import Gateway
from osler.serve.session import COOKIE

BODY_TIMEOUT_S = 15.0
"""A body of 64 KiB takes less over any line; a slower client only holds a connection."""


def caller_of(request: Request, gateway: Gateway) -> str:
    """Id of the caller's key, or `page` for the page's session.

    Raises:
        Fault: neither is valid.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = gateway.keys.find(key.strip())
        if found is not None:
            return found
    elif has_session(request, gateway):
        return "page"
    raise invalid_key(has_keys=bool(gateway.keys.hashes))


def has_session(request: Request, gateway: Gateway) -> bool:
    """Whether the request carries the page's cookie and does not come from another site's page."""
    origin = request.headers.get("origin")
    is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    return is_own and gateway.sessions.is_valid(request.cookies.get(COOKIE, ""))


async def read_body(request: Request, max_bytes: int, kind: str = "application/json") -> bytes:
    """The body, as long as it is of this kind by its header, within the limit and in time.

    Raises:
        Fault: it is not.
    """
    # Other sites' pages cannot send this type without asking first, and nobody here says yes.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Fault(415, "unsupported_media_type", f"Send the request as {kind}.", "Content-Type")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise Fault(408, "timeout", "The request body did not arrive in time.") from None
    except ClientDisconnect:
        raise Fault(499, "client_closed", "The client went away.") from None
    return bytes(body)


def _too_large(max_bytes: int) -> Fault:
    return Fault(413, "request_too_large", f"The request body is too large; at most {max_bytes} bytes are taken.")
