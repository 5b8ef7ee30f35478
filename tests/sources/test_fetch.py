"""Downloads: whole and checked or not there at all, continued where they stopped, and plain words when they cannot be had."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.sources.hub_server import COMMIT, Hub, serving

from osler.errors import EnvironmentLacks
from osler.runs.progress import silent
from osler.sources.catalog import source_named
from osler.sources.fetch import Connection, fetch, is_fetched
from osler.sources.source import Download, Source

SMALL = b'{"input_text": "Invented: I sneeze.", "output_text": "common cold"}\n'
LARGE = SMALL * 60
TEST_PATH = "/storage/data/test.jsonl"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("no_proxy", "*")
    hub = Hub()
    hub.files = {"README.md": b"# Invented", "data/train.jsonl": SMALL, "data/test.jsonl": LARGE}
    with serving(hub):
        yield hub


@pytest.fixture
def source() -> Source:
    facts = source_named("symptom_to_diagnosis")
    return replace(
        facts, hub="invented/set", hub_files=(), downloads=(), files=(("**/train*.jsonl", "**/test*.jsonl"),)
    )


@pytest.fixture
def load(hub: Hub, source: Source, tmp_path: Path) -> Callable[..., Path]:
    def run(chosen: Source = source, **options) -> Path:
        connection = Connection(endpoint=hub.endpoint, timeout_s=5, sleep=lambda _: None, **options)
        return fetch(chosen, tmp_path / "cache", connection, silent) / chosen.name

    return run


def plain(hub: Hub, source: Source, sha256: str = "") -> Source:
    return replace(source, hub="", downloads=(Download(f"{hub.endpoint}{TEST_PATH}", "test.jsonl", sha256),))


def wholes(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def test_the_wanted_files_of_the_listed_commit_are_fetched_and_nothing_else(hub, load, source, tmp_path):
    folder = load()
    assert (folder / "data" / "train.jsonl").read_bytes() == SMALL
    assert (folder / "data" / "test.jsonl").read_bytes() == LARGE
    name = source.name
    assert wholes(tmp_path / "cache") == [
        f"listings/{name}.json", f"sources/{name}/data/test.jsonl", f"sources/{name}/data/train.jsonl",
    ]  # fmt: skip
    assert json.loads((tmp_path / "cache" / "listings" / f"{name}.json").read_bytes())["commit"] == COMMIT
    assert "/storage/README.md" not in hub.counts()


def test_a_fetched_source_asks_no_network(hub, load, source, tmp_path):
    assert not is_fetched(source, tmp_path / "cache")
    load()
    assert is_fetched(source, tmp_path / "cache")
    hub.requests.clear()
    load()
    assert hub.requests == []


def test_a_listing_of_several_pages_is_read_to_its_end(hub, load):
    hub.page_rows = 1
    folder = load()
    assert len(list(folder.rglob("*.jsonl"))) == 2


def test_a_cut_download_goes_on_where_it_stopped(hub, load):
    hub.cuts[TEST_PATH] = [1500, 700]
    assert (load() / "data" / "test.jsonl").read_bytes() == LARGE
    assert [headers.get("Range") for headers in hub.asked(TEST_PATH)] == [None, "bytes=1500-", "bytes=2200-"]


def test_a_killed_download_goes_on_in_the_next_process_and_is_never_taken_for_whole(hub, load, source, tmp_path):
    hub.cuts[TEST_PATH] = [1500, 0]
    with pytest.raises(EnvironmentLacks, match="stops after 1,500 bytes"):
        load(attempts=1)
    assert not is_fetched(source, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "sources").rglob("test.jsonl"))
    hub.requests.clear()
    assert (load() / "data" / "test.jsonl").read_bytes() == LARGE
    assert hub.counts()[TEST_PATH] == 1
    assert hub.asked(TEST_PATH)[0]["Range"] == "bytes=1500-"
    assert "/storage/data/train.jsonl" not in hub.counts()
    assert not any(path.startswith("/api/") for path in hub.counts())  # the listing is the interrupted one's
    assert not (tmp_path / "cache" / "partial" / source.name).exists()


def test_a_server_without_ranges_sends_it_all_again(hub, load):
    hub.ranges = False
    hub.cuts[TEST_PATH] = [1500]
    assert (load() / "data" / "test.jsonl").read_bytes() == LARGE


def test_a_wrong_checksum_is_tried_once_more_and_then_refused(hub, load, tmp_path):
    hub.stated["data/test.jsonl"] = LARGE[:-2] + b"X\n"
    with pytest.raises(EnvironmentLacks, match=r"came whole, twice, and is not what is published: its SHA-256 is"):
        load()
    assert hub.counts()[TEST_PATH] == 2
    assert not list((tmp_path / "cache" / "sources").rglob("test.jsonl"))


def test_a_small_file_is_held_to_its_git_id(hub, load):
    hub.stated["data/train.jsonl"] = SMALL.replace(b"cold", b"gold")
    with pytest.raises(EnvironmentLacks, match="its git id is"):
        load()


def test_a_partial_file_of_other_content_is_found_out_and_fetched_anew(hub, load, source, tmp_path):
    partial = tmp_path / "cache" / "partial" / source.name / "data" / "test.jsonl"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 500)
    assert (load() / "data" / "test.jsonl").read_bytes() == LARGE
    assert [headers.get("Range") for headers in hub.asked(TEST_PATH)] == ["bytes=500-", None]


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(hub, source, tmp_path):
    waits = []
    hub.refusals[TEST_PATH] = [429, 503]
    connection = Connection(endpoint=hub.endpoint, sleep=waits.append)
    fetch(source, tmp_path / "cache", connection, silent)
    assert waits == [7.0, 7.0]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, r"refuses \(401\); it may need an account: set HF_TOKEN, and accept the data set's terms on its page"),
        (403, r"refuses \(403\)"),
        (404, r"is not there \(404\)"),
        (429, r"asks for fewer requests \(429\)"),
        (500, "answered 500"),
    ],
)
def test_a_refusal_says_what_was_wanted_and_how_to_provide_a_copy(hub, load, status, told):
    hub.refusals["/api/datasets/invented/set/revision/main"] = [status] * 5
    with pytest.raises(EnvironmentLacks, match=told) as caught:
        load()
    text = str(caught.value)
    assert text.startswith(f"symptom_to_diagnosis: {hub.endpoint}/api/datasets/invented/set/revision/main ")
    assert "Without a download: Get it from https://huggingface.co/datasets/gretelai/symptom_to_diagnosis" in text
    assert "`--from FOLDER`, or collect.root: FOLDER in a recipe" in text


def test_without_a_network_the_same_is_said(source, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    waits = []
    with pytest.raises(EnvironmentLacks, match=r"cannot be reached \(Connection refused\)") as caught:
        fetch(source, tmp_path / "cache", Connection(endpoint=address, sleep=waits.append), silent)
    assert "--from FOLDER" in str(caught.value)
    assert waits == [1, 2, 4, 8]


def test_the_token_is_sent_to_the_hub_and_not_to_its_storage(hub, load):
    load(token="secret-token")
    assert hub.asked("/api/datasets/invented/set/revision/main")[0]["Authorization"] == "Bearer secret-token"
    assert all("Authorization" not in headers for headers in hub.asked(TEST_PATH))


def test_a_name_that_leads_out_of_the_folder_is_refused(hub, load, source, tmp_path):
    hub.files["../../train.jsonl"] = SMALL
    with pytest.raises(EnvironmentLacks, match=r"'\.\./\.\./train\.jsonl', which leads out of its folder"):
        load(replace(source, files=(("**/*train*.jsonl",),)))
    assert not list(tmp_path.rglob("train.jsonl"))


def test_a_copy_without_the_expected_files_says_so(load, source):
    with pytest.raises(EnvironmentLacks, match=r"has 3 files and none of those that are expected \(\*\.xlsx\)"):
        load(replace(source, files=(("*.xlsx",),)))


def test_hub_files_choose_among_the_configurations(hub, load, source):
    hub.files |= {"en/train.jsonl": SMALL, "zh/train.jsonl": SMALL}
    folder = load(replace(source, hub_files=("en/*.jsonl",)))
    assert wholes(folder) == ["en/train.jsonl"]


def test_a_plain_file_is_fetched_and_goes_on_while_the_server_has_the_same(hub, load, source):
    hub.cuts[TEST_PATH] = [1500]
    folder = load(plain(hub, source))
    assert wholes(folder) == ["test.jsonl"]
    assert (folder / "test.jsonl").read_bytes() == LARGE
    first, second = hub.asked(TEST_PATH)
    assert (second["Range"], "If-Range" in second, "Range" in first) == ("bytes=1500-", True, False)


def test_a_plain_file_that_changed_in_between_is_fetched_from_the_start(hub, load, source, tmp_path):
    hub.cuts[TEST_PATH] = [1500, 0]
    with pytest.raises(EnvironmentLacks):
        load(plain(hub, source), attempts=1)
    hub.files["data/test.jsonl"] = LARGE.replace(b"sneeze", b"coughs")
    assert (load(plain(hub, source)) / "test.jsonl").read_bytes() == hub.files["data/test.jsonl"]


@pytest.mark.parametrize("switch", ["etags", "heads"])
def test_a_plain_server_that_tells_little_is_served_from_the_start(hub, load, source, switch):
    setattr(hub, switch, False)
    hub.cuts[TEST_PATH] = [1500]
    assert (load(plain(hub, source)) / "test.jsonl").read_bytes() == LARGE
    assert all("Range" not in headers for headers in hub.asked(TEST_PATH))


def test_a_plain_file_is_held_to_a_stated_checksum(hub, load, source):
    with pytest.raises(EnvironmentLacks, match="its SHA-256 is"):
        load(plain(hub, source, sha256="0" * 64))


def test_a_web_page_is_not_kept_as_the_file(hub, load, source, tmp_path):
    hub.files["data/test.jsonl"] = b"<!DOCTYPE html><title>Sign in to this network</title>"
    with pytest.raises(EnvironmentLacks, match="is not what is published: it is a web page"):
        load(plain(hub, source))
    assert not list((tmp_path / "cache").rglob("test.jsonl"))


def test_a_server_that_is_no_hub_or_speaks_no_http_is_told(hub, load, source):
    hub.refusals["/api/datasets/invented/set/revision/main"] = [200]
    with pytest.raises(EnvironmentLacks, match="does not answer as the hub does; is HF_ENDPOINT right"):
        load()
    with socket.create_server(("127.0.0.1", 0)) as mute:

        def greet() -> None:
            with mute.accept()[0] as answer:
                answer.recv(1 << 16)
                answer.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        hub.endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(EnvironmentLacks, match=r"cannot be reached \(BadStatusLine\)"):
            load(attempts=1)
        thread.join()


def test_an_address_that_is_not_http_is_refused(load, source, tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(EnvironmentLacks, match="is not an http address"):
        load(replace(source, hub="", downloads=(Download(f"file://{tmp_path}/secret", "secret"),)))


def test_a_full_disk_is_told_before_the_download(hub, load, source, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(EnvironmentLacks, match=r"Set OSLER_CACHE to a folder on a larger one"):
        load()


def test_progress_tells_bytes(hub, source, tmp_path):
    told = []
    fetch(source, tmp_path, Connection(endpoint=hub.endpoint), lambda *report: told.append(report))
    assert ("download symptom_to_diagnosis/data/test.jsonl", len(LARGE), len(LARGE), "bytes") in told


def test_a_restricted_or_homeless_source_is_never_asked_for(hub, load, source):
    with pytest.raises(EnvironmentLacks, match="is credentialed and is never downloaded here"):
        load(replace(source, access="credentialed"))
    with pytest.raises(EnvironmentLacks, match="has no copy that can be downloaded"):
        load(replace(source, hub=""))
    with pytest.raises(EnvironmentLacks, match=r"amu-cai/cameo is not read: it is speech for emotion recognition"):
        load(replace(source, hub="amu-cai/CAMEO"))
    assert hub.requests == []
