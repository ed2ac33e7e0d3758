"""Red Hat's files: archives and single documents."""

import json
import tarfile
from pathlib import Path

import pytest

from orchestrator.core.advisories import Entry
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.redhat import RedHat
from orchestrator.feeds.redhat_products import Component, Stream, component_of, stream_of
from orchestrator.ports.advisories import FeedFile
from tests.feeds.redhat.archives import name_of, tar_of, vex, zstd

ONE, TWO = "CVE-2099-1234", "CVE-2098-4321"


def read(tmp_path: Path, content: bytes, name: str = "csaf_vex_2099-03-05.tar.zst") -> list[Entry]:
    path = tmp_path / name
    path.write_bytes(content)
    return list(RedHat().entries(FeedFile(path=path, feed="redhat", source="archive")))


def recognised(tmp_path: Path, content: bytes, name: str) -> FeedFile | None:
    path = tmp_path / name
    path.write_bytes(content)
    return RedHat().recognise(path)


def documents(*cves: str) -> dict[str, object]:
    return {name_of(cve): vex(cve) for cve in cves}


@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_archive_is_read_document_by_document(tmp_path: Path, prefix: str) -> None:
    """Compressed or not; folders and files of other names are of no concern."""
    made = tar_of({f"{prefix}{name}": content for name, content in documents(ONE, TWO).items()} | {"README": b"x"})
    assert [ONE, TWO] == [entry.id for entry in read(tmp_path, zstd(made))]
    assert [ONE, TWO] == [entry.id for entry in read(tmp_path, made)]


def test_an_archive_is_whole_and_as_old_as_its_name_says(tmp_path: Path) -> None:
    """A name without a date has none."""
    made = zstd(tar_of(documents(ONE)))
    found = recognised(tmp_path, made, "csaf_vex_2099-03-05.tar.zst")
    assert found is not None
    assert ("redhat", True, "2099-03-05", "2099-03-05 00:00") == (
        found.feed,
        found.is_whole,
        found.version,
        f"{found.dated:%Y-%m-%d %H:%M}",
    )
    found = recognised(tmp_path, made, "archive")
    assert found is not None
    assert (None, None) == (found.version, found.dated)


def test_a_single_document_is_not_all_there_is(tmp_path: Path) -> None:
    """It says nothing of other CVEs."""
    found = recognised(tmp_path, json.dumps(vex(ONE)).encode(), "cve-2099-1234.json")
    assert found is not None
    assert ("redhat", False) == (found.feed, found.is_whole)
    assert [ONE] == [entry.id for entry in RedHat().entries(found)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"<updates>",
        b'"2099/cve-2099-1234.json","2099-03-05T00:00:00+00:00"\n',
        json.dumps(vex(ONE)).encode().replace(b"csaf_vex", b"csaf_security_advisory"),
        json.dumps(vex(ONE)).encode().replace(b"www.redhat.com", b"www.suse.com"),
        zstd(tar_of({"etc/passwd": b"root"})),
        b"\x28\xb5\x2f\xfd" + b"x" * 100,
    ],
)
def test_other_files_are_not_taken_for_red_hats(tmp_path: Path, content: bytes) -> None:
    """Other publishers' documents, lists of changes, other archives, damaged ones."""
    assert recognised(tmp_path, content, "file") is None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../2099/cve-2099-1234.json": vex(ONE)}, "a name that no such archive has"),
        ({"/2099/cve-2099-1234.json": vex(ONE)}, "a name that no such archive has"),
        ({name_of(ONE): vex(TWO)}, "2099/cve-2099-1234.json.*is about CVE-2098-4321, and its name about another"),
        ({name_of(ONE): b'{"document":'}, r"2099/cve-2099-1234.json#.*byte 12"),
        ({name_of(ONE): b"\xff\xfe"}, "not UTF-8"),
        ({name_of(ONE): vex(ONE), "./" + name_of(TWO): []}, "should be an object"),
        ({name_of(ONE): b"[" + b"{}," * 3_000_000 + b"{}]"}, "has more than 4000000 values"),
        ({"README": b"nothing else"}, "is an archive without documents"),
    ],
)
def test_a_broken_archive_is_refused_with_its_member(tmp_path: Path, members: dict[str, object], message: str) -> None:
    """Names that lead elsewhere, documents about something else, and what is no document."""
    with pytest.raises(FeedInvalid, match=message) as caught:
        read(tmp_path, zstd(tar_of(members)))
    assert "archive" == caught.value.file


