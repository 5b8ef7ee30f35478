"""Opening files as streams of bytes: plain, packed with gzip, or the members of a zip or tar archive.

Nothing is unpacked onto the disk, except that Parquet and spreadsheets inside an archive pass through a nameless temporary
file. Members whose names lead out of the archive, links and encrypted members are refused one by one, as rows set aside.
"""

import codecs
import gzip
import io
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from stat import S_ISLNK
from typing import IO

from osler.errors import InputError, RowError
from osler.sources.read.limits import LIMITS, Limits, Meter, metered, stream_of
from osler.sources.source import NativeRow, SourceFile

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""In this order: the mark of UTF-32-LE starts with that of UTF-16-LE."""
_TAR = (".tar", ".tar.gz", ".tgz")
_PACKED = (".gz", ".tgz")
_START_BYTES = 512


@dataclass(frozen=True, slots=True)
class Part:
    """A stream of rows: a file, or one member of an archive."""

    file: str
    """What `NativeRow.file` is: the file's name, with the member's behind it."""
    name: str
    """What locators start with: the file's name, or the member's inside its archive, so that packing changes no id."""
    path: Path
    """For messages about the whole file."""
    stream: IO[bytes]
    whole: bool
    """Whether the stream is a plain file, in which a reader can move about."""


RowReader = Callable[[Part], Iterator[NativeRow]]


def is_archive(name: str) -> bool:
    """Whether a file of that name holds members."""
    return name.casefold().endswith((*_TAR, ".zip"))


def bare_name(name: str) -> str:
    """The name in small letters without `.gz`."""
    return name.casefold().removesuffix(".gz")


def each_row(
    file: SourceFile, reader: RowReader, members: tuple[str, ...] = ("*",), limits: Limits = LIMITS
) -> Iterator[NativeRow]:
    """The rows of a file, or of the members of an archive in the archive's order.

    Args:
        members: glob patterns, one of which a member's path or last name must match; a plain file is always read.

    Raises:
        InputError: the file cannot be opened, is cut off, unpacks to more than the limits, or no member matches.
    """
    with opened(file, limits) as stream:
        if not is_archive(file.name):
            plain = not file.name.casefold().endswith(_PACKED)
            yield from reader(Part(file.name, file.name, file.path, stream, plain))
            return
        n_packed = file.path.stat().st_size
        meter = Meter(file.path, limits, lambda: n_packed)
        n_matched = 0
        for member in (_zip_members if file.name.casefold().endswith(".zip") else _tar_members)(stream, meter):
            meter.add_member()
            if not member.is_folder and _matches(member.name, members):
                n_matched += 1
                yield from _member_rows(file, member, meter, reader)
        if not n_matched:
            raise InputError(f"{file.path}: holds no file that matches {' or '.join(members)}")


@contextmanager
def opened(file: SourceFile, limits: Limits = LIMITS) -> Iterator[IO[bytes]]:
    """The file's bytes as a stream, unpacked when its name ends in `.gz` or `.tgz`.

    Raises:
        InputError: it cannot be opened, is cut off or broken, or unpacks to more than the limits.
    """
    kind = "gzip" if file.name.casefold().endswith(_PACKED) else "zip"
    try:
        with file.path.open("rb") as raw:
            _check_content(file.name, raw, str(file.path))
            if kind == "gzip":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield metered(unpacked.read, Meter(file.path, limits, raw.tell))
            else:
                yield raw
    except tarfile.TarError as error:
        raise InputError(f"{file.path}: not a whole tar archive ({error}). Fetch it again.") from error
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{file.path}: not a whole {kind} file ({error}). Fetch it again.") from error
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read ({error.strerror or error})") from error


def what_came_instead(start: bytes) -> str:
    """What a file that starts so is, where that is never a data set; empty where it may be one."""
    if start[:_START_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, as a login or a refusal gives one. Fetch the file again, signed in where that is asked for"
    if start.startswith(b"version https://git-lfs"):
        return "Git LFS's pointer to a file. Fetch the file itself: `git lfs pull`, or from the publisher's page"
    return ""


def _check_content(name: str, stream: IO[bytes], told: str) -> None:
    if bare_name(name).endswith("xml"):  # of many documents, one that is something else is set aside alone
        return
    start = stream.peek(_START_BYTES) if isinstance(stream, io.BufferedReader) else b""
    if came := what_came_instead(start):
        raise InputError(f"{told} is {came}.")
    if start.startswith(b"\x1f\x8b") and not name.casefold().endswith(_PACKED):
        raise InputError(f"{told} is packed with gzip, and its name does not say so. Add .gz to it.")


def as_utf8(stream: IO[bytes]) -> IO[bytes]:
    """The stream without its byte order mark; UTF-16 and UTF-32, told by theirs, as UTF-8."""
    start = stream.peek(4)[:4] if isinstance(stream, io.BufferedReader) else b""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            stream.read(len(mark))
            return stream if encoding == "utf-8" else _recoded(stream, encoding)
    return stream


def seekable(part: Part) -> IO[bytes]:
    """The part as a stream in which one can move about: itself, or a copy in a nameless temporary file."""
    if part.whole:
        return part.stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        copyfileobj(part.stream, copy, 1 << 18)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _recoded(stream: IO[bytes], encoding: str) -> IO[bytes]:
    """UTF-8 bytes of a stream in another encoding. What cannot be decoded stays undecodable, so that a row shows it."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    def decoded(piece: bytes) -> bytes:
        try:
            return decoder.decode(piece, final=not piece).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            decoder.reset()
            return b"\xff"

    def read(_: int) -> bytes:
        while piece := stream.read(1 << 16):
            if text := decoded(piece):
                return text
        return decoded(b"")

    return stream_of(read)


