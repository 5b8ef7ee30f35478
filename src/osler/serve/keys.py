"""API keys: made here, shown once, kept as hashes, compared in constant time.

A key reads `osler-ID-SECRET`: the id, which is no secret, finds the row, and the hash of the whole is compared. One SHA-256 is
enough, because the secret has 256 random bits. The keys that the operator gives at the start (`OSLER_API_KEY`) have no row: they open
the server of this process, without limits.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from osler.errors import InputError
from osler.serve.board import Board
from osler.serve.store import Key, Limit

SCOPES = ("chat", "guard", "admin")
"""What a key may open: answers, the guard alone (for other servers), the admin page."""

_MIN_CHARS = 16


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made."""

    secret: str
    """The whole key; nobody can show it again."""
    row: Key


def key_ring(keys: Iterable[str]) -> tuple[Key, ...]:
    """Keys that the operator gives at the start, as hashes: they open the server of this process, to everything, without limits.

    Raises:
        InputError: a key is shorter than 16 characters; a fast hash protects long random keys only.
    """
    listed = tuple(keys)
    if any(len(key) < _MIN_CHARS for key in listed):
        raise InputError(
            f"an API key is shorter than {_MIN_CHARS} characters; take a long random one, "
            'for instance from: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    hashes = [hash_key(key) for key in listed]
    return tuple(Key(one[:12], "given", one, frozenset(SCOPES), Limit(), 0.0) for one in hashes)


class Keys:
    """All keys that open the API: those given and those kept. Without any it is open to nobody; the page has its own session."""

    def __init__(self, board: Board, given: Iterable[Key]) -> None:
        self._board = board
        self._given = {key.id: key for key in given}

    def in_force(self, key: str) -> Key | None:
        """The key with this id; None where there is none, or it was revoked or has ended."""
        found = self._board.seen.keys.get(key) or self._given.get(key)
        is_over = found is not None and found.expires is not None and self._board.now() >= found.expires
        return None if is_over else found

    def find(self, key: str) -> Key | None:
        """The key in force that this is, or None. How long it takes tells nothing about any secret."""
        wanted, parts = hash_key(key), key.split("-", 2)
        kept = self.in_force(parts[1]) if len(parts) == 3 else None
        candidates = [*self._given.values(), *([kept] if kept else [])]
        matching = [one for one in candidates if hmac.compare_digest(one.hash, wanted)]
        return matching[0] if matching else None


def new_key(
    name: str, scopes: Iterable[str] = ("chat",), limit: Limit | None = None, expires: float | None = None
) -> NewKey:
    """A key with 256 random bits, and the row to keep.

    Raises:
        InputError: there is no name, no such scope, or a limit is less than 1.
    """
    limit, chosen = limit or Limit(), frozenset(scopes)
    if not name.strip() or not chosen or not chosen <= set(SCOPES):
        raise InputError(f"a key needs a name and scopes among {', '.join(SCOPES)}; got {name!r}, {sorted(chosen)}")
    if any(value is not None and value < 1 for value in (limit.requests, limit.tokens, limit.concurrency)):
        raise InputError("a limit of a key is less than 1; leave it out for no limit, or revoke the key")
    secret = random_key()
    return NewKey(secret, Key(secret.split("-")[1], name.strip(), hash_key(secret), chosen, limit, 0.0, expires))


def random_key() -> str:
    """A key with 256 random bits."""
    return f"osler-{secrets.token_hex(4)}-{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """SHA-256 of a key, in hex."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
