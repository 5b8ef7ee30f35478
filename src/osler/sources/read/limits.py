"""Limits on what a packed file may unpack to, so that a small file cannot fill the machine or keep it busy for days."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from osler.errors import InputError

MAX_ROW_BYTES = 64 * 1024 * 1024
"""A longer line or element is no row: the longest clinical notes have about 200 kB. It is also what a reader may hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one packed file may unpack to."""

    max_ratio: int = 200
    """Unpacked bytes for each packed one. Text packs 3 to 20 times smaller, repetitive XML up to 60 times; bombs 1,000 times."""
    max_unpacked_bytes: int = 256 * 1024**3
    """In all. The largest published file (II-Medical-Reasoning-SFT) has 9 GB, PMC's open subset about 150 GB."""
    max_members: int = 1_000_000
    """Files in an archive. The largest packages of PMC have some 500,000."""
    unchecked_bytes: int = 64 * 1024 * 1024
    """The ratio is looked at above this: a small file of blanks packs 1,000 times smaller too, and harms nobody."""


LIMITS = Limits()


@dataclass(slots=True)
class Meter:
    """Counts what a file unpacks to and stops at its limits."""

    path: Path
    limits: Limits
    packed_bytes: Callable[[], int]
    """Bytes of the packed file that were read so far."""
    unpacked_bytes: int = 0
    members: int = 0

    def add(self, n_bytes: int) -> None:
        """Count unpacked bytes.

        Raises:
            InputError: more than the limits allow.
        """
        self.unpacked_bytes += n_bytes
        limits = self.limits
        if self.unpacked_bytes > limits.max_unpacked_bytes:
            raise InputError(
                f"{self.path}: unpacks to more than {limits.max_unpacked_bytes:,} bytes, which is refused. "
                "Unpack it by hand and give the files if you trust it."
            )
        if self.unpacked_bytes > limits.unchecked_bytes:
            packed = max(self.packed_bytes(), 1)
            if self.unpacked_bytes > limits.max_ratio * packed:
                raise InputError(
                    f"{self.path}: {packed:,} bytes unpack to {self.unpacked_bytes:,} or more, over {limits.max_ratio} times "
                    "as many, as in a file made to fill a machine. Unpack it by hand and give the files if you trust it."
                )

    def add_member(self) -> None:
        """Count one file of an archive.

        Raises:
            InputError: more than the limits allow.
        """
        self.members += 1
        if self.members > self.limits.max_members:
            raise InputError(
                f"{self.path}: holds more than {self.limits.max_members:,} files, which is refused. "
                "Unpack it by hand and give the files if you trust it."
            )


class _Stream(io.RawIOBase):
    """The bytes that a function gives."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        self._ready = self._ready or self._read(len(view))
        n_bytes = min(len(view), len(self._ready))
        view[:n_bytes] = self._ready[:n_bytes]
        self._ready = self._ready[n_bytes:]
        return n_bytes


def stream_of(read: Callable[[int], bytes]) -> IO[bytes]:
    """A stream of the bytes that a function gives when it is asked for so many: some of them, more, or none at the end."""
    return io.BufferedReader(_Stream(read), 1 << 18)


def metered(read: Callable[[int], bytes], meter: Meter) -> IO[bytes]:
    """A stream of unpacked bytes, counted by `meter` as it is read."""

    def counted(n_bytes: int) -> bytes:
        piece = read(n_bytes)
        meter.add(len(piece))
        return piece

    return stream_of(counted)
