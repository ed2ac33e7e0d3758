"""What every store does with published vulnerability data."""

import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.advisories import (
    Claim,
    Entry,
    FeedImport,
    FeedStatus,
    Grade,
    Imported,
    Likelihood,
    ModuleFix,
    Statement,
)
from orchestrator.core.patches import Severity
from orchestrator.errors import Conflict, FeedInvalid, NotAvailable
from orchestrator.ports.store import Store
from tests.adapters.store.samples import T0

DAY = timedelta(days=1)
KEY = ("debian:12", "zlib")


def statement(cve: str = "CVE-2099-0001", **changes: Any) -> Statement:
    """zlib in Debian 12 is affected before 1.2-3."""
    values: dict[str, Any] = {
        "cve": cve,
        "distribution": "debian:12",
        "package": "zlib",
        "fixed": "1.2-3",
        "where": f"/{cve}",
    }
    return Statement(**(values | changes))


def module_fix(**changes: Any) -> ModuleFix:
    """A module of Ubuntu 22.04's kernels."""
    values: dict[str, Any] = {
        "cve": "CVE-2099-0001",
        "distribution": "ubuntu:22.04",
        "package": "linux",
        "pattern": r"^lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)$",
        "version": 97,
        "published": T0,
        "where": "/affected/0",
    }
    return ModuleFix(**(values | changes))


def entry(*statements: Statement, key: str = "E-1", **changes: Any) -> Entry:
    """An entry that says this."""
    return Entry(id=key, statements=statements, **changes)


def about(day: int = 0, **changes: Any) -> FeedImport:
    """A whole file of Debian's, imported on that day."""
    return FeedImport(**({"feed": "debian", "at": T0 + day * DAY, "source": "tracker.json"} | changes))


def told(store: Store, package: tuple[str, str] = KEY) -> list[tuple[Statement, datetime, datetime | None]]:
    """What was said of the package, and from when to when."""
    found = store.advisories.statements([package]).get(package, ())
    return [(one.said, one.since, one.until) for one in found]


def days(*numbers: int | None) -> tuple[datetime | None, ...]:
    """Moments of imports."""
    return tuple(None if number is None else T0 + number * DAY for number in numbers)


def test_what_an_entry_says_comes_back_as_it_was(store: Store) -> None:
    """Every field, with feed, entry and the time of the import; of its feed's first import it is told."""
    full = statement(
        is_source=False,
        claim=Claim.AFFECTED,
        introduced="1.0",
        fixed=None,
        last_affected="1.2-2",
        severity=Severity.CRITICAL,
        disclosed=T0 - DAY,
        published=T0 - 2 * DAY,
        arches=("amd64", "arm64"),
        note="no-dsa: minor",
    )
    grade = Grade(
        cve="CVE-2099-0001", severity=Severity.HIGH, kev_added=T0.date(), kev_due=T0.date() + DAY, where="/grade"
    )
    whole = entry(full, module_fixes=(module_fix(),), grades=(grade,))
    imported = store.feeds.import_entries(about(), [whole])

    (of_package,) = store.advisories.statements([KEY, ("debian:12", "nothing")]).items()
    assert (KEY, [full]) == (of_package[0], [one.said for one in of_package[1]])
    assert ("debian", "E-1", T0, None, True) == of_package[1][0][1:]
    (fix,) = store.advisories.module_fixes(["ubuntu:22.04", "debian:12"])
    assert (module_fix(), "debian", "E-1", T0, None, True) == tuple(fix)
    assert {"CVE-2099-0001": [grade]} == {
        cve: [one.said for one in found]
        for cve, found in store.advisories.grades(["CVE-2099-0001", "CVE-2099-9999"]).items()
    }
    packages = frozenset({KEY, ("ubuntu:22.04", "linux")})
    assert Imported(added=1, packages=packages, cves=frozenset({"CVE-2099-0001"})) == imported


