"""CISA's catalogue from one day to the next, and what is no such file."""

from datetime import date
from pathlib import Path

import pytest

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.kev import URL, Kev
from orchestrator.ports.feeds import Fetched, Known, Unchanged
from orchestrator.services.import_advisories import FeedState
from tests.feeds.cases.kev import CASE, DOCUMENT
from tests.feeds.conftest import Desk
from tests.feeds.feed_case import as_json

FIRST = ("vulnerabilities", 0)


def later(**changes: object) -> bytes:
    """The next day's file."""
    return as_json(DOCUMENT | {"catalogVersion": "2099.02.04", "dateReleased": "2099-02-04T15:00:00Z"} | changes)


def test_a_due_date_that_moved_and_an_entry_that_is_gone(desk: Desk) -> None:
    """What was said ends when the new file came; the other entry is withdrawn."""
    desk.brings(CASE.name, CASE.content)
    moved = {**DOCUMENT["vulnerabilities"][0], "dueDate": "2099-03-01"}  # type: ignore[index]
    result = desk.brings(CASE.name, later(vulnerabilities=[moved]))
    assert (0, 1, 1) == (result.imported.added, result.imported.changed, result.imported.withdrawn)
    assert {"CVE-2099-0001", "CVE-2098-12345"} == result.imported.cves
    grades = desk.store.advisories.grades(["CVE-2099-0001"])["CVE-2099-0001"]
    assert [(date(2099, 2, 24), False), (date(2099, 3, 1), True)] == [
        (told.said.kev_due, told.until is None) for told in grades
    ]


def test_yesterdays_file_changes_nothing(desk: Desk) -> None:
    """It was released before the one that we have."""
    desk.brings(CASE.name, later())
    result = desk.brings(CASE.name, CASE.content)
    assert FeedState.OUTDATED is result.state
    (status,) = desk.store.feeds.statuses()
    assert "2099.02.04" == status.version


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        ((*FIRST, "cveID"), "TEMP-2099-0001", "/vulnerabilities/0/cveID: is no CVE id"),
        ((*FIRST, "dateAdded"), "03.02.2099", "/vulnerabilities/0/dateAdded: is no date"),
        ((*FIRST, "dueDate"), 20990224, "/vulnerabilities/0/dueDate: is a number"),
        (("vulnerabilities", 1), [], "/vulnerabilities/1: is a list, and should be an object"),
        (("dateReleased",), "today", "/dateReleased: is no date"),
    ],
)
def test_what_is_wrong_is_named(desk: Desk, at: tuple[str | int, ...], value: object, says: str) -> None:
    """By its place."""
    path = desk.write(CASE.name, CASE.with_value(at, value))
    with pytest.raises(FeedInvalid, match=says):
        list(Kev().entries(desk.take.recognise(path)))


@pytest.mark.parametrize(
    "content", [b"{}", b'{"vulnerabilities": []}', b'{"catalogVersion": "1", "vulnerabilities": {}}', b"[]", b"\xff"]
)
def test_other_files_are_none_of_it(tmp_path: Path, content: bytes) -> None:
    """They may be another feed's."""
    path = tmp_path / "known_exploited_vulnerabilities.json"
    path.write_bytes(content)
    assert Kev().recognise(path) is None


def test_it_is_downloaded_where_it_has_changed(desk: Desk) -> None:
    """With the validators of the last import, from a mirror where there is one."""
    asked: list[tuple[str, str | None]] = []
    path = desk.write(CASE.name, CASE.content)

    def fetch(
        url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None
    ) -> Fetched | None:
        del last_modified, most
        asked.append((url, etag))
        return None if etag == '"1"' else Fetched(path=path, url=url, sha256="0" * 64, size=1, etag='"1"')

    (file,) = Kev().files("kev", Known(), fetch)
    assert not isinstance(file, Unchanged)
    desk.take.take_in(file)
    known = Known(statuses={one.feed: one for one in desk.store.feeds.statuses()}, urls={"kev": "https://mirror/kev"})
    assert [Unchanged(feed="kev")] == list(Kev().files("kev", known, fetch))
    assert [(URL, None), ("https://mirror/kev", '"1"')] == asked
    assert ("kev",) == Kev().parts(Known())
