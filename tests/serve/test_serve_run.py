"""A real server on a free port: start, stop, disconnects and draining."""

import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import pytest

from osler.errors import EnvironmentLacks
from osler.models.http import HttpModel
from osler.models.protocol import Reply
from osler.records.record import Message
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.http import listen, run_until
from osler.serve.keys import key_ring
from osler.serve.permit import Permit
from osler.serve.run import serve
from osler.serve.terms import read_terms

KEY = "osler-test-key-0123456789"
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "X-Consent-Version": read_terms().version,
    "Content-Type": "application/json",
}


def endless(log):
    def pieces():
        try:
            for number in range(2000):
                time.sleep(0.02)
                log.append(number)
                yield f"word{number} "
        finally:
            log.append("closed")

    return pieces


@pytest.fixture
def running(tmp_path, fake_guard, fake_audit):
    """A server in a thread: `with running(make_pieces, **options) as (address, stop, audit)`."""

    @contextmanager
    def run(make_pieces=lambda: iter(["Yes."]), permission=None, **options):
        stop, ready, found, audit = threading.Event(), threading.Event(), [], fake_audit()

        def on_ready(address):
            found.append(address)
            ready.set()

        facts = ServerFacts(permission or Permit("a" * 64), "education@1.0.0", "b" * 64, tmp_path)
        config = ServeConfig(port=0, **options)
        arguments = (fake_guard(make_pieces), audit, config, facts, on_ready, key_ring([KEY]), stop)
        thread = threading.Thread(target=serve, args=arguments)
        thread.start()
        try:
            assert ready.wait(20)
            yield urlsplit(found[0]), stop, audit
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

    return run


