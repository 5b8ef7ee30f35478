"""What there is to download for a source: its publisher's files, or those of its files that lie on the hub."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from osler.errors import EnvironmentLacks
from osler.sources.access import why_denied
from osler.sources.source import Source

_NEXT_PAGE = re.compile(r'<([^>]+)>\s*;\s*rel="next"')


@dataclass(frozen=True, slots=True)
class Remote:
    """One file to download."""

    url: str
    name: str
    """Path inside the source's folder."""
    size: int | None = None
    sha256: str = ""
    git_sha1: str = ""
    """Id that git gives the file's content: what the hub states of files that are not in its large-file storage."""


GetJson = Callable[[str], tuple[Any, str]]
"""Fetches an address: its JSON, and the `Link` header."""


def remote_files(source: Source, endpoint: str, get_json: GetJson) -> tuple[list[Remote], str]:
    """The files to download for a source, and the commit they are of (empty for a publisher's plain files).

    Raises:
        EnvironmentLacks: there is nothing to download, or not what is expected.
    """
    if source.downloads:
        return [Remote(file.url, _safe_name(file.name), sha256=file.sha256) for file in source.downloads], ""
    reason = why_denied(source.hub)
    if reason:
        raise EnvironmentLacks(reason)
    info, _ = get_json(f"{endpoint}/api/datasets/{source.hub}/revision/main")
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str):
        raise EnvironmentLacks(f"{endpoint} does not answer as the hub does; is HF_ENDPOINT right?")
    entries = _tree(f"{endpoint}/api/datasets/{source.hub}/tree/{commit}?recursive=true", get_json)
    files = {entry["path"]: entry for entry in entries if entry.get("type") == "file"}
    names = wanted_names(source, sorted(files))
    if not names:
        groups = " or ".join(" and ".join(group) for group in source.files)
        raise EnvironmentLacks(
            f"{source.name}: {endpoint}/datasets/{source.hub} at {commit[:12]} has {len(files)} files and none of those "
            f"that are expected ({groups}). Its owner may have changed it."
        )
    resolve = f"{endpoint}/datasets/{source.hub}/resolve/{commit}"
    return [_remote(f"{resolve}/{quote(name)}", files[name]) for name in names], commit


def wanted_names(source: Source, there: Sequence[str]) -> list[str]:
    """Those of a copy's file names that would be read: `find_files` for a folder that is not here yet."""
    groups: Iterable[tuple[str, ...]] = (source.hub_files,) if source.hub_files else source.files
    for group in groups:
        names = [name for pattern in group for name in there if glob_pattern(pattern).fullmatch(name)]
        if names:
            beside = [name for pattern in source.beside for name in there if glob_pattern(pattern).fullmatch(name)]
            return list(dict.fromkeys([*names, *beside]))
    return []


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of `Path.glob` as a regular expression over whole paths; `**/` is any number of folders, `[123]` one of these."""
    parts = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*|\?|\[[^]]+\])", pattern)
    return re.compile("".join(parts.get(piece, piece if piece[:1] == "[" else re.escape(piece)) for piece in pieces))


def _tree(url: str, get_json: GetJson) -> list[dict[str, Any]]:
    """All pages of a listing."""
    entries: list[dict[str, Any]] = []
    while url:
        page, link = get_json(url)
        entries += page
        following = _NEXT_PAGE.search(link)
        url = following[1] if following else ""
    return entries


def _remote(url: str, entry: dict[str, Any]) -> Remote:
    large = entry.get("lfs") or {}
    return Remote(
        url,
        _safe_name(entry["path"]),
        size=large.get("size", entry.get("size")),
        sha256=large.get("oid", "").removeprefix("sha256:"),
        git_sha1="" if large else entry.get("oid", ""),
    )


def _safe_name(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise EnvironmentLacks(
            f"a file of the listing is named {name!r}, which leads out of its folder; nothing is fetched"
        )
    return str(path)
