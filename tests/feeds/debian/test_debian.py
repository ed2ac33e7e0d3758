"""Debian's security tracker."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.advisories import Entry
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.debian import Debian
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Known, Unchanged
from tests.feeds.golden import cases, expected, golden, read, said

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", cases(HERE))
def test_the_tracker_says_what_debian_says(name: str) -> None:
    """Golden cases: statuses, versions, urgencies, reasons, codenames."""
    assert said(read(Debian(), golden(HERE, name))) == expected(HERE, name)


def of_tracker(tmp_path: Path, content: Any) -> list[Entry]:
    path = tmp_path / "tracker.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return list(Debian().entries(FeedFile(path=path, feed="debian", source="tracker.json")))


def tracker(release: Any, *, package: str = "frob", cve: str = "CVE-2099-0001", codename: str = "trixie") -> Any:
    return {package: {cve: {"releases": {codename: release}}}}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"frob": []}, "/frob: is a list, and should be an object"),
        ({"frob": {"CVE-2099-0001": None}}, "/frob/CVE-2099-0001: is missing, and should be an object"),
        ({"frob": {"CVE-2099-0001": {}}}, "/frob/CVE-2099-0001/releases: is missing"),
        (tracker("open"), "/frob/CVE-2099-0001/releases/trixie: is a text"),
        (tracker({}), "/frob/CVE-2099-0001/releases/trixie/status: is missing"),
        (tracker({"status": 1}), "/releases/trixie/status: is a number"),
        (tracker({"status": "resolved", "fixed_version": 0}), "/releases/trixie/fixed_version: is a number"),
        (tracker({"status": "resolved", "fixed_version": "1" * 201}), "may have 200"),
        (tracker({"status": "resolved", "fixed_version": "1\x1b[2J"}), "cannot be printed"),
        (tracker({"status": "open", "nodsa": ["Minor issue"]}), "/releases/trixie/nodsa: is a list"),
        (tracker({"status": "open"}, package="f" * 201), "is no name of a package"),
        (tracker({"status": "open"}, package="f\x1b[2J"), "is no name of a package"),
        (tracker({"status": "open"}) | {"more": {"CVE-2099-0001": {"description": "d" * 10_000_000}}}, "/more: "),
        (b'{"frob": {"CVE-2099-0001": {"releases": {"trixie": {"status": "open"', "/frob"),
        (b'{"frob": {}, "frob": {}}', "/frob: is there twice"),
        (b'{"frob": {"CVE-2099-0001": {}, "CVE-2099-0001": {}}}', "is there twice"),
        (b'{"frob": ' + b'{"x": ' * 100, "/frob: is nested deeper"),
        (b"7", "should be an object"),
        (b"", "before byte 0"),
    ],
)
def test_a_broken_tracker_is_refused_with_its_place(tmp_path: Path, content: Any, place: str) -> None:
    """Wrong types, missing values, repeated names, a file that ends too early."""
    with pytest.raises(FeedInvalid) as refused:
        of_tracker(tmp_path, content)
    assert str(refused.value).startswith("tracker.json: ")
    assert place in str(refused.value)


@pytest.mark.parametrize("codename", ["hamm", "../../etc", "\x1b[2J", "", "Trixie"])
def test_unknown_releases_are_left_out(tmp_path: Path, codename: str) -> None:
    """A codename that nobody knows says nothing about any host, and breaks nothing."""
    (entry,) = of_tracker(tmp_path, tracker({"status": "open"}, codename=codename))
    assert entry.statements == ()


@pytest.mark.parametrize("cve", ["TEMP-0000001-ABCDEF", "CVE-2099-1", "cve-2099-0001", "", "CVE-2099-0001 "])
def test_what_is_no_cve_is_left_out(tmp_path: Path, cve: str) -> None:
    """Temporary ids come and go; nothing else knows them."""
    assert of_tracker(tmp_path, tracker({"status": "open"}, cve=cve)) == []


def test_names_are_kept_as_they_are(tmp_path: Path) -> None:
    """Odd names of packages are names: they lead nowhere, and their place is escaped."""
    (entry,) = of_tracker(tmp_path, tracker({"status": "open"}, package="../a/b~c"))
    assert (entry.id, entry.statements[0].package) == ("../a/b~c/2099", "../a/b~c")
    assert entry.statements[0].where == "/..~1a~1b~0c/CVE-2099-0001/releases/trixie"


def test_it_may_be_compressed(tmp_path: Path) -> None:
    """As sites carry it to where there is no internet."""
    path = tmp_path / "tracker.json.gz"
    path.write_bytes(gzip.compress(golden(HERE, "tracker").read_bytes()))
    assert said(read(Debian(), path)) == expected(HERE, "tracker")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"id": "DSA-1-1"}', b'{"title": "x", "vulnerabilities": []}', bytes(range(256))]
)
def test_other_files_are_not_recognised(tmp_path: Path, content: bytes) -> None:
    """Only an object of packages with CVEs is a tracker."""
    path = tmp_path / "data.json"
    path.write_bytes(content)
    assert Debian().recognise(path) is None


def test_it_is_downloaded_for_fleets_with_debian() -> None:
    """One file, the tracker's own or a mirror's."""
    asked: list[str] = []

    def fetch(url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None) -> None:
        asked.append(url)

    feed = Debian()
    assert feed.parts(Known(distributions=frozenset({"ubuntu:22.04"}))) == ()
    assert feed.parts(Known(distributions=frozenset({"debian:12", "debian:13"}))) == ("debian",)
    assert list(feed.files("debian", Known(urls={"debian": "https://mirror.test/json"}), fetch)) == [
        Unchanged(feed="debian")
    ]
    list(feed.files("debian", Known(), fetch))
    assert asked == ["https://mirror.test/json", "https://security-tracker.debian.org/tracker/data/json"]
