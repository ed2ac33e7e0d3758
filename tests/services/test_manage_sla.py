"""Policies: previewed, then set once, then open windows are dated again."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import DEFAULT_POLICY
from orchestrator.core.sla_preview import Shift
from orchestrator.core.standings import Standing
from orchestrator.errors import Conflict
from orchestrator.services.manage_sla import ManageSla
from tests.core.exposure_builders import LAB_1, facts
from tests.core.sla_builders import HOST, acceptance, day, policy, record, span, standing
from tests.fakes.clock import FakeClock
from tests.fakes.hosts import KnownHosts
from tests.fakes.sla import FakeAcceptances, FakePolicies
from tests.services.fleets import Checked

STRICT = policy(levels={"high": "5d", "medium": "5d"})


@dataclass
class World:
    """On day 10, with one window since day 0 on a listed host and one on a retired host."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(day(10)))
    policies: FakePolicies = field(default_factory=FakePolicies)
    acceptances: FakeAcceptances = field(default_factory=FakeAcceptances)
    redated: int = 0

    def sla(self) -> ManageSla:
        """The service."""
        gone = record("gone", retired_at=day(9))
        window = span(0, due=30)
        windows: list[Standing] = [standing(window), standing(window, host=gone)]
        return ManageSla(
            policies=self.policies,
            acceptances=self.acceptances,
            hosts=KnownHosts(HOST, gone),
            standings=lambda: windows,
            redate=self._redate,
            clock=self.clock,
        )

    def _redate(self) -> None:
        self.redated += 1


def test_the_built_in_policy_until_another_is_set() -> None:
    """Nothing is stored for it."""
    world = World()
    assert (DEFAULT_POLICY, ()) == (world.sla().current(), world.sla().history())


def test_a_preview_changes_nothing() -> None:
    """It counts the windows of listed hosts."""
    world = World()
    offered = world.sla().preview(STRICT)
    assert ({"medium": {Shift.EARLIER: 1}}, 1) == (offered.found.shifts, offered.found.breached)
    assert ((), 0) == (world.policies.all(), world.redated)


def test_a_preview_leaves_out_what_somebody_bears() -> None:
    """It would alert nobody."""
    world = World()
    world.acceptances.add(acceptance(1, 20))
    assert 0 == world.sla().preview(STRICT).found.breached


def test_setting_it_records_who_and_when_and_dates_windows_again() -> None:
    """From then on it is in force."""
    world = World()
    adopted = world.sla().set(world.sla().preview(STRICT), "ann@cli")
    assert adopted is not None
    assert (STRICT, day(10), "ann@cli") == (adopted.policy, adopted.since, adopted.set_by)
    assert ((adopted,), STRICT, 1) == (world.sla().history(), world.sla().current(), world.redated)


def test_the_same_again_changes_nothing() -> None:
    """Nor does the built-in one while it is in force."""
    world = World()
    assert None is world.sla().set(world.sla().preview(DEFAULT_POLICY), "ann@cli")
    world.sla().set(world.sla().preview(STRICT), "ann@cli")
    world.clock.advance(60)
    assert None is world.sla().set(world.sla().preview(STRICT), "bob@cli")
    assert (1, 1) == (len(world.policies.all()), world.redated)


def test_a_policy_comes_back() -> None:
    """Appended again: the one between was in force for a time, and that stays known."""
    world = World()
    for one in (STRICT, DEFAULT_POLICY, STRICT):
        world.clock.advance(60)
        world.sla().set(world.sla().preview(one), "ann@cli")
    assert [STRICT.id, DEFAULT_POLICY.id, STRICT.id] == [one.policy.id for one in world.policies.all()]


def test_a_preview_that_is_out_of_date_sets_nothing() -> None:
    """Somebody else set another policy since: what was shown is not what would happen."""
    world = World()
    offered = world.sla().preview(STRICT)
    world.sla().set(world.sla().preview(policy(kev="none")), "bob@cli")
    world.clock.advance(60)
    with pytest.raises(Conflict, match="meanwhile"):
        world.sla().set(offered, "ann@cli")
    assert 1 == world.redated


def test_windows_of_a_checked_fleet_are_dated_by_it() -> None:
    """From detection to the stored due date: by the built-in policy, then by the one that was set."""
    fleet = Checked("web")
    fleet.eyes.shows["web"] = facts()
    fleet.store.catalogue.add(LAB_1)
    fleet.check_hosts(fleet.members)
    sla = ManageSla(
        policies=fleet.store.policies,
        acceptances=fleet.store.acceptances,
        hosts=fleet.store.hosts,
        standings=fleet.store.exposures.all,
        redate=fleet.update_exposures.everywhere,
        clock=fleet.clock,
    )

    def given() -> tuple[timedelta, str | None]:
        (window,) = (one.spans[-1] for one in fleet.store.exposures.all())
        assert window.due_at is not None
        return window.due_at - window.detected_at, window.policy

    before = given()
    slower = policy(levels={"medium": "60d", "high": "60d"})
    offered = sla.preview(slower)
    sla.set(offered, "ann@cli")
    assert (timedelta(days=30), DEFAULT_POLICY.id) == before
    assert (timedelta(days=60), slower.id) == given()
    assert {Severity.HIGH: {Shift.LATER: 1}} == offered.found.shifts
