"""The page, its session, keys and readiness."""

from datetime import date

import pytest

from osler.errors import InputError
from osler.guard.load import load_policy
from osler.serve.keys import hash_key, key_ring, new_key, random_key
from osler.serve.session import Sessions
from osler.serve.terms import emergency_line, read_terms
from osler.serve.why import REASONS, reason


def test_the_page_without_a_session_shows_terms_and_no_form(bench):
    response = bench.client.get("/")
    assert response.status_code == 200
    assert "substitute for professional medical advice" in response.text
    assert "911" in response.text
    assert "<form" not in response.text


def test_the_one_time_address_opens_the_page_once(bench):
    token = bench.gateway.sessions.token
    response = bench.client.get("/", params={"token": token})
    assert response.status_code == 303
    assert response.headers["location"] == "/"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "<form" in bench.client.get("/").text
    bench.client.cookies.clear()
    assert bench.client.get("/", params={"token": token}).status_code == 200
    assert "<form" not in bench.client.get("/").text


def test_the_pages_session_may_ask_but_not_from_another_site(bench):
    bench.client.get("/", params={"token": bench.gateway.sessions.token})
    consent = {"X-Consent-Version": bench.gateway.terms.version}
    assert bench.ask(headers={**consent, "Origin": "http://127.0.0.1:8710"}).status_code == 200
    assert bench.audit.rows[-1]["caller"] == "page"
    for origin in ("http://127.0.0.1:9000", "https://evil.example", "null"):
        assert bench.ask(headers={**consent, "Origin": origin}).status_code == 401
    assert bench.ask(headers={**consent, "Authorization": "Bearer wrong"}).status_code == 401


def test_a_session_of_another_process_or_an_altered_one_is_not_valid():
    mine, other = Sessions(), Sessions()
    cookie = other.spend(other.token)
    assert other.read(cookie)
    assert not mine.read(cookie)
    name, ends, accepted, signature = cookie.split(".")
    for forged in ("", ".", f"{name}.{int(ends) + 1}.{accepted}.{signature}", f"1.{signature}", "\ud800.\ud800"):
        assert not other.read(forged)
    assert other.spend("") is None
    assert mine.spend("wrong") is None
    assert mine.token is not None


def test_a_reader_whose_session_is_over_is_told_so_and_not_of_keys(bench):
    for headers in ({"Cookie": "osler_session=over"}, {"Origin": "http://127.0.0.1:8710"}):
        told = bench.ask(headers=headers).json()["error"]["message"]
        assert "session is over" in told
        assert "key" not in told
    assert "Bearer" in bench.ask(headers={}).json()["error"]["message"]


def test_every_response_carries_a_strict_policy(bench):
    for path in ("/", "/livez", "/static/page.js", "/nothing"):
        headers = bench.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("name", ["page.js", "page.css", "icon.svg"])
def test_the_page_needs_nothing_from_elsewhere(bench, name):
    for text in (bench.client.get(f"/static/{name}").text, bench.client.get("/").text):
        assert "https://" not in text.replace("http://www.w3.org", "")
        assert "innerHTML" not in text
        assert " style=" not in text


def test_the_terms_version_follows_the_text():
    terms = read_terms()
    assert len(terms.version) == 12
    assert [part[0] for part in terms.text.split("\n\n")] == ["#", "T", "B", "-"]
    for words in ("education", "diagnosis", "errors", "substitute", "verify", "911"):
        assert words in terms.text


def test_keys_are_found_by_hash_only():
    key = random_key()
    ring = key_ring([random_key(), key])
    assert key not in repr(ring)
    assert ring[1].hash == hash_key(key)
    with pytest.raises(InputError, match="16"):
        key_ring(["short"])


def test_ready_means_the_canaries_get_their_action(bench, monkeypatch):
    response = bench.client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["checks"]["canary_1_emergency"] is True
    assert bench.guard.n_begun == 0
    monkeypatch.setattr("osler.serve.ready.CANARIES", (("I took all my pills", "emergency"),))
    assert bench.client.get("/readyz").status_code == 503
    assert bench.client.get("/livez").status_code == 200


@pytest.mark.parametrize("what", ["kill", "drain"])
def test_a_server_that_stops_is_not_ready(bench, what):
    if what == "kill":
        (bench.folder / "kill").touch()
        bench.gateway.board.look()
    else:
        bench.gateway.switch.drain()
    assert bench.client.get("/readyz").status_code == 503
    assert bench.ask().json()["error"]["code"] == {"kill": "kill_switch", "drain": "draining"}[what]


def test_a_server_whose_gate_was_overridden_says_so_on_page_and_answers(make_bench):
    from osler.serve.permit import Permit

    bench = make_bench(facts={"permit": Permit("a" * 64, overridden=True, reason="demo", failed_checks=("x",))})
    assert "did not pass its examination" in bench.client.get("/").text
    assert bench.ask().json()["osler"]["gate"] == "overridden"


