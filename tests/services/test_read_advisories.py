"""What is known of vulnerabilities, as it is shown."""

from datetime import date

import pytest

from orchestrator.core.advisories import Entry, FeedImport, Likelihood, ModuleFix
from orchestrator.errors import NotFound
from orchestrator.services.read_advisories import ReadAdvisories
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import FakeStore
from tests.services.feeds import entry


class Shown:
    """A store and what is shown of it."""

    def __init__(self) -> None:
        self.store, self.clock = FakeStore(), FakeClock()
        self.read = ReadAdvisories(store=self.store)

    def told(self, feed: str, *entries: Entry, whole: bool = True) -> None:
        """An hour later, a feed says these."""
        self.clock.advance(3600)
        about = FeedImport(feed=feed, at=self.clock.now(), source=f"{feed}.json", is_whole=whole)
        self.store.feeds.import_entries(about, entries)


@pytest.fixture
def shown() -> Shown:
    """Nothing is known."""
    return Shown()


def test_all_that_is_said_of_a_cve_and_since_when(shown: Shown) -> None:
    """By every source; with what each first import brought told apart from news."""
    fix = ModuleFix(
        cve="CVE-2099-0002", distribution="ubuntu:22.04", package="linux", pattern="lkp_(1)", version=1, where="/m"
    )
    shown.told("one", entry(1))
    shown.told("one", entry(1), entry(2))
    shown.told("two", Entry(id="X", module_fixes=(fix,)))
    score = Likelihood(cve="CVE-2099-0002", score=0.5, percentile=0.9, model_version="v1", scored_on=date(2099, 1, 1))
    shown.store.feeds.put_likelihoods(FeedImport(feed="epss", at=START, source="e"), [score])

    found = shown.read.show("cve-2099-0002")

    (statement,), (module_fix,), (grade,) = found["statements"], found["module_fixes"], found["grades"]
    assert ("CVE-2099-0002", 0.5, "v1") == (
        found["cve"],
        found["likelihood"]["score"],
        found["likelihood"]["model_version"],
    )
    assert ("one", "E-2", "2026-03-01T14:00:00+00:00", False, "debian:12", "2", "/2") == tuple(
        statement[name] for name in ("feed", "entry", "since", "is_baseline", "distribution", "fixed", "where")
    )
    assert ("two", "X", True, "lkp_(1)") == tuple(
        module_fix[name] for name in ("feed", "entry", "is_baseline", "pattern")
    )
    assert "one" == grade["feed"]


def test_what_is_said_no_more_is_not_shown(shown: Shown) -> None:
    """A withdrawn entry, and one that is gone from a whole file."""
    shown.told("one", entry(1), entry(2))
    shown.told("one", entry(1, withdrawn=START))
    for cve in ("CVE-2099-0001", "CVE-2099-0002"):
        with pytest.raises(NotFound, match=f"nothing is known of '{cve}'"):
            shown.read.show(cve)


def test_an_entry_with_what_it_says(shown: Shown) -> None:
    """Of every feed that has one of that id."""
    shown.told("one", entry(1, title="First"))
    shown.told("two", entry(1))
    found = shown.read.show("E-1")["entries"]
    assert [("one", "First", "CVE-2099-0001"), ("two", None, "CVE-2099-0001")] == [
        (one["feed"], one["title"], one["statements"][0]["cve"]) for one in found
    ]
    with pytest.raises(NotFound):
        shown.read.show("e-1")


def test_pages_of_entries(shown: Shown) -> None:
    """Each begins after the last of the one before; the last has no next."""
    shown.told("one", *(entry(number) for number in range(1, 6)))
    pages, after = [], None
    while True:
        page = shown.read.entries(feed=None, text=None, after=after, most=2)
        pages.append([one["id"] for one in page["entries"]])
        after = page["next"]
        if after is None:
            break
    assert [["E-1", "E-2"], ["E-3", "E-4"], ["E-5"]] == pages


def test_where_feeds_stand(shown: Shown) -> None:
    """Failed, though something was imported before; never imported; well."""
    shown.told("one", entry(1))
    shown.told("two", entry(2))
    shown.store.feeds.failed("two", shown.clock.now(), "no answer")
    shown.store.feeds.failed("three", shown.clock.now(), "no answer")
    assert [("one", "ok", 1), ("three", "failed", 0), ("two", "failed", 1)] == [
        (one["feed"], one["state"], one["entries"]) for one in shown.read.statuses()
    ]
