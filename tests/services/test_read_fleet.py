"""What is known, read without touching any host."""

import pytest

from orchestrator.core.exposure_report import unknown_seconds
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.patches import Severity
from orchestrator.errors import NotFound
from orchestrator.services.read_exposures import ReadExposures, Wanted
from orchestrator.services.read_fleet import ReadFleet, by_module
from tests.core.advisory_builders import LIBSSL, debian
from tests.core.exposure_builders import FIRST, LAB_1, LAB_2, facts, live, module_id
from tests.fakes.clock import START
from tests.services.fleets import Checked, record

HOUR = 3600.0


def fleet() -> Checked:
    """Host ``a`` is patched, ``b`` exposed, ``never`` was never checked, ``old`` is retired."""
    known = Checked("a", "b", "never", "old")
    known.store.catalogue.add(LAB_1)
    known.eyes.shows = {"a": facts(live("LAB-0001")), "b": facts(), "old": facts()}
    known.check_hosts([one for one in known.members if one.name != "never"])
    known.store.hosts.save([record("old", retired_at=known.clock.now())])
    return known


def reader(known: Checked) -> ReadFleet:
    """The service over that fleet."""
    return ReadFleet(store=known.store, clock=known.clock)


def exposures(known: Checked) -> ReadExposures:
    """The service over that fleet."""
    return ReadExposures(store=known.store, clock=known.clock)


def test_hosts_are_those_that_are_listed() -> None:
    """Retired ones only when asked for; one that was never checked is neither reachable nor not."""
    known = fleet()
    assert {"a": True, "b": True, "never": None} == {one["name"]: one["reachable"] for one in reader(known).hosts()}
    assert ["a", "b", "never", "old"] == [one["name"] for one in reader(known).hosts(retired=True)]


def test_a_host_is_found_by_name_or_id() -> None:
    """A listed one before a retired one of the same name."""
    known = fleet()
    known.store.hosts.save([record("a", id="id-0", retired_at=START)])

    assert ("id-a", "id-0") == (reader(known).record("a").id, reader(known).record("id-0").id)
    assert "LAB-0001" == reader(known).host("a")["live_patches"][0]["patch"]
    with pytest.raises(NotFound, match="patchwave hosts list"):
        reader(known).host("nobody")


def test_what_nobody_saw_in_time_is_unknown() -> None:
    """From its last sighting on; a covered host is not taken for covered for ever."""
    known = fleet()
    assert {"id-a": "covered", "id-b": "exposed"} == states(known)
    known.clock.advance(3 * HOUR - 10)
    assert {"id-a": "covered", "id-b": "exposed"} == states(known)

    known.clock.advance(20)

    assert {"id-a": "unknown", "id-b": "unknown"} == states(known)
    exposure = next(one for one in exposures(known)() if one.host_id == "id-b")
    assert known.store.sightings.latest()["id-b"].last_seen == exposure.since
    assert 3 * HOUR <= unknown_seconds(exposure, known.clock.now()) <= 3 * HOUR + 20


def states(known: Checked) -> dict[str, ExposureState]:
    """Host id to state."""
    return {one.host_id: one.state for one in exposures(known)()}


def test_a_retired_host_is_exposed_to_nothing() -> None:
    """It is in none of the rows."""
    assert [("a", FIRST), ("b", FIRST)] == [(row["host"], row["cve"]) for row in exposures(fleet()).rows()]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(states=[ExposureState.COVERED]), [("a", FIRST)]),
        (Wanted(severities=[Severity.LOW]), []),
        (Wanted(host_ids=["id-b", "id-old"]), [("b", FIRST)]),
        (Wanted(cve=FIRST, after=("a", FIRST)), [("b", FIRST)]),
        (Wanted(after=("a", FIRST)), [("b", FIRST)]),
        (Wanted(cve="CVE-2099-9999"), []),
        (Wanted(is_kev=True), []),
        (Wanted(is_kev=False), [("a", FIRST), ("b", FIRST)]),
    ],
)
def test_only_what_is_wanted_is_read(wanted: Wanted, expected: list[tuple[str, str]]) -> None:
    """By host, CVE, state, severity, exploitation, and from a place on."""
    assert expected == [(row["host"], row["cve"]) for row in exposures(fleet()).rows(wanted)]


def test_hosts_that_nobody_can_tell_about_are_named() -> None:
    """Never checked, a distribution without a feed, a kernel that no package owns, a package list that is missing."""
    known = fleet()
    full = debian(LIBSSL)
    known.eyes.shows = {"a": full, "b": debian(packages=None, source=None)}
    known.check_hosts(known.members[:2])

    untold = exposures(known).untold()

    assert {"b", "never"} == set(untold)
    assert ["no package is known that the", "the host has no package list"] == [gap[:28] for gap in untold["b"]]


def test_reading_writes_nothing() -> None:
    """However long ago the last check was: what is stored stays what was seen."""
    known = fleet()
    known.clock.advance(10 * HOUR)
    before = tuple(known.store.exposures.all())
    list(exposures(known).rows())
    assert before == tuple(known.store.exposures.all())


def test_items_are_found_by_their_modules() -> None:
    """Every build of every item."""
    found = by_module((LAB_1, LAB_2))
    assert {module_id(one.id, kernel): one for one in (LAB_1, LAB_2) for kernel in "ab"} == found
