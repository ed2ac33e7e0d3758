"""Syncs: every part by itself, what the fleet needs, failures remembered."""

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.facts import Facts, Observation, Os
from orchestrator.core.sightings import CheckRecord
from orchestrator.errors import FeedUnavailable, NotFound
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Unchanged
from tests.fakes.clock import START
from tests.fakes.store import FakeStore
from tests.services.feeds import Desk, FakeFeed, error_of, nothing, states
from tests.services.fleets import record


def file(folder: Path, part: str, text: str) -> FeedFile:
    """A file as it was downloaded."""
    path = folder / part.replace("/", "-")
    path.write_text(f"{part}:\n{text}")
    return FeedFile(path=path, feed=part, source=f"https://example.net/{part}", sha256="1" * 64, etag='"1"')


def test_a_part_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    """The failure is a result, and remembered; a bug would be as well for the parts after it."""
    one = FakeFeed("one", {"one/a": [FeedUnavailable("no answer")], "one/b": [file(tmp_path, "one/b", "1\n")]})
    desk = Desk(one, FakeFeed("two", {"two": [Unchanged(feed="two")]}))
    results = desk.sync(nothing)
    assert [("one/a", "failed"), ("one/b", "imported"), ("two", "unchanged")] == states(results)
    assert "no answer" == str(error_of(results[0]))
    status = {one.feed: one for one in desk.store.feeds.statuses()}
    assert ("no answer", None) == (status["one/a"].error, status["one/a"].succeeded_at)
    assert (None, desk.clock.now(), '"1"') == (
        status["one/b"].error,
        status["one/b"].succeeded_at,
        status["one/b"].etag,
    )


def test_a_bug_in_one_feed_is_raised_after_the_others_were_synced(tmp_path: Path) -> None:
    """It must be seen, and must not keep anybody from the news."""
    one = FakeFeed("one", {"one": [KeyError("a bug")]})
    desk = Desk(one, FakeFeed("two", {"two": [file(tmp_path, "two", "1\n")]}))
    with pytest.raises(KeyError):
        desk.sync(nothing)
    assert ["two"] == [status.feed for status in desk.store.feeds.statuses()]


def test_a_bug_does_not_keep_what_was_taken_in_before_it_from_the_hosts(tmp_path: Path) -> None:
    """The first file of the part was imported."""
    desk = Desk(FakeFeed("one", {"one": [file(tmp_path, "one", "1\n"), KeyError("a bug")]}))
    with pytest.raises(KeyError):
        desk.sync(nothing)
    assert [{"CVE-2099-0001"}] == [told.cves for told in desk.changes]


def test_nothing_new_is_a_success(tmp_path: Path) -> None:
    """After a failure it takes the failure away; when it was imported last stays what it was."""
    feed = FakeFeed("one", {"one": [file(tmp_path, "one", "1\n")]})
    desk = Desk(feed)
    desk.sync(nothing)
    feed.steps = {"one": [FeedUnavailable("no answer")]}
    desk.sync(nothing)
    feed.steps = {"one": [Unchanged(feed="one")]}
    desk.clock.advance(60)
    desk.sync(nothing)
    (status,) = desk.store.feeds.statuses()
    assert (None, desk.clock.now(), '"1"', 1) == (status.error, status.succeeded_at, status.etag, status.entries)
    assert 1 == len(desk.changes)


def test_the_files_of_a_part_are_taken_in_one_after_the_other(tmp_path: Path) -> None:
    """The first that fails ends the part; what came before stays, and is told once."""
    files = [
        file(tmp_path, "one", "1\n2\n"),
        file(tmp_path, "one", "1\n").model_copy(update={"is_whole": False, "deleted": ("E-2",)}),
    ]
    (tmp_path / "broken").write_text("one:\n!\n")
    broken = files[0].model_copy(update={"path": tmp_path / "broken"})
    desk = Desk(FakeFeed("one", {"one": [files[0], broken, files[1]]}))
    (result,) = desk.sync(nothing)
    assert (("one", "failed"), 1) == (states([result])[0], result.imported.added)
    assert 1 == len(desk.changes)


def test_what_is_not_needed_is_synced_where_it_is_named(tmp_path: Path) -> None:
    """A feed that no host needs, or one part of it."""
    desk = Desk(FakeFeed("one", {"one": [file(tmp_path, "one", "1\n")], "one/x": [Unchanged(feed="one/x")]}, ()))
    assert [] == states(desk.sync(nothing))
    assert [("one", "imported"), ("one/x", "unchanged")] == states(desk.sync(nothing, ["one", "one/x"]))


def test_a_name_that_there_is_not() -> None:
    """A feed is refused before anything is asked; a part of a feed after the others. Neither is remembered."""
    desk = Desk(FakeFeed("one", {"one": [Unchanged(feed="one")]}))
    with pytest.raises(NotFound, match="there is no feed 'none'"):
        desk.sync(nothing, ["one", "none"])
    assert () == desk.store.feeds.statuses()
    with pytest.raises(NotFound, match="there is no one/x"):
        desk.sync(nothing, ["one/x", "one"])
    assert ["one"] == [status.feed for status in desk.store.feeds.statuses()]


def test_what_was_tried_lately_is_left_alone(tmp_path: Path) -> None:
    """Failures count as tries; a part that is new is due at once."""
    feed = FakeFeed("one", {"one/a": [FeedUnavailable("no")]})
    desk, hours = Desk(feed), timedelta(hours=6)
    assert [("one/a", "failed")] == states(desk.sync(nothing, older_than=hours))
    feed.steps = {"one/a": [Unchanged(feed="one/a")], "one/b": [Unchanged(feed="one/b")]}
    desk.clock.advance(3600)
    assert [("one/b", "unchanged")] == states(desk.sync(nothing, older_than=hours))
    desk.clock.advance(5 * 3600)
    assert [("one/a", "unchanged")] == states(desk.sync(nothing, older_than=hours))
    assert [] == states(desk.sync(nothing, older_than=hours))


def test_what_downloads_know_of_the_fleet() -> None:
    """The distributions of hosts that were seen and are there, and where each part stands."""
    store = FakeStore()
    store.hosts.save([record("web1"), record("web2"), record("unseen"), record("gone", retired_at=START)])
    for name, os in (("web1", "debian"), ("web2", "hannahmontana"), ("gone", "ubuntu")):
        store.sightings.record([_seen(f"id-{name}", Facts(os=Os(id=os, version="12")))])
    desk = Desk(FakeFeed("one", {"one": [Unchanged(feed="one")]}), store=store)
    desk.sync(nothing)
    known = desk.sync.known()
    assert frozenset({"debian:12"}) == known.distributions
    assert ("debian:12",) == known.runs("debian", "rhel")
    assert {"one"} == set(known.statuses)


def _seen(host_id: str, facts: Facts) -> CheckRecord:
    return CheckRecord(
        host_id=host_id,
        started_at=START,
        finished_at=START,
        expected_by=START + timedelta(hours=3),
        observation=Observation(started_at=START, observed_at=START, facts=facts),
    )
