"""Windows by what feeds told: an import moves the hosts that it concerns, and no others."""

from datetime import date, timedelta
from typing import Any

import pytest

from orchestrator.core.advisories import Entry, FeedImport, Grade, Imported, ModuleFix, Statement
from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.facts import Facts, Package, Packages
from orchestrator.core.patches import Severity
from orchestrator.core.standings import Standing
from orchestrator.services.update_exposures import STALE
from tests.core.advisory_builders import CVE, LIBSSL, OTHER, applied, debian, fingerprint, package, statement
from tests.core.exposure_builders import closed_windows
from tests.services.fleets import Checked

FIXED = package("libssl3", "3.0.15-1~deb12u1", "openssl")
DEBIAN, UBUNTU = ("debian", "12"), ("ubuntu", "22.04")


def seen(*packages: Package, os: tuple[str, str] = DEBIAN, **more: Any) -> Facts:
    """What a check sees that has the package list sent."""
    listed = Packages(manager="dpkg", fingerprint=fingerprint(packages) + os[0], items=packages)
    return debian(*packages, os=os, **more).model_copy(update={"packages": listed})


def fleet(**shows: Facts) -> Checked:
    """Hosts that were checked once."""
    known = Checked(*shows)
    known.eyes.shows = dict(shows)
    known.check_hosts(known.members)
    known.clock.advance(60)
    return known


def tell(known: Checked, *statements: Statement, feed: str = "debian", **more: object) -> Imported:
    """Import one entry that says this in the place of all that the feed said, and bring windows up to date."""
    entry = Entry.model_validate({"id": "entry", "statements": statements} | more)
    about = FeedImport(feed=feed, at=known.clock.now(), source="a test")
    imported = known.store.feeds.import_entries(about, [entry])
    known.update_exposures.concerned(imported)
    known.clock.advance(60)
    return imported


def states(known: Checked) -> dict[tuple[str, str], str]:
    """Where hosts stand, by id and CVE."""
    return {(one.host_id, mark.cve): one.state for one in known.store.exposures.all() for mark in one.marks}


def standing(known: Checked, host: str = "id-a") -> Standing:
    """The only standing of a host."""
    (found,) = known.store.exposures.of([host])[host]
    return found


FLAW = statement(fixed=FIXED.version, severity=Severity.HIGH)


def test_an_advisory_opens_windows_on_the_hosts_that_have_the_package() -> None:
    """From when it was told; a host of another distribution with the same package is none of them."""
    known = fleet(a=seen(LIBSSL), b=seen(package("bash", "5.2-1")), c=seen(LIBSSL, os=UBUNTU))
    told_at = known.clock.now()

    tell(known, FLAW)

    assert {("id-a", CVE): ExposureState.EXPOSED} == states(known)
    assert told_at == standing(known).spans[0].detected_at


def test_an_upgrade_closes_its_window_as_a_package() -> None:
    """At the check that shows it; the date of the fix is known when its source gives one."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW, statement(OTHER, fixed="9"))
    known.eyes.shows["a"] = seen(FIXED)

    known.check_hosts(known.members)

    assert {("id-a", CVE): ExposureState.COVERED, ("id-a", OTHER): ExposureState.EXPOSED} == states(known)
    (closure,) = known.store.exposures.closures()
    assert [(CVE, ClosedBy.PACKAGE)] == [(one.cve, one.method) for one in closed_windows(closure)]


def test_what_is_taken_back_is_withdrawn_and_not_fixed() -> None:
    """The feed says nothing of it any more."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW)

    tell(known)

    assert [ClosedBy.WITHDRAWN] == [one.span.method for one in known.store.exposures.closures()]
    assert standing(known).is_over


def test_a_version_that_turns_out_never_to_be_affected_is_withdrawn() -> None:
    """Nothing changed on the host."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW)

    tell(known, statement(introduced="3.2-1", fixed="3.2.1-1"))

    assert [ClosedBy.WITHDRAWN] == [one.span.method for one in known.store.exposures.closures()]
    assert ExposureState.COVERED is standing(known).state


def test_a_severity_that_changes_moves_the_grade_and_the_due_date() -> None:
    """Critical from then on: two days from when that was told."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW)
    before = standing(known).spans[0].due_at
    raised_at = known.clock.now()

    tell(known, FLAW.model_copy(update={"severity": Severity.CRITICAL}))

    after = standing(known)
    assert before is not None
    assert Severity.CRITICAL is after.severity
    assert raised_at + timedelta(days=2) == after.spans[0].due_at
    assert before > raised_at + timedelta(days=2)


