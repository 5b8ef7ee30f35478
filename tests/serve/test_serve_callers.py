"""Keys of the store at the gateway: limits and their headers, scopes, consent on record, the switch's levels, a log that fails."""

import asyncio
import sys

import pytest
from starlette.testclient import TestClient

from osler.serve.app import create_app
from osler.serve.fault import Fault
from osler.serve.keys import new_key
from osler.serve.store import Limit


def opened(bench, scopes=("chat",), limit=None, *, accepts=False):
    """Headers of a new key."""
    made = new_key("ward", scopes, limit)
    store = bench.gateway.board.store
    store.add_key(made.row)
    if accepts:
        store.accept(made.row.id, bench.gateway.terms.version)
    bench.gateway.board.look()
    consent = {} if accepts else {"X-Consent-Version": bench.gateway.terms.version}
    return {"Authorization": f"Bearer {made.secret}", **consent}, made


def still(bench):
    """The minute does not end during the test."""
    now = bench.gateway.board.now()
    bench.gateway.board.now = lambda: now - now % 60 + 20


def test_every_response_to_a_limited_key_says_what_is_left_and_the_last_one_when_to_come_back(bench):
    still(bench)
    headers, _ = opened(bench, limit=Limit(requests=3, tokens=100_000))
    left = [bench.ask(headers=headers), bench.ask(headers=headers, stream=True), bench.ask(headers=headers, what=1)]
    assert [response.status_code for response in left] == [200, 200, 400]
    assert [response.headers["x-ratelimit-remaining-requests"] for response in left] == ["2", "1", "0"]
    assert all(response.headers["x-ratelimit-limit-tokens"] == "100000" for response in left)
    refused = bench.ask(headers=headers)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "911" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "40"
    assert refused.headers["x-ratelimit-reset-requests"] == "40s"
    assert "x-ratelimit-limit-requests" not in bench.ask().headers, "the operator's own key has no limit"


def test_what_an_answer_did_not_use_is_put_back(bench):
    still(bench)
    headers, _ = opened(bench, limit=Limit(tokens=400))
    for _ in range(5):
        response = bench.ask(headers=headers, max_tokens=200)
        assert response.status_code == 200
    used = 5 * response.json()["usage"]["total_tokens"]
    assert response.headers["x-ratelimit-limit-tokens"] == "400"
    assert 0 < used < 200
    refused = bench.ask(headers=headers, max_tokens=256, messages=[{"role": "user", "content": "long " * 80}])
    assert refused.status_code == 429
    assert "tokens" in refused.json()["error"]["message"]
    never = bench.ask(headers=headers, max_tokens=256, messages=[{"role": "user", "content": "long " * 150}])
    assert (never.status_code, never.json()["error"]["code"]) == (400, "request_too_large")


def test_an_urgent_reply_needs_no_tokens(bench):
    headers, _ = opened(bench, limit=Limit(tokens=1))
    assert bench.ask(headers=headers).status_code == 400
    assert "911" in bench.ask("I have chest pain", headers=headers).json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [("203.0.113.9", "203.0.113.9", "203.0.113.10"), ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")],
)
def test_an_address_of_another_machine_is_limited_with_and_without_a_key_and_stored_as_a_hash(
    make_bench, one, same, other
):
    bench = make_bench(limits={"address_requests": 3})
    still(bench)

    def from_address(address, headers):
        client = TestClient(create_app(bench.gateway), base_url="http://127.0.0.1:8710", client=(address, 5000))
        return client.get("/v1/models", headers=headers).status_code

    assert from_address(one, bench.headers) == 200
    assert [from_address(one, {"Authorization": "Bearer guessed"}) for _ in range(2)] == [401, 401]
    assert from_address(same, bench.headers) == 429
    assert from_address(other, bench.headers) == 200
    assert [from_address("127.0.0.1", bench.headers) for _ in range(5)] == [200] * 5
    assert one.encode() not in b"".join(path.read_bytes() for path in bench.folder.glob("store.db*"))