def test_links_and_devices_of_an_archive_are_never_followed(tmp_path: Path) -> None:
    """They are no documents, whatever they are called and point at."""
    link, device = tarfile.TarInfo(name_of(TWO)), tarfile.TarInfo("2099/cve-2099-5555.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    assert [ONE] == [entry.id for entry in read(tmp_path, tar_of(documents(ONE), link, device))]


def test_a_document_twice_is_refused(tmp_path: Path) -> None:
    """Nobody can tell which of the two is meant."""
    content = tar_of(documents(ONE))
    first = content.rstrip(b"\x00")
    first += b"\x00" * (-len(first) % 512)
    with pytest.raises(FeedInvalid, match="is there twice"):
        read(tmp_path, zstd(first + content))


def test_a_bomb_is_refused_before_it_fills_anything(tmp_path: Path) -> None:
    """A document of a gigabyte of nothing, in some kilobytes."""
    zeros = zstd(b"\x00" * (1 << 27))
    with pytest.raises(FeedInvalid, match=r"expands to more than \d+ times its size"):
        read(tmp_path, zstd(tar_of({"README": b""})[:512]) + zeros * 8)


def test_an_archive_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    """Wherever it was cut."""
    content = zstd(tar_of(documents(ONE, TWO)))
    for cut in range(4, len(content), 37):
        with pytest.raises(FeedInvalid):
            read(tmp_path, content[:cut])


@pytest.mark.parametrize(
    ("cpe", "product_id", "stream"),
    [
        ("cpe:/o:redhat:enterprise_linux:9::baseos", "BaseOS-9.2.0.Z.MAIN.EUS", Stream("rhel:9", 2, "")),
        ("cpe:/a:redhat:enterprise_linux:8::crb", "CRB-8.10.0.Z.MAIN.EUS", Stream("rhel:8", 10, "")),
        ("cpe:/a:redhat:enterprise_linux:9", "rhel-9.5", Stream("rhel:9", 5, "")),
        ("cpe:/o:redhat:enterprise_linux:7", "red_hat_enterprise_linux_7", Stream("rhel:7", None, "")),
        ("cpe:/o:redhat:enterprise_linux:10.0", "rhel-10.0", Stream("rhel:10", 0, "")),
        ("cpe:/a:redhat:rhel_eus:9.0::appstream", "AppStream-9.0.0.Z.EUS", Stream("rhel:9", 0, "EUS")),
        ("cpe:/o:redhat:enterprise_linux_eus:10.2", "rhel-10.2", Stream("rhel:10", 2, "EUS")),
        ("cpe:/o:redhat:rhel_els:7", "rhel-7-els.els", Stream("rhel:7", None, "ELS")),
        ("cpe:/a:redhat:rhel_e4s:8.4::appstream", "x", Stream("rhel:8", 4, "E4S")),
        ("cpe:/a:redhat:openshift:4.16::el9", "9Base-RHOSE-4.16", None),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", "x", None),
        ("cpe:/a:redhat:rhel_satellite_client:6::el8", "x", None),
        ("cpe:/o:example:enterprise_linux:9", "x", None),
        ("cpe:/o:redhat:enterprise_linux", "x", None),
        ("", "x", None),
    ],
)
def test_a_cpe_names_a_stream(cpe: str, product_id: str, stream: Stream | None) -> None:
    """Of Red Hat Enterprise Linux; everything else is another product."""
    assert stream == stream_of(cpe, product_id)


@pytest.mark.parametrize(
    ("purl", "component"),
    [
        ("pkg:rpm/redhat/kernel@5.14.0-427.el9?arch=src", Component("kernel", True, "5.14.0-427.el9", None, None)),
        ("pkg:rpm/redhat/bind@9.16-1.el9?epoch=32&arch=x86_64", Component("bind", False, "32:9.16-1.el9", None, None)),
        ("pkg:rpm/redhat/frob@1-2.el9?epoch=0", Component("frob", False, "1-2.el9", None, None)),
        ("pkg:rpm/redhat/redis@6-1%2B?arch=src&rpmmod=redis:6:8", Component("redis", True, "6-1+", "redis:6", None)),
        ("pkg:rpm/redhat/pki-ca?upstream=pki-core:10.6/pki-core", Component("pki-ca", False, None, None, "pki-core")),
        ("pkg:rpm/redhat/libstdc++", Component("libstdc++", False, None, None, None)),
        ("pkg:rpm/redhat/python39@3.9-8040020240902080505.63cd9eba?epoch=0", None),
        ("pkg:rpm/redhat/python2?arch=src&rpmmod=gimp:flatpak", None),
        ("pkg:rpm/redhat/frob?rpmmod=rhel10", None),
        ("pkg:rpm/fedora/frob", None),
        ("pkg:maven/org.example/frob@1.0", None),
        ("pkg:rpm/redhat/%2e%2e%2fetc", None),
        ("pkg:rpm/redhat/" + "x" * 2000, None),
        ("", None),
    ],
)  # fmt: skip
def test_a_purl_names_a_package(purl: str, component: Component | None) -> None:
    """With its epoch, its module and stream, and the source package where it tells that."""
    assert component == component_of(purl)
