"""llama.cpp's own server over a GGUF file, in a process of its own on loopback, with a key that only this process knows.

A crash of native code then ends an answer, not the gateway: the server is started again, and its new address is used from the next
request on. It ends when its parent does, however that ends, because it reads an inherited pipe. From the package xllamacpp.
"""

import contextlib
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from osler.errors import EnvironmentLacks, missing_package
from osler.runs.facts import installed_version
from osler.serve.upstream import Address

START_S = 120.0
"""Time to load a file; a large one comes from a slow disk."""
_SMALL_BYTES = 200_000_000
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_CALM_S = 30.0
"""A server that ran for so long is started again at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How llama.cpp reads a file."""

    path: Path
    n_context: int
    """Tokens of one conversation with its reply."""
    n_parallel: int = 4
    """Answers made at once; more wait."""

    @property
    def is_small(self) -> bool:
        """Whether one core is enough, and memory for exact numbers costs nothing.

        On matrices this small a second thread brings little, and where another program takes the core it makes the first one
        wait: a token of the demo's model took 2 ms with one thread and 30 ms with two on two busy cores.
        """
        return self.path.stat().st_size < _SMALL_BYTES


class LlamaProcess:
    """Keeps one server running until it is closed.

    Raises:
        EnvironmentLacks: the package is missing, or llama.cpp does not take the file.
    """

    def __init__(self, options: LlamaOptions) -> None:
        if installed_version("xllamacpp") is None:
            raise missing_package("xllamacpp", "--backend gguf", "gguf")
        self._options = options
        self._key = secrets.token_urlsafe(32)
        self._closing = threading.Event()
        self._process, url = self._start()
        self._address: Address | None = Address(url, "osler", self._key)
        self._keeper = threading.Thread(target=self._keep, name="osler-llama", daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """The process, for those who look after it."""
        return self._process.pid

    def address(self) -> Address | None:
        """Where it is now; None while it is being started again."""
        return self._address

    def close(self) -> None:
        """End it."""
        self._closing.set()
        self._process.terminate()
        self._keeper.join()

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        options = {
            "path": str(self._options.path),
            "n_context": self._options.n_context,
            "n_parallel": self._options.n_parallel,
            "n_threads": 1 if self._options.is_small else os.cpu_count() or 1,
            "is_exact": self._options.is_small,
            "key": self._key,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "osler.serve.llama_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        timer = threading.Timer(START_S, process.kill)
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise EnvironmentLacks("the process of llama.cpp has no pipes")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(options) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
        if not line.startswith("http://"):
            process.kill()
            process.wait()
            raise EnvironmentLacks(
                f"llama.cpp does not take {self._options.path.name}: {line.strip() or 'it ended at once'}"
            )
        return process, f"{line.strip()}/v1"

    def _keep(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            began = time.monotonic()
            self._process.wait()
            self._address = None
            if self._closing.is_set():
                return
            _log.error("llama.cpp ended with status %s; it is started again", self._process.returncode)
            if time.monotonic() - began > _CALM_S:
                wait_s = _FIRST_WAIT_S
            while not self._closing.wait(wait_s):
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                try:
                    self._process, url = self._start()
                except (EnvironmentLacks, OSError) as error:
                    _log.error("llama.cpp could not be started (%s)", type(error).__name__)
                    continue
                self._address = Address(url, "osler", self._key)
                break
            if self._closing.is_set():
                self._process.terminate()
