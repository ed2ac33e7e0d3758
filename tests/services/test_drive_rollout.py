"""The engine: whatever happens to it, every host ends in a true state, and nothing is done to any host twice."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.attempts import Action, Outcome, OutcomeCode
from orchestrator.core.fleet import Member
from orchestrator.core.plans import Plan
from orchestrator.core.rollout import replay
from orchestrator.core.rollout_events import Abort, Entry, Pause, Resume, Retry, Rollback, Skip
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.dispatch.threads import ThreadDispatcher
from orchestrator.errors import Conflict, InventoryInvalid, LeaseHeld, NotAllowed, NotAvailable, StaleState
from orchestrator.ports.runtime import Clock
from orchestrator.services.drive_rollout import LEASE_SECONDS
from tests.core.rollout_world import planned
from tests.fakes.dispatchers import HeldDispatcher
from tests.services.engine_world import FakeRunner, Killed, Life, Machine, World

FAST: dict[str, Any] = {"soak": "1s", "strategy": {"waves": ["50%", "100%"]}}
S = RolloutStatus


def journal(world: World) -> RolloutState:
    """The state that the stored journal leads to."""
    row = world.store.rollouts.load(world.rollout)
    entries = [Entry.model_validate(entry) for entry in world.store.rollouts.events(world.rollout)]
    return replay(Plan.model_validate(row.plan), row.created_at, entries)


def require_true(world: World) -> None:
    """What is said of each host is so; each was changed at most once; no intent or lock is left; it can be replayed."""
    in_force = {"patched", "already_patched"}
    assert {name: one.carries for name, one in world.machines.items()} == {
        name: state in in_force for name, state in world.hosts().items()
    }
    assert all(machine.insmods <= 1 for machine in world.machines.values())
    assert ((), {}) == (world.store.attempts.open(), dict(world.store.attempts.locked_hosts()))
    assert world.state() == journal(world)


def test_a_rollout_ends_with_every_host_patched_once() -> None:
    """One intent, one insmod, one outcome each; the journal leads to the same state."""
    world = World(planned(4, kernels=2, **FAST))

    state = world.drive()

    assert (S.SUCCEEDED, ["h00", "h01", "h02", "h03"]) == (state.status, world.intents())
    assert {1} == {machine.insmods for machine in world.machines.values()}
    require_true(world)


def steps_of_a_whole_run() -> int:
    """How many steps an engine takes that nobody kills."""
    world, life = World(planned(3, kernels=2, **FAST)), Life()
    world.engine(life)(world.rollout)
    return life.steps


@pytest.mark.parametrize("before", range(1, steps_of_a_whole_run() + 1))
def test_an_engine_killed_before_any_step_is_taken_over(before: int) -> None:
    """Once its lease has run out, a fresh engine ends the rollout as one that was never killed."""
    world = World(planned(3, kernels=2, **FAST))

    assert world.killed(before)
    world.clock.advance(LEASE_SECONDS + 1)
    state = world.drive()

    assert (S.SUCCEEDED, ["h00", "h01", "h02"]) == (state.status, world.intents())
    assert {1} == {machine.insmods for machine in world.machines.values()}
    require_true(world)


@pytest.mark.parametrize("apart", range(3, 60, 7))
def test_engines_killed_again_and_again_get_there(apart: int) -> None:
    """Each lives for some steps more than the one before, and leaves a true state."""
    world = World(planned(3, kernels=2, **FAST))

    life = apart
    while world.killed(life):
        world.clock.advance(LEASE_SECONDS + 1)
        life += apart

    assert (S.SUCCEEDED, ["h00", "h01", "h02"]) == (world.state().status, world.intents())
    require_true(world)


def rolled_out() -> World:
    """A world whose rollout succeeded and was ordered to be rolled back."""
    world = World(planned(2, **FAST))
    world.drive()
    world.ask(Rollback())
    return world


def steps_of_a_rollback() -> int:
    """The same for a rollback."""
    world, life = rolled_out(), Life()
    world.engine(life)(world.rollout)
    return life.steps


def test_a_final_rollout_is_rolled_back_by_order() -> None:
    """Last wave first; every host is as it was before."""
    world = rolled_out()

    assert S.ROLLED_BACK is world.drive().status
    assert (["h00", "h01"], {"h00": "reverted", "h01": "reverted"}) == (world.intents(Action.REVERT), world.hosts())
    require_true(world)


@pytest.mark.parametrize("before", range(1, steps_of_a_rollback() + 1))
def test_a_rollback_killed_before_any_step_is_taken_over(before: int) -> None:
    """The order holds once, and so does every revert."""
    world = rolled_out()

    assert world.killed(before)
    world.clock.advance(LEASE_SECONDS + 1)
    world.drive()

    assert (S.ROLLED_BACK, ["h00", "h01"]) == (world.state().status, world.intents(Action.REVERT))
    require_true(world)


def retried() -> World:
    """A world whose only host refused, and was ordered to be tried again."""
    world = World(planned(1, **FAST))
    world.machines["h00"].refuses = True
    world.drive()
    world.ask(Retry())
    return world


def test_a_retry_is_one_more_attempt() -> None:
    """A host that refuses again is not tried a third time."""
    world = retried()

    assert S.FAILED is world.drive().status
    assert ["h00", "h00"] == world.intents()


@pytest.mark.parametrize("before", range(1, 40))
def test_a_retry_whose_engine_is_killed_is_still_one_more_attempt(before: int) -> None:
    """Also when it was committed, and the engine had no time to drop the order."""
    world = retried()

    world.killed(before)
    world.clock.advance(LEASE_SECONDS + 1)
    world.drive()

    assert (S.FAILED, ["h00", "h00"]) == (world.state().status, world.intents())
    require_true(world)


def test_a_living_engine_keeps_others_out() -> None:
    """By its lease; the other one changes nothing."""
    world = World(planned(1, **FAST))
    world.killed(before=8)
    before = world.store.rollouts.load(world.rollout)

    with pytest.raises(LeaseHeld):
        world.drive()
    assert before == world.store.rollouts.load(world.rollout)


def test_an_engine_that_was_taken_over_writes_nothing_more() -> None:
    """It was suspended for longer than its lease; when it wakes up the other one's work stands."""
    world = World(planned(2, **FAST))
    ended: list[RolloutState] = []

    def suspended() -> bool:
        if not ended:
            world.clock.advance(LEASE_SECONDS + 1)
            ended.append(world.drive())
            ended.append(ended[0])
            world.clock.advance(60)
        return False

    with pytest.raises(StaleState):
        world.engine()(world.rollout, stop=suspended)

    assert (S.SUCCEEDED, ended[0]) == (ended[0].status, world.state())
    assert {1} == {machine.insmods for machine in world.machines.values()}
    require_true(world)