def test_the_same_file_again_changes_nothing(store: Store) -> None:
    """Every entry is unchanged; only the feed's status moves."""
    entries = [entry(statement()), entry(statement("CVE-2099-0002"), key="E-2")]
    store.feeds.import_entries(about(), entries)
    before = told(store)
    assert Imported(unchanged=2) == store.feeds.import_entries(about(1), reversed(entries))
    assert before == told(store)
    assert T0 + DAY == store.feeds.statuses()[0].succeeded_at


def test_what_no_database_keeps_does_not_spoil_a_file(store: Store) -> None:
    """It is stored in some form, and the same file again changes nothing."""
    odd = entry(statement(package="z\x00lib", where="\x00", note="\x00"), key="E\x00", title="\x00")
    assert 2 == store.feeds.import_entries(about(), [odd, entry(statement("CVE-2099-0002"))]).added
    assert Imported(unchanged=2) == store.feeds.import_entries(about(1), [odd, entry(statement("CVE-2099-0002"))])


def test_only_what_changed_in_an_entry_ends_and_begins(store: Store) -> None:
    """The rest of it keeps its time; the import names the packages and the CVEs of the change alone."""
    same, other = statement(), statement("CVE-2099-0003", package="bash")
    store.feeds.import_entries(about(), [entry(same, statement("CVE-2099-0002"), other)])
    fixed = statement("CVE-2099-0002", fixed="1.2-4")
    imported = store.feeds.import_entries(about(1), [entry(fixed, other, same)])

    assert [(same, T0, None), (statement("CVE-2099-0002"), T0, T0 + DAY), (fixed, T0 + DAY, None)] == told(store)
    assert Imported(changed=1, packages=frozenset({KEY}), cves=frozenset({"CVE-2099-0002"})) == imported
    assert [True, True, False] == [one.is_baseline for one in store.advisories.statements([KEY])[KEY]]


def test_where_a_source_says_it_is_no_content(store: Store) -> None:
    """Lines and positions move whenever something is put before them."""
    store.feeds.import_entries(about(), [entry(statement(where="line 7"))])
    assert Imported(unchanged=1) == store.feeds.import_entries(about(1), [entry(statement(where="line 9"))])
    imported = store.feeds.import_entries(about(2), [entry(statement(where="line 9"), statement("CVE-2099-0002"))])
    assert frozenset({"CVE-2099-0002"}) == imported.cves


def test_a_title_is_content_that_says_nothing_of_packages(store: Store) -> None:
    """The entry changed; nobody is concerned."""
    store.feeds.import_entries(about(), [entry(statement(), title="old")])
    assert Imported(changed=1) == store.feeds.import_entries(about(1), [entry(statement(), title="new")])
    assert "new" == store.advisory_index.show("E-1")[0][1].title


def test_what_is_said_twice_is_said_once(store: Store) -> None:
    """In one entry; two entries that say the same both say it."""
    twice = entry(statement(where="first"), statement(where="second"))
    store.feeds.import_entries(about(), [twice, entry(statement(), key="E-2")])
    assert ["first", "/CVE-2099-0001"] == [said.where for said, _, _ in told(store)]
    assert 2 == store.feeds.statuses()[0].statements


