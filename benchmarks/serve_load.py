"""What the gateway costs beside a bare proxy and LiteLLM's: CPU a request, CPU a token, requests a second, a thousand streams, memory.

    python benchmarks/serve_load.py                            # a few minutes
    python benchmarks/serve_load.py --litellm VENV/bin/litellm # with LiteLLM's proxy beside it
    python benchmarks/serve_load.py --minutes 30               # half an hour of load, for the memory alone
    python benchmarks/serve_load.py --run runs/demo            # response time of a run's own model

All servers are one process with one worker, on loopback, before the same scripted server. `osler serve` runs as users start it: key,
consent, limits, guard, audit log with fsync. CPU time is that of the server's threads by the scheduler's own count, from /proc; it
depends less on what else runs on the machine than requests a second do. "Beside the guard" is the same server with a guard that
looks at nothing; the guard's own checks are timed apart too, in this process.
Writes benchmarks/results/serve_load.json; `--minutes` and `--run` write into the same file.
"""

import argparse
import asyncio
import http.client
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RESULT = Path(__file__).parent / "results" / "serve_load.json"
KEY = "osler-benchmark-key-0123456789"
QUESTION = "What are the common symptoms of asthma?"
SENTENCES = (
    "Asthma is a long-term disease of the airways. It makes them narrow and swollen. People cough, wheeze and feel short of breath. "
    "Many have it since childhood. A doctor can explain what helps. "
)
CONNECTIONS = 8
ROUNDS = 3
REQUESTS = 600
LITELLM_REQUESTS = 120
STREAM_TOKENS = 400
STREAMS = 24
OPEN_STREAMS = 1000


def pieces(n: Any) -> Any:
    words = [f"{word} " for word in SENTENCES.split()]
    return [words[at % len(words)] for at in range(n)]


# --- the scripted server: a question that begins with a number gets so many tokens, each after so many milliseconds ---------------


async def scripted(port: Any) -> Any:  # noqa: C901  (one small server)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"

    def chunked(data: Any) -> Any:
        return b"%x\r\n%s\r\n" % (len(data), data)

    def event(piece: Any, finish: Any = None) -> Any:
        choice = {"index": 0, "delta": {"content": piece} if piece else {}, "finish_reason": finish}
        body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return chunked(b"data: " + json.dumps(body).encode() + b"\n\n")

    events = [event(piece) for piece in pieces(2000)]
    models = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()

    async def answer(reader: Any, writer: Any) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                found = [line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = json.loads(await reader.readexactly(int(found[0][15:]))) if found else None
                if body is None:
                    writer.write(head % b"application/json" + chunked(models) + b"0\r\n\r\n")
                    continue
                n, wait_ms = (
                    (int(part) for part in ([*body["messages"][-1]["content"].split("|"), "0", "0"])[1:3])
                    if "|" in body["messages"][-1]["content"]
                    else (20, 0)
                )
                usage = {"prompt_tokens": 20, "completion_tokens": n, "total_tokens": 20 + n}
                if not body.get("stream"):
                    message = {"role": "assistant", "content": "".join(pieces(n))}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    whole = {
                        "id": "c",
                        "object": "chat.completion",
                        "created": 1,
                        "model": "m",
                        "choices": [choice],
                        "usage": usage,
                    }
                    writer.write(head % b"application/json" + chunked(json.dumps(whole).encode()) + b"0\r\n\r\n")
                    continue
                writer.write(head % b"text/event-stream")
                if wait_ms:
                    for one in events[:n]:
                        writer.write(one)
                        await asyncio.sleep(wait_ms / 1000)
                else:
                    for at in range(0, n, 4):  # as a busy server's writes come in: a few tokens at a time
                        writer.write(b"".join(events[at : min(at + 4, n)]))
                        await writer.drain()
                        await asyncio.sleep(0)
                counts = {
                    "id": "c",
                    "object": "chat.completion.chunk",
                    "created": 1,
                    "model": "m",
                    "choices": [],
                    "usage": usage,
                }
                writer.write(event("", "stop") + chunked(b"data: " + json.dumps(counts).encode() + b"\n\n"))
                writer.write(chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=2048) as server:
        await server.serve_forever()


async def bare_proxy(port: Any, upstream: Any) -> Any:
    """The least that a proxy with aiohttp on both sides can do: no key, no guard, no log."""
    import aiohttp
    from aiohttp import web

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def chat(request: Any) -> Any:
        body = await request.read()
        async with session.post(
            f"{upstream}/chat/completions", data=body, headers={"content-type": "application/json"}
        ) as got:
            response = web.StreamResponse(headers={"content-type": got.content_type})
            await response.prepare(request)
            async for block in got.content.iter_any():
                await response.write(block)
            return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", lambda _: web.json_response({}))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
    await asyncio.Event().wait()


# --- servers as processes ---------------------------------------------------------------------------------------------------------


def free_port() -> Any:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """A server under load."""

    def __init__(self, name: Any, pid: Any, port: Any, headers: Any, model: Any) -> None:
        self.name, self.pid, self.port, self.model = name, pid, port, model
        self.headers = "".join(f"{key}: {value}\r\n" for key, value in headers.items())

    def cpu_s(self) -> Any:
        """CPU time so far."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9

    def rss_mb(self) -> Any:
        """Memory in use."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@contextmanager
def started(command: Any, ready_url: Any, env: Any = None, log: Any = None) -> Any:
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=log or subprocess.DEVNULL, stderr=log or subprocess.DEVNULL
    )
    try:
        ends = time.monotonic() + 120
        while True:
            with suppress(OSError):
                connection = http.client.HTTPConnection(urlsplit(ready_url).netloc, timeout=2)
                connection.request("GET", urlsplit(ready_url).path)
                if connection.getresponse().status < 500:
                    break
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"{command[:3]} did not start")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def osler_before(upstream: Any, folder: Any, program: Any = ("-m", "osler")) -> Any:
    """`osler serve` before the scripted server, with room for a thousand answers."""
    from osler.serve.terms import read_terms

    run, port = folder / "load", free_port()
    run.mkdir(exist_ok=True)
    serve = {"upstream": {"url": upstream, "model": "m"}, "limits": {"answers": 2000}, "timeout_s": 600}
    recipe = {"name": "load", "model": {"system_prompt": "Explain."}, "guard": {}, "serve": serve}
    (run / "recipe.json").write_text(json.dumps(recipe))
    command = [sys.executable, *program, "serve", "load", "--runs", str(folder), "--port", str(port)]
    headers = {"authorization": f"Bearer {KEY}", "x-consent-version": read_terms().version}
    with (
        (folder / "osler.log").open("wb") as log,
        started(command, f"http://127.0.0.1:{port}/livez", {"OSLER_API_KEY": KEY}, log) as pid,
    ):
        yield Server("osler", pid, port, headers, "osler")


