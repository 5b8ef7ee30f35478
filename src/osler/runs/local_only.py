"""Restricted text stays on this machine: which sources of a run are local-only, and what may leave in spite of them.

The collect stage writes `collect/local_only.json`. Whatever would send rows away (a judge, an embedder, a generator behind
an address) asks `check_remote` first; whatever would publish a model asks `permit_push`.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from osler.errors import CheckFailed, InputError
from osler.records.record import Access
from osler.runs.files import read_json, write_json

LOCAL_ONLY_FILE = "local_only.json"
PUSH_FILE = "push_acknowledged.json"
_RESTRICTED: frozenset[Access] = frozenset({"application", "credentialed"})
_MIN_WORDS_CHARS = 20


@dataclass(frozen=True, slots=True)
class LocalOnly:
    """A source whose rows may not leave this machine."""

    source: str
    access: Access
    agreement: str
    """The agreement under which it is used, as the user stated it."""
    trained_on: bool
    """Whether it is there to train on; else only a benchmark asks from it."""


def local_only(access: Access) -> bool:
    """Whether records with this access may never leave the machine."""
    return access in _RESTRICTED


def write_local_only(collect_folder: Path, sources: Iterable[LocalOnly]) -> None:
    """Write the list, also when it is empty: a missing file means that it is not known."""
    write_json(collect_folder / LOCAL_ONLY_FILE, {"sources": [asdict(one) for one in sources]})


def local_only_sources(run_folder: Path) -> tuple[LocalOnly, ...]:
    """The local-only sources of a run.

    Raises:
        InputError: the run has no collected sources, so it cannot be known; or the file is not ours.
    """
    made = run_folder / "synth" / LOCAL_ONLY_FILE
    file = run_folder / "collect" / LOCAL_ONLY_FILE
    try:
        written = tuple(LocalOnly(**row) for row in read_json(made)["sources"]) if made.is_file() else ()
        if file.is_file():
            return (*(LocalOnly(**row) for row in read_json(file)["sources"]), *written)
        counted = read_json(run_folder / "collect" / "counts.json")["sources"]  # a run made before the list was kept
        return tuple(LocalOnly(row["source"], row["access"], "", True) for row in counted if local_only(row["access"]))
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{file} is not a list of local-only sources ({error}). Run the collect stage again."
        ) from error


def check_remote(sources: Sequence[LocalOnly], url: str, purpose: str) -> None:
    """Hold back rows of local-only sources from an endpoint. One on this machine (a loopback address) is allowed.

    Args:
        purpose: what the endpoint would be used for (`a judge`).

    Raises:
        CheckFailed: the endpoint is elsewhere, and there are local-only sources.
    """
    if sources and not stays_here(url):
        names = ", ".join(one.source for one in sources)
        raise CheckFailed(
            f"{purpose} at {urlsplit(url).hostname or url!r} may not be used: {names} must not leave this machine under "
            "its agreement. Use a model on this machine (localhost), or take the source out of collect.sources."
        )


def stays_here(url: str) -> bool:
    """Whether what is sent to an address stays on this machine, told without asking a name server."""
    return is_loopback(urlsplit(url if "//" in url else f"//{url}").hostname or "")


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Names other than localhost count as reachable from outside."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def permit_push(run_folder: Path, acknowledgement: str | None) -> tuple[LocalOnly, ...]:
    """Allow a run's model to be published, or not. Gives the restricted sources it was trained on, mostly none.

    A model trained on restricted text can repeat it. It may go out only with words that name every such source; they are
    recorded in the run's folder.

    Raises:
        CheckFailed: the model was trained on restricted text and the words are missing or do not name it.
        InputError: as `local_only_sources`.
    """
    trained_on = tuple(one for one in local_only_sources(run_folder) if one.trained_on)
    if not trained_on:
        return ()
    words = (acknowledgement or "").strip()
    # As a word of its own: who names mimic_cxr has not named mimic.
    unnamed = [one.source for one in trained_on if not re.search(rf"(?<![\w-]){re.escape(one.source)}(?![\w-])", words)]
    if unnamed or len(words) < _MIN_WORDS_CHARS:
        listed = "; ".join(
            f"{one.source} ({one.access}; {one.agreement or 'no agreement stated'})" for one in trained_on
        )
        raise CheckFailed(
            f"the model of {run_folder.name} was trained on text that may not be shared: {listed}. It may not be published "
            "without checking the agreement. When that is done and it is allowed, say so in words that name each of these "
            f"sources (at least {_MIN_WORDS_CHARS} characters); they are kept with the run."
        )
    write_json(run_folder / PUSH_FILE, {"acknowledgement": words, "trained_on": [asdict(one) for one in trained_on]})
    return trained_on
