"""A hub id without a network: what the cache holds is loaded, and what it does not hold is said to be absent, soon."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from osler.errors import EnvironmentLacks
from osler.models import pretrained
from osler.models.pretrained import load_pretrained, why_no_hub
from osler.records.record import Message

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A bound port as the hub's address, closed to everybody until the test listens."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{found.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield found


@pytest.mark.usefixtures("port")
def test_a_hub_that_cannot_be_reached_is_named_within_seconds_with_what_to_do() -> None:
    from transformers import AutoConfig

    begun = time.monotonic()
    with pytest.raises(EnvironmentLacks) as refused:
        load_pretrained("model", AutoConfig.from_pretrained, "osler/nowhere", "main")
    assert time.monotonic() - begun < 5
    for part in (constants.ENDPOINT, "cannot be reached", "folder", "HF_HOME", "HF_HUB_OFFLINE"):
        assert part in str(refused.value)


def test_what_the_cache_holds_is_loaded_without_a_hub(
    port: socket.socket, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osler.models.local import load_local

    shutil.copytree(tiny_base, tmp_path / "models--org--name" / "snapshots" / "abc")
    (tmp_path / "models--org--name" / "refs").mkdir()
    (tmp_path / "models--org--name" / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    begun = time.monotonic()
    question = [(Message("user", "What does the heart do?"),)]
    assert load_local("org/name").reply(question, 5) == load_local(tiny_base).reply(question, 5)
    assert time.monotonic() - begun < 10  # the libraries alone try for half a minute
    assert constants.HF_HUB_OFFLINE is False


def test_a_slow_hub_is_not_taken_for_an_absent_one(port: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_CONNECT_S", 0.2)
    port.listen()  # connections are taken, nothing is answered
    assert why_no_hub() == ""


def test_offline_mode_asks_nobody(port: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    port.listen()
    port.setblocking(False)
    assert why_no_hub() == "HF_HUB_OFFLINE is set"
    with pytest.raises(BlockingIOError):
        port.accept()
