"""Files as they are published: plain, gzip, xz, bzip2 or zstd, never expanded beyond bounds.

A compressed file of some kilobytes can expand to terabytes. What goes beyond `OpenLimits`, is damaged, or ends too
early is `FeedInvalid`. Nothing is ever written to disk.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import zstandard

from orchestrator.core.model import Frozen
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.values import prose

MIB = 1 << 20


class OpenLimits(Frozen):
    """Bounds: ``expanded`` bytes in all; ``ratio`` of them to compressed ones, counted once 16 MiB came out (gzip
    itself reaches 1000, advisories rarely 50); ``member``: bytes of one member of an archive; ``members``: how many."""

    expanded: int = 8 << 30
    ratio: int = 300
    member: int = 64 * MIB
    members: int = 2_000_000


LIMITS = OpenLimits()
RATIO_FROM = 16 * MIB
MEMORY = 256 * MIB
"""What decompression may take: xz and zstd let a file ask for gigabytes."""


class _Decompressor(Protocol):
    """One compressed stream, or one of several that follow each other in a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def push(self, data: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def push(self, data: bytes) -> Iterator[bytes]:
        while data and not self._inner.eof:
            yield self._inner.decompress(data, MIB)
            data = self._inner.unconsumed_tail


class _Xz:
    def __init__(self) -> None:
        self._inner: Any = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def push(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, MIB)
        while not self._inner.eof and not self._inner.needs_input:
            yield self._inner.decompress(b"", MIB)


class _Bzip2(_Xz):
    """The same protocol, as far as bytes go."""

    def __init__(self) -> None:
        self._inner: Any = bz2.BZ2Decompressor()


class _Zstd:
    PIECE = 1024
    """Bytes that go in at a time: what comes out cannot be bounded, and four bytes can be a block of 128 KiB."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=MEMORY // 2).decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._unused

    _unused = b""

    def push(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), self.PIECE):
            yield self._inner.decompress(data[start : start + self.PIECE])
            if self._inner.eof:
                self._unused = self._inner.unused_data + data[start + self.PIECE :]
                return


_KINDS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"\xfd7zXZ\x00", _Xz),
    (b"BZh", _Bzip2),
    (b"\x28\xb5\x2f\xfd", _Zstd),
)
BROKEN: tuple[type[Exception], ...] = (
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    EOFError,
    OSError,
    ValueError,
    MemoryError,
)
"""What the libraries of compression raise for damaged data."""


@contextmanager
def opened(path: Path, *, name: str | None = None, limits: OpenLimits = LIMITS) -> Iterator[BinaryIO]:
    """The content of a file, expanded if it is compressed, whatever it is called. Raises `FeedInvalid` for ``name``,
    or the path."""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise FeedInvalid(f"cannot be read: {exc.strerror}", file=name or str(path)) from exc
    with file:
        start = file.read(8)
        file.seek(0)
        kind = next((make for magic, make in _KINDS if start.startswith(magic)), None)
        if kind is None:
            yield file
        else:
            yield io.BufferedReader(_Expanded(file, name or str(path), kind, limits), 64 * 1024)


def beginning(path: Path, size: int = 64 * 1024) -> bytes:
    """The first bytes of what the file holds, for telling what it is: empty where it cannot be read."""
    try:
        with opened(path) as file:
            return file.read(size)
    except FeedInvalid:
        return b""


class _Expanded(io.RawIOBase):
    """The expanded content of a compressed file."""

    def __init__(self, file: BinaryIO, name: str, make: Callable[[], _Decompressor], limits: OpenLimits) -> None:
        self._file, self._name, self._make, self._limits = file, name, make, limits
        self._taken, self._given = 0, 0
        self._ready, self._pieces = b"", self._expand()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._ready = piece
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _expand(self) -> Iterator[bytes]:
        stream, data = self._make(), b""
        while data or (data := self._read()):
            yield from self._pushed(stream, data)
            data = b""
            if stream.eof:
                data = stream.unused_data.lstrip(b"\x00")  # gzip(1) pads tapes with zeros
                data = data or self._read().lstrip(b"\x00")
                if not data:
                    return
                stream = self._make()
        raise self._invalid("ends too early")

    def _pushed(self, stream: _Decompressor, data: bytes) -> Iterator[bytes]:
        try:
            for piece in stream.push(data):
                self._given += len(piece)
                self._check()
                yield piece
        except BROKEN as exc:
            raise self._invalid(f"is damaged: {prose(str(exc), 120)}") from exc

    def _read(self) -> bytes:
        data = self._file.read(64 * 1024)
        self._taken += len(data)
        return data

    def _check(self) -> None:
        if self._given > self._limits.expanded:
            raise self._invalid(f"expands to more than {self._limits.expanded} bytes")
        if self._given > max(RATIO_FROM, self._limits.ratio * self._taken):
            raise self._invalid(f"expands to more than {self._limits.ratio} times its size")

    def _invalid(self, message: str) -> FeedInvalid:
        return FeedInvalid(message, file=self._name, field=f"before byte {self._taken}")
