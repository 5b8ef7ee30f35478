"""Keys, limits, kill switch, audit log and replicas of the gateway, measured from outside on real processes.

Every replica is `osler.serve.run.serve` with the shipped policy, a real audit log and a scripted model that gives a word every
`PAUSE_S`. The clients count what they see; at the end the logs are read and verified. Run: `python benchmarks/serve_state.py`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from osler.guard.audit import AuditLog, Clock
from osler.guard.chain import read_rows, verify
from osler.runs.files import write_json
from osler.serve.keys import NewKey, new_key
from osler.serve.store import Limit, Store, open_store
from osler.serve.terms import read_terms

HERE = Path(__file__).resolve().parent
AUDIT_KEY = b"the same for all replicas of a run"
PAUSE_S = 0.05
QUESTION = {"model": "osler", "messages": [{"role": "user", "content": "What is asthma?"}]}


class Words:
    """A model that says a number of words, one at a time."""

    is_remote = False

    def __init__(self, n_words: int, pause_s: float) -> None:
        self.n_words, self.pause_s = n_words, pause_s

    def draft(self, _conversation: Any, max_tokens: int, _traceparent: str = "") -> Any:
        """Words to come."""
        from osler.serve.backend import Draft

        return Draft(self._pieces(min(self.n_words, max_tokens)))

    async def _pieces(self, n: int) -> AsyncGenerator[str, None]:
        for number in range(n):
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
            yield "The airways narrow. " if number % 4 == 3 else "It is so: "

    async def is_up(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing to let go of."""


class NoLog:
    """For comparison: what answering costs without a log."""

    id, failure, head = "none", None, SimpleNamespace(seq=0, mac="")

    def append(self, event: str, **facts: object) -> None:
        """Nothing."""

    async def write(self, event: str, **facts: object) -> None:
        """Nothing."""


def replica(folder: Path, name: str, store: str, n_words: int, pause_s: float, logged: str) -> None:
    """Serve until told to stop; SIGUSR1 sets this process's wall clock back by an hour."""
    from osler.guard.load import load_policy
    from osler.guard.wrap import Guard
    from osler.serve import Permit, ServeConfig, ServerFacts, serve
    from osler.serve.gateway import Answerer

    back = [0.0]
    signal.signal(signal.SIGUSR1, lambda *_: back.__setitem__(0, back[0] + 3600))
    policy = load_policy("education", datetime.now(UTC).date())
    clock = Clock(lambda: time.time() - back[0])
    audit: Any = AuditLog(folder / f"audit-{name}.jsonl", AUDIT_KEY, clock=clock) if logged == "yes" else NoLog()
    serve(
        Answerer(Guard(policy), Words(n_words, pause_s)),
        audit,
        ServeConfig(port=0, limits={"answers": 5000}, max_tokens=4096),
        ServerFacts(Permit("a" * 64), policy.name, policy.sha256, folder),
        lambda url: print(url, flush=True),
        store=open_store(store or None, folder),
    )


