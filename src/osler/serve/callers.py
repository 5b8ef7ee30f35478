"""Who asks, and what they send: keys, sessions, limits and bounded bodies."""

import asyncio
import ipaddress
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from osler.runs.local_only import is_loopback
from osler.serve.fault import Fault, invalid_key
from osler.serve.gateway import Gateway
from osler.serve.limits import Caller, Ticket
from osler.serve.session import COOKIE, Session
from osler.serve.store import Key

BODY_TIMEOUT_S = 15.0
"""A body of 64 KiB takes less over any line; a slower client only holds a connection."""


async def caller_of(request: Request, gateway: Gateway, scope: str = "chat") -> Caller:
    """The caller, counted against the limits of their address and of their key.

    Raises:
        Fault: no valid key or session, not for this scope, or a limit is reached.
    """
    ticket = request.state.ticket = Ticket()  # the boundary closes it and tells what is left
    address = _network(request.client.host if request.client else "")
    # This machine is not limited by its address: what comes from here is the operator's, or a proxy's that names no address.
    if address:
        await ticket.enter(gateway.limits.account(f"address {gateway.hashed(address)}", gateway.address_limit))
    key, session = _shown(request, gateway)
    if session is not None:
        return Caller("page", session.id, frozenset({session.accepted}), ticket)
    if key is None:
        is_page = COOKIE in request.cookies or "origin" in request.headers  # a browser forgets a cookie that is over
        raise invalid_key(on_page=is_page and "authorization" not in request.headers)
    if scope not in key.scopes:
        raise Fault(
            403, "insufficient_scope", f"This key does not open {scope}; it opens {', '.join(sorted(key.scopes))}."
        )
    await ticket.enter(gateway.limits.account(f"key {key.id}", key.limit))
    return Caller("key", key.id, key.accepted, ticket)


def is_own_page(request: Request) -> bool:
    """Whether no other site's page sent the request."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def session_of(request: Request, gateway: Gateway) -> Session | None:
    """The page's session, unless another site's page sent the request."""
    return gateway.sessions.read(request.cookies.get(COOKIE, "")) if is_own_page(request) else None


def _shown(request: Request, gateway: Gateway) -> tuple[Key | None, Session | None]:
    """The key or the session that the request shows; a wrong key is not helped by a session."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return gateway.keys.find(key.strip()), None
    return None, session_of(request, gateway)


def _network(host: str) -> str:
    """The address whose requests are counted together: whole for IPv4, the /64 for IPv6; empty for this machine."""
    if not host or is_loopback(host):
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""  # a test client's or a socket's name
    prefix = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


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
