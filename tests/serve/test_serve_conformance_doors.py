"""One suite for every way in: the gateway, vLLM's middleware, the HTTP guardrail and LiteLLM's proxy with our class.

Whatever stands before the model: an unsafe sentence shows no character of itself, streamed or whole; a guard that fails lets nothing
through; a path that is not listed is refused; an emergency gets its number and the model is not asked. The upstream is scripted.
"""

import asyncio
import dataclasses
import json
import os
import threading
import time
from datetime import date
from functools import cache
from importlib.util import find_spec

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from osler.guard import wrap
from osler.guard.audit import AuditLog
from osler.guard.load import load_policy
from osler.guard.wrap import Guard
from osler.models.protocol import Reply
from osler.serve.adapters.endpoint import PATH, create_guard_app
from osler.serve.adapters.screen import Watch
from osler.serve.adapters.vllm import GuardMiddleware
from osler.serve.app import create_app
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.gateway import Answerer, open_gateway
from osler.serve.inprocess import InProcess
from osler.serve.keys import key_ring
from osler.serve.permit import Permit

KEY = "osler-test-key-0123456789"
QUESTION = "What is asthma?"
URGENT = "I have crushing chest pain and my left arm is numb"
SAFE = "Asthma narrows the airways of the lung. It is common é 肺. "
UNSAFE = "You should take 800 mg of ibuprofen every 4 hours."
AFTER = " Rest well and read the label."
ALL_DOORS = ("gateway", "vllm", "vllm_completions", "endpoint", "litellm")


@dataclasses.dataclass
class Upstream:
    """A server that sends what it is told to, in OpenAI's form; asked of by every door but the gateway and the endpoint."""

    pieces: tuple[str, ...] = (SAFE,)
    extra: dict = dataclasses.field(default_factory=dict)
    """Put into each delta or message."""
    raw: tuple[bytes, ...] | None = None
    """Sent as the whole body instead."""
    n_bytes: int = 0
    """Bytes of one message of the stream; 0 for one event each."""
    status: int = 200
    asked: list = dataclasses.field(default_factory=list)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.asked.append((scope["path"], body))
        asked = json.loads(body or b"{}")
        is_stream, is_chat = asked.get("stream"), "messages" in asked
        kind = b"text/event-stream" if is_stream else b"application/json"
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", kind)]})
        parts = self.raw if self.raw is not None else self.parts(is_stream, is_chat)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def parts(self, is_stream, is_chat):
        head = {
            "id": "x",
            "object": "chat.completion.chunk" if is_stream else "chat.completion",
            "created": 1,
            "model": "m",
        }

        def said(name, text):
            return (
                {name: {"role": "assistant", "content": text, **self.extra}}
                if is_chat
                else {"text": text, **self.extra}
            )

        def event(choice):
            body = {**head, "choices": [{"index": 0, "finish_reason": None, **choice}]}
            return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"

        if not is_stream:
            usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
            choice = {"index": 0, "finish_reason": "stop", **said("message", "".join(self.pieces))}
            return [json.dumps({**head, "choices": [choice], "usage": usage}).encode()]
        events = [event(said("delta", piece)) for piece in self.pieces]
        events += [
            event({**({"delta": {}} if is_chat else {"text": ""}), "finish_reason": "stop"}),
            b"data: [DONE]\n\n",
        ]
        if not self.n_bytes:
            return events
        whole = b"".join(events)
        return [whole[i : i + self.n_bytes] for i in range(0, len(whole), self.n_bytes)]


@dataclasses.dataclass
class Door:
    """One way in. `ask` gives the status and everything that a client received, `text` what it shows of that."""

    client: TestClient
    upstream: Upstream
    path: str = "/v1/chat/completions"
    headers: dict = dataclasses.field(default_factory=dict)

    def ask(self, stream, question=QUESTION, **more):
        said = {"prompt": question} if "messages" not in more and self.path == "/v1/completions" else {}
        if not said:
            said = {"messages": [{"role": "user", "content": question}]}
        body = {"model": "osler", "stream": stream, **said, **more}
        return self.client.post(self.path, json=body, headers=self.headers)

    def text(self, response):
        if response.status_code != 200:
            return response.text
        if "event-stream" not in response.headers["content-type"]:
            choice = response.json()["choices"][0]
            return choice["message"]["content"] if "message" in choice else choice["text"]
        shown = ""
        for line in response.text.splitlines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                for choice in event.get("choices", []):
                    shown += (choice.get("delta") or choice).get("content" if "delta" in choice else "text") or ""
        return shown

    def get(self, path):
        return self.client.get(path, headers=self.headers)


