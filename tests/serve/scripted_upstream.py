"""A model's server that answers every request with the same bytes, as misbehaving as they are."""

import asyncio
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(text=None, finish=None, delta=None, **more):
    """One event of a stream."""
    delta = ({} if text is None else {"content": text}) if delta is None else delta
    body = {"id": "x", "object": "chat.completion.chunk", **more}
    return (
        b"data: "
        + json.dumps({**body, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode()
        + b"\n\n"
    )


END = event(finish="stop") + b"data: [DONE]\n\n"


@dataclass
class ScriptedUpstream:
    """What it sends, and what it was asked."""

    script: list = field(default_factory=list)
    """Bytes are sent, numbers waited for (seconds); the connection is closed at the end."""
    head: bytes = HEAD
    url: str = ""
    bodies: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    n_cut: int = 0
    """Answers that the gateway broke off."""

    async def answer(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.headers.append(head.decode("latin-1"))
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            body = await reader.readexactly(length)
            self.bodies.append(json.loads(body) if body else None)
            writer.write(self.head)
            gone = asyncio.ensure_future(reader.read())
            for part in self.script:
                if isinstance(part, bytes):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                else:
                    await asyncio.wait([gone], timeout=part)
                if gone.done():
                    self.n_cut += 1
                    return
            gone.cancel()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.n_cut += 1
        finally:
            writer.close()


@contextmanager
def scripted_upstream(*script, head=HEAD):
    """A running `ScriptedUpstream`."""
    found, started = ScriptedUpstream(list(script), head), threading.Event()
    loop = asyncio.new_event_loop()

    async def run():
        server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        started.set()
        await found_stop.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # in which their sockets are closed

    found_stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    started.wait(5)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(found_stop.set)
        thread.join(5)
        loop.close()
