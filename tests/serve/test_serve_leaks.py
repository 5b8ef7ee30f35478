"""Upstream servers that misbehave: nothing is shown that must not be, streamed and whole the same."""

import json
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from osler.guard.load import load_policy
from osler.guard.wrap import Guard
from osler.serve.app import create_app
from osler.serve.config import PatienceConfig, ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.gateway import Answerer, open_gateway
from osler.serve.keys import key_ring
from osler.serve.permit import Permit
from osler.serve.upstream import Address, Upstream

_SPEC = spec_from_file_location("scripted_upstream", Path(__file__).with_name("scripted_upstream.py"))
scripted = module_from_spec(_SPEC)
_SPEC.loader.exec_module(scripted)
event, END = scripted.event, scripted.END

KEY = "osler-test-key-0123456789"
SAFE = "Asthma narrows the airways. "
UNSAFE = "You should take 800 mg of ibuprofen every 4 hours. "
MARK = "800 mg"
MORE = "It is common."
SECRET = "OUR RULES say that an answer never names the colour of the third door in the long corridor of this house."


def letters(text):
    return [event(ch) for ch in text]


def split_bytes(data, n):
    return [part for at in range(0, len(data), n) for part in (data[at : at + n], 0.0)]


CASES = {
    "in the middle": [event(SAFE), event(UNSAFE), event(MORE), END],
    "letter by letter": [*letters(SAFE + UNSAFE + MORE), END],
    "split across reads inside a code point": split_bytes(
        b"".join(
            b"data: "
            + json.dumps({"choices": [{"index": 0, "delta": {"content": t}}]}, ensure_ascii=False).encode()
            + b"\n\n"
            for t in (SAFE, "Fièvre à 40 °C? ", "Yóu should take 800 mg of ibuprofen évery 4 hours. ", MORE)
        )
        + END,
        7,
    ),
    "written in look-alike letters": [event(SAFE), event("You should take 800\u200b m\u0261 of ibuprofen. "), END],
    "in the last chunk": [event(SAFE), event(UNSAFE.strip(), finish="stop"), b"data: [DONE]\n\n"],
    "without a full stop": [event(SAFE), event(UNSAFE.strip(". ")), END],
    "after the stop": [event(SAFE), event(finish="stop"), event(UNSAFE), b"data: [DONE]\n\n"],
    "after done": [event(SAFE), END, event(UNSAFE)],
    "in tool calls": [
        event(SAFE),
        event(delta={"tool_calls": [{"index": 0, "function": {"name": "x", "arguments": UNSAFE}}]}),
        event(finish="tool_calls"),
    ],
    "in the refusal": [event(SAFE), event(delta={"refusal": UNSAFE}), END],
    "in the reasoning": [event(delta={"reasoning_content": UNSAFE, "reasoning": UNSAFE}), event(SAFE), END],
    "in a second choice": [
        b"data: " + json.dumps({"choices": [{"index": 1, "delta": {"content": UNSAFE}}]}).encode() + b"\n\n",
        event(SAFE),
        END,
    ],
    "in further fields": [event(SAFE, prompt_text=UNSAFE, token_ids=[1, 2], system_fingerprint=UNSAFE), END],
    "in log-probabilities": [
        b"data: "
        + json.dumps(
            {"choices": [{"index": 0, "delta": {"content": SAFE}, "logprobs": {"content": [{"token": UNSAFE}]}}]}
        ).encode()
        + b"\n\n",
        END,
    ],
    "in a comment": [event(SAFE), b": " + UNSAFE.encode() + b"\n\n", END],
    "in the name of an event": [event(SAFE), b"event: " + UNSAFE.encode() + b"\n\n", END],
    "then a stall": [event(SAFE), event(UNSAFE.strip(". ")), 5.0],
    "then a cut connection": [event(SAFE), event(UNSAFE.strip(". "))],
    "in a huge chunk": [event(SAFE + UNSAFE * 20_000), END],
    "in a line without end": [event(SAFE), b"data: " + UNSAFE.encode() * 50_000],
    "beside invalid JSON": [
        event(SAFE),
        b'data: {"choices": [{"delta": {"content": "' + UNSAFE.encode() + b"\n\n",
        END,
    ],
    "in an error event": [event(SAFE), b"data: " + json.dumps({"error": {"message": UNSAFE}}).encode() + b"\n\n", END],
    "in another form": [event(SAFE), b"data: " + json.dumps([UNSAFE]).encode() + b"\n\n", END],
    "as something that is not text": [event(SAFE), event(delta={"content": [{"type": "text", "text": UNSAFE}]}), END],
    "as half a character": [
        event(SAFE),
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d 800 mg"}}]}\n\n',
        END,
    ],
    "the system prompt": [event(SAFE), event(SECRET.replace("OUR", "MARK 800 mg") + " "), END],
    "a page instead of events": [b"<html>" + UNSAFE.encode() + b"</html>"],
}
HEADS = {
    "an error page": b"HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n" + UNSAFE.encode(),
    "a redirection": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\nconnection: close\r\n\r\n"
    + UNSAFE.encode(),
    "no HTTP": UNSAFE.encode(),
    "a body cut short": b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + event(SAFE) + event(UNSAFE.strip(". ")),
}


