"""Rollouts as they are shown, who wants an engine, and who lives."""

import pytest

from orchestrator.core.rollout_events import Pause, Resume
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.errors import NotFound
from orchestrator.ports.store import RolloutRow
from orchestrator.services.drive_rollout import LEASE_SECONDS, RENEW_SECONDS
from orchestrator.services.read_rollouts import ReadRollouts
from tests.core.rollout_world import planned
from tests.fakes.clock import FakeClock
from tests.fakes.rollouts import FakeRollouts
from tests.services.engine_world import World

QUICK = "1s"


def read(world: World) -> ReadRollouts:
    """The service over that world."""
    return ReadRollouts(store=world.store, clock=world.clock)


def test_rollouts_are_listed_newest_first_and_found_by_id() -> None:
    """With who started them, their waves and hosts."""
    world = World(planned(2, soak=QUICK), planned(1, soak=QUICK))
    (later,) = world.others

    assert {world.rollout, later} == {one["id"] for one in read(world).all()}
    one = read(world).one(world.rollout)
    assert ("planned", "tester", ["h00", "h01"]) == (
        one["state"],
        one["started_by"],
        [host["name"] for wave in one["waves"] for host in wave["hosts"]],
    )
    with pytest.raises(NotFound):
        read(world).one("nothing")


def test_begun_rollouts_without_a_living_engine_want_one() -> None:
    """Not while a lease is live, not once they are final."""
    world = World(planned(1, soak=QUICK))
    assert (world.rollout,) == read(world).undriven()
    world.killed(before=8)
    assert () == read(world).undriven()
    world.clock.advance(LEASE_SECONDS + 1)
    assert (world.rollout,) == read(world).undriven()
    world.drive()
    assert () == read(world).undriven()


def test_a_paused_rollout_wants_an_engine_once_it_is_ordered_about() -> None:
    """Until then there is nothing to do."""
    world = World(planned(1, soak=QUICK))
    world.ask(Pause())
    assert RolloutStatus.PAUSED is world.drive().status
    assert () == read(world).undriven()
    world.ask(Resume())
    assert (world.rollout,) == read(world).undriven()


class _OnlyHeads(FakeRollouts):
    """Rollouts whose plans and states are not read."""

    def load(self, rollout_id: str) -> RolloutRow:
        raise AssertionError(rollout_id)


def test_who_wants_an_engine_is_asked_of_no_ended_rollout() -> None:
    """The service asks every two seconds: no plan or state is read for it, however many rollouts there ever were."""
    world = World(planned(1, soak=QUICK), planned(1, soak=QUICK))
    world.drive()
    blind = _OnlyHeads(world.store.hosts, world.store.leases, world.store.attempts)
    vars(blind).update(vars(world.store.rollouts))
    world.store.rollouts = blind

    assert tuple(world.others) == read(world).undriven()


class Busy(FakeClock):
    """Time in which somebody else does something."""

    def __init__(self, world: World, *, renews: bool = False, gives_up: bool = False) -> None:
        super().__init__(world.clock.now())
        self._leases, self._renews, self._gives_up = world.store.leases, renews, gives_up
        self.lease = world.store.leases.acquire(world.rollout, "other", self.now(), LEASE_SECONDS)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._renews and self.slept >= RENEW_SECONDS:
            self.lease = self._leases.renew(self.lease, self.now(), LEASE_SECONDS)
        if self._gives_up:
            self._leases.release(self.lease)


@pytest.mark.parametrize(
    ("renews", "gives_up", "lives", "at_most"),
    [(True, False, True, RENEW_SECONDS + 1), (False, False, False, LEASE_SECONDS + 1), (False, True, False, 1.0)],
)
def test_who_renews_its_lease_lives(renews: bool, gives_up: bool, lives: bool, at_most: float) -> None:
    """Who lets it run out, or gave it up, drives nothing any more. Both are known within the length of a lease."""
    world = World(planned(1))
    clock = Busy(world, renews=renews, gives_up=gives_up)

    assert lives is ReadRollouts(store=world.store, clock=clock).has_living_engine(world.rollout)
    assert clock.slept <= at_most


def test_without_a_lease_nobody_lives() -> None:
    """Said at once."""
    world = World(planned(1))
    assert not read(world).has_living_engine(world.rollout)
    assert 0.0 == world.clock.slept


class Driving(FakeClock):
    """Time in which an engine ends the rollout."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock.now())
        self._world = world

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._world.drive()


def test_following_ends_with_the_rollout() -> None:
    """Every look is shown; the last one is the final state."""
    world = World(planned(1, soak=QUICK))
    seen: list[RolloutStatus] = []

    state = ReadRollouts(store=world.store, clock=Driving(world)).follow(
        world.rollout, lambda state: seen.append(state.status)
    )

    assert (RolloutStatus.SUCCEEDED, [RolloutStatus.PLANNED, RolloutStatus.SUCCEEDED]) == (state.status, seen)
