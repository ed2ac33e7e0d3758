"""Compressed files and archives within bounds: whatever expands too far, is damaged, or is cut short is refused."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.archives import tar_members, zip_members
from orchestrator.feeds.opening import MIB, OpenLimits, beginning, opened

CONTENT = bytes(range(256)) * 40
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.fixture(params=PACK)
def pack(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    """Each way to compress."""
    return PACK[request.param]


def written(folder: Path, data: bytes) -> Path:
    """A file, whose name says nothing."""
    path = folder / "file"
    path.write_bytes(data)
    return path


def read(path: Path, limits: OpenLimits | None = None) -> bytes:
    """All of it, piece by piece."""
    with opened(path, name="f.gz", limits=limits or OpenLimits()) as file:
        return b"".join(iter(lambda: file.read(4096), b""))


def test_content_is_expanded_whatever_the_name(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Plain, compressed, and several compressed streams after each other."""
    for data, content in ((CONTENT, CONTENT), (pack(CONTENT), CONTENT), (pack(CONTENT) * 3, CONTENT * 3)):
        assert content == read(written(tmp_path, data))
    assert CONTENT[:100] == beginning(written(tmp_path, pack(CONTENT)), 100)


def test_a_compressed_file_that_was_cut_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """At any byte, checksums at the end included."""
    data = pack(CONTENT)
    for cut in range(8, len(data)):
        with pytest.raises(FeedInvalid, match=r"ends too early|damaged"):
            read(written(tmp_path, data[:cut]))


def test_what_follows_a_compressed_file_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """But for zeros, which tapes are padded with."""
    assert CONTENT == read(written(tmp_path, pack(CONTENT) + bytes(512)))
    with pytest.raises(FeedInvalid):
        read(written(tmp_path, pack(CONTENT) + b"garbage"))