def test_the_lease_is_given_up_at_the_end_and_on_errors() -> None:
    """Whoever comes next need not wait: also when the inventory cannot be read at the start."""
    world = World(planned(1, **FAST))

    def unread() -> dict[str, Member]:
        raise InventoryInvalid("not there")

    broken = replace(world.engine(), members=unread)
    with pytest.raises(InventoryInvalid):
        broken(world.rollout)
    assert world.store.leases.current(world.rollout) is None
    world.drive()
    assert world.store.leases.current(world.rollout) is None


def test_a_long_rollout_keeps_its_lease() -> None:
    """A soak that is longer than the lease, and other engines that try meanwhile."""
    world = World(planned(1, soak="5m"))
    refused = 0

    def others_try() -> bool:
        nonlocal refused
        try:
            world.drive()
        except LeaseHeld:
            refused += 1
        return False

    assert S.SUCCEEDED is world.engine()(world.rollout, stop=others_try).status
    assert refused > 100


def test_a_soak_is_waited_for_and_not_spun_through() -> None:
    """With nothing in flight the engine sleeps between two looks."""
    world = World(planned(1, soak="5m"))

    world.drive()

    assert 300 <= world.clock.slept <= 310


def test_a_host_that_another_rollout_changes_is_queued_and_applied_later() -> None:
    """Its lock names the other rollout; once it is free the host gets its turn."""
    plan = planned(1, **FAST)
    world = World(plan, plan)
    other = world.engine(Life(), held := HeldDispatcher())
    seen: list[str] = []

    def meanwhile() -> bool:
        if len(held) and not seen:
            first = world.engine(Life())
            first(world.rollout, stop=lambda: True)
            host = next(iter(world.state().hosts.values()))
            seen.append(f"{host.state}: {host.detail}")
        held.run_all()
        return False

    other(world.others[0], stop=meanwhile)
    world.clock.advance(20)
    world.drive()

    assert [f"queued: rollout {world.others[0]} has it"] == seen
    assert ({"h00": "already_patched"}, 1) == (world.hosts(), world.machines["h00"].insmods)
    require_true(world)