@dataclass
class Replica:
    """One running server."""

    process: subprocess.Popen[str]
    page: str
    address: str = ""

    def __post_init__(self) -> None:
        self.address = self.page.partition("/?")[0]

    def cpu_s(self) -> float:
        """CPU time so far."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(
    folder: Path,
    name: str = "one",
    store: str = "",
    *,
    n_words: int = 40,
    pause_s: float = PAUSE_S,
    logged: str = "yes",
) -> Iterator[Replica]:
    """A replica as a process of its own."""
    arguments = ["replica", str(folder), name, store, str(n_words), str(pause_s), logged]
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield Replica(process, process.stdout.readline().strip() if process.stdout else "")
        finally:
            process.terminate()


@dataclass
class Seen:
    """What a client saw of one request."""

    status: int = 0
    request: str = ""
    code: str = ""
    began: float = 0.0
    let_in: float = 0.0
    """When the response began."""
    last_text: float = 0.0
    """Of the last piece of text; 0 when there was none."""
    ended: float = 0.0
    is_whole: bool = False
    n_chars: int = 0
    headers: dict[str, str] = field(default_factory=dict)


async def ask(
    session: aiohttp.ClientSession, address: str, headers: dict[str, str], body: dict[str, Any] | None = None
) -> Seen:
    """One streamed answer."""
    seen = Seen(began=time.monotonic())
    try:
        async with session.post(
            f"{address}/v1/chat/completions", json={**QUESTION, "stream": True, **(body or {})}, headers=headers
        ) as response:
            seen.let_in = time.monotonic()
            seen.status, seen.request = response.status, response.headers["x-request-id"]
            seen.headers = {
                name: value for name, value in response.headers.items() if "ratelimit" in name or "retry" in name
            }
            if response.status != 200:
                seen.code = (await response.json())["error"]["code"]
            async for line in response.content:
                _read(line, seen)
    except (aiohttp.ClientError, ConnectionError) as error:
        seen.code = seen.code or type(error).__name__
    seen.ended = time.monotonic()
    return seen


def _read(line: bytes, seen: Seen) -> None:
    if line == b"data: [DONE]\n":
        seen.is_whole = True
    elif line.startswith(b"data: {"):
        event = json.loads(line[6:])
        if "error" in event:
            seen.code = event["error"]["code"]
        elif event["choices"] and (text := event["choices"][0]["delta"].get("content")):
            seen.last_text, seen.n_chars = time.monotonic(), seen.n_chars + len(text)


def headers_of(key: NewKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.secret}", "X-Consent-Version": read_terms().version}


def a_key(store: Store, limit: Limit | None = None) -> NewKey:
    made = new_key("bench", limit=limit)
    store.add_key(made.row)
    time.sleep(0.5)
    return made


def unlogged(folder: Path, seen: list[Seen]) -> dict[str, Any]:
    """Verify the logs, and look for whole answers that are not in them."""
    logged = set()
    rows = 0
    for path in sorted(folder.glob("audit-*.jsonl")):
        rows += verify(path, AUDIT_KEY).seq
        logged |= {row["request"] for row in read_rows(path) if row["event"] == "answer"}
    opened = {
        row["request"] for path in folder.glob("audit-*.jsonl") for row in read_rows(path) if row["event"] == "open"
    }
    whole = [one for one in seen if one.is_whole]
    begun = [one for one in seen if one.n_chars]
    return {
        "rows_that_hold": rows,
        "whole_answers": len(whole),
        "whole_answers_without_a_row": sum(one.request not in logged for one in whole),
        "answers_with_any_text": len(begun),
        "of_these_without_any_row": sum(one.request not in logged | opened for one in begun),
    }


def quantiles(values: list[float], digits: int = 3) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), digits),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], digits),
        "max": round(ordered[-1], digits),
    }


async def kill_switch(folder: Path, n_streams: int, level: str) -> dict[str, Any]:
    """`osler kill on` with `n_streams` open: when came the last text, and does it stay on after a restart?"""
    store = open_store(None, folder)
    key = a_key(store)
    urgent = {"messages": [{"role": "user", "content": "I have crushing chest pain and my left arm is numb"}]}
    with running(folder, n_words=4000) as one:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            rng = random.Random(0)

            async def stream() -> Seen:
                # Otherwise all sentences would come at the same moments.
                await asyncio.sleep(rng.random())
                return await ask(session, one.address, headers_of(key))

            streams = [asyncio.create_task(stream()) for _ in range(n_streams)]
            await asyncio.sleep(2 + n_streams / 100)
            command = [
                sys.executable,
                "-c",
                "from osler.cli.main import main; main()",
                "kill",
                "on",
                str(folder.parent),
            ]
            process = await asyncio.create_subprocess_exec(
                *command, "--reason", "measured", "--level", level, stdout=subprocess.DEVNULL
            )
            await process.wait()
            # The command's own start is not counted: the switch is on from the moment that the store has it.
            began = time.monotonic() - (time.time() - store.turns()[-1].at)
            done, late = await asyncio.wait(streams, timeout=5)
            for task in late:
                task.cancel()
            seen = [task.result() for task in done]
            refused, alive = await asyncio.gather(
                ask(session, one.address, headers_of(key)), ask(session, one.address, headers_of(key), urgent)
            )
    with running(folder, "again") as one:
        async with aiohttp.ClientSession() as session:
            again = await ask(session, one.address, headers_of(key))
    store.turn("off", "measured")
    turns = [row["level"] for row in read_rows(folder / "audit-one.jsonl") if row["event"] == "switch"]
    return {
        "level": level,
        "streams": n_streams,
        "streams_with_text_before": sum(one.n_chars > 0 for one in seen),
        "ended": len(seen),
        "code": sorted({one.code for one in seen}),
        "last_text_s_after_the_switch": quantiles([max(0.0, one.last_text - began) for one in seen]),
        "ended_s_after_the_switch": quantiles([max(0.0, one.ended - began) for one in seen]),
        "new_question": refused.code,
        "emergency_is_answered": alive.status == 200 and alive.is_whole,
        "after_a_restart": again.code,
        "recorded_in_the_log": turns[-1:],
        **unlogged(folder, seen),
    }


async def cost_of_the_log(folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """Whole answers a second with 32 clients, with the log and without, in turns."""
    found: dict[str, list[dict[str, float]]] = {"yes": [], "no": []}
    store = open_store(None, folder)
    key = a_key(store)
    for number in range(rounds * 2):
        logged = "yes" if number % 2 == 0 else "no"
        with running(folder, n_words=4, pause_s=0, logged=logged) as one:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                await load(session, one.address, headers_of(key), 32, 1.0)
                cpu = one.cpu_s()
                times = await load(session, one.address, headers_of(key), 32, seconds)
                used = one.cpu_s() - cpu
        found[logged].append(
            {
                "answers": len(times),
                "a_second": round(len(times) / seconds, 1),
                "cpu_ms_each": round(used / len(times) * 1000, 3),
                "median_ms": round(statistics.median(times) * 1000, 2),
                "p95_ms": round(sorted(times)[int(len(times) * 0.95)] * 1000, 2),
            }
        )
    medians = {
        logged: {name: statistics.median(one[name] for one in rows) for name in rows[0]}
        for logged, rows in found.items()
    }
    return {
        "clients": 32,
        "with_log": medians["yes"],
        "without": medians["no"],
        "rounds": found,
        "cpu_ms_of_the_log": round(medians["yes"]["cpu_ms_each"] - medians["no"]["cpu_ms_each"], 3),
        "median_ms_of_the_log": round(medians["yes"]["median_ms"] - medians["no"]["median_ms"], 2),
    }


async def load(
    session: aiohttp.ClientSession, address: str, headers: dict[str, str], clients: int, seconds: float
) -> list[float]:
    """Seconds that each whole, unstreamed answer took."""
    times: list[float] = []
    ends = time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < ends:
            began = time.monotonic()
            async with session.post(f"{address}/v1/chat/completions", json=QUESTION, headers=headers) as response:
                await response.read()
                response.raise_for_status()
            times.append(time.monotonic() - began)

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def full_disk(folder: Path) -> dict[str, Any]:
    """The log's file may not grow for three seconds, under load; then it may again."""
    store = open_store(None, folder)
    key, seen, stop = a_key(store), list[Seen](), asyncio.Event()
    with running(folder, n_words=4, pause_s=0.01) as one:
        pid = one.process.pid
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def client() -> None:
                while not stop.is_set():
                    seen.append(await ask(session, one.address, headers_of(key)))
                    await asyncio.sleep(0.01)

            clients = [asyncio.create_task(client()) for _ in range(16)]
            await asyncio.sleep(2)
            full = time.monotonic()
            size = (folder / "audit-one.jsonl").stat().st_size
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 2000, hard))
            await asyncio.sleep(2.5)
            async with session.get(f"{one.address}/readyz") as response:
                ready = (response.status, (await response.json())["checks"]["audit_log"])
            await asyncio.sleep(0.5)
            freed = time.monotonic()
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
            await asyncio.sleep(4)
            stop.set()
            await asyncio.gather(*clients)
            async with session.get(f"{one.address}/readyz") as response:
                ready_after = response.status
    during = [one for one in seen if full + 0.5 < one.began < freed]
    first = min((one.ended for one in seen if one.is_whole and one.began > freed), default=float("nan"))
    return {
        "requests": len(seen),
        "requests_while_full": len(during),
        "answered_while_full": sum(one.is_whole for one in during),
        "codes_while_full": sorted({one.code for one in during}),
        "readyz_while_full": ready,
        "readyz_after": ready_after,
        "first_answer_s_after_there_was_room": round(first - freed, 2),
        **unlogged(folder, seen),
    }


