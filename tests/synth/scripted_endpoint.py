"""An endpoint of the chat completions API that answers by script: well, badly, slowly, with errors, or not at all."""

import json
import re
import threading
import time
import zlib
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
        def do_POST(self) -> None:
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


_NUMBERS = re.compile(
    r"[a-z]*(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty|fifty|sixty|hundred|half)[a-z]*"
)
_LEANS = frozenset(
    [
        "this",
        "these",
        "table",
        "figure",
        "page",
        "section",
        "chapter",
        "document",
        "guideline",
        "guidelines",
        "passage",
        "text",
    ]
)


def good_scenario(body: dict[str, Any]) -> dict[str, Any]:
    """A reply to the generator of emergencies that every check should let through: its words are words of the passage."""
    sentences = re.split(r"(?<=[.!?])\s+|\n", first_passage(body))
    quote = max(sentences, key=len)[:800].strip()
    content = [word for word in re.findall(r"[A-Za-z]{4,}", quote) if word.lower() not in _LEANS]
    content = [word for word in content if not _NUMBERS.fullmatch(word.lower())]
    return {
        "scenario": f"My neighbour works in a clinic and asks me about {' '.join(content[:6])} because something went wrong. "
        f"She mentions {' '.join(content[-5:])}. What should we do now?",
        "steps": [
            f"Think of {' '.join(content[:5])} first",
            f"Then see to {' '.join(content[5:10]) or 'the rest'} with help",
        ],
        "quote": quote,
    }


FAULTS = (
    "good",
    "not_json",
    "invented_quote",
    "wrong_number",
    "leans",
    "repaired",
    "busy",
    "broken",
    "cut",
    "slow",
    "diagnosis",
)
REASONS = {
    "not_json": "bad_reply",
    "invented_quote": "quote_not_found",
    "wrong_number": "number_not_in_passage",
    "leans": "needs_the_page",
    "diagnosis": "unsafe_answer",
}
"""The reason for which each kind of bad answer must be dropped; the other kinds must be kept."""


def fault_of(body: dict[str, Any]) -> str:
    """What this prompt gets, told from the prompt alone: half of them a good answer at once."""
    number = zlib.crc32(body["messages"][1]["content"].encode()) % (2 * len(FAULTS))
    return FAULTS[number] if number < len(FAULTS) else "good"


def faulty(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
    """A script with every kind of answer and fault."""
    reply, fault = good_scenario(body), fault_of(body)
    if fault == "not_json" or (fault == "repaired" and len(body["messages"]) == 2):
        return 200, "Sure! Here is what you asked for: {", 0.0
    if fault in ("busy", "broken") and number < 2:
        return (429 if fault == "busy" else 500), {"error": {"message": "later"}}, 0.0
    if fault == "cut" and number < 1:
        return 0, "", 0.0
    if fault == "invented_quote":
        reply["quote"] = "Every rescuer carries four blue ribbons to the northern gate before sunrise."
    if fault == "wrong_number":
        reply["steps"].append("Then give 4711 mg of it by mouth")
    if fault == "leans":
        reply["scenario"] += " The answer is described in the passage."
    if fault == "diagnosis":
        reply["steps"].append("You definitely have pneumonia, so there is no need to see a doctor")
    return 200, json.dumps(reply), 0.3 if fault == "slow" else 0.0