class Held:
    """A caller of the endpoint that shows what it may: every piece is asked about, and what is to be held back is."""

    def __init__(self, client, upstream):
        self.client, self.upstream = client, upstream

    def ask(self, stream, question=QUESTION):
        messages = [{"role": "user", "content": question}]
        answer = self.post({"input_type": "request", "texts": [question], "structured_messages": messages})
        if answer.get("action") != "NONE":
            return answer.get("blocked_reason", "")
        self.upstream.asked.append(question)
        shown, so_far = "", ""
        for piece in self.upstream.pieces if stream else ():
            so_far += piece
            answer = self.post({"input_type": "response", "texts": [so_far]})
            if answer.get("action") == "BLOCKED":
                return shown + answer["blocked_reason"]
            end = len(answer["texts"][0]) - answer["stream_holdback_chars"][0]
            assert answer["texts"][0].startswith(shown)
            shown = answer["texts"][0][: max(end, len(shown))]
        answer = self.post({"input_type": "response", "texts": ["".join(self.upstream.pieces)]})
        return answer["blocked_reason"] if answer["action"] == "BLOCKED" else answer["texts"][0]

    def post(self, body):
        response = self.client.post(PATH, json=body, headers={"x-api-key": KEY})
        return response.json() if response.status_code == 200 else {"action": "BLOCKED", "blocked_reason": ""}

    def text(self, shown):
        return shown

    def get(self, path):
        return self.client.get(path, headers={"x-api-key": KEY})


class Spoken:
    """The gateway's model: says the upstream's pieces."""

    name = "spoken"

    def __init__(self, upstream):
        self.upstream = upstream

    def reply(self, conversations, max_tokens):
        return [Reply("".join(self.upstream.pieces), "stop") for _ in conversations]

    def stream(self, conversation, max_tokens):
        self.upstream.asked.append(conversation)
        yield from self.upstream.pieces


@pytest.fixture(scope="module")
def policy():
    return load_policy("education", date(2026, 1, 1))


@pytest.fixture(params=ALL_DOORS)
def make_door(request, policy, tmp_path, monkeypatch):
    """Makes the door of one name in front of an upstream."""
    entered = []

    def make(upstream, policy=policy, timeout_s=5.0):
        policy = dataclasses.replace(policy, timeout_s=timeout_s)
        door = globals()[f"enter_{request.param}"](upstream, Watch(Guard(policy), timeout_s), tmp_path, monkeypatch)
        if request.param != "litellm":  # LiteLLM was started once for all
            door.client.__enter__()
            entered.append(door.client)
        return door

    yield make
    for client in entered:
        client.__exit__(None, None, None)


def enter_gateway(upstream, watch, folder, monkeypatch):
    facts = ServerFacts(Permit("a" * 64), "education@1.0.0", "b" * 64, folder)

    log = AuditLog(folder / "audit.jsonl", b"k" * 32)
    gateway = open_gateway(
        Answerer(watch.guard, InProcess(Spoken(upstream))), log, key_ring([KEY]), ServeConfig(), facts
    )
    headers = {"Authorization": f"Bearer {KEY}", "X-Consent-Version": gateway.terms.version}
    return Door(TestClient(create_app(gateway), base_url="http://127.0.0.1"), upstream, headers=headers)


def enter_vllm(upstream, watch, folder, monkeypatch, path="/v1/chat/completions"):
    app = GuardMiddleware(upstream, watch, [KEY])
    return Door(TestClient(app, base_url="http://127.0.0.1"), upstream, path, {"Authorization": f"Bearer {KEY}"})


def enter_vllm_completions(upstream, watch, folder, monkeypatch):
    return enter_vllm(upstream, watch, folder, monkeypatch, "/v1/completions")


def enter_endpoint(upstream, watch, folder, monkeypatch):
    return Held(TestClient(create_guard_app(watch, [KEY]), base_url="http://127.0.0.1"), upstream)


def enter_litellm(upstream, watch, folder, monkeypatch):
    if find_spec("litellm") is None:
        pytest.skip("LiteLLM is not installed; docs/adapters.md says how to run this test against it")
    client = litellm_proxy(folder.parent)
    import litellm

    RELAY.to = upstream
    (guardrail,) = [one for one in litellm.callbacks if type(one).__name__ == "OslerGuardrail"]
    monkeypatch.setattr(guardrail, "_watch", watch)
    return Door(client, upstream)


class Relay:
    """An upstream that hands on to the one of the test, because LiteLLM's proxy is set up once."""

    to = None

    async def __call__(self, scope, receive, send):
        await self.to(scope, receive, send)


RELAY = Relay()