@pytest.mark.parametrize("how", ["missing", "deleted", "withdrawn"])
def test_all_that_an_entry_said_ends_when_it_goes(store: Store, how: str) -> None:
    """Missing in a whole file, named as deleted, or withdrawn; once back, it begins again."""
    other = entry(statement("CVE-2099-0002", package="bash"), key="E-2")
    store.feeds.import_entries(about(), [entry(statement()), other])
    if how == "withdrawn":
        imported = store.feeds.import_entries(about(1), [entry(statement(), withdrawn=T0 + DAY), other])
    elif how == "missing":
        imported = store.feeds.import_entries(about(1), [other])
    else:
        imported = store.feeds.import_entries(about(1, is_whole=False, deleted=("E-1", "E-9")), [])
    expected = Imported(
        withdrawn=1,
        unchanged=0 if how == "deleted" else 1,
        packages=frozenset({KEY}),
        cves=frozenset({"CVE-2099-0001"}),
    )
    assert expected == imported
    assert [(statement(), *days(0, 1))] == told(store)
    assert 1 == store.feeds.statuses()[0].statements

    back = store.feeds.import_entries(about(2), [entry(statement()), other])
    assert (1, 1, frozenset({KEY})) == (back.added + back.changed, back.unchanged, back.packages)
    assert [(statement(), *days(0, 1)), (statement(), *days(2, None))] == told(store)
    assert [True, False] == [one.is_baseline for one in store.advisories.statements([KEY])[KEY]]


def test_an_entry_that_is_deleted_says_nothing_even_if_the_file_has_it(store: Store) -> None:
    """A list of deletions is younger than the archive beside it; the same again changes nothing."""
    store.feeds.import_entries(about(), [entry(statement())])
    both = about(1, deleted=("E-1",))
    assert 1 == store.feeds.import_entries(both, [entry(statement())]).withdrawn
    assert Imported() == store.feeds.import_entries(about(2, deleted=("E-1",)), [entry(statement())])
    assert [(statement(), *days(0, 1))] == told(store)


def test_a_part_of_a_feed_leaves_the_rest_alone(store: Store) -> None:
    """What is not in it stays."""
    store.feeds.import_entries(about(), [entry(statement())])
    part = entry(statement("CVE-2099-0002"), key="E-2")
    assert 1 == store.feeds.import_entries(about(1, is_whole=False), [part]).added
    assert [None, None] == [until for _, _, until in told(store)]
    assert (2, 2) == (store.feeds.statuses()[0].entries, store.feeds.statuses()[0].statements)


def test_an_older_entry_is_left_out(store: Store) -> None:
    """By its date of change; one of the same date, or without one, counts."""
    store.feeds.import_entries(about(), [entry(statement(), modified=T0)])
    older = entry(statement(fixed="1.2-1"), modified=T0 - DAY)
    assert Imported(unchanged=1) == store.feeds.import_entries(about(1), [older])
    assert 1 == store.feeds.import_entries(about(2), [entry(statement(fixed="1.2-2"), modified=T0)]).changed
    assert 1 == store.feeds.import_entries(about(3), [entry(statement())]).changed
    assert ["1.2-3", "1.2-2", "1.2-3"] == [said.fixed for said, _, _ in told(store)]


def test_an_entry_that_was_gone_comes_back_whatever_its_date(store: Store) -> None:
    """Its source took the newer one back: what it has is what it says."""
    store.feeds.import_entries(about(), [entry(statement(fixed="2"), modified=T0)])
    store.feeds.import_entries(about(1), [])
    back = store.feeds.import_entries(about(2), [entry(statement(), modified=T0 - DAY)])
    assert (1, 0) == (back.added, back.unchanged)
    assert [(statement(fixed="2"), *days(0, 1)), (statement(), *days(2, None))] == told(store)


def test_what_is_told_is_dated_when_it_is_written(store: Store) -> None:
    """Not when the import began: reading takes minutes. The status follows."""
    store.feeds.import_entries(about(), [entry(statement())], lambda: T0 + DAY)
    store.feeds.import_entries(about(2), [], lambda: T0 + 3 * DAY)
    assert [(statement(), *days(1, 3))] == told(store)
    status = store.feeds.statuses()[0]
    assert days(1, 3, 3) == (status.first_imported_at, status.succeeded_at, status.attempted_at)


def test_nothing_is_told_before_what_was_told_last(store: Store) -> None:
    """The clock was set back."""
    store.feeds.import_entries(about(2), [entry(statement())])
    store.feeds.unchanged("debian", T0)
    store.feeds.import_entries(about(), [], lambda: T0 + DAY)
    assert [(statement(), *days(2, 2))] == told(store)