def serve_unguarded(arguments: Any) -> None:
    """`osler serve` with a guard that looks at nothing."""
    from osler.cli.main import main as osler
    from osler.guard import wrap
    from osler.models.action import Verdict

    class Nothing:
        is_quick, is_over, finish, verdict = True, False, "stop", Verdict("allow")

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def judge(self, _: Any) -> Any:
            return self.verdict

        def screen(self, *_: Any, **__: Any) -> Any:
            return Nothing()

        def begin(self) -> Any:
            return ""

        def feed(self, piece: Any) -> Any:
            return piece

        def end(self) -> Any:
            self.is_over = True
            return ""

    wrap.Guard = Nothing  # type: ignore[misc,assignment]
    sys.argv = ["osler", *arguments]
    osler()


@contextmanager
def bare_before(upstream: Any) -> Any:
    port = free_port()
    command = [sys.executable, __file__, "--role", "bare", "--port", str(port), "--upstream", upstream]
    with started(command, f"http://127.0.0.1:{port}/v1/models") as pid:
        yield Server("bare aiohttp proxy", pid, port, {}, "m")


@contextmanager
def litellm_before(upstream: Any, program: Any, folder: Any) -> Any:
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/m\n"
        f"      api_base: {upstream}\n      api_key: none\nlitellm_settings:\n  telemetry: false\n"
        f"general_settings:\n  master_key: sk-{KEY}\n"
    )
    command = [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    with (
        (folder / "litellm.log").open("wb") as log,
        started(command, f"http://127.0.0.1:{port}/health/liveliness", {"LITELLM_LOG": "ERROR"}, log) as pid,
    ):
        yield Server("LiteLLM proxy", pid, port, {"authorization": f"Bearer sk-{KEY}"}, "m")


# --- the load ---------------------------------------------------------------------------------------------------------------------


def request_of(server: Any, question: Any, stream: Any) -> Any:
    body = {"model": server.model, "messages": [{"role": "user", "content": question}], "stream": stream}
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n{server.headers}"
    return f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


async def response_of(reader: Any) -> Any:
    """Status, body and the time of the body's first byte that holds text."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"\r\ntransfer-encoding: chunked" not in head:
        length = int(next(line[15:] for line in head.split(b"\r\n") if line.startswith(b"content-length:")))
        return status, await reader.readexactly(length), time.perf_counter()
    body, first = [], None
    while size := int((await reader.readline()).split(b";")[0], 16):
        part = await reader.readexactly(size)
        await reader.readexactly(2)
        if (
            first is None
            and (b'"content":"' in part or b'"content": "' in part)
            and b'"content":""' not in part.replace(b" ", b"")
        ):
            first = time.perf_counter()
        body.append(part)
    await reader.readline()
    return status, b"".join(body), first or time.perf_counter()


async def load(server: Any, question: Any, stream: Any, n_requests: Any, n_connections: Any) -> Any:
    """Latencies and times to the first text, in seconds; every answer must have status 200."""
    latencies, firsts, left = [], [], n_requests
    payload = request_of(server, question, stream)

    async def connection() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 22)
        while left > 0:
            left -= 1
            began = time.perf_counter()
            writer.write(payload)
            status, body, first = await response_of(reader)
            if status != 200 or (stream and b"[DONE]" not in body):
                raise SystemExit(f"{server.name} answered {status}: {body[-300:]!r}")
            latencies.append(time.perf_counter() - began)
            firsts.append(first - began)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(n_connections)))
    return latencies, firsts


def measured(server: Any, question: Any, stream: Any, n_requests: Any, n_connections: Any = CONNECTIONS) -> Any:
    cpu, began = server.cpu_s(), time.perf_counter()
    latencies, firsts = asyncio.run(load(server, question, stream, n_requests, n_connections))
    wall = time.perf_counter() - began
    return {
        "cpu_ms": 1000 * (server.cpu_s() - cpu) / n_requests,
        "per_s": n_requests / wall,
        "p50_ms": 1000 * statistics.median(latencies),
        "p95_ms": 1000 * statistics.quantiles(latencies, n=20)[-1],
        "first_p95_ms": 1000 * statistics.quantiles(firsts, n=20)[-1],
    }


def spread(rounds: Any, name: Any) -> Any:
    values = sorted(one[name] for one in rounds)
    return {"median": round(statistics.median(values), 3), "from": round(values[0], 3), "to": round(values[-1], 3)}


def costs(server: Any, n_requests: Any) -> Any:
    """Requests and tokens, in rounds."""
    measured(server, QUESTION, False, n_requests // 4)
    requests = [measured(server, QUESTION, False, n_requests) for _ in range(ROUNDS)]
    few = [measured(server, QUESTION + "|20|0", True, STREAMS) for _ in range(ROUNDS)]
    many = [measured(server, f"{QUESTION}|{STREAM_TOKENS}|0", True, STREAMS) for _ in range(ROUNDS)]
    tokens = [{"us": 1000 * (b["cpu_ms"] - a["cpu_ms"]) / (STREAM_TOKENS - 20)} for a, b in zip(few, many, strict=True)]
    return {
        "requests": n_requests,
        "rounds": ROUNDS,
        "cpu_ms_a_request": spread(requests, "cpu_ms"),
        "requests_a_second": spread(requests, "per_s"),
        "p95_ms": spread(requests, "p95_ms"),
        "cpu_us_a_streamed_token": spread(tokens, "us"),
        "rss_mb": round(server.rss_mb()),
    }


def guard_costs() -> Any:
    """CPU of the guard's own checks: of one request with its answer, and of one streamed token."""
    from osler.guard.load import load_policy
    from osler.guard.wrap import Guard
    from osler.records.record import Message

    guard = Guard(load_policy("education", datetime.now(UTC).date()))

    def once(n: Any) -> None:
        conversation = (Message("system", "Explain."), Message("user", QUESTION))
        screen = guard.screen(guard.judge(conversation), "Explain.", QUESTION)
        for piece in pieces(n):
            screen.feed(piece)
        screen.end()

    def cpu_s(n: Any, times: Any) -> Any:
        began = time.process_time()
        for _ in range(times):
            once(n)
        return (time.process_time() - began) / times

    cpu_s(20, 50)
    short, long = cpu_s(20, 300), cpu_s(STREAM_TOKENS, 30)
    return {
        "cpu_ms_a_request": round(1000 * short, 3),
        "cpu_us_a_streamed_token": round(1e6 * (long - short) / (STREAM_TOKENS - 20), 1),
    }


def open_streams(server: Any) -> Any:
    """A thousand streams at once, each of 60 tokens over 15 s."""
    before = server.rss_mb()
    found = measured(server, QUESTION + "|60|250", True, OPEN_STREAMS, OPEN_STREAMS)
    return {
        "streams": OPEN_STREAMS,
        "tokens_each": 60,
        "token_every_ms": 250,
        "finished": OPEN_STREAMS,
        "cpu_ms_a_stream": round(found["cpu_ms"], 2),
        "first_text_p95_ms": round(found["first_p95_ms"]),
        "longest_p95_ms": round(found["p95_ms"]),
        "rss_mb_before": round(before),
        "rss_mb_after": round(server.rss_mb()),
    }


def soak(server: Any, seconds: Any) -> Any:
    """Memory under load: requests and streams without a pause, the resident size every ten seconds."""
    began, samples, n = time.monotonic(), [], 0
    while time.monotonic() - began < seconds:
        asyncio.run(load(server, QUESTION, False, 400, CONNECTIONS))
        asyncio.run(load(server, QUESTION + "|100|0", True, 40, CONNECTIONS))
        n += 440
        if not samples or time.monotonic() - began - samples[-1][0] >= 10:
            samples.append((round(time.monotonic() - began), round(server.rss_mb(), 1)))
        time.sleep(0.5)
    half = [mb for at, mb in samples if at > seconds / 2]
    slope = statistics.linear_regression(*zip(*[one for one in samples if one[0] > seconds / 2], strict=True)).slope
    return {
        "seconds": seconds,
        "answers": n,
        "rss_mb_start": samples[0][1],
        "rss_mb_end": samples[-1][1],
        "rss_mb_second_half": [min(half), max(half)],
        "slope_mb_an_hour_second_half": round(3600 * slope, 2),
        "samples": samples[:: max(1, len(samples) // 20)],
    }


def response_times(run: Any) -> Any:
    """`osler serve RUN` with its own model, sixty questions, one and four at a time."""
    from osler.serve.terms import read_terms

    port, questions = free_port(), 60
    command = [sys.executable, "-m", "osler", "serve", str(run), "--override", "benchmark", "--port", str(port)]
    headers = {"authorization": f"Bearer {KEY}", "x-consent-version": read_terms().version}
    began = time.monotonic()
    with started(command, f"http://127.0.0.1:{port}/readyz", {"OSLER_API_KEY": KEY}) as pid:
        start_s = time.monotonic() - began
        server = Server("osler", pid, port, headers, "osler")
        first = measured(server, QUESTION, False, 2, 1)
        found = {n: measured(server, QUESTION, False, questions, n) for n in (1, 4)}
    return {
        "run": run.name,
        "backend": "gguf",
        "questions": questions,
        "start_s": round(start_s, 1),
        "first_answers_ms": round(first["p50_ms"]),
        **{f"p95_ms_{n}_at_a_time": round(one["p95_ms"]) for n, one in found.items()},
    }


def main() -> None:
    if sys.argv[1:2] == ["unguarded"]:
        serve_unguarded(sys.argv[2:])
        return
    options = argparse.ArgumentParser()
    options.add_argument("--role")
    options.add_argument("--port", type=int)
    options.add_argument("--upstream")
    options.add_argument("--litellm")
    options.add_argument("--minutes", type=float)
    options.add_argument("--run", type=Path)
    chosen = options.parse_args()
    if chosen.role:
        asyncio.run(scripted(chosen.port) if chosen.role == "scripted" else bare_proxy(chosen.port, chosen.upstream))
        return
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    result |= {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
    }
    if chosen.run:
        result["response_time"] = response_times(chosen.run)
    else:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = free_port()
            upstream = f"http://127.0.0.1:{port}/v1"
            command = [sys.executable, __file__, "--role", "scripted", "--port", str(port)]
            stack.enter_context(started(command, f"{upstream}/models"))
            with osler_before(upstream, folder) as server:
                if chosen.minutes:
                    result["soak"] = soak(server, 60 * chosen.minutes)
                else:
                    result["osler"] = costs(server, REQUESTS)
                    result["open_streams"] = open_streams(server)
            if not chosen.minutes:
                with osler_before(upstream, folder, (__file__, "unguarded")) as server:
                    result["osler_beside_its_guard"] = costs(server, REQUESTS)
                result["guard_alone"] = guard_costs()
                with bare_before(upstream) as server:
                    result["bare"] = costs(server, REQUESTS)
                if chosen.litellm:
                    with litellm_before(upstream, chosen.litellm, folder) as server:
                        result["litellm"] = costs(server, LITELLM_REQUESTS)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    main()
