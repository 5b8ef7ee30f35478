"""The operator's page: the kill switch, what the guard decided, the audit log's check, keys and limits.

GET  /admin         the page, or the form to enter
POST /admin/enter   a key of scope admin becomes a cookie of one hour
POST /admin/switch  turns the kill switch, with a reason
POST /admin/audit   checks the whole audit log
POST /admin/leave

Only for browsers of this machine: another address, another Host or a proxy's header gets 404, as if nothing were there. A form is
taken only with this page's Origin and a SameSite cookie.
"""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from osler.errors import EnvironmentLacks, OslerError
from osler.runs.local_only import is_loopback
from osler.serve.fault import plain_fault, unavailable
from osler.serve.gateway import Gateway, append
from osler.serve.pages import read_form, render
from osler.serve.session import Session, Sessions
from osler.serve.store import LEVELS, Key, Limit
from osler.serve.why import reason

COOKIE = "osler_admin"
LIFETIME_S = 3600
PATH = "/admin"

LEVEL_WORDS = {
    "drain": "no new answers; open ones may end",
    "template-only": "only the fixed replies of the policy",
    "halt": "no answers at all; open ones end at once",
}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Admin:
    """The page's endpoints, and who has entered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sessions = Sessions()

    def routes(self) -> list[Route]:
        """The paths."""
        posts = {"enter": self._enter, "switch": self._switch, "audit": self._audit, "leave": self._leave}
        return [Route(PATH, self._show), *(Route(f"{PATH}/{path}", do, methods=["POST"]) for path, do in posts.items())]

    async def _show(self, request: Request) -> Response:
        return _page(self._gateway) if self._entered(request) else _way_in()

    async def _enter(self, request: Request) -> Response:
        _check_here(request)
        key = self._gateway.keys.find((await read_form(request, 1024)).get("key", "").strip())
        if key is None or "admin" not in key.scopes:
            return _way_in("This key does not open the page.", 403)
        response = RedirectResponse(PATH, 303)
        cookie = self._sessions.cookie(Session(key.id, int(time.time()) + LIFETIME_S))
        response.set_cookie(COOKIE, cookie, max_age=LIFETIME_S, path=PATH, httponly=True, samesite="strict")
        return response

    async def _switch(self, request: Request) -> Response:
        gateway, by, form = self._gateway, self._entered(request), await read_form(request, 4096)
        if not by:
            return RedirectResponse(PATH, 303)
        level = next((one for one in LEVELS if one == form.get("level")), None)
        why = form.get("reason", "").strip()
        if level is None or not why:
            return _page(gateway, trouble="Choose a level and say why.", status=400)
        # On record before it happens; the turn itself is logged by every replica that sees it.
        await append(gateway, "admin", key=by, did="switch", level=level, reason=why)
        try:
            await asyncio.to_thread(gateway.board.store.turn, level, why)
            await asyncio.to_thread(gateway.board.look)
        except EnvironmentLacks:
            what = "The store cannot be reached, so the switch was not turned."
            raise unavailable("store_unavailable", what) from None
        return RedirectResponse(PATH, 303)

    async def _audit(self, request: Request) -> Response:
        gateway, by = self._gateway, self._entered(request)
        await read_form(request, 1024)
        if not by:
            return RedirectResponse(PATH, 303)
        await append(gateway, "admin", key=by, did="audit check")
        try:
            head = await asyncio.to_thread(gateway.audit.check)
        except OslerError as error:
            return _page(gateway, trouble=str(error))
        return _page(gateway, said=f"{head.seq:,} rows hold; the last has the code {head.mac[:16]}.")

    async def _leave(self, request: Request) -> Response:
        _check_here(request)
        await read_form(request, 1024)
        response = RedirectResponse(PATH, 303)
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
        return response

    def _entered(self, request: Request) -> str:
        """Id of the key that opened the page, while it is in force; empty for nobody."""
        _check_here(request)
        session = self._sessions.read(request.cookies.get(COOKIE, ""))
        return session.id if session is not None and self._gateway.keys.in_force(session.id) is not None else ""


def _page(gateway: Gateway, said: str = "", trouble: str = "", status: int = 200) -> Response:
    board = gateway.board
    turn = board.seen.turn
    decisions = gateway.metrics.decisions
    by_action = Counter[str]()
    for (action, _, _), n in decisions.items():
        by_action[action] += n
    by_rule = [(rule, n, reason(action, intent, rule)) for (action, intent, rule), n in decisions.most_common() if rule]
    values: dict[str, Any] = {
        "level": board.level,
        "has_kill_file": board.seen.has_kill_file,
        "is_stale": board.is_stale,
        "reason": turn.reason,
        "since": _day(turn.at) if turn.id else "",
        "levels": LEVEL_WORDS,
        "actions": by_action.most_common(),
        "rules": by_rule[:20],
        "n_open": len(gateway.open),
        "head": gateway.audit.head,
        "failure": gateway.audit.failure is not None,
        "keys": [_key_row(key) for key in sorted(board.seen.keys.values(), key=lambda one: one.id)],
        "address_limit": _limit(gateway.address_limit),
        "store": board.store.place,
    }
    shown = {"model": gateway.facts.model, "policy": gateway.facts.policy, "gate": gateway.facts.permit.gate}
    return HTMLResponse(render("admin.html", **values, **shown, said=said, trouble=trouble, entered=True), status)


def _way_in(trouble: str = "", status: int = 200) -> Response:
    return HTMLResponse(render("admin.html", entered=False, said="", trouble=trouble), status)


def _check_here(request: Request) -> None:
    """Whether a browser of this machine asks, with nobody in between.

    Raises:
        Fault: 404 for anybody else.
    """
    client = request.client.host if request.client else ""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    is_here = is_loopback(client) and is_loopback(request.url.hostname or "") and not is_forwarded
    if not is_here:
        raise plain_fault(404)


def _key_row(key: Key) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "opens": ", ".join(sorted(key.scopes)),
        "limit": _limit(key.limit),
        "ends": _day(key.expires) if key.expires is not None else "",
    }


def _limit(limit: Limit) -> str:
    parts = [
        f"{value:,} {what}"
        for value, what in (
            (limit.requests, "requests a minute"),
            (limit.tokens, "tokens a minute"),
            (limit.concurrency, "at once"),
        )
        if value is not None
    ]
    return ", ".join(parts) or "none"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