def test_a_flipped_byte_is_refused_or_of_no_concern(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Never anything but the content, or the error of the file."""
    data = pack(CONTENT)
    for at in range(6, len(data)):
        path = written(tmp_path, data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            assert CONTENT == read(path) or at < 12, at
        except FeedInvalid as exc:
            assert "f.gz" == exc.file  # noqa: PT017  either is right


def test_a_bomb_is_refused_before_it_fills_anything(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """By its ratio, and by what it comes to."""
    path = written(tmp_path, pack(bytes(80 * MIB)))
    with pytest.raises(FeedInvalid, match="expands to more than 300 times its size"):
        read(path)
    with pytest.raises(FeedInvalid, match="expands to more than 1000 bytes"):
        read(path, OpenLimits(expanded=1000))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Says so; nobody can tell what it is."""
    with pytest.raises(FeedInvalid, match="cannot be read: No such file"):
        read(tmp_path / "nothing")
    assert b"" == beginning(tmp_path / "nothing")


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes]) -> bytes:
    """A tar archive, with a folder in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


GOOD = (("a/1.json", CONTENT), ("2.json", b"{}"), ("c.txt", b"x"))


def test_members_come_one_by_one(tmp_path: Path) -> None:
    """Those that are wanted; folders are none."""
    for data, members in ((zipped(("a/", b""), *GOOD), zip_members), (PACK["zstd"](tarred(*GOOD)), tar_members)):
        path = written(tmp_path, data)
        assert list(GOOD) == [(one.name, one.data) for one in members(path)]
        assert ["2.json"] == [one.name for one in members(path, wanted="2.json".__eq__)]


@pytest.mark.parametrize(
    ("data", "members"),
    [(zipped(*GOOD), zip_members), (tarred(*GOOD), tar_members), (PACK["gzip"](tarred(*GOOD)), tar_members)],
    ids=["zip", "tar", "tar.gz"],
)
def test_an_archive_that_was_cut_is_refused(tmp_path: Path, data: bytes, members: object) -> None:
    """Anywhere: one that was cut between two members must not look like a smaller one."""
    end = len(data.rstrip(b"\x00")) + (1024 if members is tar_members and data[:2] != b"\x1f\x8b" else 0)
    for cut in range(0, end, 37):
        with pytest.raises(FeedInvalid):
            list(members(written(tmp_path, data[:cut])))  # type: ignore[operator]


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a\\b", "a\x1bb", "x" * 256])
def test_names_that_no_archive_has(tmp_path: Path, name: str) -> None:
    """Nothing is unpacked, and yet they are refused."""
    for data, members in ((zipped((name, b"x")), zip_members), (tarred((name, b"x")), tar_members)):
        with pytest.raises(FeedInvalid, match="name that no such archive has") as refused:
            list(members(written(tmp_path, data)))
        assert str(refused.value).isprintable()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    """Readers differ in which of the two they take."""
    for data, members in ((zipped(*GOOD, GOOD[0]), zip_members), (tarred(*GOOD, GOOD[0]), tar_members)):
        with pytest.raises(FeedInvalid, match=r"a/1\.json: is there twice"):
            list(members(written(tmp_path, data)))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    """By name; in the directory, where the flag is told."""
    data = bytearray(zipped(("secret.json", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FeedInvalid, match=r"secret\.json: is encrypted"):
        list(zip_members(written(tmp_path, bytes(data))))


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (OpenLimits(member=100), "is larger than 100 bytes"),
        (OpenLimits(expanded=100), "expands to more than 100 bytes"),
        (OpenLimits(members=2), "members"),
    ],
)
def test_bounds_of_archives(tmp_path: Path, limits: OpenLimits, says: str) -> None:
    """Of one member, of all, of their number."""
    for data, members in ((zipped(*GOOD), zip_members), (PACK["gzip"](tarred(*GOOD)), tar_members)):
        with pytest.raises(FeedInvalid, match=says):
            list(members(written(tmp_path, data), limits=limits))


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    """Its ratio is known before it is expanded; and one that lies about its size is damaged."""
    bomb = zipped(("bomb.json", bytes(20 * MIB)))
    with pytest.raises(FeedInvalid, match=r"bomb\.json: expands to more than 300 times its size"):
        list(zip_members(written(tmp_path, bomb)))
    lying = bytearray(bomb)
    struct.pack_into("<I", lying, lying.index(b"PK\x01\x02") + 24, 100)
    with pytest.raises(FeedInvalid, match=r"bomb\.json: is damaged"):
        list(zip_members(written(tmp_path, bytes(lying))))


def test_a_directory_of_millions_is_not_read(tmp_path: Path) -> None:
    """The end of the archive says how many there are, and may lie: there are no more than fit."""
    data = bytearray(zipped(*GOOD))
    struct.pack_into("<H", data, data.index(b"PK\x05\x06") + 10, 60_000)
    with pytest.raises(FeedInvalid, match="lists 60000 members"):
        list(zip_members(written(tmp_path, bytes(data))))


SPARSE = "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "x", "GNU.sparse.realsize", "1"


def headed(kind: bytes, data: bytes) -> bytes:
    """A tar archive with a member of that type before the first file."""
    return tar_header("header", kind, data) + tar_header("1.json", tarfile.REGTYPE, b"{}") + bytes(1024)


def tar_header(name: str, kind: bytes, data: bytes) -> bytes:
    """One member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def pax(*pairs: str) -> bytes:
    """A pax header: each line begins with its own length."""
    lines = [f" {key}={value}\n" for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
    return "".join(f"{len(line) + len(str(len(line) + 3)):d}{line}" for line in lines).encode()


HEADERS = {
    "pax": tarfile.XHDTYPE,
    "pax of all": tarfile.XGLTYPE,
    "pax of Solaris": tarfile.SOLARIS_XHDTYPE,
    "long name": tarfile.GNUTYPE_LONGNAME,
    "long link": tarfile.GNUTYPE_LONGLINK,
}


@pytest.mark.parametrize("kind", HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_as_large_as_a_disk_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """It is refused before it is in memory, the first one and one behind other members."""
    for before in (b"", tarred(*GOOD).rstrip(b"\x00") + bytes(511)):
        start = before[: len(before) // 512 * 512]
        path = written(tmp_path, gzip.compress(start + headed(kind, b"x" * 24 * MIB), 1))
        tracemalloc.start()
        with pytest.raises(FeedInvalid, match="has more than 65536 bytes of headers before a member"):
            list(tar_members(path, limits=OpenLimits(ratio=1_000_000)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 8 * MIB


def test_the_map_of_a_sparse_file_is_a_header_too(tmp_path: Path) -> None:
    """In the data of the member, as GNU tar's newest format has it, or in blocks behind its header."""
    told = tar_header("header", tarfile.XHDTYPE, pax(*SPARSE))
    mapped = tar_header("1.json", tarfile.REGTYPE, b"9999999\n" + b"1\n" * MIB)
    blocks = bytearray(tar_header("1.json", tarfile.GNUTYPE_SPARSE, b""))
    blocks[482] = 1
    more = (b"00000000001\x00" * 42).ljust(504, b"\x00") + b"\x01" + bytes(7)
    blocks[148:156] = b"%06o\x00 " % (sum(blocks[:148]) + sum(blocks[156:512]) + 8 * 32)
    for data in (told + mapped, bytes(blocks) + more * 4_000):
        with pytest.raises(FeedInvalid, match="bytes of headers before a member"):
            list(tar_members(written(tmp_path, data + bytes(1024))))


def test_keywords_for_all_members_do_not_pile_up(tmp_path: Path) -> None:
    """Each file of a hostile archive would add some."""
    parts = [
        tar_header("header", tarfile.XGLTYPE, pax(f"key{number}", "x" * 1000))
        + tar_header(f"{number}.json", tarfile.REGTYPE, b"{}")
        for number in range(101)
    ]
    with pytest.raises(FeedInvalid, match="sets more than 100 keywords"):
        list(tar_members(written(tmp_path, b"".join(parts) + bytes(1024))))


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_need_a_header_of_their_own_are_read(tmp_path: Path, format_: int) -> None:
    """Of more than the hundred bytes that fit into the first one, behind large members as well."""
    buffer = io.BytesIO()
    members = [(f"{'x' * 200}{number}", bytes([number]) * 3 * MIB) for number in range(3)]
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = written(tmp_path, buffer.getvalue())
    assert members == [(one.name, one.data) for one in tar_members(path)]
    assert [members[2][0]] == [one.name for one in tar_members(path, wanted=lambda name: name == members[2][0])]
