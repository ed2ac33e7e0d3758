"""Files that somebody brings: recognised first, then taken in, each whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.advisories import Entry, Imported
from orchestrator.errors import Conflict, FeedInvalid, InvalidInput
from orchestrator.ports.advisories import FeedFile
from orchestrator.services.import_advisories import FeedState, merged
from tests.services.feeds import Desk, FakeFeed, error_of, states


@pytest.fixture
def desk() -> Desk:
    """Two feeds, nothing known."""
    return Desk(FakeFeed("one"), FakeFeed("two"))


def written(folder: Path, name: str, text: str) -> Path:
    """A file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_several_files_of_several_feeds(desk: Desk, tmp_path: Path) -> None:
    """In the order in which they were given; whoever keeps exposures is told once, of all of them."""
    files = [written(tmp_path, "b", "two:\n3\n"), written(tmp_path, "a", "one:\n1\n2\n")]
    results = desk.take(files)
    assert [("two", "imported"), ("one", "imported")] == states(results)
    assert [1, 2] == [result.imported.added for result in results]
    (told,) = desk.changes
    assert {"CVE-2099-0001", "CVE-2099-0002", "CVE-2099-0003"} == told.cves


def test_nothing_new_is_not_told(desk: Desk, tmp_path: Path) -> None:
    """The same file again."""
    file = written(tmp_path, "a", "one:\n1\n")
    desk.take([file])
    desk.take([file])
    assert 1 == len(desk.changes)


def test_a_file_that_nobody_knows_stops_everything_before_it_began(desk: Desk, tmp_path: Path) -> None:
    """The error names the file and the feeds that there are."""
    files = [written(tmp_path, "a", "one:\n1\n"), written(tmp_path, "b", "hello\n")]
    with pytest.raises(FeedInvalid, match=r"b: is no file of a feed that is known \(one, two\)"):
        desk.take(files)
    assert () == desk.store.feeds.statuses()


def test_a_file_that_two_feeds_know_is_refused(tmp_path: Path) -> None:
    """Nobody guesses."""
    desk = Desk(FakeFeed("one"), FakeFeed("one:1"))
    with pytest.raises(FeedInvalid, match="may be of one:1 or of one:1"):
        desk.take([written(tmp_path, "a", "one:1:\n")])


def test_a_broken_file_leaves_the_others_alone(desk: Desk, tmp_path: Path) -> None:
    """Nothing of it is taken in, its feed remembers the failure, and keeps what it had."""
    desk.take([written(tmp_path, "a", "one:\n1\n")])
    results = desk.take([written(tmp_path, "a", "one:\n2\n!\n"), written(tmp_path, "b", "two:\n3\n")])
    assert [("one", "failed"), ("two", "imported")] == states(results)
    assert "is broken" == str(error_of(results[0]))
    one, _two = desk.store.feeds.statuses()
    assert ("is broken", 1) == (one.error, one.entries)


class Outrun(FakeFeed):
    """Whenever it is read, somebody else was faster."""

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        """As the store says when it is to write them."""
        raise Conflict(f"somebody else imported {file.feed} meanwhile")


def test_whoever_is_outrun_is_told_and_the_feed_has_not_failed(tmp_path: Path) -> None:
    """It stands as the faster import left it."""
    desk = Desk(FakeFeed("one"))
    file = written(tmp_path, "a", "one:\n1\n")
    desk.take([file])
    outrun = Desk(Outrun("one"), store=desk.store)
    (result,) = outrun.take([file])
    assert (FeedState.FAILED, "conflict") == (result.state, error_of(result).code)
    (status,) = desk.store.feeds.statuses()
    assert (None, 1) == (status.error, status.entries)


def test_a_bug_in_one_feed_does_not_keep_what_another_changed_from_the_hosts(desk: Desk, tmp_path: Path) -> None:
    """It is raised after they were told."""
    with pytest.raises(ValueError, match="boom"):
        desk.take([written(tmp_path, "a", "one:\n1\n"), written(tmp_path, "b", "two:\nboom\n")])
    assert [{"CVE-2099-0001"}] == [told.cves for told in desk.changes]


def test_a_folder_is_taken_in_by_name(desk: Desk, tmp_path: Path) -> None:
    """Folders below included; what is no feed's is left out and said, hidden files are not looked at."""
    written(tmp_path, "x/b", "two:\n3\n")
    written(tmp_path, "x/c/a", "one:\n1\n")
    readme = written(tmp_path, "x/README", "hello\n")
    written(tmp_path, "x/.hidden", "hello\n")
    results = desk.take([tmp_path / "x"])
    assert [("", "left_out"), ("two", "imported"), ("one", "imported")] == states(results)
    assert str(readme) == results[0].source


def test_a_pipe_is_refused_and_not_waited_for(desk: Desk, tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="pipe: is neither a file nor a folder"):
        desk.take([tmp_path / "pipe"])


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_nothing_to_take_in_is_an_error(desk: Desk, tmp_path: Path, name: str) -> None:
    """A folder without files, and a file that is not there."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput) as refused:
        desk.take([tmp_path / name])
    assert str(tmp_path / name) == refused.value.file


def test_a_file_that_cannot_be_read_is_an_error_with_its_name(desk: Desk, tmp_path: Path) -> None:
    """A name that leads nowhere, among others in a folder."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop2")
    (tmp_path / "loop2").symlink_to(tmp_path / "loop")
    with pytest.raises(InvalidInput, match="loop"):
        desk.take([tmp_path / "loop"])


def test_every_result_is_told_when_it_is_there(desk: Desk, tmp_path: Path) -> None:
    """Not at the end."""
    told: list[tuple[FeedState, int]] = []
    files = [written(tmp_path, "a", "one:\n1\n"), written(tmp_path, "b", "two:\n3\n")]
    desk.take(files, on_result=lambda result: told.append((result.state, len(desk.store.feeds.statuses()))))
    assert [(FeedState.IMPORTED, 1), (FeedState.IMPORTED, 2)] == told


def test_what_imports_changed_together() -> None:
    """Counts add up, sets join; outdated only if all were."""
    one = Imported(added=1, unchanged=2, cves=frozenset({"CVE-2099-0001"}))
    two = Imported(added=2, withdrawn=1, packages=frozenset({("debian:12", "x")}))
    assert merged([one, two]) == Imported(
        added=3,
        withdrawn=1,
        unchanged=2,
        cves=frozenset({"CVE-2099-0001"}),
        packages=frozenset({("debian:12", "x")}),
    )
    outdated = Imported(is_outdated=True)
    assert (True, False, False) == (
        merged([outdated]).is_outdated,
        merged([one, outdated]).is_outdated,
        merged([]).is_outdated,
    )