def post(address, stream):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    body = {"model": "osler", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
    return connection


@contextmanager
def streaming(address):
    """A streamed response after its first event."""
    with closing(post(address, stream=True)) as connection, closing(connection.getresponse()) as response:
        assert response.readline().startswith(b"data: ")
        yield response


def until(is_done, at_most_s=3.0):
    ends = time.monotonic() + at_most_s
    while not is_done() and time.monotonic() < ends:
        time.sleep(0.02)
    return is_done()


def test_start_and_stop_are_on_record_and_the_address_opens_the_page(running):
    with running() as (address, _, audit):
        with urllib.request.urlopen(address.geturl(), timeout=10) as response:
            assert response.status == 200
            assert b"Before you ask" in response.read()
        assert audit.events() == ["start"]
    assert audit.events() == ["start", "stop"]
    assert audit.rows[0]["options"]["host"] == "127.0.0.1"


def test_an_override_is_on_record_before_anything_is_served(running):
    permission = Permit("a" * 64, overridden=True, reason="for a class", failed_checks=("medqa: 0.2",))
    with running(permission=permission) as (_, _, audit):
        assert audit.rows[0] == {"event": "override", "reason": "for a class", "failed_checks": ["medqa: 0.2"]}
        assert audit.events() == ["override", "start"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_the_model_within_a_second(running, stream):
    log = []
    with running(endless(log)) as (address, _, audit):
        connection = post(address, stream)
        if stream:
            assert connection.getresponse().readline().startswith(b"data: ")
        assert until(lambda: len(log) > 5)
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        assert until(lambda: log[-1] == "closed", 1.0)
        assert until(lambda: audit.rows[-1].get("finish") == "cancelled")


def test_a_kill_file_ends_an_open_stream_within_a_second(running, tmp_path):
    log = []
    with running(endless(log)) as (address, _, _), streaming(address) as response:
        (tmp_path / "kill").touch()
        began = time.monotonic()
        rest = response.read()
        assert time.monotonic() - began < 1.0
        assert b"kill_switch" in rest
        assert b"[DONE]" not in rest


def test_a_stopping_server_lets_an_open_answer_finish(running):
    def pieces():
        for word in ("one ", "two ", "three"):
            time.sleep(0.3)
            yield word

    with running(pieces) as (address, stop, audit), streaming(address) as response:
        stop.set()
        rest = response.read()
        assert b"three" in rest
        assert b"[DONE]" in rest
    assert audit.rows[-1]["event"] == "stop"
    assert audit.rows[-1]["n_unfinished"] == 0


def test_an_answer_that_outlives_the_drain_ends_with_an_error_event(running):
    log = []
    with running(endless(log), drain_s=0.3) as (address, stop, audit), streaming(address) as response:
        stop.set()
        rest = response.read()
        assert b'"draining"' in rest
        assert b"[DONE]" not in rest
    assert audit.rows[-2]["finish"] == "draining"


def test_the_http_model_of_this_project_gets_text_and_decision(running):
    with running(lambda: iter(["Asthma narrows ", "the airways."])) as (address, _, _):
        url = f"http://{address.netloc}/v1"
        headers = {"X-Consent-Version": read_terms().version}
        model = HttpModel(url, KEY, headers)
        question = (Message("user", "What is asthma?"),)
        assert model.reply([question], 20) == [Reply("Asthma narrows the airways.", "stop", "allow")]
        assert "".join(model.stream(question, 20)) == "Asthma narrows the airways."
        (urgent,) = model.reply([(Message("user", "I have chest pain"),)], 20)
        assert (urgent.finish, urgent.action, urgent.rule) == ("content_filter", "emergency", "emergency.chest_pain")
        with pytest.raises(EnvironmentLacks, match=r"403 \(consent_required\)"):
            HttpModel(url, KEY).reply([question], 20)


def test_requests_beyond_the_waiting_room_get_429(running):
    with running(endless([]), limits={"answers": 2}) as (address, _, _), ExitStack() as held:
        for _ in range(2):
            held.enter_context(streaming(address))
        for stream in (False, True):
            connection = held.enter_context(closing(post(address, stream=stream)))
            refused = connection.getresponse()
            assert refused.status == 429
            assert refused.headers["retry-after"] == "1"
            assert json.loads(refused.read())["error"]["code"] == "rate_limit_exceeded"


def test_a_burst_gets_no_more_answers_than_there_are_places(running):
    with running(endless([]), limits={"answers": 3}, timeout_s=2) as (address, _, _), ExitStack() as held:
        waiting = [held.enter_context(closing(post(address, stream=True))) for _ in range(20)]
        assert sorted(one.getresponse().status for one in waiting) == [200] * 3 + [429] * 17


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_does_not_start_says_so():
    async def app(scope, receive, send):
        raise RuntimeError("broken")

    with closing(listen("127.0.0.1", 0)) as listener, pytest.raises(EnvironmentLacks, match="took no requests"):
        run_until(threading.Event(), app, listener, lambda: None, lambda: None)


def test_a_port_in_use_is_named_with_what_to_do(tmp_path, fake_guard, fake_audit):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentLacks, match=rf"port {port} .*--port 0"):
            serve(
                fake_guard(lambda: iter(())),
                fake_audit(),
                ServeConfig(port=port),
                ServerFacts(Permit("a"), "p", "b", tmp_path),
                lambda _: None,
            )


def test_no_start_on_record_no_server(tmp_path, fake_guard, fake_audit):
    called = []
    with pytest.raises(OSError, match="No space"):
        serve(
            fake_guard(lambda: iter(())),
            fake_audit(error=OSError(28, "No space left on device")),
            ServeConfig(port=0),
            ServerFacts(Permit("a"), "p", "b", tmp_path),
            called.append,
        )
    assert called == []


def test_logs_hold_no_paths_that_could_be_text(running, caplog):
    caplog.set_level(logging.INFO)
    with running() as (address, _, _):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        connection.request("GET", "/Maria-Testperson?q=asthma")
        assert connection.getresponse().status == 404
        connection.close()
    assert "Maria" not in caplog.text
    assert "asthma" not in caplog.text


PROGRAM = """
import json
import sys
from pathlib import Path
from osler.guard.audit import AuditLog
from osler.serve import Permit, ServeConfig, ServerFacts, serve
from osler.serve.gateway import Answerer
from osler.serve.inprocess import InProcess

log = AuditLog(Path(sys.argv[1]) / "audit.jsonl", b"k" * 32)
facts = ServerFacts(Permit("a"), "p", "b", Path(sys.argv[1]))
serve(Answerer(None, InProcess(None)), log, ServeConfig(port=0), facts, lambda url: print(url, flush=True))
print([json.loads(line)["event"] for line in (Path(sys.argv[1]) / "audit.jsonl").open()])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_exit_code_0(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "['start', 'stop']" in out
    assert "Traceback" not in err
