"""An endpoint of the chat completions API that answers by script: well, badly, slowly, with errors, or not at all."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[dict[str, Any], int], tuple[int, Any, float]]
"""Body and number of the call for this prompt (from 0) to status (0: cut the connection), answer or text, and seconds to wait."""


class Served:
    """What the endpoint was asked."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.times: Counter[str] = Counter()
        self.paid = 0
        """Replies that were sent whole with status 200."""
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def scripted_endpoint(script: Script) -> Iterator[Served]:
    """Serve `script` on a free loopback port."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - http.server's name
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = json.dumps(body["messages"])
            with served.lock:
                served.calls.append(body)
                number = served.times[prompt]
                served.times[prompt] += 1
            status, answer, wait_s = script(body, number)
            time.sleep(wait_s)
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            if isinstance(answer, str):
                answer = {
                    "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 50},
                }
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0.01")
            self.end_headers()
            self.wfile.write(content)
            if status == 200:
                with served.lock:
                    served.paid += 1

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A connection that the script cuts, or a killed client, is no error of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def first_passage(body: dict[str, Any]) -> str:
    """The text of the first passage in a prompt of the generators that ship."""
    prompt = body["messages"][1]["content"]
    found = re.search(r"\[1\] \([^\n]*\)\n(.*?)\n\n(?:\[2\]|Write|Topic|Explain)", prompt, re.DOTALL)
    assert found, "the prompt has no passage"
    return found[1].strip()


def good_scenario(body: dict[str, Any]) -> dict[str, Any]:
    """A reply to the generator of emergencies that every check lets through: steps and quote in the passage's words."""
    sentences = re.split(r"(?<=[.!?])\s+|\n", first_passage(body))
    quote = max(sentences, key=len)[:800].strip()
    content = [word for word in re.findall(r"[A-Za-z]{4,}", quote)]
    return {
        "scenario": f"My neighbour works in a clinic and asks me about {' '.join(content[:6])} because something went wrong. "
        f"She mentions {' '.join(content[-5:])}. What should we do now?",
        "steps": [f"Think of {' '.join(content[:5])} first", f"Then see to {' '.join(content[5:10]) or 'the rest'} with help"],
        "quote": quote,
    }