@pytest.mark.parametrize("count", [1, 2, 49, 50, 51])
def test_a_few_entries_again_change_nothing(store: Store, count: int) -> None:
    """However many they are, and whatever is in an id that no database keeps."""
    few = [entry(statement(), key=f"E-\x00-{n}") for n in range(count)]
    assert count == store.feeds.import_entries(about(0, is_whole=False), few).added
    again = store.feeds.import_entries(about(1, is_whole=False), few)
    assert (0, 0, count) == (again.added, again.changed, again.unchanged)


SINGLE = (about(is_whole=False, dated=T0 + DAY), [entry(statement(), modified=T0)])
ARCHIVE = (
    about(dated=T0),
    [entry(statement(), modified=T0), entry(statement("CVE-2099-0002"), key="E-2", modified=T0 - DAY)],
)


def test_a_single_file_before_the_archive_takes_nothing_from_it(store: Store) -> None:
    """Neither the baseline, nor its place: what is said is the same as after the archive and then the file."""
    for number, (file, entries) in enumerate((SINGLE, ARCHIVE)):
        imported = store.feeds.import_entries(file.model_copy(update={"at": T0 + number * DAY}), entries)
        assert not imported.is_outdated
    assert ["CVE-2099-0001", "CVE-2099-0002"] == [said.cve for said, _, until in told(store) if until is None]
    assert [True, True] == [one.is_baseline for one in store.advisories.statements([KEY])[KEY]]
    store.feeds.import_entries(about(2, is_whole=False), [entry(statement("CVE-2099-0003"), key="E-3")])
    assert [True, True, False] == [one.is_baseline for one in store.advisories.statements([KEY])[KEY]]


def test_an_archive_does_not_end_what_is_younger_than_it(store: Store) -> None:
    """An entry that changed after the archive's date cannot be in it."""
    young = entry(statement("CVE-2099-0003"), key="E-3", modified=T0 + DAY)
    store.feeds.import_entries(about(is_whole=False), [young])
    store.feeds.import_entries(about(1, dated=T0), ARCHIVE[1])
    assert [None, None, None] == [until for _, _, until in told(store)]
    store.feeds.import_entries(about(2, dated=T0 + 2 * DAY), ARCHIVE[1])
    assert [("CVE-2099-0003", T0 + 2 * DAY)] == [(said.cve, until) for said, _, until in told(store) if until]


def test_a_newer_date_alone_is_remembered(store: Store) -> None:
    """The entry is unchanged, and what is older than its new date is left out from then on."""
    store.feeds.import_entries(about(), [entry(statement(), modified=T0)])
    assert Imported(unchanged=1) == store.feeds.import_entries(about(1), [entry(statement(), modified=T0 + 2 * DAY)])
    between = entry(statement(fixed="9"), modified=T0 + DAY)
    assert Imported(unchanged=1) == store.feeds.import_entries(about(2), [between])


def test_an_older_file_changes_nothing(store: Store) -> None:
    """It is not even read; that it was tried is remembered."""
    store.feeds.import_entries(about(dated=T0), [entry(statement())])
    unread: Iterator[Entry] = iter([entry(key="E-9")])
    assert Imported(is_outdated=True) == store.feeds.import_entries(about(1, dated=T0 - DAY), unread)
    assert "E-9" == next(unread).id
    status = store.feeds.statuses()[0]
    assert (T0, T0, T0 + DAY) == (status.dated, status.succeeded_at, status.attempted_at)


def test_nothing_is_written_of_a_file_that_breaks_off(store: Store) -> None:
    """Whatever its entries raise is raised, and a feed of which nothing was ever read does not exist."""

    def broken() -> Iterator[Entry]:
        yield entry(statement())
        raise FeedInvalid("no number", file="tracker.json", line=7)

    with pytest.raises(FeedInvalid, match=r"tracker\.json:7"):
        store.feeds.import_entries(about(), broken())
    assert ({}, (), ()) == (store.advisories.statements([KEY]), store.advisory_index.list(), store.feeds.statuses())