@pytest.mark.parametrize("keeps", [False, True])
def test_a_service_that_keeps_texts_says_so_before_consent(make_bench, keeps):
    bench = make_bench(facts={"keeps_texts": keeps})
    assert ("keeps texts of answers" in bench.client.get("/").text) is keeps


def admin(bench, key="osler-test-key-0123456789", **headers):
    """Enters the operator's page; further headers go with each request."""
    headers = {"Origin": "http://127.0.0.1:8710", **headers}
    return bench.client.post("/admin/enter", data={"key": key}, headers=headers)


def test_the_operators_page_needs_a_key_of_its_scope_and_a_form_of_its_own(bench):
    store = bench.gateway.board.store
    made = {scope: new_key(scope, [scope]) for scope in ("chat", "admin")}
    for one in made.values():
        store.add_key(one.row)
    bench.gateway.board.look()
    assert admin(bench, made["chat"].secret).status_code == 403
    assert admin(bench, made["admin"].secret, Origin="http://127.0.0.1:9000").status_code == 403
    assert admin(bench, made["admin"].secret, Origin="null").status_code == 403
    assert "Kill switch" not in bench.client.get("/admin").text
    turned = {"level": "halt", "reason": "x"}
    own = {"Origin": "http://127.0.0.1:8710"}
    bench.client.post("/admin/switch", data=turned, headers=own)
    assert bench.gateway.board.level == "off"  # nobody has entered yet
    assert admin(bench, made["admin"].secret).status_code == 303
    assert "Kill switch" in bench.client.get("/admin").text
    for headers in ({}, {"Origin": "https://evil.example"}):
        assert bench.client.post("/admin/switch", data=turned, headers=headers).status_code == 403
    assert bench.client.post("/admin/switch", data={"level": "halt", "reason": " "}, headers=own).status_code == 400
    assert bench.gateway.board.level == "off"
    assert bench.client.post("/admin/switch", data=turned, headers=own).status_code == 303
    assert bench.gateway.board.level == "halt"
    assert [row["did"] for row in bench.audit.rows if row["event"] == "admin"] == ["switch"]
    store.revoke_key(made["admin"].row.id)
    bench.gateway.board.look()
    assert "Kill switch" not in bench.client.get("/admin").text


def test_a_key_named_as_the_operators_own_loses_the_page_when_it_is_revoked(bench):
    made = new_key("given", ["admin"])
    bench.gateway.board.store.add_key(made.row)
    bench.gateway.board.look()
    assert admin(bench, made.secret).status_code == 303
    assert "Kill switch" in bench.client.get("/admin").text
    bench.gateway.board.store.revoke_key(made.row.id)
    bench.gateway.board.look()
    assert "Kill switch" not in bench.client.get("/admin").text


@pytest.mark.parametrize(
    "header", [{"X-Forwarded-For": "10.0.0.9"}, {"Via": "1.1 proxy"}, {"Forwarded": "for=10.0.0.9"}]
)
def test_the_operators_page_is_not_there_behind_a_proxy(bench, header):
    assert bench.client.get("/admin", headers=header).status_code == 404
    assert admin(bench, **header).status_code == 404


def test_a_report_without_its_fields_or_without_a_session_is_refused(bench):
    report = {"request": "chatcmpl-0123", "kind": "wrong"}
    assert bench.client.post("/report", json=report).status_code == 401
    bench.client.get("/", params={"token": bench.gateway.sessions.token})
    assert bench.client.post("/report", json=report).status_code == 204
    for change in ({"kind": "x"}, {"request": "Maria"}, {"note": "x" * 2001}, {"more": 1}):
        assert bench.client.post("/report", json={**report, **change}).status_code == 400
    assert bench.client.post("/report", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert (bench.folder / "reports.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("language", "number"),
    [
        ("en-GB,en;q=0.8", "999"),
        ("de", "112"),
        ("en-AU", "000"),
        ("en", "911 in the US"),
        ("zh-Hant-TW", "911 in the US"),
        ("", "112 in Europe"),
    ],
)
def test_the_emergency_number_is_that_of_the_readers_place(language, number):
    assert number in emergency_line(language, {"gb": "999", "de": "112", "au": "000"})


def test_every_reason_is_told_in_plain_words():
    policy = load_policy("education", date(2026, 1, 1))
    for rule in (*policy.rules, *policy.output_rules):
        assert reason("refuse", rule.intent, rule.id) != REASONS["other"], rule.id
    for intent in policy.sense.actions:
        assert reason("refuse", intent, f"classifier.{intent}") != REASONS["other"]
    assert reason("allow", "", "") == ""
