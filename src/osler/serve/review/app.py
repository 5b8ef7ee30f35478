"""The paths of the review page. Whatever is not listed here does not exist.

GET  /  /sw.js  /static/...   the page, what lets it open without a server, its script and style
POST /api/enter  /api/leave   a rater's token becomes a cookie; and goes
GET  /api/deck                the rater's cards: number, question and answer, nothing else; and what she has rated
POST /api/ratings             one save; answered when it is on the disk
"""

import asyncio
import threading
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from osler.errors import InputError
from osler.evaluate.review.plan import Plan
from osler.evaluate.review.ratings import Rating, append_rating, check_rating, read_ratings
from osler.evaluate.review.results import hear, queue
from osler.serve.boundary import Boundary
from osler.serve.callers import is_own_page, read_body
from osler.serve.fault import Fault, parsed, plain_fault
from osler.serve.review.access import person_of

COOKIE = "osler_review"
COOKIE_S = 30 * 24 * 3600
"""A review takes weeks; the cookie goes earlier when the rater leaves."""

MAX_BODY_BYTES = 65536
_STATIC = Path(__file__).with_name("static")
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class Review:
    """One review and its tokens, as the page sees it."""

    def __init__(self, plan: Plan, tokens: dict[str, str]) -> None:
        self._plan = plan
        self._tokens = tokens
        self._items = plan.items()
        self._lock = threading.Lock()

    def person(self, token: str) -> str:
        """Whose token this is.

        Raises:
            Fault: nobody's.
        """
        person = person_of(token, self._tokens)
        if person is None:
            raise _no_access()
        return person

    def deck(self, person: str) -> dict[str, Any]:
        """What a person's page holds. The adjudicator's deck grows while the raters go on; its numbers stay."""
        plan = self._plan
        cards = list(enumerate(plan.decks[person], start=1))
        if person == plan.adjudicator:
            heard = hear(plan)
            wanted = queue(plan, heard) | heard.adjudicated.keys()
            cards = [(number, item) for number, item in cards if item in wanted]
        rated = read_ratings(plan.folder, person).by_card
        return {
            "review": plan.sha256[:16],
            "person": person,
            "rubric": plan.rubric.model_dump(mode="json"),
            "cards": [
                {"card": number, "question": self._items[item].question, "answer": self._items[item].answer}
                for number, item in cards
            ],
            "ratings": [rated[number].model_dump() for number, _ in cards if number in rated],
        }

    def keep(self, person: str, body: bytes) -> None:
        """Keep one save.

        Raises:
            Fault: it is not a rating of a card of this person's deck. The message never holds what was written.
        """
        rating = parsed(Rating, body)
        try:
            check_rating(rating, self._plan, person)
        except InputError as error:
            raise Fault(400, "invalid_value", str(error)) from None
        with self._lock:
            append_rating(self._plan.folder, person, rating)


def create_review_app(plan: Plan, tokens: dict[str, str], *, loopback_only: bool = True) -> ASGIApp:
    """The ASGI application of one review."""
    router = Router([*_api(Review(plan, tokens)), *_page()], redirect_slashes=False)
    return Boundary(router, loopback_only=loopback_only)


def _api(review: Review) -> list[Route]:
    def asking(request: Request) -> str:
        return review.person(request.cookies.get(COOKIE, "") if is_own_page(request) else "")

    async def enter(request: Request) -> Response:
        try:
            token = orjson.loads(await read_body(request, 1024))["token"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise _no_access() from None
        review.person(str(token))
        response = Response(status_code=204)
        is_tls = request.url.scheme == "https"
        response.set_cookie(COOKIE, str(token), max_age=COOKIE_S, httponly=True, samesite="strict", secure=is_tls)
        return response

    async def leave(_: Request) -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def deck(request: Request) -> Response:
        found = await asyncio.to_thread(review.deck, asking(request))
        return Response(orjson.dumps(found), media_type="application/json")

    async def keep(request: Request) -> Response:
        person = asking(request)
        await asyncio.to_thread(review.keep, person, await read_body(request, MAX_BODY_BYTES))
        return Response(status_code=204)

    posts = {"/api/enter": enter, "/api/leave": leave, "/api/ratings": keep}
    return [Route("/api/deck", deck), *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items())]


def _page() -> list[Route]:
    async def file(request: Request) -> Response:
        name = request.path_params.get("name") or PurePosixPath(request.url.path).name or "page.html"
        if name not in {path.name for path in _STATIC.iterdir()}:
            raise plain_fault(404)
        return Response((_STATIC / name).read_bytes(), media_type=_TYPES[Path(name).suffix])

    return [Route(path, file) for path in ("/", "/sw.js", "/static/{name}")]


def _no_access() -> Fault:
    return Fault(401, "no_access", "Open the link that you were given.", kind="authentication_error")