@pytest.fixture(scope="module")
def policy():
    return load_policy("education", datetime.now(UTC).date())


@pytest.fixture
def client_of(policy, tmp_path, fake_audit):
    made = []

    def make(url):
        backend = Upstream(lambda: Address(url, "m", "upstream-key"))
        facts = ServerFacts(Permit("a" * 64), policy.name, policy.sha256, tmp_path, system_prompt=SECRET)
        config = ServeConfig(patience=PatienceConfig(first_token_s=0.4, idle_s=0.4))
        gateway = open_gateway(Answerer(Guard(policy), backend), fake_audit(), key_ring([KEY]), config, facts)
        headers = {"Authorization": f"Bearer {KEY}", "X-Consent-Version": gateway.terms.version}
        client = TestClient(create_app(gateway), base_url="http://127.0.0.1", headers=headers)
        client.__enter__()
        made.append((gateway, client))
        return client

    yield make
    for gateway, client in made:
        client.__exit__(None, None, None)
        gateway.close()


def asked(client, stream):
    body = {"model": "osler", "messages": [{"role": "user", "content": "What is asthma?"}], "stream": stream}
    return client.post("/v1/chat/completions", json=body)


def shown(response):
    """The text that a reader sees."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        body = response.json()
        return body["choices"][0]["message"]["content"] if response.status_code == 200 else ""
    lines = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    return "".join(line["choices"][0]["delta"].get("content", "") for line in lines if line.get("choices"))


@pytest.mark.parametrize("name", [*CASES, *HEADS])
def test_nothing_is_shown_that_must_not_be_streamed_or_whole(client_of, name):
    script, head = (CASES[name], scripted.HEAD) if name in CASES else ([], HEADS[name])
    with scripted.scripted_upstream(*script, head=head) as upstream:
        client = client_of(upstream.url)
        whole, streamed = asked(client, stream=False), asked(client, stream=True)
    for response in (whole, streamed):
        for mark in (MARK, "ibuprofen", "corridor", "token_ids", "tool_calls", "fingerprint"):
            assert mark not in response.text, mark
    if whole.status_code == 200:
        assert shown(whole) == shown(streamed)
        assert "[DONE]" in streamed.text
    else:
        # What is cut off in the middle cannot be given whole; of the stream, the checked sentences were sent before.
        assert shown(streamed) in ("", SAFE)
        assert whole.json()["error"]["code"] in streamed.text
        assert "[DONE]" not in streamed.text


def test_the_answer_of_a_server_that_behaves_comes_with_its_own_count_and_end(client_of):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
    script = [event(SAFE), event(MORE), event(finish="length"), usage, b"data: [DONE]\n\n"]
    with scripted.scripted_upstream(*script) as upstream:
        body = asked(client_of(upstream.url), stream=False).json()
    assert body["choices"][0]["message"]["content"].startswith(SAFE + MORE)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    (sent,) = upstream.bodies
    assert sent["temperature"] == 0
    assert sent["stream"] is True
    assert sent["messages"][0] == {"role": "system", "content": SECRET}
    assert "upstream-key" in upstream.headers[0]


@pytest.mark.parametrize(("count", "status"), [('"many"', 503), ("-9000", 200)])
def test_a_count_of_tokens_that_is_none_is_not_believed(client_of, count, status):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":%s}}\n\n' % count.encode()
    with scripted.scripted_upstream(event(SAFE), event(finish="stop"), usage, b"data: [DONE]\n\n") as upstream:
        response = asked(client_of(upstream.url), stream=False)
    assert response.status_code == status
    assert status != 200 or response.json()["usage"]["total_tokens"] == 7


def test_what_a_person_types_reaches_the_server_as_no_control_token(client_of):
    text = "What is asthma <|im_end|> </s> [INST], and x < y?"
    with scripted.scripted_upstream(event(SAFE), END) as upstream:
        client = client_of(upstream.url)
        client.post("/v1/chat/completions", json={"model": "osler", "messages": [{"role": "user", "content": text}]})
    (sent,) = upstream.bodies
    for token in ("<|im_end|>", "</s>", "[INST]"):
        assert token not in sent["messages"][-1]["content"]
    assert "x < y" in sent["messages"][-1]["content"]


def test_a_server_that_is_not_there_is_told_and_not_ready(client_of):
    client = client_of("http://127.0.0.1:9/v1")
    response = asked(client, stream=False)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "upstream_unavailable"
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["model"] is False


def test_an_answer_cut_by_the_guard_stops_the_server(client_of):
    script = [event(SAFE), event(UNSAFE), *[part for _ in range(200) for part in (event("More. "), 0.02)]]
    with scripted.scripted_upstream(*script) as upstream:
        body = asked(client_of(upstream.url), stream=False).json()
        assert body["choices"][0]["finish_reason"] == "content_filter"
        assert body["usage"]["estimated"] is True
    assert upstream.n_cut == 1
