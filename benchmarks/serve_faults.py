"""What the gateway does when things go wrong: processes killed, requests malformed, clients slow, bodies too large.

    python benchmarks/serve_faults.py runs/demo

Runs `osler serve` with llama.cpp behind it and a client that misbehaves. Writes benchmarks/results/serve_faults.json.
"""

import asyncio
import http.client
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osler.serve.terms import read_terms
from serve_load import KEY, QUESTION, free_port

RESULT = Path(__file__).parent / "results" / "serve_faults.json"
MALFORMED = 10_000
BODY = {"model": "osler", "messages": [{"role": "user", "content": QUESTION}]}


class Gateway:
    """One `osler serve`."""

    def __init__(self, run: Any) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "osler", "serve", str(run), "--override", "faults", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env={**os.environ, "OSLER_API_KEY": KEY}, stdout=subprocess.DEVNULL)
        self.headers = {
            "authorization": f"Bearer {KEY}",
            "x-consent-version": read_terms().version,
            "content-type": "application/json",
        }
        until(lambda: self.get("/readyz") == 200, 120)

    def get(self, path: Any) -> Any:
        """Status of a path; 0 where nothing answers."""
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", path)
            return connection.getresponse().status
        return 0

    def ask(self, body: Any = None, **more: Any) -> Any:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", body or json.dumps({**BODY, **more}), self.headers)
        response = connection.getresponse()
        return response.status, response.read()

    def child(self) -> Any:
        """The process of llama.cpp."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        every = [
            int(pid)
            for task in Path(f"/proc/{self.process.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        return int(found[0]) if found else every[0]

    def stop(self) -> Any:
        """The exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def until(is_so: Any, at_most_s: Any) -> Any:
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > at_most_s:
            raise SystemExit("waited too long")
        time.sleep(0.02)
    return round(time.monotonic() - began, 2)


def is_alive(pid: Any) -> Any:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def model_killed(gateway: Any) -> Any:
    os.kill(gateway.child(), signal.SIGKILL)
    statuses = []

    def answers() -> Any:
        statuses.append(gateway.ask()[0])
        return statuses[-1] == 200

    return {"answers_again_after_s": until(answers, 60), "statuses_until_then": dict(Counter(map(str, statuses[:-1])))}


def gateway_killed(gateway: Any, run: Any) -> Any:
    child = gateway.child()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        data = json.dumps({**BODY, "stream": True}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in gateway.headers.items())
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}content-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        began = client.recv(65536)
        gateway.process.kill()
        gateway.process.wait()
        rest = b""
        with suppress(OSError):
            while part := client.recv(65536):
                rest += part
    gone = until(lambda: not is_alive(child), 20)
    again = Gateway(run)
    verified = subprocess.run(
        [sys.executable, "-m", "osler", "audit", "verify", str(run)], capture_output=True, check=False
    )
    return again, {
        "stream_ended_without_done": b"[DONE]" not in began + rest,
        "llama_cpp_gone_after_s": gone,
        "audit_verify_exit_code": verified.returncode,
        "answers_after_restart": again.ask()[0],
    }


def mutated(rng: Any) -> Any:
    """A request with something wrong in its head or its body."""
    body = bytearray(json.dumps(BODY).encode())
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(body))
        if rng.random() < 0.5:
            body[at] = rng.randrange(256)
        else:
            del body[at : at + rng.randint(1, 10)]
            body += b" "
    method, path = (
        rng.choice(["POST"] * 8 + ["GET", "PUT", "\x00"]),
        rng.choice(["/v1/chat/completions"] * 8 + ["/v1/../x", "/%00", "/" + "a" * 9000]),
    )
    length = len(body) if rng.random() < 0.8 else rng.choice([0, 3, -1, "x", 10**12])
    return (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n".encode(
            "latin-1"
        )
        + bytes(body)
    )


async def malformed(port: Any) -> Any:
    rng, found, left = random.Random(9), Counter(), MALFORMED

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(mutated(rng))
            writer.write_eof()
            async with asyncio.timeout(30):
                answer = await reader.read()
            found[answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "closed"] += 1
        except TimeoutError:
            found["no answer in 30 s"] += 1
        except OSError:
            found["closed"] += 1
        finally:
            writer.close()

    async def many() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await one()

    await asyncio.gather(*(many() for _ in range(16)))
    return dict(sorted(found.items()))


def slow(gateway: Any, head_only: Any) -> Any:
    """Seconds until a client that sends a byte a second is sent away, and with what."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
    data = head if head_only else f"{head}content-length: 1000\r\n\r\n"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(data.encode())
        client.settimeout(1.0)
        while time.monotonic() - began < 60:
            with suppress(TimeoutError):
                answer = client.recv(4096)
                return {
                    "after_s": round(time.monotonic() - began, 1),
                    "with": answer[9:12].decode() or "connection closed",
                }
            with suppress(OSError):
                client.sendall(b"x")
    return {"after_s": None}


@contextmanager
def held(gateway: Any, n: Any) -> Any:
    """Connections that send half a head and wait."""
    clients = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(n)]
    for client in clients:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
    yield
    for client in clients:
        client.close()


def main() -> None:
    run = Path(sys.argv[1])
    gateway = Gateway(run)
    result = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": platform.platform(), "run": run.name}
    result["model_killed"] = model_killed(gateway)
    gateway, result["gateway_killed"] = gateway_killed(gateway, run)
    result["malformed"] = {
        "requests": MALFORMED,
        "by_status": asyncio.run(malformed(gateway.port)),
        "ask_after": gateway.ask()[0],
    }
    with held(gateway, 500):
        result["answers_beside_500_half_heads"] = gateway.ask()[0]
    result["slow_head"], result["slow_body"] = slow(gateway, True), slow(gateway, False)
    result["body_of_10_mb"] = gateway.ask(b" " * 10_000_000)[0]
    result["sigterm_exit_code"] = gateway.stop()
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
