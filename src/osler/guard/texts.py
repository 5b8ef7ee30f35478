"""Questions and answers kept for a while, when the operator asks for it: without identifiers, encrypted, and deleted in time.

One file an hour (`<folder>/2026112114.jsonl`), a row a request; an hour's file is deleted whole when its time is over, and then the
text is gone, while the audit log's keyed hash of it stays. Encryption: Fernet (AES-128-CBC with HMAC-SHA256) of `cryptography`.
De-identification finds most identifiers, not all: the key decides who may read.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from osler.errors import InputError, missing_package
from osler.phi import find, replace

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_HOUR = "%Y%m%d%H"


class TextBox:
    """Keeps texts below `folder`.

    Args:
        hours: how long; None for a reader, who deletes nothing.
        key: 32 bytes in URL-safe base64, as `Fernet.generate_key` makes them.

    Raises:
        InputError: the key is not of that form.
        EnvironmentLacks: `cryptography` is not installed.
    """

    def __init__(self, folder: Path, key: str, hours: int | None = None) -> None:
        self._folder, self._hours, self._expired = folder, hours, 0.0
        self._lock = _fernet(key)

    def keep(self, request: str, texts: dict[str, str], now: float) -> None:
        """Add the texts of one request.

        Raises:
            OSError: they could not be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        clean = {name: replace(text, find(text)) for name, text in texts.items()}
        box = self._lock.encrypt(orjson.dumps(clean)).decode()
        with (self._folder / f"{datetime.fromtimestamp(now, UTC):{_HOUR}}.jsonl").open("ab") as stream:
            # On a line of its own, also behind a row that a killed server did not end.
            stream.write(b"\n%b\n" % orjson.dumps({"request": request, "box": box}))

    def expire(self, now: float) -> None:
        """Delete the files whose time is over; looks once a minute."""
        if self._hours is None or abs(now - self._expired) < 60:
            return
        self._expired = now
        last = f"{datetime.fromtimestamp(now - (self._hours + 1) * 3600, UTC):{_HOUR}}"
        for path in self._folder.glob("*.jsonl"):
            if path.stem <= last:
                path.unlink(missing_ok=True)

    def read(self, request: str) -> list[dict[str, str]]:
        """The texts of a request, oldest first; empty when there are none (any more).

        Raises:
            InputError: they were written with another key.
        """
        from cryptography.fernet import InvalidToken

        found = []
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in path.read_bytes().splitlines():
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError:  # empty, or torn: no answer was given upon it
                    continue
                if row["request"] == request:
                    try:
                        found.append(orjson.loads(self._lock.decrypt(row["box"])))
                    except InvalidToken as error:
                        raise InputError(f"the texts of {request} were written with another key") from error
        return found


def open_texts(folder: Path, key: str | None, hours: int | None = None) -> TextBox:
    """A box whose old texts are gone.

    Raises:
        InputError: there is no key, or it is not of Fernet's form.
        EnvironmentLacks: `cryptography` is not installed.
    """
    if not key:
        raise InputError(
            "texts of answers are to be kept, but OSLER_TEXT_KEY is not set; make one with: "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        )
    box = TextBox(folder, key, hours)
    box.expire(time.time())
    return box


def _fernet(key: str) -> "Fernet":
    try:
        from cryptography.fernet import Fernet
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "cryptography", "keeping texts encrypted", "texts") from error
    try:
        return Fernet(key)
    except ValueError as error:
        raise InputError("the key of the texts is not 32 bytes in URL-safe base64, as Fernet makes them") from error
