"""The page's session: a one-time token in the start-up address becomes a signed cookie.

The token opens the page once, at the replica that made it; the cookie then stands for the person at this browser, at every replica,
because all sign with the store's secret. It is HttpOnly and SameSite=Strict, holds a random id, when it ends and the version of the
terms that were accepted, and ends after twelve hours. It does not tell people apart: whoever holds the start-up address first is let in.
"""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass

COOKIE = "osler_session"
LIFETIME_S = 12 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """What a valid cookie says."""

    id: str
    ends: int
    """Seconds since 1970."""
    accepted: str = ""
    """Version of the terms that were accepted with it; empty for none."""


class Sessions:
    """Makes and checks sessions.

    Args:
        secret: what cookies are signed with; the same for all replicas.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._token: str | None = secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    @property
    def token(self) -> str | None:
        """The one-time token, or None once it was spent."""
        return self._token

    def spend(self, token: str) -> str | None:
        """The cookie's value for the right token, which then is spent; None for any other."""
        with self._lock:
            expected = self._token
            if expected is None or not hmac.compare_digest(expected.encode(), token.encode("utf-8", "surrogatepass")):
                return None
            self._token = None
        return self.cookie(Session(secrets.token_hex(8), int(time.time()) + LIFETIME_S))

    def cookie(self, session: Session) -> str:
        """The signed value of a session."""
        content = f"{session.id}.{session.ends}.{session.accepted}"
        return f"{content}.{self._sign(content)}"

    def accept(self, cookie: str, version: str) -> str | None:
        """The cookie that says that its holder accepted these terms; None when it is not valid."""
        session = self.read(cookie)
        return None if session is None else self.cookie(Session(session.id, session.ends, version))

    def read(self, cookie: str) -> Session | None:
        """What a cookie says that was signed here and has not ended; None for any other."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._sign(content).encode(), signature.encode("utf-8", "surrogatepass")):
            return None
        name, ends, accepted = content.split(".", 2)
        return Session(name, int(ends), accepted) if int(ends) > time.time() else None

    def _sign(self, content: str) -> str:
        return hmac.new(self._secret, content.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
