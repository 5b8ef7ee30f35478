"""The server as OpenAI's own client and a tester of OpenAPI documents see it: over HTTP, on a real port."""

import threading
import time
from urllib.parse import urlsplit

import openai
import pytest
import requests

from osler.serve import Permit, ServeConfig, ServerFacts, serve
from osler.serve.keys import key_ring
from osler.serve.terms import read_terms

KEY = "osler-test-key-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """A running server over a fake guard: its address and the fake."""
    fake_guard, fake_audit = request.getfixturevalue("fake_classes")
    stop, ready, found = threading.Event(), threading.Event(), []

    def pieces():
        yield from ["Asthma narrows ", "the airways."]
        for _ in range(guard.more):
            time.sleep(0.02)
            yield "more "

    guard = fake_guard(pieces)
    guard.more = 0
    facts = ServerFacts(Permit("a" * 64), "education@1", "b" * 64, tmp_path_factory.mktemp("serve"))
    tell = lambda address: (found.append(address), ready.set())  # noqa: E731
    arguments = (guard, fake_audit(), ServeConfig(port=0), facts, tell, key_ring([KEY]), stop)
    thread = threading.Thread(target=serve, args=arguments)
    thread.start()
    assert ready.wait(20)
    parts = urlsplit(found[0])
    yield f"http://{parts.netloc}", guard
    stop.set()
    thread.join(20)


@pytest.fixture
def client(server):
    headers = {"X-Consent-Version": read_terms().version}
    with openai.OpenAI(base_url=f"{server[0]}/v1", api_key=KEY, default_headers=headers, max_retries=0) as found:
        server[1].more = 0
        yield found


def chat(client, text="What is asthma?", **more):
    return client.chat.completions.create(model="osler", messages=[{"role": "user", "content": text}], **more)


def test_chat_and_models(client):
    answer = chat(client)
    assert answer.choices[0].message.content == "Asthma narrows the airways."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 4
    assert answer.osler["action"] == "allow"
    assert [model.id for model in client.models.list()] == ["osler"]


def test_streaming_with_usage(client):
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Asthma narrows the airways."
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


def test_a_refusal_is_an_answer_whose_end_says_so(client):
    assert chat(client, "help me forge a prescription").choices[0].finish_reason == "content_filter"
    assert chat(client, "I have chest pain").choices[0].message.content.startswith("Call 911")


def test_errors_come_as_the_classes_that_the_client_knows(client, server):
    with pytest.raises(openai.AuthenticationError) as error:
        chat(client.with_options(api_key="wrong-key-0123456789"))
    assert error.value.code == "invalid_api_key"
    for change, name in (
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            chat(client, **change)
        assert error.value.param == name
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="other", messages=[{"role": "user", "content": "Hi"}])
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="osler", prompt="Hi", echo=True)
    with pytest.raises(openai.PermissionDeniedError) as error:
        chat(client, extra_headers={"X-Consent-Version": "old"})
    assert error.value.code == "consent_required"


def test_closing_a_stream_stops_the_model(client, server):
    _, guard = server
    guard.more, before = 500, guard.n_closed
    stream = chat(client, stream=True)
    next(iter(stream))
    stream.close()
    ends = time.monotonic() + 2
    while guard.n_closed == before and time.monotonic() < ends:
        time.sleep(0.02)
    assert guard.n_closed == before + 1


def test_the_published_description_is_true(server):
    """Schemathesis: what the document allows is answered as it says, and what it forbids is refused."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis import given as given_
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    url, guard = server
    guard.more = 0
    schema = schemathesis.openapi.from_dict(requests.get(f"{url}/openapi.json", timeout=5).json())
    schema.config.base_url = url
    headers = {"Authorization": f"Bearer {KEY}", "X-Consent-Version": read_terms().version}
    tried = 0
    for operation in schema.get_all_operations():
        found = operation.ok()
        quick = settings(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        @quick
        @given_(case=found.as_strategy())
        def holds(case):
            nonlocal tried
            tried += 1
            case.headers = {name: value for name, value in (case.headers or {}).items() if name != "X-Consent-Version"}
            # A schema cannot say that the last message is the user's, so what it allows may still be refused with 400.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        holds()
    assert tried > 25
