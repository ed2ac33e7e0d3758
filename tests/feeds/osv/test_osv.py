"""OSV records of every distribution that is followed, and the archives that they come in."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.advisories import Entry
from orchestrator.errors import FeedInvalid, NotFound
from orchestrator.feeds.osv import Osv
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Known
from tests.feeds.golden import cases, expected, golden, read, said

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", cases(HERE))
def test_a_record_says_what_its_distribution_says(name: str) -> None:
    """Golden cases: packages, ranges, dates, severities and subscriptions of each ecosystem."""
    assert said(read(Osv(), golden(HERE, name))) == expected(HERE, name)


def record(**changed: Any) -> dict[str, Any]:
    """A record of Debian with other values."""
    package = {"ecosystem": "Debian:12", "name": "frob"}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-2"}]}]
    return {
        "id": "DSA-9001-1",
        "upstream": ["CVE-2099-9001"],
        "affected": [{"package": package, "ranges": ranges}],
    } | changed


def affected(**changed: Any) -> list[dict[str, Any]]:
    """The one package of that record with other values."""
    return [record()["affected"][0] | changed]


def of_record(tmp_path: Path, content: Any) -> list[Entry]:
    path = tmp_path / "one.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return list(Osv().entries(FeedFile(path=path, feed="osv/Debian", source="one.json", is_whole=False)))


def archive(path: Path, records: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in records.items():
            made.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (record(id=7), "/id: is a number, and should be a text"),
        (record(id=""), "/id: is empty"),
        (record(affected={}), "/affected: is an object, and should be a list"),
        (record(upstream="CVE-2099-9001"), "/upstream: is a text, and should be a list"),
        (record(upstream=["CVE-2099-9001", None]), "/upstream/1: is missing, and should be a text"),
        (record(modified="yesterday"), "/modified: is no date in ISO 8601"),
        (record(published=1700000000), "/published: is a number, and should be a text"),
        (record(affected=affected(package={"ecosystem": "Debian:12"})), "/affected/0/package/name: is missing"),
        (record(affected=affected(package="frob")), "/affected/0/package: is a text"),
        (record(affected=affected(package={"ecosystem": "Debian:12", "name": "a\x1b[2Jb"})), "cannot be printed"),
        (record(affected=affected(package={"ecosystem": "Debian:12", "name": "f" * 201})), "may have 200"),
        (record(affected=affected(ranges=[{"events": []}])), "/affected/0/ranges/0/type: is missing"),
        (
            record(affected=affected(ranges=[{"type": "ECOSYSTEM", "events": [{"fixed": "1.0-2"}]}])),
            "/affected/0/ranges/0: has no event that says since when",
        ),
        (
            record(affected=affected(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0", "fixed": "1"}]}])),
            "/affected/0/ranges/0/events/0: is not exactly one of",
        ),
        (
            record(affected=affected(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": 2}]}])),
            "/affected/0/ranges/0/events/1/fixed: is a number",
        ),
        (record(affected=affected(ranges=[], versions=["1"] * 5_001)), "/affected/0/versions: has more than 5000"),
        (record(severity=[{"type": "CVSS_V3"}]), "/severity/0/score: is missing"),
        (record(summary="s" * 10_000_000), "/summary: is a text of 10000000 characters"),
        (b'{"id": "DSA-9001-1", "affected": [', "byte 34"),
        (b'{"id": "DSA-9001-1", "id": "DSA-9001-2"}', "'id' is there twice"),
        (b'{"id": "DSA-9001-1", "affected": ' + b"[" * 200_000, "nested too deep"),
        (b"[]", "is a list, and should be an object"),
        (b"", "byte 0"),
    ],
)
def test_a_broken_record_is_refused_with_its_place(tmp_path: Path, content: Any, place: str) -> None:
    """Wrong types, missing values, texts without end, nesting: the error names the file and the value."""
    with pytest.raises(FeedInvalid) as refused:
        of_record(tmp_path, content)
    assert str(refused.value).startswith("one.json: ")
    assert place in str(refused.value)


def test_too_many_statements_are_refused(tmp_path: Path) -> None:
    """CVEs times packages may not become more than can be held."""
    packages = [affected(package={"ecosystem": "Debian:12", "name": f"frob{number}"})[0] for number in range(500)]
    cves = [f"CVE-2099-{number}" for number in range(10_000, 10_401)]
    with pytest.raises(FeedInvalid, match="says more than 200000 things"):
        of_record(tmp_path, record(upstream=cves, affected=packages))


def test_a_record_about_other_things_says_nothing(tmp_path: Path) -> None:
    """A single file of an ecosystem that nobody runs is an entry that says nothing: it may have said something once."""
    entries = of_record(tmp_path, record(affected=affected(package={"ecosystem": "npm", "name": "frob"})))
    assert said(entries) == [{"id": "DSA-9001-1"}]


def test_links_are_links(tmp_path: Path) -> None:
    """Only web pages are shown as such."""
    references = [{"type": "ADVISORY", "url": "javascript:alert(1)"}, {"type": "WEB", "url": "https://example.test/"}]
    assert of_record(tmp_path, record(references=references))[0].url == "https://example.test/"


def test_an_archive_is_whole_for_its_ecosystem(tmp_path: Path) -> None:
    """It is recognised by what its records share, and only what concerns that is taken from it."""
    both = json.loads(golden(HERE, "suse").read_text())
    only = both | {"id": "openSUSE-SU-2099:0001-1", "affected": both["affected"][-1:]}
    path = archive(tmp_path / "all.zip", {"SUSE-SU-2099:4321-1.json": both, "openSUSE-SU-2099:0001-1.json": only})
    file = Osv().recognise(path)
    assert file == FeedFile(path=path, feed="osv/openSUSE", source=str(path), is_whole=True)
    told = {statement.distribution for entry in Osv().entries(file) for statement in entry.statements}
    assert told == {"opensuse-leap:15.5"}


def test_an_archive_is_named_where_its_records_fit_several(tmp_path: Path) -> None:
    """Where every record is about SUSE and openSUSE, the folder or the name of the file says which it is."""
    both = {"SUSE-SU-2099:4321-1.json": json.loads(golden(HERE, "suse").read_text())}
    folder = tmp_path / "openSUSE"
    folder.mkdir()
    found = [
        Osv().recognise(archive(path, both))
        for path in (folder / "all.zip", tmp_path / "SUSE-all.zip", tmp_path / "osv.zip")
    ]
    assert [file and file.feed for file in found] == ["osv/openSUSE", "osv/SUSE", None]


def test_live_patch_notices_in_the_archive_are_module_fixes(tmp_path: Path) -> None:
    """Ubuntu's archive has them between its other records."""
    notice = json.loads(golden(HERE.parent / "ubuntu_lsn", "notice").read_text())
    cve = json.loads(golden(HERE, "ubuntu_cve").read_text())
    path = archive(tmp_path / "Ubuntu.zip", {"LSN-0912-1.json": notice, "UBUNTU-CVE-2099-1001.json": cve})
    entries = read(Osv(), path)
    assert [(entry.id, len(entry.statements), len(entry.module_fixes)) for entry in entries] == [
        ("LSN-0912-1", 0, 4),
        ("UBUNTU-CVE-2099-1001", 6, 0),
    ]