@cache
def litellm_proxy(folder):
    """LiteLLM's own application with our class, in front of a real server."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network else
    import uvicorn
    from litellm.proxy import proxy_server

    server = uvicorn.Server(uvicorn.Config(RELAY, port=0, log_level="error", lifespan="off"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    file = folder / "litellm.yaml"
    file.write_text(LITELLM.format(port=server.servers[0].sockets[0].getsockname()[1]))
    asyncio.run(proxy_server.initialize(config=str(file)))
    return TestClient(proxy_server.app, base_url="http://127.0.0.1")


LITELLM = """
model_list:
  - model_name: osler
    litellm_params: {{model: openai/osler, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
guardrails:
  - guardrail_name: osler
    litellm_params: {{guardrail: osler.serve.adapters.litellm.OslerGuardrail, mode: [pre_call, post_call], default_on: true}}
"""

SPLITS = {
    "in_the_middle": (SAFE, UNSAFE, AFTER),
    "by_words": tuple(f"{word} " for word in (SAFE + UNSAFE + AFTER).split()),
    "by_characters": tuple(SAFE + UNSAFE + AFTER),
    "in_the_last_chunk": (SAFE, UNSAFE[:20], UNSAFE[20:]),
    "with_no_end": (SAFE, UNSAFE.rstrip(".")),
    "at_once": (SAFE + UNSAFE + AFTER,),
    "first": (UNSAFE, AFTER),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("split", SPLITS)
def test_no_character_of_an_unsafe_sentence_is_shown(make_door, split, stream):
    door = make_door(Upstream(SPLITS[split]))
    response = door.ask(stream)
    shown = door.text(response)
    for leaked in ("You should", "800 mg", "ibuprofen", "Rest well"):
        assert leaked not in (response if isinstance(response, str) else response.text)
    assert "cannot" in shown or "can't" in shown or "doctor" in shown
    if isinstance(door, Door) and split != "first":
        assert shown.startswith(SAFE.strip())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_safe_answer_comes_whole_and_with_the_disclaimer(make_door, stream, policy):
    door = make_door(Upstream(tuple(SAFE)))
    shown = door.text(door.ask(stream))
    assert shown == f"{SAFE.strip()}\n\n{policy.disclaimer}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_emergency_gets_the_number_and_the_model_is_not_asked(make_door, stream):
    door = make_door(Upstream())
    shown = door.text(door.ask(stream, URGENT))
    assert "911" in shown.splitlines()[0]
    assert door.upstream.asked == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("where", ["question", "answer"])
@pytest.mark.parametrize("how", ["raises", "hangs"])
def test_a_guard_that_fails_lets_nothing_through(make_door, monkeypatch, stream, where, how):
    door = make_door(Upstream(tuple(SAFE)), timeout_s=0.2 if how == "hangs" else 5.0)
    if isinstance(door, Door) and "X-Consent-Version" in door.headers and (where, how) == ("answer", "hangs"):
        pytest.skip("the gateway's own time limit ends such an answer; tests of the gateway cover it")

    def broken(*_):
        if how == "raises":
            raise RuntimeError("broken")
        time.sleep(0.5)
        return wrap.Verdict("allow")

    monkeypatch.setattr("osler.guard.wrap.check" if where == "question" else "osler.guard.stream.check_output", broken)
    shown = door.text(door.ask(stream))
    assert "Asthma" not in shown
    assert "lung" not in shown


@pytest.mark.parametrize(
    "path", ["/invocations", "/tokenize", "/v1/embeddings", "/docs", "/v1/messages", "/version", "/pooling"]
)
def test_a_path_that_is_not_listed_is_refused(make_door, path):
    door = make_door(Upstream())
    is_litellm = isinstance(door, Door) and not door.headers
    if is_litellm and path == "/docs":
        pytest.skip("LiteLLM's own page; it asks no model")
    body = {
        "model": "osler",
        "prompt": "x",
        "input": "x",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 5,
    }
    for response in (door.get(path), door.client.post(path, json=body, headers=getattr(door, "headers", {}))):
        assert response.status_code >= 400
    assert door.upstream.asked == []


SECRET = "take 800 mg of ibuprofen"
CALL = {"id": "1", "type": "function", "index": 0, "function": {"name": SECRET, "arguments": SECRET}}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "extra",
    [
        {"tool_calls": [CALL]},
        {"reasoning_content": SECRET, "reasoning": SECRET},
        {"refusal": SECRET},
        {"token_ids": [SECRET]},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_only_the_text_of_an_answer_is_passed_on(make_door, extra, stream):
    door = make_door(Upstream(extra=extra))
    response = door.ask(stream)
    assert SECRET not in (response if isinstance(response, str) else response.text)


@pytest.mark.parametrize(
    "raw", [b"{", b'data: {"choices": 7}\n\n', b'data: {"error": {"message": "' + SECRET.encode() + b'"}}\n\n', b""]
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_upstream_that_breaks_gives_an_error_and_no_end_that_looks_whole(make_door, raw, stream):
    door = make_door(Upstream(raw=(raw,)))
    if not isinstance(door, Door) or "X-Consent-Version" in door.headers:
        pytest.skip("this door has no upstream of its own")
    if stream and not door.headers:
        pytest.skip("LiteLLM itself ends a broken stream as if it were whole; nothing unread is shown")
    response = door.ask(stream)
    assert SECRET not in response.text
    assert '"finish_reason":"stop"' not in response.text.replace(" ", "")
    assert "error" in response.text


def test_a_cut_stream_shows_what_was_whole_and_says_that_it_broke(make_door):
    upstream = Upstream(("Asthma is common. ", "It narr"))
    upstream.raw = tuple(upstream.parts(is_stream=True, is_chat=True)[:2])
    door = make_door(upstream)
    if not isinstance(door, Door) or "X-Consent-Version" in door.headers or door.path == "/v1/completions":
        pytest.skip("this door has no chat upstream of its own")
    if not door.headers:
        pytest.skip("LiteLLM itself ends a broken stream as if it were whole; nothing unread is shown")
    response = door.ask(stream=True)
    assert "narr" not in response.text
    assert '"finish_reason":"stop"' not in response.text.replace(" ", "")


@pytest.mark.parametrize(
    "name", ["logprobs", "echo", "tools", "functions", "prompt_logprobs", "return_token_ids", "n", "what"]
)
def test_a_field_that_lets_unread_text_out_is_refused(make_door, name):
    door = make_door(Upstream())
    if isinstance(door, Held):
        pytest.skip("a guardrail sees texts, not the request")
    if name == "tools" and "X-Consent-Version" in getattr(door, "headers", {}):
        pytest.skip("the gateway's model never hears of tools")
    value = [{"type": "function", "function": {"name": "f"}}] if name == "tools" else 2
    assert door.ask(False, **{name: value}).status_code == 400
    assert door.upstream.asked == []


@pytest.fixture
def behind(policy):
    """vLLM's middleware before an upstream: `behind(upstream, []) -> client`."""

    def make(upstream, keys=None, client=("127.0.0.1", 5000)):
        app = GuardMiddleware(upstream, Watch(Guard(policy)), [KEY] if keys is None else keys)
        return TestClient(app, base_url="http://127.0.0.1", client=client)

    return make


@pytest.mark.parametrize("n_bytes", [1, 7, 1000])
def test_the_middleware_reads_a_stream_however_it_is_cut(behind, n_bytes, policy):
    door = Door(behind(Upstream(tuple(SAFE), n_bytes=n_bytes)), Upstream(), headers={"Authorization": f"Bearer {KEY}"})
    assert door.text(door.ask(stream=True)) == f"{SAFE.strip()}\n\n{policy.disclaimer}"


def test_the_middleware_asks_for_the_key_that_vllm_would_ask_for_only_behind_it(behind):
    upstream = Upstream()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        door = Door(behind(upstream), upstream, headers=headers)
        for response in (door.ask(False, URGENT), door.get("/metrics"), door.get("/v1/models")):
            assert response.status_code == 401
        assert door.get("/health").status_code == 200
    assert [path for path, _ in upstream.asked] == ["/health", "/health"]
    assert Door(behind(upstream, []), upstream).ask(False).status_code == 200
    assert Door(behind(upstream, [], ("10.0.0.9", 1)), upstream).ask(False).status_code == 401


def test_the_middleware_closes_websockets_and_hides_what_vllm_says_of_an_error(behind):
    upstream = Upstream(raw=(SECRET.encode(),), status=422)
    client = behind(upstream)
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/v1/realtime"):
        pass
    assert closed.value.code == 1008
    response = Door(client, upstream, headers={"Authorization": f"Bearer {KEY}"}).ask(False)
    assert response.status_code == 422
    assert SECRET not in response.text


def test_a_violation_ends_the_model_behind(behind):
    sent = []

    async def endless(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for word in [*(SAFE + UNSAFE).split(), *("more",) * 1000]:
            sent.append(word)
            body = json.dumps({"choices": [{"index": 0, "delta": {"content": f"{word} "}}]})
            await send({"type": "http.response.body", "body": f"data: {body}\n\n".encode(), "more_body": True})

    door = Door(behind(endless), Upstream(), headers={"Authorization": f"Bearer {KEY}"})
    response = door.ask(stream=True)
    assert "800 mg" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")
    assert len(sent) < 30
