"""Requests that this server does not honor: each gets an error in OpenAI form that names the field."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osler.serve.config import ServeConfig

GOOD = {"model": "osler", "messages": [{"role": "user", "content": "What is asthma?"}]}


def refused(bench, body, status=400, **more):
    response = bench.client.post("/v1/chat/completions", headers=bench.headers, **({"json": body} if body else more))
    assert response.status_code == status
    assert response.headers["x-request-id"]
    error = response.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert bench.guard.seen == []
    return error["code"], error["param"]


@pytest.mark.parametrize(
    "name", ["echo", "functions", "stop", "return_token_ids", "prompt_logprobs", "top_logprobs", "best_of", "what"]
)
def test_a_parameter_that_is_not_on_the_list_is_refused_by_name(bench, name):
    assert refused(bench, {**GOOD, name: 1}) == ("unknown_parameter", name)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"temperature": 0.7}, "unsupported_value", "temperature"),
        ({"logprobs": True}, "unsupported_value", "logprobs"),
        ({"n": 2}, "unsupported_value", "n"),
        ({"tool_choice": "required"}, "unsupported_value", "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "unsupported_value", "tool_choice"),
        ({"tools": "f"}, "invalid_value", "tools"),
        ({"frequency_penalty": 1}, "unsupported_value", "frequency_penalty"),
        ({"temperature": "hot"}, "invalid_value", "temperature"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"max_tokens": True}, "invalid_value", "max_tokens"),
        ({"max_completion_tokens": 0.5}, "invalid_value", "max_completion_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "invalid_value", "max_completion_tokens"),
        ({"stream": "yes"}, "invalid_value", "stream"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, "unknown_parameter", "stream_options.x"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": "hello"}, "invalid_value", "messages"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "invalid_value", "messages"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
        ({"messages": [{"role": "user", "content": "  "}]}, "invalid_value", "messages[0].content"),
        ({"messages": [{"role": "user", "content": "Hi", "name": "x"}]}, "unknown_parameter", "messages[0].name"),
        ({"messages": [{"role": "user", "content": "Hi"}] * 21}, "too_many_messages", "messages"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(bench, change, code, param):
    assert refused(bench, {**GOOD, **change}) == (code, param)


def test_images_are_refused_without_echoing_them(bench):
    part = {"type": "image_url", "image_url": {"url": "data:SECRET"}}
    response = bench.client.post(
        "/v1/chat/completions",
        headers=bench.headers,
        json={"model": "osler", "messages": [{"role": "user", "content": [part]}]},
    )
    assert response.status_code == 400
    assert "SECRET" not in response.text


def test_missing_model_and_another_model(bench):
    assert refused(bench, {"messages": GOOD["messages"]}) == ("missing_required_parameter", "model")
    assert refused(bench, {**GOOD, "model": "gpt-4"}, 404) == ("model_not_found", "model")


@pytest.mark.parametrize(
    "content", [b"{", b"", b"\xff", b"[" * 5000, b'"text"', b"null", b'{"model": NaN}', b'{"a": "\\ud800"}']
)
def test_a_body_that_is_not_a_json_object_is_refused(bench, content):
    headers = {**bench.headers, "Content-Type": "application/json"}
    response = bench.client.post("/v1/chat/completions", headers=headers, content=content)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_another_content_type_is_refused(bench):
    headers = {**bench.headers, "Content-Type": "text/plain"}
    assert bench.client.post("/v1/chat/completions", headers=headers, content=b"{}").status_code == 415


def test_a_huge_body_is_refused_with_and_without_its_length(bench):
    headers = {**bench.headers, "Content-Type": "application/json"}
    for content in (b"x" * 70_000, iter([b"x" * 40_000] * 2)):
        response = bench.client.post("/v1/chat/completions", headers=headers, content=content)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/completions",
        "/v1/chat/completions/",
        "/docs",
        "/metrics",
        "/static/../app.py",
        "/static/x",
        "/invocations",
    ],
)
def test_unknown_paths_do_not_exist(bench, path):
    response = bench.client.get(path, headers=bench.headers)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert response.headers["x-request-id"]


def test_a_wrong_method_is_405_and_names_the_right_one(bench):
    response = bench.client.get("/v1/chat/completions", headers=bench.headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8710", "127.0.0.1.evil.example", "", "8.8.8.8"])
def test_another_machines_name_in_host_is_refused(bench, host):
    response = bench.client.get("/livez", headers={"Host": host})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_host"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:8710", "LOCALHOST:1"])
def test_this_machines_names_are_taken(bench, host):
    assert bench.client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "::"])
def test_other_addresses_need_allow_remote(host):
    with pytest.raises(ValueError, match="allow_remote"):
        ServeConfig(host=host)
    assert ServeConfig(host=host, allow_remote=True).host == host


@pytest.mark.parametrize("port", [-1, 65536, True, "80"])
def test_ports_are_numbers_in_range(port):
    with pytest.raises(ValueError, match="port"):
        ServeConfig(port=port)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "model": st.just("osler") | JSON,
        "messages": st.lists(
            st.fixed_dictionaries(
                {}, optional={"role": st.sampled_from(["user", "system", "x"]) | JSON, "content": JSON}
            ),
            max_size=3,
        )
        | JSON,
        "max_tokens": JSON,
        "stream_options": JSON,
        "temperature": JSON,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NEAR | JSON)
def test_no_body_breaks_the_server(bench, body):
    content = json.dumps(body).encode()
    headers = {**bench.headers, "Content-Type": "application/json"}
    response = bench.client.post("/v1/chat/completions", headers=headers, content=content)
    assert response.status_code in {200, 400, 404}
    if response.status_code != 200:
        assert {"message", "type", "param", "code"} <= set(response.json()["error"])
