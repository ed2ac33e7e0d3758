"""Amazon Linux's bulletins."""

import bz2
import gzip
import json
from pathlib import Path

import pytest

from orchestrator.core.advisories import Entry
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.amazon import Amazon, part_of
from orchestrator.feeds.amazon_update import is_initial
from orchestrator.ports.advisories import FeedFile
from tests.feeds.golden import read, said

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.xml")))
def test_a_repository_says_what_its_bulletins_say(name: str) -> None:
    """Golden cases: epochs, architectures, live patches, kernels of one name, updates that are none of ours."""
    found = said(read(Amazon(), GOLDEN / f"{name}.xml"))
    assert json.loads((GOLDEN / f"{name}.says.json").read_text()) == found


def update(*, bulletin: str = "ALAS2023-2099-001", packages: str = "", references: str = "", more: str = "") -> str:
    return (
        f'<update type="security" status="final"><id>{bulletin}</id>{more}'
        f"<references>{references}</references><pkglist><collection>{packages}</collection></pkglist></update>"
    )


def package(**attributes: str) -> str:
    good = {"name": "frob", "epoch": "0", "version": "1.0", "release": "2.amzn2023", "arch": "x86_64"} | attributes
    return "<package {}/>".format(" ".join(f'{key}="{value}"' for key, value in good.items()))


CVE = '<reference type="cve" id="CVE-2099-0001"/>'


def entries(tmp_path: Path, content: bytes | str) -> list[Entry]:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(content if isinstance(content, bytes) else f"<updates>{content}</updates>".encode())
    return list(Amazon().entries(FeedFile(path=path, feed="amazon/2023/core", source="updateinfo.xml")))


@pytest.mark.parametrize(
    ("bulletin", "part"),
    [
        ("ALAS2023-2099-001", "amazon/2023/core"),
        ("ALAS2023LIVEPATCH-2099-001", "amazon/2023/livepatch"),
        ("ALAS2-2099-2345", "amazon/2/core"),
        ("ALAS2LIVEPATCH-2099-001", "amazon/2/livepatch"),
        ("ALAS2KERNEL-5.15-2099-001", "amazon/2/kernel-5.15"),
        ("ALAS2PHP8.2-2099-001", "amazon/2/php8.2"),
        ("ALASKERNEL-5.10-2099-001", "amazon/2/kernel-5.10"),
        ("RHSA-2099:1234", None),
        ("FEDORA-2099-0123456789", None),
    ],
)
def test_a_bulletins_id_names_its_repository(bulletin: str, part: str | None) -> None:
    """Where it does not name the release, the packages' dist tag does."""
    assert part == part_of(bulletin, 'release="1.amzn2" version="5.10.1"')


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_file_is_known_by_its_first_bulletin(tmp_path: Path, pack: type[bytes]) -> None:
    """Compressed or not. It is all that the repository says."""
    path = tmp_path / "0123-updateinfo.xml.gz"
    path.write_bytes(pack((GOLDEN / "livepatch_2.xml").read_bytes()))
    file = Amazon().recognise(path)
    assert file is not None
    assert ("amazon/2/livepatch", True) == (file.feed, file.is_whole)
    assert ["ALAS2LIVEPATCH-2099-045"] == [entry.id for entry in Amazon().entries(file)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"<html><id>ALAS2-2099-001</id></html>",
        b"<updates></updates>",
        b"<updates><update><id>RHSA-2099:1234</id></update></updates>",
        b"<updates><update><id>ALAS-2099-001</id></update></updates>",
    ],
)
def test_other_files_are_not_taken_for_amazons(tmp_path: Path, content: bytes) -> None:
    """Other vendors' updateinfo, and Amazon Linux AMI's, which is over."""
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(content)
    assert Amazon().recognise(path) is None


@pytest.mark.parametrize(
    ("name", "version", "release", "is_empty"),
    [
        ("kernel-livepatch-5.10.1-2.3", "1.0", "0.amzn2", True),
        ("kernel-livepatch-6.1.12-19.43", "1.0", "0.amzn2023", True),
        ("kernel-livepatch-6.1.12-19.43", "1.0", "1.amzn2023", False),
        ("kernel-livepatch-6.1.12-19.43", "1.0", "10.amzn2023", False),
        ("frob", "1.0", "0.amzn2023", False),
    ],
)
def test_the_first_live_patch_of_a_kernel_is_empty(name: str, version: str, release: str, is_empty: bool) -> None:
    """It fixes nothing, though the kernel's bulletin lists it beside the kernel, which does."""
    assert is_empty == is_initial(name, version, release)


