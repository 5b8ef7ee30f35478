"""Chat completions: shape, streaming, consent, switch and log."""

import json
import logging
import time

import pytest

from osler.errors import EnvironmentLacks

QUESTION = "What is asthma in Maria Testperson?"


def sse(response):
    """Events of a streamed response, `[DONE]` as a string."""
    lines = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def code(response):
    error = response.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert response.headers["content-type"] == "application/json"
    assert len(response.headers["x-request-id"]) == 24
    return error["code"]


def test_an_answer_has_openai_shape_and_the_decision(bench):
    response = bench.ask()
    assert response.status_code == 200
    body = response.json()
    assert body["id"] == f"chatcmpl-{response.headers['x-request-id']}"
    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Asthma narrows the airways. Ask a doctor.",
                "refusal": None,
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    assert body["osler"] == {
        "action": "allow",
        "intent": "",
        "rule": "",
        "policy": "education@1.0.0",
        "gate": "passed",
    }


@pytest.mark.parametrize("question", ["What is asthma?", "I have chest pain", "help me forge a prescription"])
def test_streaming_gives_the_same_as_not_streaming(bench, question):
    whole = bench.ask(question).json()
    events = sse(bench.ask(question, stream=True, stream_options={"include_usage": True}))
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    parts = [event for event in events[:-1] if event["choices"]]
    text = "".join(part["choices"][0]["delta"].get("content", "") for part in parts)
    assert text == whole["choices"][0]["message"]["content"]
    assert parts[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert parts[0]["osler"] == parts[-1]["osler"] == whole["osler"]
    assert events[-2]["usage"] == whole["usage"]


def test_a_replaced_answer_says_content_filter(bench):
    body = bench.ask("help me forge a prescription").json()
    assert body["choices"][0]["finish_reason"] == "content_filter"
    assert body["osler"]["action"] == "refuse"
    assert body["osler"]["rule"] == "refuse.forgery"


def test_without_consent_there_is_no_answer_but_the_terms(bench):
    headers = {"Authorization": bench.headers["Authorization"]}
    response = bench.ask(headers=headers)
    assert response.status_code == 403
    assert code(response) == "consent_required"
    error = response.json()["error"]
    assert error["version"] == bench.gateway.terms.version
    assert "does not give medical advice" in error["terms"]
    assert bench.ask(headers={**headers, "X-Consent-Version": "000000000000"}).status_code == 403
    assert bench.guard.n_begun == 0
    assert bench.audit.rows == []


@pytest.mark.parametrize(
    ("question", "number"),
    [("I have chest pain", "911"), ("I want to kill myself", "988")],
    ids=["emergency", "crisis"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_emergency_and_crisis_are_answered_without_consent_and_with_the_switch_on(bench, question, number, stream):
    (bench.folder / "kill").touch()
    bench.gateway.switch.halt()
    response = bench.ask(question, headers={"Authorization": bench.headers["Authorization"]}, stream=stream)
    assert response.status_code == 200
    assert number in response.text
    assert bench.audit.rows[-1]["event"] == "answer"


def test_an_emergency_does_not_wait_for_a_busy_model(make_bench):
    def slow():
        time.sleep(1.5)
        yield "late"

    bench = make_bench(slow, timeout_s=0.1)
    assert code(bench.ask()) == "timeout"  # the model's thread is still busy after this
    began = time.monotonic()
    assert "911" in bench.ask("I have chest pain").text
    assert time.monotonic() - began < 1


def test_the_kill_file_stops_new_answers_at_once_and_without_restart(bench):
    (bench.folder / "kill").touch()
    bench.gateway.board.look()
    response = bench.ask()
    assert response.status_code == 503
    assert code(response) == "kill_switch"
    assert "911" in response.json()["error"]["message"]
    (bench.folder / "kill").unlink()
    bench.gateway.board.look()
    assert bench.ask().status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_the_kill_file_stops_an_open_answer_before_its_next_piece(make_bench, tmp_path, stream):
    def pieces():
        yield "first "
        time.sleep(0.3)
        (tmp_path / "kill").touch()
        bench.gateway.board.look()
        yield "second"

    bench = make_bench(pieces)
    response = bench.ask(stream=stream)
    assert "second" not in response.text
    assert "kill_switch" in response.text
    if stream:
        assert "[DONE]" not in response.text
    else:
        assert response.status_code == 503
    assert bench.audit.rows[-1]["finish"] == "kill_switch"
    assert 'finish="kill_switch"} 1' in bench.gateway.metrics.text()


def test_a_slow_model_is_broken_off(make_bench):
    def pieces():
        while True:
            time.sleep(0.05)
            yield "more "

    bench = make_bench(pieces, timeout_s=0.5)
    response = bench.ask()
    assert response.status_code == 504
    assert code(response) == "timeout"
    assert sse(bench.ask(stream=True))[-1]["error"]["code"] == "timeout"


def test_the_log_has_the_decision_and_lengths_but_no_text(bench, caplog):
    caplog.set_level(logging.DEBUG)
    bench.ask(QUESTION)
    bench.ask(QUESTION, stream=True)
    whole, opened, streamed = bench.audit.rows
    assert [whole["event"], opened["event"], streamed["event"]] == ["answer", "open", "answer"]
    assert whole["prompt_chars"] == len(QUESTION)
    assert whole["n_reply_chars"] == len("Asthma narrows the airways. Ask a doctor.")
    assert whole["n_turns"] == 1
    assert whole["artefact"] == "a" * 64
    assert whole["policy_sha256"] == "b" * 64
    assert whole["latency_ms"] >= 0
    different = {"request", "latency_ms", "streamed"}
    assert {name: whole[name] for name in whole if name not in different} == {
        name: streamed[name] for name in streamed if name not in different
    }
    written = json.dumps(bench.audit.rows) + caplog.text
    for secret in ("asthma", "Asthma", "Maria", "airways", "osler-test-key"):
        assert secret not in written


@pytest.mark.parametrize("question", ["What is asthma?", "I have chest pain"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), EnvironmentLacks("disk")])
def test_what_cannot_be_logged_is_not_answered(bench, question, stream, error):
    bench.audit.error = error
    response = bench.ask(question, stream=stream)
    assert response.status_code == 503
    assert code(response) == "audit_unavailable"
    assert "airways" not in response.text
    assert "local emergency number" in response.text


def test_a_stream_whose_end_cannot_be_logged_does_not_end_well(make_bench):
    def pieces():
        yield "text"
        bench.audit.error = OSError(28, "No space left on device")

    bench = make_bench(pieces)
    events = sse(bench.ask(stream=True))
    assert events[-1]["error"]["code"] == "audit_unavailable"
    assert all(event["choices"][0]["finish_reason"] is None for event in events[:-1])
    assert bench.audit.events() == ["open"]


def test_a_failing_model_tells_nothing_of_the_prompt(make_bench, caplog):
    def pieces():
        yield "Partly "
        raise ValueError("cannot tokenize: " + QUESTION)

    bench = make_bench(pieces)
    response = bench.ask(QUESTION)
    assert response.status_code == 500
    assert code(response) == "internal_error"
    assert "Partly" not in response.text
    assert sse(bench.ask(QUESTION, stream=True))[-1]["error"]["code"] == "internal_error"
    assert "Maria" not in caplog.text + response.text


def test_an_unreachable_upstream_is_503(make_bench):
    def pieces():
        raise EnvironmentLacks("no connection")
        yield ""

    assert code(make_bench(pieces).ask()) == "upstream_unavailable"


def test_a_failing_guard_blocks(bench, monkeypatch, caplog):
    def broken(conversation):
        raise RuntimeError(conversation[-1].content)

    monkeypatch.setattr(bench.guard, "judge", broken)
    response = bench.ask(QUESTION)
    assert response.status_code == 500
    assert code(response) == "internal_error"
    assert "Maria" not in caplog.text + response.text


def test_a_client_system_message_stands_below_ours(bench):
    messages = [
        {"role": "system", "content": "THEIR RULES"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "asthma?"}]},
    ]
    body = {"model": "osler", "messages": messages}
    assert bench.client.post("/v1/chat/completions", json=body, headers=bench.headers).status_code == 200
    system, *turns = bench.guard.seen[-1]
    assert system.role == "system"
    assert system.content.index("OUR RULES") < system.content.index("cannot change") < system.content.index("THEIR")
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "Hello"),
        ("assistant", "Yes?"),
        ("user", "What is\nasthma?"),
    ]


def test_keys_are_required_and_a_wrong_one_does_not_open(bench):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic abc"},
        {"Cookie": "osler_session=9e9.x"},
    ):
        response = bench.ask(headers=headers)
        assert response.status_code == 401
        assert code(response) == "invalid_api_key"
        assert bench.client.get("/v1/models", headers=headers).status_code == 401
    assert bench.guard.seen == []


def test_models_lists_the_one_model(bench):
    body = bench.client.get("/v1/models", headers=bench.headers).json()
    assert [model["id"] for model in body["data"]] == ["osler"]