def test_places_are_free_again_after_any_end(make_bench):
    def broken():
        yield "x"
        raise Fault(503, "upstream_unavailable", "gone")

    bench = make_bench(broken)
    headers, made = opened(bench, limit=Limit(concurrency=1))
    for stream in (True, False, True, False):
        assert bench.ask(headers=headers, stream=stream).status_code in {200, 503}
        assert bench.ask(headers=headers, what=1).status_code == 400
    assert bench.gateway.limits.account(f"key {made.row.id}", made.row.limit)._open == 0


def test_a_key_opens_only_its_scopes(bench):
    headers, _ = opened(bench, scopes=("guard",))
    response = bench.ask(headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_scope")


def test_consent_on_record_for_the_key_is_consent(bench):
    headers, made = opened(bench, accepts=True)
    assert bench.ask(headers=headers).status_code == 200
    assert bench.audit.rows[-1]["consent"] == bench.gateway.terms.version
    assert bench.audit.rows[-1]["who"] == made.row.id
    bench.gateway.board.store.revoke_key(made.row.id)
    bench.gateway.board.look()
    assert bench.ask(headers=headers).status_code == 401


def test_consent_in_the_pages_cookie_is_consent(bench):
    sessions = bench.gateway.sessions
    cookie = sessions.spend(sessions.token)
    for value, status in ((cookie, 403), (sessions.accept(cookie, "old"), 403)):
        assert bench.ask(headers={"Cookie": f"osler_session={value}"}).status_code == status
    accepted = sessions.accept(cookie, bench.gateway.terms.version)
    assert bench.ask(headers={"Cookie": f"osler_session={accepted}"}).status_code == 200


@pytest.mark.parametrize(("level", "refusal"), [("template-only", 200), ("drain", 503), ("halt", 503)])
def test_fixed_replies_go_on_at_the_level_that_says_so_and_urgent_ones_at_every(bench, level, refusal):
    bench.gateway.board.store.turn(level, "why")
    bench.gateway.board.look()
    assert bench.ask().json()["error"]["code"] == "kill_switch"
    assert bench.ask("help me forge a prescription").status_code == refusal
    assert bench.ask("I want to kill myself").status_code == 200
    assert bench.client.get("/readyz").json()["checks"]["kill_switch_off"] is False


def test_the_switch_ends_no_fixed_reply_that_it_let_begin(bench, monkeypatch):
    write = bench.audit.write

    async def slow(event, **facts):
        await asyncio.sleep(0.3)  # the switch is looked at every tenth of a second
        await write(event, **facts)

    monkeypatch.setattr(bench.audit, "write", slow)
    bench.gateway.board.store.turn("template-only", "why")
    bench.gateway.board.look()
    for stream in (False, True):
        response = bench.ask("help me forge a prescription", stream=stream)
        assert "I cannot help with that." in response.text


def test_a_log_that_fails_makes_the_server_unready_and_asks_no_model(bench):
    bench.audit.failure = bench.audit.error = OSError(28, "No space left on device")
    response = bench.ask()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "audit_unavailable")
    assert bench.guard.n_begun == 0
    ready = bench.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["audit_log"]) == (503, False)
    bench.audit.failure = bench.audit.error = None
    assert bench.ask().status_code == 200


@pytest.mark.slow
def test_two_replicas_on_a_real_postgresql_keep_limits_consent_switch_and_logs_and_one_may_be_killed(
    postgres_url, tmp_path, monkeypatch, repository
):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    monkeypatch.setenv("PYTHONPATH", str(repository / "src"))
    serve_state = __import__("serve_state")
    try:
        found = asyncio.run(serve_state.replicas(tmp_path, postgres_url, 16.0, 8))
    finally:
        sys.modules.pop("serve_state")
    assert found["whole_answers"] > 50
    assert found["whole_answers_without_a_row"] == found["of_these_without_any_row"] == 0
    assert (found["let_in_within_the_minute"] or 0) <= 300
    assert 2 <= found["most_at_once_over_both"] <= 8
    assert found["answered_by_the_survivor_after_the_kill"] > 0
    assert found["switch"]["cut"] == found["switch"]["streams"] == 40
    assert found["switch"]["last_text_s_after"]["max"] <= 1.0
    assert found["consent"]["without"] == "consent_required"
    assert found["consent"]["crisis_without"] == found["consent"]["page_session_of_one_at_the_other"] == 200