@pytest.mark.parametrize(
    ("bulletin", "name", "version", "introduced"),
    [
        ("ALAS2KERNEL-5.15-2099-001", "kernel", "5.15.43", "5.15"),
        ("ALAS2-2099-001", "kernel", "4.14.99", None),
        ("ALAS2POSTGRESQL14-2099-001", "postgresql", "14.9", "14"),
        ("ALAS2POSTGRESQL14-2099-001", "libpq", "15.1", None),
        ("ALAS2DOCKER-2099-001", "docker", "20.10.25", None),
        ("ALAS2023-2099-001", "kernel6.12", "6.12.29", "6.12"),
    ],
)
def test_a_bulletin_about_one_series_says_nothing_of_older_ones(
    tmp_path: Path, bulletin: str, name: str, version: str, introduced: str | None
) -> None:
    """Several series have packages of one name; the range begins with the series that the bulletin is for."""
    listed = package(name=name, version=version, release="1.amzn2")
    ((statement,),) = (
        entry.statements for entry in entries(tmp_path, update(bulletin=bulletin, packages=listed, references=CVE))
    )
    assert introduced == statement.introduced


def test_an_epoch_goes_before_every_bound(tmp_path: Path) -> None:
    """Also where a series begins."""
    listed = package(name="postgresql", version="14.9", epoch="2", release="1.amzn2")
    (entry,) = entries(tmp_path, update(bulletin="ALAS2POSTGRESQL14-2099-001", packages=listed, references=CVE))
    assert [("2:14", "2:14.9-1.amzn2")] == [(one.introduced, one.fixed) for one in entry.statements]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><updates>&l9;</updates>',
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><updates>&e;</updates>',
    "external DTD": '<!DOCTYPE updates SYSTEM "http://example.org/x.dtd"><updates/>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://example.org/x"> %p;]><updates/>',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_document_types_and_entities_are_refused(tmp_path: Path, content: str) -> None:
    """Before anything is expanded or fetched."""
    with pytest.raises(FeedInvalid, match="declares a document type, which no such file does") as caught:
        entries(tmp_path, content.encode())
    assert ("updateinfo.xml", 1) == (caught.value.file, caught.value.line)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no XML: no element found"),
        (b"<updates>", "is no XML: no element found"),
        (b"<updates><update>", r"/updates/update\[1\]: is no XML"),
        (b"<updates/>x", "is no XML: junk after document element"),
        (b"<updates>&undeclared;</updates>", "is no XML: undefined entity"),
        (b"<html/>", "begins with <html>, and should with <updates>"),
        (b'<?xml version="1.0" encoding="no-such"?><updates/>', "is no XML"),
        (b"<updates>\xff</updates>", "is no XML"),
        (b"<updates><update></updates></update>", "is no XML: mismatched tag"),
        (b"<updates>" + b"<a>" * 12, "is nested deeper than 12 elements"),
        (b"<updates><update><id>" + b"x" * 10_000_000, r"/update\[1\]/id\[1\]: has a text of more than"),
        (b'<updates><update x="' + b"x" * 10_000_000, "bytes without an element"),
        (b'<updates><update x="' + b"x" * 5000 + b'"/></updates>', "has an attribute of more than 4000"),
        (b"<updates><!--" + b"x" * 10_000_000, "bytes without an element"),
        (b"<updates><update " + b" ".join(b'a%d="1"' % n for n in range(99)) + b"/></updates>", "too many attributes"),
        (b"<updates><update/></updates>", r"/updates/update\[1\]: has no id"),
    ],
)
def test_what_is_no_updateinfo_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    """Truncated, too deep, too long, of another kind."""
    with pytest.raises(FeedInvalid, match=message) as caught:
        entries(tmp_path, content)
    assert caught.value.line is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (update(bulletin="x" * 81), r"/update\[1\]/id\[\d\]: has a text of 81 characters"),
        (update(bulletin="A&#x202e;LAS"), "cannot be printed"),
        (update(packages=package(name="")), r"/package\[1\]: has no name, version or release"),
        (update(packages=package(name="../x")), "a name or a version that no package has"),
        (update(packages=package(version="1-2")), "a name or a version that no package has"),
        (update(packages=package() + package(epoch="-1")), r"/package\[2\]: has an epoch that is no number"),
        (update(packages=package(epoch="1" * 21)), "has a text of 21 characters"),
        (update(more='<issued date="soon"/>'), r"/issued\[\d\]: is no date"),
        (
            update(
                packages="".join(package(name=f"p{n}") for n in range(400)),
                references="".join(f'<reference type="cve" id="CVE-2099-{n}"/>' for n in range(1000, 1400)),
            ),
            "names 400 CVEs and 400 packages: no update does",
        ),
    ],
)
def test_a_broken_bulletin_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    """The path of the element, and its line."""
    with pytest.raises(FeedInvalid, match=message):
        entries(tmp_path, content)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """Blanks without end, in some kilobytes."""
    with pytest.raises(FeedInvalid, match=r"expands to more than \d+ times its size"):
        entries(tmp_path, gzip.compress(b"<updates>" + b" " * (1 << 26)))


def test_elements_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    """However many there are, and in whatever namespace."""
    content = f"<other><update/></other>{update()}<x/>{update(bulletin='ALAS2023-2099-002')}"
    assert ["ALAS2023-2099-001", "ALAS2023-2099-002"] == [entry.id for entry in entries(tmp_path, content)]
