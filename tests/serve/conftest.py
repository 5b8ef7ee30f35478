"""A gateway on small fakes that keep the guard's interface."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from osler.errors import OslerError
from osler.guard.audit import TEXT_FACTS
from osler.guard.chain import Head
from osler.models.action import Verdict
from osler.serve.app import create_app
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.gateway import Gateway, open_gateway
from osler.serve.inprocess import InProcess
from osler.serve.keys import key_ring
from osler.serve.permit import Permit

KEY = "osler-test-key-0123456789"

VERDICTS = {
    "chest pain": Verdict("emergency", "emergency_symptoms", "emergency.chest_pain", None, 1.0),
    "kill myself": Verdict("crisis", "self_harm", "crisis.self_harm", None, 1.0),
    "forge": Verdict("refuse", "fraud", "refuse.forgery", None, 1.0),
}
TEMPLATES = {"emergency": "Call 911 now.", "crisis": "Call or text 988.", "refuse": "I cannot help with that."}


@dataclass
class FakeScreen:
    """Shows what it is fed."""

    verdict: Verdict

    @property
    def is_over(self):
        return self.verdict.action in TEMPLATES

    @property
    def finish(self):
        return "content_filter" if self.is_over else "stop"

    def begin(self):
        return TEMPLATES.get(self.verdict.action, "")

    def feed(self, piece):
        return piece

    def end(self):
        return ""


@dataclass
class FakeGuard:
    """Judges by a word in the last turn; otherwise gives the pieces it was made with. Guard and backend in one."""

    make_pieces: Callable[[], Iterator[str]]
    seen: list[Any] = field(default_factory=list)
    n_begun: int = 0
    n_closed: int = 0
    is_quick: bool = True
    library: Any = None

    def __post_init__(self):
        self.guard, self.name = self, "fake"
        self.backend = InProcess(self, lambda text: len(text.split()))

    def judge(self, conversation):
        self.seen.append(conversation)
        question = conversation[-1].content
        return next((verdict for words, verdict in VERDICTS.items() if words in question), Verdict("allow"))

    def screen(self, verdict, secret="", given="", country=None):
        return FakeScreen(verdict)

    def stream(self, conversation, max_tokens):
        self.n_begun += 1
        try:
            yield from self.make_pieces()
        finally:
            self.n_closed += 1


@dataclass
class FakeAudit:
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    id: str = "fake"
    failure: OSError | None = None

    @property
    def head(self):
        return Head(len(self.rows), "f" * 64)

    def check(self):
        return self.head

    async def write(self, event, **facts):
        self.append(event, **facts)

    def submit(self, event, **facts):
        done = Future()
        try:
            done.set_result(self.append(event, **facts))
        except (OSError, OslerError) as error:
            done.set_exception(error)
        return done

    def append(self, event, **facts):
        if self.error is not None:
            raise self.error
        lengths = {f"{name}_chars": len(str(facts.pop(name))) for name in TEXT_FACTS & facts.keys()}
        self.rows.append({"event": event, **facts, **lengths})

    def events(self):
        return [row["event"] for row in self.rows]


@dataclass
class Bench:
    """A gateway, what it writes to, and a client."""

    gateway: Gateway
    guard: FakeGuard
    audit: FakeAudit
    client: TestClient
    folder: Path

    @property
    def headers(self):
        return {"Authorization": f"Bearer {KEY}", "X-Consent-Version": self.gateway.terms.version}

    def ask(self, question="What is asthma?", headers=None, **more):
        body = {"model": "osler", "messages": [{"role": "user", "content": question}], **more}
        return self.client.post("/v1/chat/completions", json=body, headers=self.headers if headers is None else headers)


def default_pieces():
    return iter(["Asthma narrows ", "the airways. ", "Ask a doctor."])


@pytest.fixture
def make_bench(tmp_path):
    """Makes benches: `make_bench(make_pieces=..., **options of ServeConfig)`."""
    made = []

    def make(make_pieces=default_pieces, facts=None, **options):
        guard, audit = FakeGuard(make_pieces), FakeAudit()
        more = {
            "permit": Permit("a" * 64),
            "system_prompt": "OUR RULES",
            **(facts or {}),
        }
        gateway = open_gateway(
            guard,
            audit,
            key_ring([KEY]),
            ServeConfig(**options),
            ServerFacts(policy="education@1.0.0", policy_sha256="b" * 64, folder=tmp_path, **more),
        )
        client = TestClient(
            create_app(gateway), base_url="http://127.0.0.1:8710", client=("127.0.0.1", 50000), follow_redirects=False
        )
        client.__enter__()
        made.append((gateway, client))
        return Bench(gateway, guard, audit, client, tmp_path)

    yield make
    for gateway, client in made:
        client.__exit__(None, None, None)
        gateway.close()


@pytest.fixture
def bench(make_bench):
    """A gateway with the default options."""
    return make_bench()


@pytest.fixture
def fake_guard():
    """The class of guards that judge by a word."""
    return FakeGuard


@pytest.fixture
def fake_audit():
    """The class of logs kept in memory."""
    return FakeAudit


@pytest.fixture(scope="module")
def browser():
    """A real Chromium, once a file: while it runs, this thread has an event loop, and other tests could start none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine; install the package chromium")
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