def test_what_is_said_of_a_cve_alone_moves_the_hosts_that_have_it() -> None:
    """KEV: no package is named."""
    known = fleet(a=seen(LIBSSL), b=seen(package("bash", "5.2-1")))
    tell(known, FLAW)
    kev = Grade(cve=CVE, kev_added=date(2026, 1, 1), kev_due=date(2026, 1, 22), where="/")

    tell(known, feed="kev", grades=(kev,))

    assert [date(2026, 1, 22)] == [mark.kev_due for mark in standing(known).marks]


def test_what_an_import_changed_is_what_a_rebuild_finds() -> None:
    """Hosts that were told of changes one by one stand where a rebuild from the beginning puts them."""
    known = fleet(a=seen(LIBSSL), b=seen(FIXED), c=seen(LIBSSL, package("bash", "5.2-1")))
    tell(known, FLAW)
    tell(known, FLAW, statement(OTHER, package="bash"))
    tell(known, FLAW.model_copy(update={"fixed": "3.0.14-1"}), statement(OTHER, package="bash", fixed="5.3-1"))
    gone_on = sorted(known.store.exposures.all(), key=repr)

    known.update_exposures.everywhere()

    assert gone_on == sorted(known.store.exposures.all(), key=repr)


def test_another_process_s_import_is_seen_by_the_next_check() -> None:
    """What is kept in memory is read again when the store moved."""
    known = fleet(a=seen(LIBSSL))
    entry = Entry(id="entry", statements=(FLAW,))
    known.store.feeds.import_entries(FeedImport(feed="debian", at=known.clock.now(), source="x"), [entry])
    known.eyes.shows["a"] = seen(LIBSSL, package("bash", "5.2-1"))

    known.check_hosts(known.members)

    assert {("id-a", CVE): ExposureState.EXPOSED} == states(known)


def test_live_patch_notices_outlive_an_import_about_something_else() -> None:
    """They are read again for a host that moves, though nothing else is to be read of it."""
    live = applied("lkp_Ubuntu_5_15_0_100_110_generic_112")
    kernel = {"running": "5.15.0-100-generic", "source_version": "5.15.0-100.110", "live": (live,)}
    known = fleet(a=seen(LIBSSL, os=UBUNTU, **kernel))
    notice = ModuleFix(
        cve=CVE,
        distribution="ubuntu:22.04",
        package="linux",
        pattern=r"lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)",
        version=112,
        where="/",
    )
    flaw = statement(package="linux", distribution="ubuntu:22.04", fixed="5.15.0-120.130")
    tell(known, flaw, feed="osv/Ubuntu", module_fixes=(notice,))
    tell(known, statement(OTHER, package="not-there", distribution="ubuntu:22.04"))
    known.eyes.shows["a"] = seen(FIXED, os=UBUNTU, **kernel)

    known.check_hosts(known.members)

    assert {("id-a", CVE): ExposureState.COVERED} == states(known)


def test_what_is_kept_of_hosts_is_let_go_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet in which every host has a package list of its own does not fill the memory, and is told the same."""
    hosts = {name: seen(LIBSSL, package(f"only-on-{name}", "1-1")) for name in "abc"}
    known, bounded = fleet(**hosts), fleet(**hosts)
    tell(known, FLAW, statement(OTHER, package="only-on-b"))

    monkeypatch.setattr("orchestrator.services.know_hosts.MOST_VIEWS", 1)
    monkeypatch.setattr("orchestrator.services.update_exposures.BATCH", 1)
    tell(bounded, FLAW, statement(OTHER, package="only-on-b"))
    bounded.update_exposures.everywhere()

    assert sorted(known.store.exposures.all(), key=repr) == sorted(bounded.store.exposures.all(), key=repr)


@pytest.mark.parametrize("why", ["cut short", "upgraded"])
def test_what_an_import_left_undone_is_caught_up_with(why: str) -> None:
    """Its process died before it told the hosts, or the schema was upgraded; afterwards there is nothing to do."""
    known = fleet(a=seen(LIBSSL))
    entry = Entry(id="entry", statements=(FLAW,))
    known.store.feeds.import_entries(FeedImport(feed="debian", at=known.clock.now(), source="x"), [entry])
    if why == "upgraded":
        known.update_exposures.catch_up()
        known.store.exposures.replace_many({"id-a": ()})
        known.store.notes.put(STALE, {})

    assert known.update_exposures.catch_up()

    assert {("id-a", CVE): ExposureState.EXPOSED} == states(known)
    assert not known.update_exposures.catch_up()