def test_records_in_an_archive_know_their_member(tmp_path: Path) -> None:
    """Statements and errors name the file in the archive."""
    path = archive(tmp_path / "all.zip", {"DSA-9001-1.json": record(), "DSA-9002-1.json": record(id=None)})
    file = FeedFile(path=path, feed="osv/Debian", source="all.zip")
    entries = Osv().entries(file)
    assert next(entries).statements[0].where == "DSA-9001-1.json#/affected/0"
    with pytest.raises(FeedInvalid, match=r"all\.zip: DSA-9002-1\.json#/id: is missing"):
        next(entries)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({"../DSA-1-1.json": record()}, "a name that no such archive has"),
        ({"/etc/DSA-1-1.json": record()}, "a name that no such archive has"),
        ({"DSA\x1b[2J.json": record()}, "a name that no such archive has"),
        ({"DSA-1-1.json": b" " * 40_000_000}, "larger than|times its size"),
        ({"DSA-1-1.json": b"\xff\xfe"}, "is not UTF-8"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, records: dict[str, Any], reason: str) -> None:
    """Names that lead elsewhere, few bytes that become many, bytes that are no text."""
    path = archive(tmp_path / "all.zip", records)
    with pytest.raises(FeedInvalid, match=reason):
        list(Osv().entries(FeedFile(path=path, feed="osv/Debian", source="all.zip")))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    """A download that stopped has no directory, and is nobody's file."""
    path = archive(tmp_path / "all.zip", {"DSA-9001-1.json": record()})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FeedInvalid):
        list(Osv().entries(FeedFile(path=path, feed="osv/Debian", source="all.zip")))
    assert Osv().recognise(path) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kev.json", b'{"title": "Catalog", "vulnerabilities": []}'),
        ("tracker.json", b'{"linux": {"CVE-2099-0001": {"releases": {}}}}'),
        ("npm.json", json.dumps(record(affected=affected(package={"ecosystem": "npm", "name": "x"}))).encode()),
        ("empty.json", b""),
        ("list.json", b'[{"id": "DSA-1-1"}]'),
        ("binary", bytes(range(256))),
    ],
)
def test_other_files_are_not_recognised(tmp_path: Path, name: str, content: bytes) -> None:
    """Other sources' files, other ecosystems, no JSON."""
    path = tmp_path / name
    path.write_bytes(content)
    assert Osv().recognise(path) is None


def test_a_broken_record_is_recognised_all_the_same(tmp_path: Path) -> None:
    """So that whoever imports it is told where it is broken."""
    path = tmp_path / "one.json"
    path.write_bytes(json.dumps(record()).encode()[:-1])
    file = Osv().recognise(path)
    assert file is not None
    assert file.feed == "osv/Debian"


def test_parts_are_those_of_the_fleet() -> None:
    """An archive is downloaded where a host runs what it is about; Debian and Red Hat have better sources."""
    known = Known(
        distributions=frozenset({"ubuntu:22.04", "opensuse-leap:15.6", "rocky:9", "debian:12", "rhel:9", "amzn:2023"})
    )
    assert Osv().parts(known) == ("osv/Ubuntu", "osv/Rocky Linux", "osv/openSUSE")
    assert Osv().parts(Known()) == ()


def test_unknown_parts_are_refused() -> None:
    """A part that there is not names those that there are."""
    with pytest.raises(NotFound, match="Rocky Linux"):
        Osv().files("osv/npm", Known(), fetch=_no_network)


def test_archives_are_downloaded_by_ecosystem(tmp_path: Path) -> None:
    """From osv.dev's own storage, a mirror of it, or where this one part is mirrored."""
    asked: list[str] = []

    def fetch(url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None) -> None:
        asked.append(url)

    for known in (
        Known(),
        Known(urls={"osv": "https://mirror.test/osv/"}),
        Known(urls={"osv/Rocky Linux": "https://mirror.test/rocky.zip"}),
    ):
        list(Osv().files("osv/Rocky Linux", known, fetch))
    assert asked == [
        "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip",
        "https://mirror.test/osv/Rocky%20Linux/all.zip",
        "https://mirror.test/rocky.zip",
    ]


def _no_network(
    url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None
) -> None:
    raise AssertionError(f"{url} was asked for")
