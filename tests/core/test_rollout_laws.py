"""Laws of `core.rollout` that hold whatever happens: faults, orders at any moment, an engine killed at any step."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.meanings import Meaning
from orchestrator.core.rollout import (
    FINAL_HOST,
    FINAL_ROLLOUT,
    FINAL_WAVE,
    HOST_TRANSITIONS,
    ROLLOUT_TRANSITIONS,
    WAVE_TRANSITIONS,
    HostStatus,
    RolloutState,
    RolloutStatus,
    WaveStatus,
    replay,
)
from orchestrator.core.rollout_events import (
    Abort,
    Event,
    HostBusy,
    HostFinished,
    HostVerifying,
    Pause,
    Resume,
    Retry,
    Rollback,
    Skip,
    StartAttempt,
    Tick,
)
from orchestrator.core.rollout_state import InvariantBroken, check_invariants, good_groups
from orchestrator.core.rollout_states import ALLOWED, IN_FLIGHT, TROUBLED, WAITING, Transition
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Conflict
from tests.core.rollout_world import NOW, World, planned

slow = hypothesis_settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

plans = st.builds(
    lambda hosts, kernels, sites, strategy, budget, persist, on_failure, rollout: planned(
        hosts,
        kernels,
        sites,
        strategy=strategy,
        budget=budget,
        apply={"patch": "LAB-0001", "persist": persist},
        on_failure=on_failure,
        limits={"rollout": rollout},
    ),
    st.integers(0, 14),
    st.integers(1, 3),
    st.integers(0, 2),
    st.builds(
        lambda flight, site, canary, waves: {
            "max_in_flight": flight,
            "per_site": site,
            "canary": canary,
            "waves": waves,
        },
        st.integers(1, 6),
        st.one_of(st.none(), st.integers(1, 3)),
        st.sampled_from([{"per_kernel": 1}, {"per_kernel": 2}, {"count": 3}]),
        st.sampled_from([["100%"], ["10%", "50%", "100%"], [2, "100%"]]),
    ),
    st.builds(lambda wave, total: {"per_wave": wave, "total": total}, st.integers(0, 3), st.integers(0, 4)),
    st.booleans(),
    st.sampled_from(["stop", "revert_host", "revert_wave", "revert_all"]),
    st.sampled_from(["1h", "7d"]),
)
outcomes = st.one_of(st.just(OutcomeCode.DONE), st.just(OutcomeCode.DONE), st.sampled_from(OutcomeCode))
verdicts = st.one_of(st.just(Verdict.IN_FORCE), st.just(Verdict.IN_FORCE), st.none(), st.sampled_from(Verdict))
ORDERS: tuple[Event, ...] = (Pause(), Resume(), Resume(), Abort(), Retry(), Rollback())


def closure(pairs: Iterable[tuple[Meaning, Meaning]]) -> set[tuple[Meaning, Meaning]]:
    """Every pair that some path of allowed transitions joins."""
    reached = set(pairs)
    while more := {(a, d) for a, b in reached for c, d in reached if b == c} - reached:
        reached |= more
    return reached


PATHS = {kind: closure(pairs) for kind, pairs in ALLOWED.items()}


def check_step(before: RolloutState, after: RolloutState, started: list[StartAttempt]) -> None:
    """What holds between any two stored states, and for what was started in between."""
    check_moves(before, after)
    applied = [after.hosts[effect.host_id] for effect in started if effect.action is Action.APPLY]
    persisted = [after.hosts[effect.host_id] for effect in started if effect.action is Action.PERSIST]
    if after.status in (RolloutStatus.PAUSING, RolloutStatus.PAUSED, RolloutStatus.HELD):
        assert not started
    if after.ending or after.is_rolling_back or after.is_final:
        assert not applied
        assert not persisted
    if applied:
        check_budgets(after)
    assert {host.wave for host in applied} <= {after.current.index if after.current else None}
    assert {host.group for host in applied if not host.is_canary} <= good_groups(after.hosts)
    never = IN_FLIGHT | {HostStatus.PATCHED, HostStatus.ALREADY_PATCHED, HostStatus.REVERTED, HostStatus.SKIPPED}
    assert not [host.name for host in applied if before.hosts[host.host_id].state in never]
    assert all(host.soaked and before.hosts[host.host_id].state not in TROUBLED for host in persisted)
    sites = [host.site for host in after.hosts.values() if host.in_flight]
    assert len(sites) <= after.policy.max_in_flight
    limit = after.policy.per_site or len(sites)
    assert all(sites.count(site) <= limit for site in sites if site is not None)


def check_moves(before: RolloutState, after: RolloutState) -> None:
    """Every change is a path through the tables."""
    assert before.status == after.status or (before.status, after.status) in PATHS[RolloutStatus]
    for old, new in zip(before.waves, after.waves, strict=True):
        assert old.state == new.state or (old.state, new.state) in PATHS[WaveStatus]
    for host_id, host in before.hosts.items():
        state = after.hosts[host_id].state
        assert host.state == state or (host.state, state) in PATHS[HostStatus]


def check_budgets(state: RolloutState) -> None:
    """Nobody is applied to while more hosts failed than may. Drift holds the rollout until somebody accepts it."""
    settled = [
        host
        for host in state.hosts.values()
        if host.holds_slot and host.state not in {*IN_FLIGHT, *WAITING, HostStatus.DRIFTED}
    ]
    assert len(settled) + state.policy.held.count <= state.policy.budget_total
    for wave in state.waves:
        assert sum(host.wave == wave.index for host in settled) <= wave.budget


def watched(world: World, event: Event) -> None:
    """Send an event; an order that does not fit changes nothing."""
    before = world.state
    try:
        decision = world.send(event)
    except Conflict:
        assert before == world.state
        return
    check_step(before, world.state, [effect for effect in decision.effects if isinstance(effect, StartAttempt)])


def disturb(world: World, data: st.DataObject) -> None:
    """Something from outside: an order, a busy host, a kill, time, or simply the next step."""
    kind = data.draw(st.sampled_from(["order", "skip", "busy", "verifying", "stale", "crash", "late", "tick"]))
    hosts = sorted(world.state.hosts)
    if kind == "order":
        watched(world, data.draw(st.sampled_from(ORDERS)))
    elif kind == "crash":
        world.crash()
    elif kind == "late":
        world.now += timedelta(seconds=data.draw(st.integers(1, 4000)))
    elif kind == "verifying" and world.running:
        effect = world.running[data.draw(st.sampled_from(sorted(world.running)))]
        watched(world, HostVerifying(host_id=effect.host_id, key=effect.key))
    elif kind == "stale" and hosts:
        before, host_id = world.state.hosts, data.draw(st.sampled_from(hosts))
        watched(world, HostFinished(host_id=host_id, key=f"{host_id}:apply:99", code=data.draw(outcomes)))
        assert world.state.hosts[host_id].attempts in (before[host_id].attempts, before[host_id].attempts + 1)
        assert not (before[host_id].in_flight and not world.state.hosts[host_id].in_flight)
    elif kind in ("skip", "busy") and hosts:
        host_id = data.draw(st.sampled_from(hosts))
        watched(world, Skip(host_id=host_id) if kind == "skip" else HostBusy(host_id=host_id))
    else:
        watched(world, Tick())


def let_end(world: World) -> RolloutState:
    """No more disturbance: resume what waits for an operator, until it ends."""
    for _ in range(500):
        before, seen = world.state, len(world.history)
        if world.state.status in (RolloutStatus.PAUSED, RolloutStatus.HELD):
            watched(world, Resume())
        elif not world.step():
            assert world.state.is_final, "nothing happens any more, and it is not final"
            return world.state
        assert len(world.history) >= seen
        check_moves(before, world.state)
    raise AssertionError("the rollout does not end")


@slow
@given(plan=plans, data=st.data())
def test_whatever_happens_no_rule_is_broken_and_it_ends(plan: Any, data: st.DataObject) -> None:
    """Random faults, orders, kills and delays: budgets, wave order, canaries, limits and the tables hold at every step;
    it ends with every host in one final state; the journal replays to the same."""
    world = World(plan, lambda _host, _action: data.draw(outcomes), lambda _host: data.draw(verdicts))
    canaries = [host.host_id for host in plan.hosts if host.is_canary]
    for host_id in data.draw(st.lists(st.sampled_from(canaries), max_size=2)) if canaries else []:
        watched(world, Skip(host_id=host_id))
    for _ in range(data.draw(st.integers(0, 40))):
        if data.draw(st.integers(0, 3)) == 0:
            disturb(world, data)
            continue
        before, seen = world.state, len(world.journal)
        world.step()
        if len(world.journal) > seen:
            started = [e for e in world.running.values() if isinstance(e, StartAttempt) and is_new(before, e)]
            check_step(before, world.state, started)
    ended = let_end(world)
    assert ended.status in FINAL_ROLLOUT
    assert all(host.state in FINAL_HOST for host in ended.hosts.values())
    assert all(wave.state in FINAL_WAVE for wave in ended.waves)
    assert ended == replay(plan, NOW, world.journal)


def is_new(before: RolloutState, effect: StartAttempt) -> bool:
    """Whether the attempt was started after that state."""
    return before.hosts[effect.host_id].key != effect.key


@slow
@given(plan=plans, seed=st.integers(0, 10**6))
def test_a_rollout_that_is_interrupted_after_every_step_ends_as_the_uninterrupted_one(plan: Any, seed: int) -> None:
    """The engine is killed after each step and another picks up what the state and the open intents say. The same
    end, and no intent more than without a kill."""
    codes = list(OutcomeCode)
    seen: list[Verdict] = [Verdict.IN_FORCE] * 8 + list(Verdict)

    def outcome_of(host: str, action: Action) -> OutcomeCode:
        number = hash_of(f"{seed}{host}{action}")
        return codes[number % len(codes)] if number % 5 == 0 else OutcomeCode.DONE

    def verdict_of(host: str) -> Verdict:
        return seen[hash_of(f"{seed}{host}") % len(seen)]

    whole = World(plan, outcome_of, verdict_of)
    expected = let_end(whole)

    killed = World(plan, outcome_of, verdict_of)
    killed.send(Tick())
    for _ in range(500):
        killed.crash()
        if killed.state.status is RolloutStatus.HELD:
            killed.send(Resume())
        elif not killed.step():
            break
    assert expected == killed.state
    assert sorted(whole.intents) == sorted(killed.intents)


def hash_of(text: str) -> int:
    """A number that is the same in every run."""
    return sum((index + 1) * ord(letter) for index, letter in enumerate(text)) * 2654435761 % 2**32 >> 7


def test_a_hundred_hosts_never_apply_twice() -> None:
    """One apply intent per host, however often the engine is killed."""
    world = World(planned(100, 3, 4))
    while world.step():
        world.crash()
    assert sorted((f"id-h{n:02}", Action.APPLY) for n in range(100)) == sorted(world.intents)


@pytest.mark.parametrize(
    ("table", "kind", "final"),
    [
        (ROLLOUT_TRANSITIONS, RolloutStatus, FINAL_ROLLOUT),
        (WAVE_TRANSITIONS, WaveStatus, FINAL_WAVE),
        (HOST_TRANSITIONS, HostStatus, FINAL_HOST),
    ],
)
def test_the_tables_are_whole(table: tuple[Transition, ...], kind: type[Meaning], final: frozenset[Meaning]) -> None:
    """No transition twice; every state that something leads to can be left or is final; what is not reached yet is
    named here, because gates, windows and approvals come later."""
    pairs = [(move.source, move.target) for move in table]
    assert len(set(table)) == len(table)
    assert all(isinstance(state, kind) for pair in pairs for state in pair)
    sources, targets = {source for source, _ in pairs}, {target for _, target in pairs}
    assert targets <= sources | set(final)
    first = {"planned", "pending"}
    later = {"awaiting_approval", "waiting_window", "deferred"}
    assert set(kind) - targets - first == {state for state in kind if state in later}


def test_a_broken_state_is_never_decided_on() -> None:
    """The invariants are checked, not hoped for."""
    world = World(planned(3, strategy={"waves": ["100%"], "max_in_flight": 1}))
    world.send(Tick())
    host = world.state.hosts["id-h00"]
    all_fly = {key: run.model_copy(update={"state": HostStatus.APPLYING}) for key, run in world.state.hosts.items()}
    broken: list[dict[str, Any]] = [
        {"hosts": world.state.hosts | {"id-h00": host.model_copy(update={"key": None})}},
        {"hosts": world.state.hosts | {"id-h00": host.model_copy(update={"state": HostStatus.FAILED})}},
        {"hosts": all_fly},
        {"status": RolloutStatus.SUCCEEDED},
    ]
    for change in broken:
        with pytest.raises(InvariantBroken):
            check_invariants(world.state.model_copy(update=change))


def test_every_step_of_a_good_rollout_is_one_transition() -> None:
    """Without faults and orders each stored host state follows from the one before by a single row of the table."""
    world = World(planned(6, 2, apply={"patch": "LAB-0001", "persist": True}))
    world.run()
    for before, after in pairwise(world.history):
        for host_id, host in before.hosts.items():
            move = (host.state, after.hosts[host_id].state)
            assert move[0] == move[1] or move in ALLOWED[HostStatus]
