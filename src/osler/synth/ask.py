"""Asking an endpoint many things: bounded, patient, and with every paid reply kept before anything else happens to it."""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from osler.errors import EnvironmentLacks
from osler.models.endpoint import CallFailed, Completion, Endpoint
from osler.runs.files import read_json, sha256_json, write_json
from osler.synth.config import EndpointConfig
from osler.text import hash64

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_NO_KEY = frozenset({401, 403})
_OF_THE_REQUEST = 500
"""llama.cpp answers so, each time, when a reply of a fixed form was cut at the token limit: the request's fault, not the server's."""
_FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the body, without what only decides how long it may take."""

    body: dict[str, Any]

    @property
    def key(self) -> str:
        """Digest of model, messages, parameters and form: the same request is never paid for twice."""
        return sha256_json(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    completion: Completion | None
    """None when the endpoint refused the request for good."""
    status: int = 200


class CallStore:
    """Replies on disk, one file each, written whole before anyone sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Answer | None:
        """The reply kept for a request, or None."""
        path = self._path(key)
        if not path.is_file():
            return None
        row = read_json(path)
        completion = Completion(**row["completion"]) if row["completion"] is not None else None
        return Answer(completion, row["status"])

    def put(self, key: str, answer: Answer) -> None:
        """Keep a reply."""
        write_json(self._path(key), asdict(answer))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


class Asker:
    """Asks one endpoint within its limits.

    Raises:
        EnvironmentLacks: the environment variable of the key is not set.
    """

    def __init__(self, config: EndpointConfig, store: CallStore) -> None:
        key = os.environ.get(config.key, "") if config.key else ""
        if config.key and not key:
            raise EnvironmentLacks(
                f"the endpoint's key is to be in the environment variable {config.key}, which is not set. "
                f"Set it (export {config.key}=...), or leave endpoint.key empty for an endpoint without one."
            )
        self._endpoint = Endpoint(config.url, key, config.timeout_s)
        self._config = config
        self._store = store
        self._turn = threading.Lock()
        self._next_at = 0.0
        self._stopped = threading.Event()
        self._failed_in_a_row = 0

    def ask_all(self, requests: Iterable[Request]) -> Iterator[tuple[int, Answer]]:
        """Number and answer of each request, as they come in. Only so many requests are held as calls run at once.

        Left early (an error, Ctrl-C), it waits for the calls in flight, so that what is paid for is kept.

        Raises:
            EnvironmentLacks: a call failed as often as allowed, or the key is refused.
        """
        self._stopped.clear()
        numbered = enumerate(requests)
        running: dict[Future[Answer], int] = {}
        with ThreadPoolExecutor(self._config.concurrency, "osler-call") as pool:
            try:
                more = True
                while more or running:
                    while more and len(running) < 2 * self._config.concurrency:
                        number, request = next(numbered, (0, None))
                        more = request is not None
                        if request is not None:
                            running[pool.submit(self.ask, request)] = number
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield running.pop(future), future.result()
            except BaseException:
                self._stopped.set()
                raise

    def ask(self, request: Request) -> Answer:
        """The answer to one request: from the store, or from the endpoint with as many attempts as allowed."""
        kept = self._store.get(request.key)
        if kept is not None:
            return kept
        answer = self._ask_endpoint(request)
        failed = answer.status == _OF_THE_REQUEST
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        if not failed:  # it may do better in another run
            self._store.put(request.key, answer)
        return answer

    def _ask_endpoint(self, request: Request) -> Answer:
        for attempt in range(1, self._config.attempts + 1):
            self._wait_turn()
            if self._stopped.is_set():
                raise EnvironmentLacks("stopped before this call was made")
            try:
                return Answer(self._endpoint.complete(request.body, request.key))
            except CallFailed as failed:
                if failed.status in _NO_KEY:
                    raise EnvironmentLacks(
                        f"{failed}: the key is missing or refused. Name the environment variable that holds it in endpoint.key."
                    ) from failed
                last = attempt == self._config.attempts
                alone = failed.status == _OF_THE_REQUEST and self._failed_in_a_row < _FAILURES_IN_A_ROW
                if not failed.again or (last and alone):
                    return Answer(None, failed.status)
                if last:
                    raise EnvironmentLacks(
                        f"{failed} (attempt {attempt} of {attempt}). What was answered is kept; run the same command again to ask the "
                        "rest."
                    ) from failed
                self._stopped.wait(_wait_s(request.key, attempt, failed.wait_s))
        raise AssertionError("attempts is at least 1")

    def _wait_turn(self) -> None:
        if self._config.requests_per_minute is None:
            return
        with self._turn:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + 60.0 / self._config.requests_per_minute
        self._stopped.wait(at - now)


def _wait_s(key: str, attempt: int, asked_s: float | None) -> float:
    """What the endpoint asks, or a wait that doubles, apart for each request so that they do not come back together."""
    if asked_s is not None:
        return min(asked_s, _LONGEST_WAIT_S)
    apart = 0.5 + (hash64(f"{key}{attempt}") % 1000) / 1000
    doubled: float = _FIRST_WAIT_S * 2.0 ** (attempt - 1)
    return min(doubled * apart, _LONGEST_WAIT_S)
