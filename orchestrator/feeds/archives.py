"""Archives as they are published: zip and tar, member by member, never expanded beyond bounds.

A name in an archive can be that of a file of ours, a directory can lie about sizes, and few bytes can expand to many.
What goes beyond `OpenLimits`, is damaged, or ends too early is `FeedInvalid`. Nothing is ever written to disk.
"""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.opening import BROKEN, LIMITS, MIB, OpenLimits, opened
from orchestrator.feeds.values import is_printable, prose

_BROKEN: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, *BROKEN,
)  # fmt: skip
"""What the libraries of archives raise for damaged ones, and for encryption and compression that they do not know."""
_BUFFER = 64 * 1024
_HEADERS = 64 * 1024
"""Bytes of headers between two members of a tar archive. Long names, comments and maps of sparse files are members or
data of their own, which tarfile reads into memory whole, and come to hundreds of bytes. Source: POSIX.1-2017, pax,
"pax Header Block"; tar(5)."""
_GLOBALS = 100
"""Keywords that headers for all members that follow may set; git writes one."""


class ArchiveMember(NamedTuple):
    """A file in an archive."""

    name: str
    data: bytes


def zip_members(
    path: Path,
    *,
    name: str | None = None,
    wanted: Callable[[str], bool] = lambda _name: True,
    limits: OpenLimits = LIMITS,
) -> Iterator[ArchiveMember]:
    """The files of a zip archive whose names are wanted, one after the other. Raises `FeedInvalid` naming
    the member."""
    file = name or str(path)
    try:
        _check_directory(path, file, limits)
        with zipfile.ZipFile(path) as archive:
            yield from _zip_members(archive, file, wanted, limits)
    except _BROKEN as exc:
        raise FeedInvalid(f"is no zip archive, or damaged: {prose(str(exc), 120)}", file=file) from exc


def _zip_members(
    archive: zipfile.ZipFile, file: str, wanted: Callable[[str], bool], limits: OpenLimits
) -> Iterator[ArchiveMember]:
    seen: set[str] = set()
    expanded = 0
    for info in archive.infolist():
        _check_name(info.filename, file, seen)
        if info.is_dir() or not wanted(info.filename):
            continue
        if info.flag_bits & 0x1:
            raise FeedInvalid("is encrypted", file=file, field=_shown(info.filename))
        data = _zip_data(archive, info, file, limits)
        expanded += len(data)
        if expanded > limits.expanded:
            raise FeedInvalid(f"expands to more than {limits.expanded} bytes", file=file)
        yield ArchiveMember(info.filename, data)


def _zip_data(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str, limits: OpenLimits) -> bytes:
    """Never more than is allowed, whatever the directory says of the size."""
    field = _shown(info.filename)
    if info.file_size > limits.member:
        raise FeedInvalid(f"is larger than {limits.member} bytes", file=file, field=field)
    if info.file_size > max(MIB, limits.ratio * info.compress_size):
        raise FeedInvalid(f"expands to more than {limits.ratio} times its size", file=file, field=field)
    try:
        with archive.open(info) as member:
            return member.read(info.file_size + 1)
    except _BROKEN as exc:
        raise FeedInvalid(f"is damaged: {prose(str(exc), 120)}", file=file, field=field) from exc


_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE, _END64 = b"PK\x06\x07", 20, b"PK\x06\x06"