@dataclass(frozen=True, slots=True)
class _Member:
    """A file or folder of an archive."""

    name: str
    open: Callable[[], IO[bytes] | None]
    is_folder: bool
    why_not: str
    """Why it is refused, as far as the archive itself says; empty when it is read."""


def _zip_members(stream: IO[bytes], meter: Meter) -> Iterator[_Member]:
    with zipfile.ZipFile(stream) as archive:
        # No member gives more than the archive says of it, so a bomb is told before it is unpacked.
        meter.add(sum(info.file_size for info in archive.infolist()))
        for info in archive.infolist():
            why = "is encrypted; unpack it with its password first" if info.flag_bits & 1 else ""
            why = "is a link" if S_ISLNK(info.external_attr >> 16) else why
            yield _Member(info.filename, partial(archive.open, info), info.is_dir(), why)


def _tar_members(stream: IO[bytes], _: Meter) -> Iterator[_Member]:
    # Unpacked, and counted, by `opened`, because tarfile's own unpacking takes a gzip file that was cut off for the end of the archive.
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else every header stays in memory
            why = "" if info.isfile() and not info.issparse() else "is not a plain file"
            why = "is a link" if info.issym() or info.islnk() else why
            yield _Member(info.name, partial(archive.extractfile, info), info.isdir(), why)


def _why_unsafe(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ":" in path.parts[0]:
        return "has an absolute path; members must lie inside the archive"
    if ".." in path.parts:
        return "has a path that leads out of the archive"
    return ""


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a member is one of those, in any case; what is packed with gzip besides counts by its name without `.gz`."""
    bare = bare_name(name)
    last = bare.rpartition("/")[2]
    if last.startswith("._"):  # what macOS packs beside every file
        return False
    return any(fnmatchcase(bare, pattern) or fnmatchcase(last, pattern) for pattern in patterns)


def _member_rows(file: SourceFile, member: _Member, meter: Meter, reader: RowReader) -> Iterator[NativeRow]:
    name = f"{file.name}/{member.name}"
    if why := member.why_not or _why_unsafe(member.name):
        yield NativeRow(name, member.name, RowError("unsafe_member", why))
        return
    try:
        opened = member.open()
        if opened is None:
            raise RuntimeError("not a file")
    except (NotImplementedError, RuntimeError) as error:
        problem = RowError("unreadable_member", f"{type(error).__name__}: packed in a way that is not known here")
        yield NativeRow(name, member.name, problem)
        return
    stream = stream_of(opened.read)
    if member.name.casefold().endswith(".gz"):
        stream = metered(gzip.GzipFile(fileobj=stream).read, meter)
    with stream:
        _check_content(member.name, stream, f"{file.path}: {member.name}")
        yield from reader(Part(name, member.name, file.path, stream, whole=False))
