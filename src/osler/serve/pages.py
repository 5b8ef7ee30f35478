"""The pages: the way in, the terms, the chat. Rendered here; the chat's script talks to the API as any client does.

GET  /           the terms to accept, or how to get in
POST /consent    accepts them: the session's cookie says so from then on, and the audit log has it
GET  /chat       the chat, for whoever accepted
POST /chat       one question without JavaScript
POST /report     a problem with an answer
GET  /static/... style, script, icon
"""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from osler.serve.callers import read_body, session_of
from osler.serve.fault import Fault, invalid_key, parsed, plain_fault
from osler.serve.gateway import Gateway, append
from osler.serve.report import KINDS, Report, keep_report
from osler.serve.session import COOKIE, LIFETIME_S
from osler.serve.terms import emergency_line
from osler.serve.why import REASONS, reason

Reply = Callable[[Request, bytes, str], Awaitable[Response]]
"""Answers the body of a chat request; the last argument is the version of the terms that were accepted."""

_HERE = Path(__file__).parent
_STATIC = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
FORM = "application/x-www-form-urlencoded"


def routes(gateway: Gateway, reply: Reply) -> list[Route]:
    """The paths of the pages."""
    return [
        Route("/", partial(_welcome, gateway)),
        Route("/consent", partial(_consent, gateway), methods=["POST"]),
        Route("/chat", partial(_show_chat, gateway)),
        Route("/chat", partial(_ask, gateway, reply), methods=["POST"]),
        Route("/report", partial(_report, gateway), methods=["POST"]),
        Route("/static/{name}", _file),
    ]


def render(name: str, **values: Any) -> str:
    """A template with its values in it."""
    return _TEMPLATES.get_template(name).render(values)


async def read_form(request: Request, max_bytes: int) -> dict[str, str]:
    """The fields of a form that a page of ours sent.

    Raises:
        Fault: it is too large, late, no form, or comes from another site's page.
    """
    origin = request.headers.get("origin", "")
    if origin.partition("://")[2] != request.headers.get("host"):
        raise Fault(403, "other_origin", "The form was not sent by this page.", "Origin")
    body = await read_body(request, max_bytes, FORM)
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), True).items()}


def _accepted(request: Request, gateway: Gateway) -> str:
    """The version of the terms that the session accepted, if it is the current one."""
    session = session_of(request, gateway)
    return session.accepted if session is not None and session.accepted == gateway.terms.version else ""


def _may_chat(request: Request, gateway: Gateway) -> bool:
    """Whether the request carries a session in which the current terms were accepted, where they have to be."""
    if gateway.config.consent_required:
        return _accepted(request, gateway) != ""
    return session_of(request, gateway) is not None


async def _welcome(gateway: Gateway, request: Request) -> Response:
    token = request.query_params.get("token")
    cookie = gateway.sessions.spend(token) if token else None
    if cookie is not None:
        return _with_cookie(RedirectResponse("/", 303), request, cookie)
    if _may_chat(request, gateway):
        return RedirectResponse("/chat", 303)
    shown = {"terms": gateway.terms.text.split("\n\n"), "keeps_texts": gateway.facts.keeps_texts}
    is_in = session_of(request, gateway) is not None
    return HTMLResponse(render("welcome.html", **_common(request, gateway), **shown, has_session=is_in))


async def _consent(gateway: Gateway, request: Request) -> Response:
    form = await read_form(request, 1024)
    version = gateway.terms.version
    cookie = gateway.sessions.accept(request.cookies.get(COOKIE, ""), version)
    if cookie is None:
        return RedirectResponse("/", 303)
    if form.get("version") != version or form.get("accept") != "yes":
        return RedirectResponse("/", 303)
    await append(gateway, "consent", caller="page", version=version)
    return _with_cookie(RedirectResponse("/chat", 303), request, cookie)


async def _show_chat(gateway: Gateway, request: Request) -> Response:
    return _chat(request, gateway) if _may_chat(request, gateway) else RedirectResponse("/", 303)


async def _ask(gateway: Gateway, reply: Reply, request: Request) -> Response:
    """A question without JavaScript: the page again, with the answer on it."""
    if session_of(request, gateway) is None:
        raise invalid_key(on_page=True)
    question = (await read_form(request, gateway.config.max_body_bytes)).get("question", "")
    body = {"model": gateway.facts.model, "messages": [{"role": "user", "content": question}]}
    try:
        response = await reply(request, orjson.dumps(body), _accepted(request, gateway))
    except Fault as fault:
        if fault.code == "consent_required":
            return RedirectResponse("/", 303)
        return _chat(request, gateway, question, message=fault.message, status=fault.status)
    told = orjson.loads(response.body)
    decision = told["osler"]
    answer = {
        "id": told["id"],
        "text": told["choices"][0]["message"]["content"],
        "why": reason(decision["action"], decision["intent"], decision["rule"]),
        "rule": decision["rule"],
        "is_urgent": decision["action"] in {"crisis", "emergency"},
        "sources": decision.get("sources", []),
    }
    return _chat(request, gateway, question, answer)


def _chat(
    request: Request,
    gateway: Gateway,
    question: str = "",
    answer: dict[str, Any] | None = None,
    message: str = "",
    status: int = 200,
) -> Response:
    asked = {"question": question, "answer": answer, "message": message, "kinds": KINDS, "reasons": REASONS}
    html = render("chat.html", **_common(request, gateway), **asked, max_turns=gateway.config.max_turns)
    return HTMLResponse(html, status)


async def _report(gateway: Gateway, request: Request) -> Response:
    """Keep a report: the fact in the audit log, the words only where the reader chose to send them."""
    if session_of(request, gateway) is None:
        raise invalid_key(on_page=True)
    is_form = request.headers.get("content-type", "").startswith(FORM)
    most = gateway.config.max_body_bytes
    body = orjson.dumps(await read_form(request, most)) if is_form else await read_body(request, most)
    report = parsed(Report, body)
    facts = {"request": report.request, "kind": report.kind, "with_text": report.send_text}
    await append(gateway, "report", caller="page", **facts, n_note_chars=len(report.note.strip()))
    keep_report(gateway.facts.folder, report)
    if not is_form:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return _chat(request, gateway, message="Thank you. Your report was kept.")


def _common(request: Request, gateway: Gateway) -> dict[str, Any]:
    """What every page shows."""
    return {
        "emergency": emergency_line(request.headers.get("accept-language", ""), gateway.facts.numbers),
        "model": gateway.facts.model,
        "policy": gateway.facts.policy,
        "gate": gateway.facts.permit.gate,
        "version": gateway.terms.version,
    }


def _with_cookie(response: Response, request: Request, cookie: str) -> Response:
    is_tls = request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, max_age=LIFETIME_S, httponly=True, samesite="strict", secure=is_tls)
    return response


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise plain_fault(404)
    return Response((_HERE / "static" / name).read_bytes(), media_type=_STATIC[name])
