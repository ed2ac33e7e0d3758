"""Windows by what feeds told: an import moves the hosts that it concerns, and no others."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, cast

import pytest

from orchestrator.core.advisories import Entry, FeedImport, Grade, Imported, ModuleFix, Statement
from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.facts import Facts, Observation, Package, Packages
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import CheckRecord
from orchestrator.core.sla_policy import Adopted
from orchestrator.core.standings import Standing
from orchestrator.ports.store import Basis, Pending, Store
from orchestrator.services.update_exposures import STALE, UpdateExposures
from tests.core.advisory_builders import CVE, LIBSSL, OTHER, applied, debian, fingerprint, package, statement
from tests.core.exposure_builders import closed_windows
from tests.core.sla_builders import policy
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
    known.update_exposures.catch_up()
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


class Between:
    """A store in which something happens right before standings are written, once."""

    def __init__(self, known: Checked, happens: Callable[[], object]) -> None:
        self._store, self._happens, self.exposures = known.store, [happens], self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store if hasattr(self._store, name) else self._store.exposures, name)

    def replace_many(self, standings: Any, made_of: Basis | None = None) -> frozenset[str]:
        """As the store does it."""
        while self._happens:
            self._happens.pop()()
        return self._store.exposures.replace_many(standings, made_of)


def imported(known: Checked, *statements: Statement, feed: str = "debian") -> None:
    """What another process takes in, before it tells anybody."""
    about = FeedImport(feed=feed, at=known.clock.now(), source="x")
    known.store.feeds.import_entries(about, [Entry(id="entry", statements=statements)])


def test_what_is_told_while_a_host_is_rebuilt_is_not_overwritten() -> None:
    """By another process: its import is told of before the scan writes what it found without it."""
    known = fleet(a=seen(LIBSSL))

    def meanwhile() -> None:
        imported(known, FLAW)
        UpdateExposures(store=known.store, clock=known.clock).catch_up()

    store = cast("Store", Between(known, meanwhile))
    UpdateExposures(store=store, clock=known.clock)(["id-a"])

    assert {("id-a", CVE): ExposureState.EXPOSED} == states(known)


def test_a_host_that_changes_while_it_is_rebuilt_is_rebuilt_again() -> None:
    """What a check kept meanwhile is what counts."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW)
    known.eyes.shows["a"] = seen(FIXED)
    store = cast("Store", Between(known, lambda: known.check_hosts(known.members)))

    UpdateExposures(store=store, clock=known.clock)(["id-a"])

    assert {("id-a", CVE): ExposureState.COVERED} == states(known)
    assert Pending() == known.store.exposures.pending()


def test_what_another_process_did_not_tell_is_not_taken_for_told() -> None:
    """It died after its import; the next one tells of both."""
    known = fleet(a=seen(LIBSSL), b=seen(package("bash", "5.2-1")))
    imported(known, FLAW)

    tell(known, statement(OTHER, package="bash"), feed="osv/Debian")

    assert {("id-a", CVE), ("id-b", OTHER)} == states(known).keys()


def test_what_another_process_changed_is_not_hidden_by_an_import() -> None:
    """It has told the hosts of it: what is in memory here is older, for all that is asked later."""
    known = fleet(a=seen(LIBSSL), b=seen(package("bash", "5.2-1")))
    tell(known, statement(OTHER, package="bash"))
    imported(known, FLAW, feed="osv/Debian")
    UpdateExposures(store=known.store, clock=known.clock).catch_up()

    tell(known, statement(OTHER, package="bash", fixed="9"))
    known.eyes.shows["a"] = seen(LIBSSL, package("bash", "5.2-1"))
    known.check_hosts(known.members)

    assert {("id-a", CVE), ("id-a", OTHER), ("id-b", OTHER)} == states(known).keys()


def one_more_check(known: Checked) -> None:
    """Kept by somebody who dies before its windows follow."""
    at = known.clock.now()
    observation = Observation(started_at=at, observed_at=at, facts=seen(FIXED))
    check = CheckRecord(
        host_id="id-a", started_at=at, finished_at=at, expected_by=at + timedelta(hours=3), observation=observation
    )
    known.store.sightings.record([check])


def retirement(known: Checked) -> None:
    """Of a host, in the same way."""
    known.store.hosts.change(lambda hosts: [hosts[0].model_copy(update={"retired_at": known.clock.now()})])


def regrouping(known: Checked) -> None:
    """Other labels are other service levels."""
    known.store.hosts.change(lambda hosts: [hosts[0].model_copy(update={"labels": {"role": "dmz"}})])


def another_policy(known: Checked) -> None:
    """Service levels."""
    strict = policy(name="strict", levels={"critical": "1d", "high": "1d"})
    known.store.policies.append(Adopted(policy=strict, since=known.clock.now(), set_by="x"), 0)


@pytest.mark.parametrize("happens", [one_more_check, retirement, regrouping, another_policy])
def test_what_somebody_left_undone_is_caught_up_with(happens: Callable[[Checked], None]) -> None:
    """Whoever changes what windows are made of may die before they follow: a scan starts with what is left."""
    known, rebuilt = fleet(a=seen(LIBSSL)), fleet(a=seen(LIBSSL))
    for one in (known, rebuilt):
        tell(one, FLAW)
        happens(one)

    rebuilt.update_exposures.everywhere()
    known.check_hosts([])

    assert list(rebuilt.store.exposures.all()) == list(known.store.exposures.all())
    assert rebuilt.store.exposures.closures() == known.store.exposures.closures()
    assert not known.update_exposures.catch_up()


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
