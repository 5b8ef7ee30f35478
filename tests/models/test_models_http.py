"""Any OpenAI-compatible endpoint: what is sent, and replies in order although several are under way."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from osler.errors import EnvironmentLacks, InputError
from osler.models.embed import embedder
from osler.models.http import HttpModel
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
        text = body.get("messages", [{"content": ""}])[-1]["content"]
        reply = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        piece = json.dumps({"choices": [{"delta": {"content": text}}]})
        content = {
            "not-json": b"<html>",
            "no-choices": b'{"choices": []}',
            "two-vectors": b'{"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [2.0]}]}',
            "streams": f"data: {piece}\n\ndata: {piece}\n\ndata: [DONE]\n\n".encode(),
            "stops-midway": f"data: {piece}\n\n".encode(),
        }.get(body["model"], json.dumps(reply).encode())
        self.send_response(200 if body["model"] != "broken" else 503)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as server:
        yield server


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


@pytest.mark.parametrize(
    ("name", "told"),
    [("not-json", "not JSON"), ("no-choices", "no form of the chat"), ("stops-midway", "before its answer")],
)
def test_an_answer_that_cannot_be_read_is_an_error_of_the_endpoint(endpoint: Endpoint, name: str, told: str) -> None:
    model = open_models(endpoint.url, name=name)["model"].model
    assert isinstance(model, Model)
    with pytest.raises(EnvironmentLacks, match=told):
        "".join(model.stream(QUESTIONS[0], 9)) if name == "stops-midway" else model.reply(QUESTIONS[:1], 9)


def test_a_stream_is_greedy_as_a_reply_is_and_whole(endpoint: Endpoint) -> None:
    model = open_models(endpoint.url, name="streams")["model"].model
    assert isinstance(model, Model)
    assert "".join(model.stream(QUESTIONS[0], 9)) == 2 * QUESTIONS[0][0].content
    assert (endpoint.seen[0]["temperature"], endpoint.seen[0]["stream"]) == (0, True)


def test_vectors_are_never_matched_to_other_texts() -> None:
    with serving() as endpoint, pytest.raises(EnvironmentLacks, match="2 embeddings for 3 texts"):
        embedder("openai", endpoint.url, "two-vectors", "")(["a", "b", "c"])


def test_nobody_listening_and_no_address_are_told_apart() -> None:
    with serving() as endpoint:
        url = endpoint.url
    model = open_models(url)["model"].model
    assert isinstance(model, Model)
    with pytest.raises(EnvironmentLacks, match=r"127\.0\.0\.1 cannot be reached.*Is it running"):
        model.reply(QUESTIONS[:1], 9)
    with pytest.raises(InputError, match="not an address"):
        HttpModel("ftp://somewhere/v1")