def _check_directory(path: Path, name: str, limits: OpenLimits) -> None:
    """Refuse a directory of too many members before it is read into memory. Source: APPNOTE.TXT 4.3.14 to 4.3.16."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 0x10000 - _END_SIZE - _LOCATOR_SIZE))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_SIZE:
            raise zipfile.BadZipFile("it has no directory: it ends too early, or is no zip file")
        members = int(struct.unpack_from("<H", tail, at + 10)[0])
        locator = tail[max(0, at - _LOCATOR_SIZE) : at]
        if locator.startswith(_LOCATOR):
            file.seek(struct.unpack_from("<Q", locator, 8)[0])
            end = file.read(56)
            if not end.startswith(_END64) or len(end) < 56:
                raise zipfile.BadZipFile("its directory is damaged")
            members = int(struct.unpack_from("<Q", end, 32)[0])
    if members > limits.members or members * 46 > size:
        raise FeedInvalid(f"lists {members} members, and may have {limits.members}", file=name)


def tar_members(
    path: Path,
    *,
    name: str | None = None,
    wanted: Callable[[str], bool] = lambda _name: True,
    limits: OpenLimits = LIMITS,
) -> Iterator[ArchiveMember]:
    """The regular files of a tar archive, compressed or not, whose names are wanted, in one pass. Raises `FeedInvalid`
    naming the member."""
    file = name or str(path)
    seen: set[str] = set()
    with opened(path, name=name, limits=limits) as content:
        ending: Any = _Ending(content, file)  # tarfile wants no more of a stream than read
        try:
            with tarfile.open(fileobj=ending, mode="r|", bufsize=_BUFFER) as archive:
                headers: Any = archive
                for info in archive:
                    headers.members = []
                    ending.expect(headers.offset)
                    if len(headers.pax_headers) > _GLOBALS:
                        raise FeedInvalid(f"sets more than {_GLOBALS} keywords for all its members", file=file)
                    if len(seen) >= limits.members:
                        raise FeedInvalid(f"has more than {limits.members} members", file=file)
                    _check_name(info.name, file, seen)
                    if info.isreg() and wanted(info.name):
                        yield ArchiveMember(info.name, _tar_data(archive, info, file, limits))
        except _BROKEN as exc:
            raise FeedInvalid(f"is no tar archive, or damaged: {prose(str(exc), 120)}", file=file) from exc
        if not seen:
            raise FeedInvalid("is an empty archive", file=file)
        ending.check()


class _Ending:
    """Remembers the last bytes read. A tar archive that was cut between two members looks like a smaller one, but for
    the two blocks of zeros at the end that POSIX asks for. Nothing is read far beyond where the next header must be."""

    SIZE = 1024

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name, self._last = file, name, b""
        self._taken = 0
        self.expect(0)

    def expect(self, at: int) -> None:
        """The next header begins there."""
        self._at_most = at + _HEADERS + _BUFFER

    def read(self, size: int = -1, /) -> bytes:
        if self._taken > self._at_most:
            raise FeedInvalid(f"has more than {_HEADERS} bytes of headers before a member", file=self._name)
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._taken += len(data)
        self._last = (self._last + data)[-self.SIZE :] if data else self._last
        return data

    def check(self) -> None:
        """Read what is left, and refuse an archive without its end."""
        while self._read(MIB):
            pass
        if self._last != bytes(self.SIZE):
            raise FeedInvalid("ends too early", file=self._name)


def _tar_data(archive: tarfile.TarFile, info: tarfile.TarInfo, file: str, limits: OpenLimits) -> bytes:
    if info.size > limits.member:
        raise FeedInvalid(f"is larger than {limits.member} bytes", file=file, field=_shown(info.name))
    member = archive.extractfile(info)
    data = member.read() if member is not None else b""
    if len(data) != info.size:
        raise FeedInvalid("ends too early", file=file, field=_shown(info.name))
    return data


def _check_name(name: str, file: str, seen: set[str]) -> None:
    """Nothing is unpacked, but names end up in messages and as places."""
    path = PurePosixPath(name)
    if (
        not name
        or len(name) > 255
        or not is_printable(name)
        or "\\" in name
        or path.is_absolute()
        or ".." in path.parts
    ):
        raise FeedInvalid("has a member with a name that no such archive has", file=file, field=_shown(name))
    if name in seen:
        raise FeedInvalid("is there twice", file=file, field=_shown(name))
    seen.add(name)


def _shown(name: str) -> str:
    return prose(name, 120) or "(no name)"
