"""Counters for Prometheus, in its text format, on a port of their own. No text of anybody, no key, no address.

Written by hand: the official client keeps a lock for each number and weighs more than all that is counted here.
Format: https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from osler.models.action import Verdict
from osler.serve.fault import Fault

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""
_HELP = {
    "requests_total": "Responses by status and error code.",
    "verdicts_total": "The guard's decisions about questions, by action and rule.",
    "answers_total": "Answers by the decision about the whole of them and the reason of their end.",
    "guard_seconds": "Time to judge a question.",
    "first_text_seconds": "Time from a request to the first text that was released.",
    "answer_seconds": "Time from a request to the end of its answer.",
    "reply_characters_total": "Characters released.",
    "reply_tokens_total": "Tokens that the model made.",
    "upstream_errors_total": "Answers that the model did not finish, by code.",
    "open_answers": "Answers being made now.",
    "ready": "Whether the last look at /readyz found everything in order.",
}


class Metrics:
    """What is counted. Changed by the event loop alone; read by any thread."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * (len(_BOUNDS) + 2))
        self.gauges: dict[str, Callable[[], float]] = {}
        self.decisions = Counter[tuple[str, str, str]]()
        """Questions by action, intent and rule."""

    def count(self, name: str, labels: str = "", by: float = 1.0) -> None:
        """Add to a counter; labels as the format has them (`code="timeout"`)."""
        self._counts[name, labels] += by

    def time(self, name: str, seconds: float) -> None:
        """Put a time into its histogram."""
        buckets = self._times[name]
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        buckets[-1] += seconds

    def judged(self, verdict: Verdict, seconds: float) -> None:
        """A question was judged."""
        self.decisions[verdict.action, verdict.intent, verdict.rule] += 1
        self._counts["verdicts_total", f'action="{verdict.action}",rule="{verdict.rule}"'] += 1
        self.time("guard_seconds", seconds)

    def failed(self, error: Exception) -> None:
        """The model did not finish an answer."""
        code = error.code if isinstance(error, Fault) else type(error).__name__
        self._counts["upstream_errors_total", f'code="{code}"'] += 1

    def text(self) -> str:
        """All of it, in the text format."""
        lines = []
        for name in sorted({name for name, _ in list(self._counts)}):
            lines += _head(name, "counter")
            lines += [
                f"{_named(name, labels)} {value:g}"
                for (one, labels), value in sorted(self._counts.items())
                if one == name
            ]
        for name, buckets in sorted(self._times.items()):
            lines += [*_head(name, "histogram"), *_histogram(name, list(buckets))]
        for name, value_of in sorted(self.gauges.items()):
            lines += [*_head(name, "gauge"), f"osler_{name} {value_of():g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str) -> list[str]:
    return [f"# HELP osler_{name} {_HELP[name]}", f"# TYPE osler_{name} {kind}"]


def _named(name: str, labels: str) -> str:
    return f"osler_{name}{{{labels}}}" if labels else f"osler_{name}"


def _histogram(name: str, buckets: list[float]) -> list[str]:
    lines, so_far = [], 0.0
    for bound, n in zip((*_BOUNDS, "+Inf"), buckets[:-1], strict=True):
        so_far += n
        lines.append(f'osler_{name}_bucket{{le="{bound}"}} {so_far:g}')
    return [*lines, f"osler_{name}_sum {buckets[-1]:g}", f"osler_{name}_count {so_far:g}"]


class MetricsServer:
    """Gives the text to whoever asks on this machine."""

    def __init__(self, metrics: Metrics, port: int) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = metrics.text().encode() if self.path == "/metrics" else b""
                self.send_response(200 if body else 404)
                self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the library's)
                """Nothing: who scrapes is of no interest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Page)
        self._thread = threading.Thread(target=self._server.serve_forever, name="osler-metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