@pytest.fixture
def open_page(browser):
    """Opens pages of a width, each in a context of its own; `page.complaints` has errors and breaches of policy."""
    contexts = []

    def make(width, **options):
        context = browser.new_context(viewport={"width": width, "height": 844 if width < 600 else 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda one: page.complaints.append(one.text) if "Security Policy" in one.text else None)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def check_page():
    """Checks a page with axe-core where that is installed, its width always, and keeps a picture: `check_page(page, name)`."""
    found = find_spec("axe_playwright_python")
    script = (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8") if found else ""
    shots = os.environ.get("OSLER_SHOTS")

    def check(page, name):
        width = page.viewport_size["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if shots:
            page.screenshot(path=Path(shots) / f"{name}-{width}.png")
        if script:
            page.evaluate(script)
            violations = page.evaluate("axe.run()")["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []

    return check


@contextlib.contextmanager
def local_postgres():
    """A PostgreSQL server of its own on a free port of this machine; gives the URL of an empty database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        pytest.skip("no PostgreSQL server is installed here")
    pytest.importorskip("pg8000", reason="pg8000 is not installed (extra postgres)")
    folder = Path(tempfile.mkdtemp(prefix="osler-postgres-"))
    as_nobody = []
    if os.geteuid() == 0:  # the server refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    initdb = [
        *as_nobody,
        found[-1],
        "-D",
        folder / "data",
        "-U",
        "osler",
        "-A",
        "trust",
        "-N",
        "--locale=C",
        "-E",
        "UTF8",
    ]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    options = [f"-cport={port}", "-clisten_addresses=127.0.0.1", f"-cunix_socket_directories={folder}", "-cfsync=off"]
    server = subprocess.Popen(
        [*as_nobody, found[-1].with_name("postgres"), "-D", folder / "data", *options],
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        for _ in range(200):
            ready = [found[-1].with_name("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            if subprocess.run(ready, check=False).returncode == 0:
                break
            time.sleep(0.05)
        yield f"postgresql://osler@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for clients
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a real server that the tests start themselves."""
    with local_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server):
    """URL of a real server without tables."""
    import pg8000.dbapi

    connection = pg8000.dbapi.connect(
        user="osler", host="127.0.0.1", port=urlsplit(postgres_server).port, database="postgres"
    )
    connection.autocommit = True
    connection.cursor().execute("DROP SCHEMA public CASCADE")
    connection.cursor().execute("CREATE SCHEMA public")
    connection.close()
    return postgres_server


@pytest.fixture(scope="session")
def fake_classes():
    """Both, for fixtures that live longer than a test."""
    return FakeGuard, FakeAudit
