"""Any OpenAI-compatible endpoint: what is sent, and replies in order although several are under way."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from osler.errors import EnvironmentLacks
from osler.models.open import open_models
from osler.models.protocol import Model, Sampler, Scorer
from osler.records.record import Message


class Endpoint(ThreadingHTTPServer):
    """Answers each question with itself; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append({**body, "path": self.path, "key": self.headers.get("Authorization")})
        reply = {"choices": [{"message": {"content": body["messages"][-1]["content"]}, "finish_reason": "stop"}]}
        content = json.dumps(reply).encode()
        self.send_response(200 if body["model"] != "broken" else 503)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


QUESTIONS = [(Message("user", f"Question {number}?"),) for number in range(20)]


def test_replies_come_in_order_and_greedy_is_asked_for(endpoint: Endpoint) -> None:
    model = open_models(endpoint.url, name="m", key="secret")["model"].model
    assert isinstance(model, Model)
    assert isinstance(model, Sampler)
    assert not isinstance(model, Scorer)
    assert [reply.text for reply in model.reply(QUESTIONS, 9)] == [turns[-1].content for turns in QUESTIONS]
    assert {
        (one["path"], one["model"], one["temperature"], one["max_tokens"], one["key"]) for one in endpoint.seen
    } == {("/v1/chat/completions", "m", 0, 9, "Bearer secret")}


def test_drawn_replies_carry_temperature_and_seed(endpoint: Endpoint) -> None:
    model = open_models(endpoint.url)["model"].model
    assert isinstance(model, Sampler)
    model.sample(QUESTIONS[:3], 9, 0.7, [1, 2, 3])
    assert sorted((one["seed"], one["temperature"]) for one in endpoint.seen) == [(1, 0.7), (2, 0.7), (3, 0.7)]


def test_an_endpoint_that_fails_is_named(endpoint: Endpoint) -> None:
    model = open_models(endpoint.url, name="broken")["model"].model
    assert isinstance(model, Model)
    with pytest.raises(EnvironmentLacks, match="503"):
        model.reply(QUESTIONS[:1], 9)
