"""Downloading a source's files into a cache: the only file of this room with sockets.

    <cache>/sources/<source>/<file>     whole, checked files: a folder to give as `collect.root`
    <cache>/partial/<source>/<file>     what has come of a file so far
    <cache>/listings/<source>.json      what belongs to the copy: written first, so that a listing and its files are of one commit

A file gets its name when its size and checksum are right, so a part of one is never taken for it. A download that was cut
off or killed goes on where it stopped.
"""

import hashlib
import http.client
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from osler.errors import EnvironmentLacks
from osler.runs.files import read_json, write_json
from osler.runs.lock import only_writer
from osler.runs.progress import Progress
from osler.sources.access import how_to_provide, refuse_download
from osler.sources.listing import Remote, remote_files
from osler.sources.read.opening import what_came_instead
from osler.sources.source import Source

HUB_ENDPOINT = "https://huggingface.co"
_CHUNK_BYTES = 1 << 20
_MAX_LISTING_BYTES = 64 << 20
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which it is worth trying again."""
_MAX_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the hub and the publishers."""

    endpoint: str = HUB_ENDPOINT
    token: str = ""
    """Sent to the endpoint alone, never to where it redirects."""
    timeout_s: float = 30.0
    attempts: int = 5
    """In a row without a byte gained."""
    sleep: Callable[[float], None] = time.sleep


def sources_root(cache: Path) -> Path:
    """The folder of the cache that has one folder per source."""
    return cache / "sources"


def is_fetched(source: Source, cache: Path) -> bool:
    """Whether the cache holds the whole of a source, told by its listing and the sizes of its files; asks no network."""
    files = _stored_listing(source, cache)
    folder = sources_root(cache) / source.name
    return files is not None and all(_is_whole(folder / file.name, file.size) for file in files)


def can_fetch(source: Source) -> bool:
    """Whether there is anything that `fetch` could download."""
    return bool(source.hub or source.downloads)


def fetch(source: Source, cache: Path, connection: Connection, progress: Progress) -> Path:
    """Have the whole of a source in the cache; downloads what is not there yet. Gives the root that holds its folder.

    Raises:
        EnvironmentLacks: it may not or cannot be downloaded; says what was wanted, from where, and how to provide a copy.
        InputError: another process downloads it.
    """
    if is_fetched(source, cache):
        return sources_root(cache)
    refuse_download(source)
    if not can_fetch(source):
        raise EnvironmentLacks(f"{source.name} has no copy that can be downloaded. {how_to_provide(source)}")
    with only_writer(cache / "partial" / source.name):
        try:
            files = _listed(source, cache, connection)
            _check_space(files, cache)
            for file in files:
                _fetch_file(file, source, cache, connection, progress)
        except EnvironmentLacks as error:
            raise EnvironmentLacks(f"{source.name}: {error}\nWithout a download: {how_to_provide(source)}") from error
    shutil.rmtree(cache / "partial" / source.name, ignore_errors=True)
    return sources_root(cache)


def _listed(source: Source, cache: Path, connection: Connection) -> list[Remote]:
    """What to download, as an interrupted download listed it, or listed now."""
    stored = _stored_listing(source, cache)
    if stored is not None:
        return stored
    files, commit = remote_files(source, connection.endpoint.rstrip("/"), lambda url: _get_json(url, connection))
    # Sizes are needed to tell whether a copy is whole; a publisher's server tells them when it is asked.
    files = [file if file.size is not None else _sized(file, connection) for file in files]
    shutil.rmtree(
        sources_root(cache) / source.name, ignore_errors=True
    )  # files of an older listing do not belong to it
    write_json(
        _listing(source, cache),
        {"origin": _origin(source), "commit": commit, "files": [asdict(file) for file in files]},
    )
    return files


def _stored_listing(source: Source, cache: Path) -> list[Remote] | None:
    """What an earlier download listed; None when there was none, or the catalog has other files since."""
    if not _listing(source, cache).is_file():
        return None
    stored = read_json(_listing(source, cache))
    return [Remote(**row) for row in stored["files"]] if stored["origin"] == _origin(source) else None