def test_pause_lets_hosts_finish_and_resume_goes_on() -> None:
    """Nothing new is started in between; the engine leaves, and one that is told to resume goes on."""
    world = World(planned(4, **FAST))
    held = HeldDispatcher()
    engine = world.engine(dispatcher=held)

    def paused_in_flight() -> bool:
        if len(held) and world.state().status is S.RUNNING:
            world.ask(Pause())
        elif world.state().status is S.PAUSING:
            held.run_all()
        return False

    assert S.PAUSED is engine(world.rollout, stop=paused_in_flight).status
    assert (1, ["h00"]) == (sum(one.carries for one in world.machines.values()), world.intents())
    world.ask(Resume())
    assert S.SUCCEEDED is world.drive().status
    require_true(world)


def test_abort_ends_before_the_next_wave() -> None:
    """What was patched stays patched, the rest is not attempted."""
    world = World(planned(4, **FAST))
    world.ask(Pause())
    world.drive()
    world.ask(Abort())

    assert S.ABORTED is world.drive().status
    assert {"not_attempted"} == set(world.hosts().values())
    require_true(world)


def test_a_skipped_host_is_left_out() -> None:
    """Before its turn came."""
    world = World(planned(4, **FAST))
    world.ask(Skip(host_id="id-h03"))

    assert S.SUCCEEDED is world.drive().status
    assert ("skipped", 0) == (world.hosts()["h03"], world.machines["h03"].insmods)
    require_true(world)


def test_an_order_that_does_not_fit_any_more_is_dropped() -> None:
    """A pause that arrives after the end changes nothing, is not kept, and is not in the journal."""
    world = World(planned(1, **FAST))
    note = {"event": Pause().model_dump(mode="json"), "by": "tester", "at": world.clock.now().isoformat()}
    world.drive()
    world.store.notes.put(f"request.{world.rollout}.x", note)

    assert S.SUCCEEDED is world.drive().status
    assert {} == world.store.notes.items("request.")
    require_true(world)


def test_an_order_that_does_not_fit_is_refused_when_it_is_given() -> None:
    """The one who orders hears of it."""
    world = World(planned(1, **FAST))
    world.drive()

    with pytest.raises(Conflict, match="cannot be paused"):
        world.ask(Pause())


def test_an_unreachable_host_counts_against_the_budget() -> None:
    """A budget of none: the first one ends the rollout, and hosts whose turn had not come are left alone."""
    world = World(planned(4, **FAST))
    world.machines["h00"].is_reachable = False

    assert S.FAILED is world.drive().status
    assert {"h00": "unreachable", "h01": "not_attempted", "h02": "not_attempted", "h03": "not_attempted"} == (
        world.hosts()
    )
    require_true(world)