async def clock_jumps(folder: Path) -> dict[str, Any]:
    """The wall clock is set back by an hour three times under load."""
    store = open_store(None, folder)
    key, seen = a_key(store), list[Seen]()
    with running(folder, n_words=4, pause_s=0) as one:
        async with aiohttp.ClientSession() as session:
            for number in range(120):
                if number % 30 == 29 and number < 100:
                    one.process.send_signal(signal.SIGUSR1)
                    await asyncio.sleep(0.1)
                seen.append(await ask(session, one.address, headers_of(key)))
    jumps = [row["by_s"] for row in read_rows(folder / "audit-one.jsonl") if row["event"] == "clock_jump"]
    return {"jumps_recorded_s": jumps, **unlogged(folder, seen)}


async def killed_gateway(folder: Path, times: int) -> dict[str, Any]:
    """SIGKILL under load, again and again, on the same log."""
    store = open_store(None, folder)
    key, seen, rng = a_key(store), list[Seen](), random.Random(0)
    for _ in range(times):
        with running(folder, n_words=6, pause_s=0.005) as one:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

                async def client(session: aiohttp.ClientSession = session, address: str = one.address) -> None:
                    while True:
                        seen.append(await ask(session, address, headers_of(key)))
                        if seen[-1].status == 0:
                            return

                clients = [asyncio.create_task(client()) for _ in range(16)]
                await asyncio.sleep(0.5 + rng.random())
                one.process.kill()
                await asyncio.gather(*clients)
    with running(folder):
        pass  # sets a torn line aside
    return {"kills": times, "requests": len(seen), **unlogged(folder, seen)}


