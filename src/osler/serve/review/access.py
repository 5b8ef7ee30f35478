"""Who may open which deck: one long random token a person, in the review's folder, readable by its owner only.

The token stands after the `#` of a rater's link, which browsers send to no server and write into no referrer. It is kept as it is
and not as a hash: whoever can read this file can read the key to the arms beside it too.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from osler.runs.files import read_json, write_json

ACCESS = "access.json"


def open_access(folder: Path, people: Sequence[str]) -> dict[str, str]:
    """The token of each person; made for whoever has none. A person taken out of the file gets a new one next time."""
    path = folder / ACCESS
    known = read_json(path) if path.is_file() else {}
    tokens = {person: known.get(person) or secrets.token_urlsafe(24) for person in people}
    if tokens != known:
        before = os.umask(0o077)
        try:
            write_json(path, tokens)
        finally:
            os.umask(before)
    return tokens


def person_of(token: str, tokens: dict[str, str]) -> str | None:
    """Whose token this is, or None. Takes the same time wherever and whether it matches."""
    found = None
    for person, known in tokens.items():
        if hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogatepass")):
            found = person
    return found