def test_a_host_that_reboots_in_the_soak_fails_its_wave() -> None:
    """The soak's check sees another boot id: what was in memory is gone, and nothing says that it is patched."""
    world = World(planned(2, soak="1m"))

    def reboots() -> bool:
        if world.state().status is S.SOAKING and world.machines["h00"].carries:
            world.machines["h00"].reboot()
        return False

    assert S.FAILED is world.engine()(world.rollout, stop=reboots).status
    assert {"h00": "lost_after_patch", "h01": "not_attempted"} == world.hosts()
    require_true(world)


class _NoDatabase(FakeRunner):
    def carry_out(self, *args: object, **kwargs: object) -> Outcome:
        raise NotAvailable("the database is gone")


def left_open() -> World:
    """A world whose engine ended in mid-attempt because its database was gone."""
    world = World(planned(1, **FAST))
    engine = replace(world.engine(), runner=_NoDatabase(world.machines, world.clock, Life()))
    with pytest.raises(NotAvailable):
        engine(world.rollout)
    return world


def test_a_lost_database_says_nothing_of_the_host() -> None:
    """The engine ends with the error; the intent stays open, and the next engine looks at the host."""
    world = left_open()

    assert ["h00"] == [one.host for one in world.store.attempts.open()]
    assert S.SUCCEEDED is world.drive().status
    require_true(world)


def test_a_host_that_left_the_inventory_in_flight_is_unknown() -> None:
    """Nobody can ask it any more: the intent ends, and what is in force is not claimed."""
    world = left_open()
    world.members = {}

    assert S.FAILED is world.drive().status
    assert ({"h00": "unknown"}, [OutcomeCode.UNKNOWN]) == (world.hosts(), world.outcomes())


def test_a_host_is_shown_verifying_while_its_check_runs() -> None:
    """Told from the job's thread, committed by the loop, so that everybody who looks sees it; then it is patched."""
    world, shown = World(planned(1, **FAST)), list[str]()
    dispatcher = ThreadDispatcher(1)
    seen = threading.Event()
    runner = _Verifies(world.machines, world.clock, Life(), seen)

    def watch(state: RolloutState) -> None:
        shown.extend(host.state.value for host in state.hosts.values())
        if "verifying" in world.hosts().values():
            seen.set()

    try:
        state = replace(world.engine(dispatcher=dispatcher), runner=runner)(world.rollout, watch=watch)
    finally:
        dispatcher.close()

    assert S.SUCCEEDED is state.status
    assert ["pending", "applying", "verifying", "patched"] == list(dict.fromkeys(shown))
    require_true(world)


class _Verifies(FakeRunner):
    """Its verification lasts until it was seen."""

    def __init__(self, machines: dict[str, Machine], clock: Clock, life: Life, seen: threading.Event) -> None:
        super().__init__(machines, clock, life)
        self._seen = seen

    def carry_out(self, *args: Any, **kwargs: Any) -> Outcome:
        outcome = super().carry_out(*args, **kwargs)
        self._seen.wait(10)
        return outcome


def test_read_only_mode_drives_nothing() -> None:
    """Whoever wires the engine: refused before it takes the lease."""
    world = World(planned(1, **FAST))

    with pytest.raises(NotAllowed):
        replace(world.engine(), is_read_only=True)(world.rollout)

    assert (None, S.PLANNED) == (world.store.leases.current(world.rollout), world.state().status)


def test_stop_is_heeded() -> None:
    """A service that ends leaves the rollout as it is; the next one goes on."""
    world = World(planned(2, soak="5m"))

    assert S.SOAKING is world.engine()(world.rollout, stop=lambda: world.state().status is S.SOAKING).status
    assert S.SUCCEEDED is world.drive().status
    require_true(world)


def test_the_kill_is_what_it_says() -> None:
    """The tests' own engine does nothing at all after its last step."""
    life = Life(ends_before=2)
    assert 1 == life.take(lambda: 1)
    for _ in range(2):
        with pytest.raises(Killed):
            life.take(lambda: 1)
