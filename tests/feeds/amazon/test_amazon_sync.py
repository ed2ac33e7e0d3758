"""What is downloaded of Amazon Linux's repositories."""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.core.advisories import FeedStatus
from orchestrator.core.model import Moment
from orchestrator.errors import FeedInvalid, FeedUnavailable, NotFound
from orchestrator.feeds.amazon import Amazon
from orchestrator.feeds.amazon_repositories import MIRRORS, URL
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Known, Unchanged
from tests.fakes.clock import FakeClock
from tests.feeds.fake_fetch import FakeFetch

PART = "amazon/2/livepatch"
LIST = f"{URL}/{MIRRORS[PART]}"
BASE = "https://cdn.example/2/extras/livepatch/guid"
UPDATEINFO = gzip.compress((Path(__file__).parent / "golden" / "livepatch_2.xml").read_bytes(), mtime=0)
DIGEST = hashlib.sha256(UPDATEINFO).hexdigest()


def repomd(
    *,
    href: str = f"repodata/{DIGEST}-updateinfo.xml.gz",
    digest: str = DIGEST,
    kind: str = "sha256",
    data: str = "updateinfo",
) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
 <revision>4076524421</revision>
 <data type="primary"><checksum type="sha256">{"0" * 64}</checksum><location href="repodata/primary.xml.gz"/></data>
 <data type="{data}">
  <checksum type="{kind}">{digest}</checksum>
  <location href="{href}"/>
  <timestamp>4076524421</timestamp>
 </data>
</repomd>""".encode()


def web(index: bytes | None = None, mirrors: str = BASE, updateinfo: bytes = UPDATEINFO) -> dict[str, bytes]:
    return {
        LIST: f"{mirrors}/\nhttps://other.example/\n".encode(),
        f"{BASE}/repodata/repomd.xml": index or repomd(),
        f"{BASE}/repodata/{DIGEST}-updateinfo.xml.gz": updateinfo,
    }


def succeeded(version: str) -> Known:
    at: Moment = FakeClock().now()
    return Known(statuses={PART: FeedStatus(feed=PART, version=version, succeeded_at=at)})


def test_a_fleet_needs_the_repositories_of_its_releases() -> None:
    """Amazon Linux 2 has its kernels in extras; other distributions need none."""
    assert ("amazon/2023/core", "amazon/2023/livepatch") == Amazon().parts(
        Known(distributions=frozenset({"amzn:2023", "debian:13"}))
    )
    assert 5 == len(Amazon().parts(Known(distributions=frozenset({"amzn:2"}))))
    assert () == Amazon().parts(Known(distributions=frozenset({"rhel:9"})))
    with pytest.raises(NotFound, match="amazon/2/core"):
        Amazon().files("amazon/2/php8.2", Known(), FakeFetch(Path(), {}))


def test_a_repository_is_found_by_its_mirrors_and_its_index(tmp_path: Path) -> None:
    """The version is the checksum, the date that of the index."""
    (file,) = Amazon().files(PART, Known(), FakeFetch(tmp_path, web()))
    assert isinstance(file, FeedFile)
    assert (PART, DIGEST, "2099-03-06", True) == (file.feed, file.version, f"{file.dated:%Y-%m-%d}", file.is_whole)
    assert f"{BASE}/repodata/{DIGEST}-updateinfo.xml.gz" == file.source
    assert ["ALAS2LIVEPATCH-2099-045"] == [entry.id for entry in Amazon().entries(file)]


def test_what_we_have_is_not_downloaded_again(tmp_path: Path) -> None:
    """The index says whether there is anything new."""
    fetch = FakeFetch(tmp_path, web())
    assert [Unchanged(feed=PART)] == list(Amazon().files(PART, succeeded(DIGEST), fetch))
    assert [LIST, f"{BASE}/repodata/repomd.xml"] == fetch.asked
    assert 1 == len(list(Amazon().files(PART, succeeded("0" * 64), fetch)))


def test_a_mirror_can_take_the_place_of_amazons(tmp_path: Path) -> None:
    """Its list of mirrors by part, or a folder for all of them; within a site it may be unencrypted."""
    base = "http://mirror.example/al2/x86_64"
    served = {at.replace(BASE, base): content for at, content in web().items() if at.startswith(BASE)}
    for url, urls in (
        ("http://mirror.example/al2.list", {PART: "http://mirror.example/al2.list"}),
        (f"http://mirror.example/amazon/{MIRRORS[PART]}", {"amazon": "http://mirror.example/amazon/"}),
    ):
        fetch = FakeFetch(tmp_path, served | {url: b"http://mirror.example/al2/$basearch/\n"})
        assert 1 == len(list(Amazon().files(PART, Known(urls=urls), fetch)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (web(mirrors="file:///etc"), "mirror.list:1: names no mirror"),
        (web(mirrors="http://cdn.example/plain"), "or one that is not encrypted"),
        (web(mirrors="<html>"), "names no mirror"),
        (web(repomd(data="group")), "repomd.xml: the repository has no updateinfo"),
        (web(repomd(href="../../../etc/passwd")), r"/repomd/data\[2\]: names no file below the repository"),
        (web(repomd(href="https://evil.example/x.gz")), "names no file below the repository"),
        (web(repomd(kind="md5")), "has no checksum of type sha256"),
        (web(repomd(digest="soon")), "has no checksum of type sha256"),
        (web(b'<!DOCTYPE repomd [<!ENTITY e "x">]><repomd/>'), "declares a document type"),
        (web(b"<html>Log in</html>"), "begins with <html>"),
        (web(updateinfo=gzip.compress(b"<updates></updates>")), "is not the file that the repository's index names"),
        (
            web(repomd(digest="0" * 128, kind="sha512"), updateinfo=gzip.compress(b"<html></html>")),
            "this is no file of amazon/2/livepatch",
        ),
    ],
)
def test_what_is_no_repository_is_refused(tmp_path: Path, made: Mapping[str, bytes], message: str) -> None:
    """Names that lead elsewhere, pages of proxies, files that were exchanged."""
    with pytest.raises(FeedInvalid, match=message):
        list(Amazon().files(PART, Known(), FakeFetch(tmp_path, made)))


def test_a_repository_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    """The error names the URL."""
    with pytest.raises(FeedUnavailable, match=r"repomd\.xml"):
        list(Amazon().files(PART, Known(), FakeFetch(tmp_path, {LIST: BASE.encode()})))