def _listing(source: Source, cache: Path) -> Path:
    return cache / "listings" / f"{source.name}.json"


def _origin(source: Source) -> list[str]:
    if source.downloads:
        return [file.url for file in source.downloads]
    groups = (source.hub_files,) if source.hub_files else source.files
    return [source.hub, *(pattern for group in groups for pattern in group)]


def _sized(file: Remote, connection: Connection) -> Remote:
    """The file with the size its server states; without one it stays unknown."""
    try:
        with _opened(file.url, replace(connection, attempts=1), {}, method="HEAD") as answer:
            size = answer.headers.get("Content-Length", "")
    except EnvironmentLacks:  # some servers do not answer to HEAD; getting the file tells what is wrong, if anything is
        return file
    return replace(file, size=int(size) if size.isdecimal() else None)


def _check_space(files: list[Remote], cache: Path) -> None:
    needed, free = sum(file.size or 0 for file in files), shutil.disk_usage(cache).free
    if needed > free:
        raise EnvironmentLacks(
            f"the download has {needed / 1e9:.1f} GB and the disk of {cache} has {free / 1e9:.1f} GB free. Set OSLER_CACHE "
            "to a folder on a larger one."
        )


def _fetch_file(file: Remote, source: Source, cache: Path, connection: Connection, progress: Progress) -> None:
    path = sources_root(cache) / source.name / file.name
    partial = cache / "partial" / source.name / file.name
    if _is_whole(path, file.size):
        return
    partial.parent.mkdir(parents=True, exist_ok=True)
    work = f"download {source.name}/{file.name}"
    for again in (True, False):
        _download(file, partial, connection, lambda done: progress(work, done, file.size, "bytes"))
        problem = _what_is_wrong(file, partial)
        if not problem:
            break
        partial.unlink()  # what came is not the file: another try must start from nothing
        if not again:
            raise EnvironmentLacks(f"{file.url} came whole, twice, and is not what is published: {problem}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(path)


def _download(file: Remote, partial: Path, connection: Connection, tell: Callable[[int], None]) -> None:
    """Bring the rest of a file, in as many connections as it takes.

    Raises:
        EnvironmentLacks: several in a row brought nothing.
    """
    failures = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        if file.size is not None and before >= file.size:
            return
        try:
            if _pull(file, partial, connection, tell):
                return
            problem = "the connection was cut"
        except (OSError, http.client.HTTPException) as error:
            problem = _words(error)
        gained = partial.exists() and partial.stat().st_size > before
        failures = 0 if gained else failures + 1
        if failures >= connection.attempts:
            raise EnvironmentLacks(f"{file.url} stops after {before:,} bytes: {problem}")
        connection.sleep(_wait_s(failures))


def _pull(file: Remote, partial: Path, connection: Connection, tell: Callable[[int], None]) -> bool:
    """One connection; whether the file is whole after it."""
    start = partial.stat().st_size if partial.exists() else 0
    # Without a checksum only the server's own mark can tell that the rest belongs to what is there.
    mark = partial.with_name(partial.name + ".etag")
    etag = mark.read_text("utf-8") if mark.is_file() else ""
    if file.size is None or not (file.sha256 or file.git_sha1 or etag):
        start = 0
    wanted = {"Range": f"bytes={start}-"} if start else {}
    if start and etag:
        wanted["If-Range"] = etag
    with _opened(file.url, connection, wanted) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT and _begins_at(answer, start)
        _keep_mark(mark, answer.headers.get("ETag", ""))
        done = start if goes_on else 0
        expected = file.size if file.size is not None else _length(answer, done)
        with partial.open("ab" if goes_on else "wb") as out:
            while chunk := answer.read(_CHUNK_BYTES):
                out.write(chunk)
                done += len(chunk)
                tell(done)
    whole = expected is None or done >= expected
    if whole:
        mark.unlink(missing_ok=True)
    return whole


def _keep_mark(mark: Path, etag: str) -> None:
    if etag and not etag.startswith("W/"):  # a weak mark does not promise equal bytes
        mark.write_text(etag, "utf-8")


def _begins_at(answer: http.client.HTTPResponse, start: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _length(answer: http.client.HTTPResponse, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _is_whole(path: Path, size: int | None) -> bool:
    return path.is_file() and (size is None or path.stat().st_size == size)


def _what_is_wrong(file: Remote, path: Path) -> str:
    """Why a downloaded file is not the published one; empty when it is."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes; {file.size:,} are published"
    for kind, stated, digest in (
        ("SHA-256", file.sha256, hashlib.sha256()),
        ("git id", file.git_sha1, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)),
    ):
        if stated and (seen := _hex(path, digest)) != stated:
            return f"its {kind} is {seen}; {stated} is published"
    with path.open("rb") as stream:  # all that can be told of a file without a checksum
        came = what_came_instead(stream.read(_CHUNK_BYTES))
    return f"it is {came}" if came else ""


def _hex(path: Path, digest: Any) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: digest).hexdigest()


def _get_json(url: str, connection: Connection) -> tuple[Any, str]:
    with _opened(url, connection, {"Accept": "application/json"}) as answer:
        content = answer.read(_MAX_LISTING_BYTES)
        try:
            return json.loads(content), answer.headers.get("Link", "")
        except ValueError as error:
            raise EnvironmentLacks(f"{url} answered something that is not JSON; is HF_ENDPOINT right?") from error


def _opened(url: str, connection: Connection, headers: dict[str, str], method: str = "GET") -> http.client.HTTPResponse:
    """An answer from a server, after as many tries as the connection allows.

    Raises:
        EnvironmentLacks: it refuses, or cannot be reached.
    """
    for attempt in range(1, connection.attempts + 1):
        try:
            return _open(url, connection, headers, method)
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in _PASSING or attempt == connection.attempts:
                    raise EnvironmentLacks(_refusal(url, error.code, bool(connection.token))) from error
                asked = error.headers.get("Retry-After", "")
            connection.sleep(min(float(asked), _MAX_WAIT_S) if asked.isdecimal() else _wait_s(attempt))
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            no_such_host = isinstance(reason, socket.gaierror)
            if no_such_host or attempt == connection.attempts:
                raise EnvironmentLacks(f"{url} cannot be reached ({_words(error)}).") from error
            connection.sleep(_wait_s(attempt))
    raise AssertionError  # the last attempt returns or raises


def _open(url: str, connection: Connection, headers: dict[str, str], method: str) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise EnvironmentLacks(f"{url} is not an http address; nothing is fetched")
    request = urllib.request.Request(url, headers={"User-Agent": "osler", **headers}, method=method)  # noqa: S310 - http, see above
    if connection.token and urlsplit(url).netloc == urlsplit(connection.endpoint).netloc:
        # The hub redirects to storage elsewhere, which must not see the token.
        request.add_unredirected_header("Authorization", f"Bearer {connection.token}")
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=connection.timeout_s)  # noqa: S310
    return answer


def _refusal(url: str, code: int, has_token: bool) -> str:
    if code in {401, 403}:
        todo = "the token (HF_TOKEN) does not allow it" if has_token else "it may need an account: set HF_TOKEN"
        return f"{url} refuses ({code}); {todo}, and accept the data set's terms on its page."
    if code == http.client.NOT_FOUND:
        return f"{url} is not there (404). It was moved or removed."
    if code == http.client.TOO_MANY_REQUESTS:
        return f"{url} asks for fewer requests (429). Try again later, or set HF_TOKEN."
    return f"{url} answered {code}."


def _words(error: OSError | http.client.HTTPException) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _wait_s(failures: int) -> float:
    return float(min(2 ** max(failures - 1, 0), _MAX_WAIT_S)) if failures else 0.0