def test_an_id_that_comes_twice_is_refused(store: Store) -> None:
    """With the file and the id; nothing is kept."""
    with pytest.raises(FeedInvalid, match=r"tracker\.json.*E-1"):
        store.feeds.import_entries(about(), [entry(statement()), entry()])
    assert () == store.advisory_index.list()


def test_a_feed_that_is_imported_in_between_is_a_conflict(store: Store) -> None:
    """What was decided on the state before it would be wrong."""
    if type(store).__name__ == "FakeStore":
        return

    def slow() -> Iterator[Entry]:
        yield entry(statement())
        store.feeds.import_entries(about(1), [entry(statement(fixed="2"))])

    with pytest.raises(Conflict, match="debian"):
        store.feeds.import_entries(about(2), slow())
    assert [(statement(fixed="2"), *days(1, None))] == told(store)


def test_without_room_for_temporary_files_nothing_changes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do about it."""
    if type(store).__name__ == "FakeStore":
        return
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(NotAvailable, match="temporary file cannot be written: No such file or directory; TMPDIR"):
        store.feeds.import_entries(about(), [entry(statement())])
    assert () == store.feeds.statuses()


def test_feeds_do_not_touch_each_other(store: Store) -> None:
    """Nor does it matter which comes first; entries of the same id are two."""
    for number, feed in enumerate(("osv/Debian", "debian")):
        store.feeds.import_entries(about(number, feed=feed), [entry(statement(fixed=f"{feed[0]}-1"))])
    store.feeds.import_entries(about(2), [])
    statements, _, _ = store.advisories.about("CVE-2099-0001")
    assert [("osv/Debian", "o-1")] == [(one.feed, one.said.fixed) for one in statements]
    assert ["osv/Debian"] == [feed for feed, _ in store.advisory_index.show("E-1")]
    assert [True, True] == [one.is_baseline for one in store.advisories.statements([KEY])[KEY]]


def test_about_a_cve_is_what_is_said_of_it_now(store: Store) -> None:
    """By every feed, of every kind; nothing of what ended."""
    grade = Grade(cve="CVE-2099-0001", severity=Severity.LOW, where="/g")
    store.feeds.import_entries(about(), [entry(statement(fixed="1")), entry(key="E-2", module_fixes=(module_fix(),))])
    store.feeds.import_entries(about(feed="kev"), [entry(key="K", grades=(grade,))])
    store.feeds.import_entries(about(1), [entry(statement(fixed="2")), entry(key="E-2", module_fixes=(module_fix(),))])
    found = store.advisories.about("CVE-2099-0001")
    assert [[statement(fixed="2")], [module_fix()], [grade]] == [[one.said for one in kind] for kind in found]
    assert ((), (), ()) == store.advisories.about("CVE-2099-0002")


def test_more_packages_and_cves_than_a_statement_takes_are_read(store: Store) -> None:
    """However many ids there are."""
    many = [
        entry(
            statement(f"CVE-2099-{n}", package=f"p{n}"),
            key=f"E-{n}",
            grades=(Grade(cve=f"CVE-2099-{n}", where="/"),),
        )
        for n in range(10_000, 10_300)
    ]
    assert 300 == store.feeds.import_entries(about(), many).added
    names = [("debian:12", f"p{n}") for n in range(40_000)]
    assert 300 == len(store.advisories.statements(names))
    assert 300 == len(store.advisories.grades([f"CVE-2099-{n}" for n in range(1_000, 40_000)]))


def test_where_a_feed_stands(store: Store) -> None:
    """What the last import said of itself; the time of the first one stays."""
    first = about(dated=T0, version="v1", etag='"a"', last_modified="Mon")
    store.feeds.import_entries(first, [entry(statement(), statement("CVE-2099-0002"))])
    store.feeds.import_entries(about(1, source="mirror", dated=T0 + DAY, version="v2"), [entry(statement())])
    expected = FeedStatus(
        feed="debian",
        source="mirror",
        version="v2",
        dated=T0 + DAY,
        first_imported_at=T0,
        succeeded_at=T0 + DAY,
        attempted_at=T0 + DAY,
        entries=1,
        statements=1,
    )
    assert (expected,) == store.feeds.statuses()


def test_a_failure_is_remembered_until_an_import_succeeds(store: Store) -> None:
    """Beside what was imported before, which stays."""
    store.feeds.failed("kev", T0, "404", "https://kev.example/")
    store.feeds.import_entries(about(), [entry(statement())])
    store.feeds.failed("debian", T0 + DAY, "no answer \x00")
    debian, kev = store.feeds.statuses()
    assert (FeedStatus(feed="kev", source="https://kev.example/", attempted_at=T0, error="404")) == kev
    assert (T0, T0 + DAY, "tracker.json", 1) == (
        debian.succeeded_at,
        debian.attempted_at,
        debian.source,
        debian.statements,
    )
    assert debian.error is not None
    assert debian.error.startswith("no answer")
    store.feeds.import_entries(about(2), [entry(statement())])
    assert store.feeds.statuses()[0].error is None


def test_an_import_keeps_nobody_from_writing_while_it_is_read(store: Store) -> None:
    """However long the source takes; only what it comes to is written in one go."""

    def slow() -> Iterator[Entry]:
        for number in range(3):
            store.notes.put(f"meanwhile-{number}", {})
            yield entry(statement(), key=f"E-{number}")

    assert 3 == store.feeds.import_entries(about(), slow()).added
    assert 3 == len(store.notes.items("meanwhile-"))


def likelihood(cve: str, score: float, day: int = 0) -> Likelihood:
    """A score of that day."""
    on = date(2099, 3, 1) + timedelta(days=day)
    return Likelihood(cve=cve, score=score, percentile=score / 2, model_version="v2099.1", scored_on=on)


def test_all_scores_take_the_place_of_all_that_there_were(store: Store) -> None:
    """One that is the same on another day is unchanged, and shows the newer day."""
    first = [likelihood("CVE-2099-0001", 0.25), likelihood("CVE-2099-0002", 0.5), likelihood("CVE-2099-0003", 1.0)]
    assert 3 == store.feeds.put_likelihoods(about(feed="epss", dated=T0), first).added
    second = [
        likelihood("CVE-2099-0001", 0.25, 1),
        likelihood("CVE-2099-0002", 0.125, 1),
        likelihood("CVE-2099-0004", 0.0, 1),
    ]
    imported = store.feeds.put_likelihoods(about(1, feed="epss", dated=T0 + DAY), second)
    cves = frozenset({"CVE-2099-0002", "CVE-2099-0003", "CVE-2099-0004"})
    assert Imported(added=1, changed=1, withdrawn=1, unchanged=1, cves=cves) == imported
    everything = [f"CVE-2099-000{n}" for n in range(6)]
    assert {one.cve: one for one in second} == store.advisories.likelihoods(everything)
    assert Imported(is_outdated=True) == store.feeds.put_likelihoods(about(2, feed="epss", dated=T0), first)
    assert {one.cve: one for one in second} == store.advisories.likelihoods(everything)
    assert (3, T0 + DAY) == (store.feeds.statuses()[0].entries, store.feeds.statuses()[0].dated)


def test_scores_are_taken_in_whole_or_not_at_all(store: Store) -> None:
    """A CVE that comes twice refuses the file."""
    twice = [likelihood("CVE-2099-0001", 0.25), likelihood("CVE-2099-0001", 0.5)]
    with pytest.raises(FeedInvalid, match="CVE-2099-0001"):
        store.feeds.put_likelihoods(about(feed="epss"), twice)
    assert {} == store.advisories.likelihoods(["CVE-2099-0001"])


def listed(store: Store, **how: Any) -> list[str]:
    """``FEED/ID`` of what the list shows."""
    return [f"{feed}/{found.id}" for feed, found in store.advisory_index.list(**how)]


@pytest.fixture
def index(store: Store) -> Store:
    """Entries of three feeds, one of which is named as the beginning of another."""
    store.feeds.import_entries(
        about(feed="osv"), [entry(key="Z/1", title="50% of Zlib_x"), entry(statement("CVE-2099-7777"), key="a")]
    )
    store.feeds.import_entries(about(feed="osv/Alma"), [entry(key="B"), entry(key="gone")])
    store.feeds.import_entries(about(1, feed="osv/Alma"), [entry(key="B", url="https://alma.example/B")])
    store.feeds.import_entries(about(feed="debian"), [entry(key="c", withdrawn=T0, published=T0, modified=T0)])
    return store


def test_entries_are_listed_by_feed_and_id(index: Store) -> None:
    """Byte by byte, without what they say; withdrawn ones are there, gone ones are not."""
    assert ["debian/c", "osv/Z/1", "osv/a", "osv/Alma/B"] == listed(index)
    assert ("debian", Entry(id="c", withdrawn=T0, published=T0, modified=T0)) == index.advisory_index.list()[0]
    assert ["osv/Z/1", "osv/a"] == listed(index, feed="osv")


def test_a_list_goes_on_after_what_was_shown(index: Store) -> None:
    """Page by page all are shown once."""
    pages: list[str] = []
    while page := listed(index, most=1, after=pages[-1] if pages else None):
        pages += page
    assert listed(index) == pages
    assert ["osv/Alma/B"] == listed(index, after="osv/b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zlib", ["osv/Z/1"]),
        ("50%", ["osv/Z/1"]),
        ("b_x", ["osv/Z/1"]),
        ("0%o", []),
        ("cve-2099-77", ["osv/a"]),
        ("7777", ["osv/a"]),
        ("b", ["osv/Z/1", "osv/Alma/B"]),
        ("", ["debian/c", "osv/Z/1", "osv/a", "osv/Alma/B"]),
    ],
)
def test_a_text_is_looked_for_in_ids_titles_and_cves(index: Store, text: str, expected: list[str]) -> None:
    """In any case of letters, and to the letter."""
    assert expected == listed(index, text=text)


def test_an_entry_is_shown_with_what_it_says_now(store: Store) -> None:
    """In the order in which it was told."""
    shown = entry(
        statement("CVE-2099-0002"), statement(), title="t", url="https://x.example", module_fixes=(module_fix(),)
    )
    store.feeds.import_entries(about(), [shown])
    assert (("debian", shown),) == store.advisory_index.show("E-1")
    store.feeds.import_entries(about(1), [])
    assert () == store.advisory_index.show("E-1")


def test_a_whole_file_that_lacks_a_fifth_of_the_entries_is_not_believed(store: Store) -> None:
    """A mirror that was filled by half would withdraw the rest. Nothing is changed; whoever knows better says so."""
    everything = [entry(statement(), key=f"E-{number}") for number in range(100)]
    store.feeds.import_entries(about(), everything)
    before = told(store)

    with pytest.raises(FeedInvalid, match=r"lacks 21 of the 100 entries that are known of .*--accept-shrink"):
        store.feeds.import_entries(about(1), everything[:79])

    assert before == told(store)
    assert 100 == store.feeds.statuses()[0].entries
    assert 20 == store.feeds.import_entries(about(1), everything[:80]).withdrawn
    assert 79 == store.feeds.import_entries(about(2, may_shrink=True), everything[:1]).withdrawn