async def replicas(folder: Path, url: str, seconds: float = 12.0, clients: int = 12) -> dict[str, Any]:
    """Two replicas on one PostgreSQL under load, one of them killed; limits, consent and the switch across both."""
    with contextlib.closing(open_store(url, folder)) as store:
        return await _replicas(store, folder, url, seconds, clients)


async def _replicas(store: Store, folder: Path, url: str, seconds: float, clients: int) -> dict[str, Any]:
    n_requests, n_places = 300, 8
    keys = [a_key(store, Limit(requests=n_requests, tokens=10_000_000)), a_key(store, Limit(concurrency=n_places))]
    apart = a_key(store)
    seen: dict[tuple[str, int], list[Seen]] = {(name, kind): [] for name in ("one", "two") for kind in (0, 1)}
    short = {"max_tokens": 6}
    with running(folder, "one", url, n_words=400) as one, running(folder, "two", url, n_words=400) as two:
        both = {"one": one.address, "two": two.address}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            stop = asyncio.Event()
            await asyncio.sleep(60 - time.time() % 60 + 0.5 if time.time() % 60 > 55 - seconds else 0)
            minute = int(time.time() // 60)

            async def client(name: str, kind: int) -> None:
                while not stop.is_set():
                    last = await ask(session, both[name], headers_of(keys[kind]), short)
                    seen[name, kind].append(last)
                    if last.status == 0:
                        return
                    await asyncio.sleep(0.02 if last.status == 200 else 0.1)

            tasks = [asyncio.create_task(client(*both_of)) for both_of in seen for _ in range(clients)]
            await asyncio.sleep(seconds / 2)
            one.process.kill()
            killed = time.monotonic()
            await asyncio.sleep(seconds / 2)
            same_minute = minute == int(time.time() // 60)
            stop.set()
            await asyncio.gather(*tasks)
            alone = [s for s in seen["two", 1] if s.began > killed + 6 and s.status == 200]
            consent = await _consent(session, store, two, apart)
            with running(folder, "one", url, n_words=400) as again:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as fresh:
                    switch = await _switch(fresh, store, [again.address, two.address], apart)
                    cookie = await _cookie(fresh, again, two)
    every = [s for found in seen.values() for s in found]
    by_minute, at_once = [[s for name in both for s in seen[name, kind] if s.status == 200] for kind in (0, 1)]
    return {
        "database": "PostgreSQL, started for this",
        "requests": len(every),
        "refused_429": sum(s.status == 429 for s in every),
        "limit_of_requests_a_minute": n_requests,
        "let_in_within_the_minute": len(by_minute) if same_minute else None,
        "let_in_by_each": [sum(s.status == 200 for s in seen[name, 0]) for name in both],
        "limit_of_answers_at_once": n_places,
        "most_at_once_over_both": most_at_once(at_once),
        "most_at_once_on_the_survivor_when_the_other_was_lost": most_at_once(alone),
        "answered_by_each": [sum(s.is_whole for kind in (0, 1) for s in seen[name, kind]) for name in both],
        "answered_by_the_survivor_after_the_kill": sum(
            s.is_whole and s.began > killed for kind in (0, 1) for s in seen["two", kind]
        ),
        "consent": {**consent, **cookie},
        "switch": switch,
        **unlogged(folder, every),
    }


def most_at_once(seen: list[Seen]) -> int:
    """Most answers under way at one time, from the response's beginning to its last text."""
    events = sorted([(s.let_in, 1) for s in seen if s.is_whole] + [(s.last_text, -1) for s in seen if s.is_whole])
    now = most = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


async def _consent(session: aiohttp.ClientSession, store: Store, one: Replica, key: NewKey) -> dict[str, Any]:
    short = {"max_tokens": 1}
    bare = {"Authorization": f"Bearer {key.secret}"}
    urgent = {"messages": [{"role": "user", "content": "I want to kill myself"}]}
    before, crisis = await ask(session, one.address, bare, short), await ask(session, one.address, bare, urgent)
    began = time.monotonic()
    store.accept(key.row.id, read_terms().version)
    while (await ask(session, one.address, bare, short)).status == 403:
        pass
    return {
        "without": before.code,
        "crisis_without": crisis.status,
        "known_s_after_it_was_recorded": round(time.monotonic() - began, 2),
    }


async def _cookie(session: aiohttp.ClientSession, one: Replica, two: Replica) -> dict[str, Any]:
    """The page's session of one replica at the other."""
    async with session.get(one.page, allow_redirects=False) as response:
        cookie = response.cookies["osler_session"].value
    headers = {"Cookie": f"osler_session={cookie}", "X-Consent-Version": read_terms().version}
    async with aiohttp.ClientSession() as fresh:
        return {"page_session_of_one_at_the_other": (await ask(fresh, two.address, headers, {"max_tokens": 4})).status}


async def _switch(session: aiohttp.ClientSession, store: Store, addresses: list[str], key: NewKey) -> dict[str, Any]:
    headers = headers_of(key)
    streams = [
        asyncio.create_task(ask(session, address, headers, {"max_tokens": 4000}))
        for address in addresses
        for _ in range(20)
    ]
    await asyncio.sleep(2)
    began = time.monotonic()
    store.turn("halt", "measured")
    seen = await asyncio.gather(*streams)
    refused = [(await ask(session, address, headers)).code for address in addresses]
    store.turn("off", "measured")
    await asyncio.sleep(0.5)
    return {
        "streams": len(seen),
        "cut": sum(one.code == "kill_switch" for one in seen),
        "with_text_before": sum(one.n_chars > 0 for one in seen),
        "other_ends": sorted({one.code or f"{one.status} whole {one.is_whole}" for one in seen} - {"kill_switch"}),
        "last_text_s_after": quantiles([max(0.0, one.last_text - began) for one in seen]),
        "new_questions": refused,
    }


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The server that the tests start themselves."""
    sys.path.insert(0, str(HERE.parent / "tests" / "serve"))
    from conftest import local_postgres

    with local_postgres() as url:
        yield url


def measure(only: str, *, out: Path) -> None:
    results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    places = {
        "kill_switch_200": lambda folder: kill_switch(folder, 200, "halt"),
        "kill_switch_template_only_200": lambda folder: kill_switch(folder, 200, "template-only"),
        "kill_switch_1000": lambda folder: kill_switch(folder, 1000, "halt"),
        "cost_of_the_log": lambda folder: cost_of_the_log(folder, 4.0, 5),
        "full_disk": full_disk,
        "clock_jumps": clock_jumps,
        "killed_gateway": lambda folder: killed_gateway(folder, 10),
    }
    for name, measured in places.items():
        if only in {"all", name}:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / "run" / "serve"
                folder.mkdir(parents=True)
                (folder.parent / "recipe.json").write_text("{}", encoding="utf-8")
                results[name] = asyncio.run(measured(folder))
            print(name, json.dumps(results[name]), flush=True)
            write_json(out, results)
    if only in {"all", "replicas"}:
        with tempfile.TemporaryDirectory() as place, postgres() as url:
            results["replicas"] = asyncio.run(replicas(Path(place), url, 20.0, 24))
        print("replicas", json.dumps(results["replicas"]), flush=True)
        write_json(out, results)


def main() -> None:
    if sys.argv[1:2] == ["replica"]:
        folder, name, store, n_words, pause_s, logged = sys.argv[2:]
        replica(Path(folder), name, store, int(n_words), float(pause_s), logged)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="all")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "serve_state.json")
    given = parser.parse_args()
    measure(given.only, out=given.out)


if __name__ == "__main__":
    main()
