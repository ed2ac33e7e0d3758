"""What is downloaded of Red Hat's documents: the archive once, then what changed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.advisories import FeedStatus
from orchestrator.errors import FeedInvalid, FeedUnavailable, NotFound
from orchestrator.feeds import redhat_sync
from orchestrator.feeds.redhat import URL, RedHat
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Known, Unchanged
from tests.feeds.fake_fetch import FakeFetch
from tests.feeds.redhat.archives import name_of, tar_of, vex, zstd

ONE, TWO, THREE = "CVE-2099-1001", "CVE-2099-1002", "CVE-2099-1003"
ARCHIVE = "csaf_vex_2099-03-05.tar.zst"
T4, T5, T6, T7 = (f"2099-03-0{day}T10:00:00+00:00" for day in (4, 5, 6, 7))


def listed(changes: Mapping[str, str]) -> bytes:
    return "".join(f'"{name_of(cve)}","{at}"\n' for cve, at in changes.items()).encode()


def web(
    changed: Mapping[str, str], deleted: Mapping[str, str] | None = None, archived: tuple[str, ...] = (ONE, TWO)
) -> dict[str, bytes]:
    documents: dict[str, Any] = {name_of(cve): vex(cve) for cve in archived}
    return {
        f"{URL}archive_latest.txt": f"{ARCHIVE}\n".encode(),
        f"{URL}{ARCHIVE}": zstd(tar_of(documents)),
        f"{URL}changes.csv": listed(changed),
        f"{URL}deletions.csv": listed(deleted or {}),
    } | {f"{URL}{name_of(cve)}": json.dumps(vex(cve)).encode() for cve in changed}


def known(at: str | None = None, etag: str | None = None) -> Known:
    if at is None:
        return Known(distributions=frozenset({"debian:13"}))
    dated = datetime.fromisoformat(at)
    status = FeedStatus(
        feed="redhat", version=at, dated=dated, etag=etag, succeeded_at=datetime(2099, 3, 9, tzinfo=UTC)
    )
    return Known(statuses={"redhat": status})


def synced(fetch: FakeFetch, known: Known) -> list[tuple[FeedFile, list[str]]]:
    """Each file with the ids of its entries, read while it is there."""
    found = []
    for file in RedHat().files("redhat", known, fetch):
        assert isinstance(file, FeedFile)
        found.append((file, [entry.id for entry in RedHat().entries(file)]))
    return found


def test_grades_are_wanted_by_every_fleet() -> None:
    """Severities of other distributions' CVEs are from here; a fleet without a host needs nothing."""
    assert ("redhat",) == RedHat().parts(known())
    assert () == RedHat().parts(Known())
    with pytest.raises(NotFound):
        RedHat().files("redhat/9", known(), FakeFetch(Path(), {}))


def test_the_first_sync_takes_the_archive_and_what_changed_since(tmp_path: Path) -> None:
    """Changes from before the archive's day are in it."""
    fetch = FakeFetch(tmp_path, web({THREE: T6, ONE: T4}))
    (archive, archived), (changes, changed) = synced(fetch, known())
    assert ([ONE, TWO], [THREE]) == (archived, changed)
    assert (True, "2099-03-05", None) == (archive.is_whole, archive.version, archive.etag)
    assert (False, T6, datetime.fromisoformat(T6)) == (changes.is_whole, changes.version, changes.dated)
    assert f"{URL}changes.csv" == changes.source


def test_later_syncs_take_what_changed_from_the_oldest_to_the_newest(tmp_path: Path) -> None:
    """Neither the archive nor other documents are downloaded again; nothing of ours stays in the folder."""
    fetch = FakeFetch(tmp_path, web({THREE: T7, ONE: T6, TWO: T4}))
    ((changes, changed),) = synced(fetch, known(T5))
    assert [ONE, THREE] == changed
    assert (T7, False) == (changes.version, changes.is_whole)
    assert [f"{URL}{name}" for name in ("changes.csv", "deletions.csv", name_of(ONE), name_of(THREE))] == fetch.asked
    assert not (tmp_path / "redhat-changes.tar").exists()


def test_lists_that_are_as_they_were_are_no_change(tmp_path: Path) -> None:
    """The ETag that goes with the next request is that of changes.csv, once all of it was taken in."""
    fetch = FakeFetch(tmp_path, web({ONE: T6}, {TWO: T4}))
    ((first, _),) = synced(fetch, known(T5))
    assert [Unchanged(feed="redhat")] == list(RedHat().files("redhat", known(T6, first.etag), fetch))


def test_deleted_documents_are_named(tmp_path: Path) -> None:
    """Those that were deleted since, unless they came back; they are not asked for. They come last."""
    made = web({ONE: T6, TWO: T7}, {ONE: T7, TWO: T6, THREE: T4})
    del made[f"{URL}{name_of(ONE)}"]
    fetch = FakeFetch(tmp_path, made)
    (changes, changed), (deletions, nothing) = synced(fetch, known(T5))
    assert ([TWO], None, ()) == (changed, changes.etag, changes.deleted)
    assert ([], (ONE,), False, T7) == (nothing, deletions.deleted, deletions.is_whole, deletions.version)
    assert deletions.etag is not None


def test_many_changes_come_in_batches_that_a_later_sync_goes_on_from(tmp_path: Path) -> None:
    """Each batch has the time of its last document; the last one has the validator."""
    cves = [f"CVE-2099-{number}" for number in range(2000, 2000 + redhat_sync.BATCH + 1)]
    fetch = FakeFetch(tmp_path, web(dict.fromkeys(cves, T6) | {ONE: T7}))
    first, second = synced(fetch, known(T5))
    assert [cves[:-1], [cves[-1], ONE]] == [first[1], second[1]]
    assert [(T6, True), (T7, False)] == [(file.version, file.etag is None) for file, _ in (first, second)]
    again = synced(fetch, known(T6))
    assert {*cves, ONE} == {cve for _, ids in again for cve in ids}


def test_too_many_changes_are_taken_from_a_new_archive(tmp_path: Path) -> None:
    """All documents were generated again: one file is better than thousands."""
    cves = tuple(f"CVE-2098-{number}" for number in range(10_000, 10_001 + redhat_sync.MOST_CHANGES))
    fetch = FakeFetch(tmp_path, web(dict.fromkeys(cves, T4), archived=cves[:3]))
    ((archive, archived),) = synced(fetch, known("2099-03-01T00:00:00+00:00"))
    assert (True, list(cves[:3])) == (archive.is_whole, archived)


def changed_too_often() -> dict[str, bytes]:
    """More documents than are taken one by one changed after the day of the archive."""
    cves = tuple(f"CVE-2098-{number}" for number in range(10_000, 10_001 + redhat_sync.MOST_CHANGES))
    return web(dict.fromkeys(cves, T7), archived=cves[:3])


def test_too_many_changes_since_the_archive_are_left_for_the_next_one(tmp_path: Path) -> None:
    """The archive is taken, for what it has is news; none of the documents is asked for."""
    fetch, found = FakeFetch(tmp_path, changed_too_often()), list[FeedFile]()
    with pytest.raises(FeedUnavailable, match=r"5001 documents changed since 2099-03-05.*archive is of 2099-03-05"):
        found.extend(file for file in RedHat().files("redhat", known(T4), fetch) if isinstance(file, FeedFile))
    assert [(True, "2099-03-05")] == [(one.is_whole, one.version) for one in found]
    assert [] == [url for url in fetch.asked if url.endswith(".json")]


@pytest.mark.parametrize("at", ["2099-03-05T00:00:00+00:00", T6])
def test_an_archive_older_than_what_is_known_is_not_taken_again(tmp_path: Path, at: str) -> None:
    """Or every sync would download all of it, and be as far as before."""
    fetch = FakeFetch(tmp_path, changed_too_often())
    with pytest.raises(FeedUnavailable, match="more than 5000, and the newest archive is of 2099-03-05"):
        list(RedHat().files("redhat", known(at), fetch))
    assert [f"{URL}{name}" for name in ("changes.csv", "deletions.csv", "archive_latest.txt")] == fetch.asked


def test_a_document_imported_by_hand_does_not_start_it_all_again(tmp_path: Path) -> None:
    """It leaves the feed without a version, but its date stands."""
    status = known(T5).statuses["redhat"].model_copy(update={"version": None})
    fetch = FakeFetch(tmp_path, web({ONE: T6}))
    assert [[ONE]] == [ids for _, ids in synced(fetch, Known(statuses={"redhat": status}))]


def test_a_mirror_is_asked_in_the_place_of_red_hat(tmp_path: Path) -> None:
    """With or without a slash at its end."""
    mirror = "https://mirror.example/vex/"
    made = {url.replace(URL, mirror): content for url, content in web({}).items()}
    for base in (mirror, mirror.rstrip("/")):
        fetch = FakeFetch(tmp_path, made)
        assert [[ONE, TWO]] == [ids for _, ids in synced(fetch, Known(urls={"redhat": base}))]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({f"{URL}archive_latest.txt": b"../../etc/passwd"}, FeedInvalid, "archive_latest.txt: does not hold the name"),
        ({f"{URL}archive_latest.txt": b"csaf_vex_2099-13-45.tar.zst"}, FeedInvalid, "does not hold the name"),
        ({f"{URL}{ARCHIVE}": b"<html>Log in</html>"}, FeedInvalid, "this is no file of redhat"),
        ({f"{URL}changes.csv": b'"../x.json","2099-03-05T00:00:00+00:00"\n'}, FeedInvalid, "changes.csv:1: is no line"),
        ({f"{URL}changes.csv": listed({ONE: T4}) + b"<html>"}, FeedInvalid, "changes.csv:2: is no line"),
        ({f"{URL}changes.csv": listed({ONE: "2099-02-31"})}, FeedInvalid, "changes.csv:1: is no date"),
        ({f"{URL}deletions.csv": b"x" * 10_000_000}, FeedInvalid, "deletions.csv:1: is no line"),
        ({f"{URL}changes.csv": listed({"CVE-2099-9999": T6})}, FeedUnavailable, "cve-2099-9999.json: 404"),
    ],
)
def test_what_is_none_of_these_files_is_refused(
    tmp_path: Path, changed: Mapping[str, bytes], error: type[Exception], message: str
) -> None:
    """Names that lead elsewhere, pages of proxies, dates that are none, documents that are not there."""
    with pytest.raises(error, match=message):
        synced(FakeFetch(tmp_path, web({}) | dict(changed)), known())


def test_a_change_whose_date_cannot_be_is_taken_as_a_change(tmp_path: Path) -> None:
    """It moves the feed's date nowhere."""
    fetch = FakeFetch(tmp_path, web({ONE: "0001-01-01T00:00:00Z", TWO: "9999-12-31T00:00:00Z"}))
    ((changes, changed),) = synced(fetch, known(T5))
    assert ([ONE, TWO], T5) == (changed, changes.version)
