"""`core.rollout`, rule by rule."""

from datetime import timedelta

import pytest

from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.planning import plan
from orchestrator.core.rollout import HostStatus, RolloutStatus, decide, exit_code, replay, rollout_view, start
from orchestrator.core.rollout_events import (
    EVENTS,
    Abort,
    CheckSoak,
    HostBusy,
    HostFinished,
    HostVerifying,
    Pause,
    Resume,
    Retry,
    Rollback,
    Skip,
    SoakChecked,
    StartAttempt,
    Tick,
    WaitUntil,
)
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Conflict, NotFound
from tests.core.rollout_world import NOW, World, candidate, patch, planned, playbook

BAD = {
    OutcomeCode.REFUSED: "failed",
    OutcomeCode.FAILED: "failed",
    OutcomeCode.STALLED_REVERTED: "failed",
    OutcomeCode.UNREACHABLE: "unreachable",
    OutcomeCode.UNKNOWN: "unknown",
    OutcomeCode.LOST: "lost_after_patch",
}
WIDE = {"waves": ["50%", "100%"]}


def failing(*names: str, code: OutcomeCode = OutcomeCode.FAILED, action: Action = Action.APPLY):  # type: ignore[no-untyped-def]
    """Those hosts end so, whenever that action is tried; the others are done."""
    return lambda host, tried: code if host[3:] in names and tried is action else OutcomeCode.DONE


def in_flight(world: World) -> list[str]:
    """The names of hosts with an attempt under way."""
    return [host.name for host in world.state.hosts.values() if host.in_flight]


def run_to(world: World, status: RolloutStatus) -> World:
    """Let things happen until the rollout is in that state."""
    while world.state.status is not status:
        assert world.step(), f"ended {world.state.status} before {status}"
    return world


def test_canaries_go_first_and_the_waves_follow_their_soak() -> None:
    """One canary per build, a soak, then the next wave; nothing of a wave before the one before has soaked."""
    world = World(planned(6, 2, strategy=WIDE))
    world.send(Tick())
    assert ["h00", "h01"] == in_flight(world)
    run_to(world, RolloutStatus.SOAKING)
    assert (NOW + timedelta(minutes=1), []) == (world.wake, in_flight(world))
    world.run()
    assert (RolloutStatus.SUCCEEDED, 0) == (world.state.status, exit_code(world.state))
    assert {"patched"} == set(world.states().values())
    assert ["id-h00", "id-h01", "id-h02", "id-h03", "id-h04", "id-h05"] == [host for host, _ in world.intents]


def test_an_empty_plan_succeeds_at_once() -> None:
    """No host needs the patch: there is nothing to do, and it says so."""
    state = World(planned(0)).run()
    assert (RolloutStatus.SUCCEEDED, "no host needed this patch", 0) == (state.status, state.reason, exit_code(state))


def with_untold(total: int, *, untold: int, hosts: int = 4) -> World:
    """A rollout to so many hosts, beside so many targets that could not be reached."""
    known = [candidate(f"h{n:02}") for n in range(hosts)]
    gone = [candidate(f"gone{n}", is_reachable=False) for n in range(untold)]
    book = playbook(strategy=WIDE, budget={"per_wave": hosts, "total": total})
    return World(plan(book, [*known, *gone], patch(1), now=NOW))


@pytest.mark.parametrize("hosts", [0, 4])
def test_more_unreachable_targets_than_the_budget_end_it_before_anything_is_sent(hosts: int) -> None:
    """Failed, with names and what to do about it."""
    world = with_untold(total=1, untold=2, hosts=hosts)
    state = world.run()
    reason = (
        "2 hosts cannot be reached or told (gone0, gone1): more than the budget of 1; "
        "exclude them by pattern or raise budget.total"
    )
    assert (RolloutStatus.FAILED, reason, 1) == (state.status, state.reason, exit_code(state))
    assert ([], ["not_attempted"] * hosts) == (world.intents, list(world.states().values()))


@pytest.mark.parametrize("hosts", [0, 4])
def test_unreachable_targets_within_the_budget_do_not_stop_it(hosts: int) -> None:
    """All others are patched; its end names them, and is no complete success."""
    state = with_untold(total=2, untold=2, hosts=hosts).run()
    reason = "within the budget, but 2 hosts cannot be reached or told (gone0, gone1)"
    assert (RolloutStatus.SUCCEEDED, reason, 1) == (state.status, state.reason, exit_code(state))


def test_unreachable_targets_leave_less_of_the_budget() -> None:
    """Of two slots one is held before the start: the second host that fails is one too many."""
    world = with_untold(total=2, untold=1)
    world.outcome_of = lambda host, _action: OutcomeCode.DONE if host == "id-h00" else OutcomeCode.UNREACHABLE
    state = world.run()
    assert RolloutStatus.FAILED is state.status
    assert state.reason.startswith("more than the total budget of 2 failed: h01 unreachable")
    assert state.reason.endswith("; beside them 1 host cannot be reached or told (gone0)")


@pytest.mark.parametrize("code", list(BAD))
def test_a_canary_that_does_not_end_patched_fails_the_rollout(code: OutcomeCode) -> None:
    """Whatever the budget: nobody else is touched, the reason names the canary, the exit code is 1."""
    world = World(planned(4, 1, budget={"total": 3}), failing("h00", code=code))
    state = world.run()
    expected = {"h00": BAD[code], "h01": "not_attempted", "h02": "not_attempted", "h03": "not_attempted"}
    assert expected == world.states()
    assert (RolloutStatus.FAILED, 1) == (state.status, exit_code(state))
    assert state.reason.startswith("wave 0: a canary failed: h00")


def test_a_canary_that_was_patched_already_is_a_good_canary() -> None:
    """It is in force there, verified, and soaks like the others."""
    world = World(planned(3), failing("h00", code=OutcomeCode.ALREADY))
    assert RolloutStatus.SUCCEEDED is world.run().status
    assert {"h00": "already_patched", "h01": "patched", "h02": "patched"} == world.states()


def test_no_more_hosts_are_in_flight_than_allowed() -> None:
    """In all and per site; a free place is filled at once."""
    world = World(planned(13, 1, sites=2, strategy={"waves": ["100%"], "max_in_flight": 5, "per_site": 3}))
    run_to(world, RolloutStatus.SOAKING)
    while world.state.status is RolloutStatus.SOAKING:
        world.step()
    assert ["h01", "h02", "h03", "h04", "h05"] == in_flight(world)
    world.finish("id-h02")
    assert ["h01", "h03", "h04", "h05", "h06"] == in_flight(world)
    world.finish("id-h01")
    assert ["h03", "h04", "h05", "h06", "h07"] == in_flight(world)
    world.finish("id-h03")
    world.finish("id-h05")
    world.finish("id-h07")
    assert ["h04", "h06", "h08", "h09", "h11"] == in_flight(world)


@pytest.mark.parametrize("code", list(BAD))
@pytest.mark.parametrize(("total", "expected"), [(0, "failed"), (1, "succeeded")])
def test_every_trouble_holds_a_slot_of_the_budget(code: OutcomeCode, total: int, expected: str) -> None:
    """Failed, unreachable, unknown, lost alike."""
    world = World(planned(6, 1, budget={"total": total}), failing("h03", code=code))
    world.run()
    assert (expected, 1) == (world.state.status, exit_code(world.state))
    assert world.states()["h03"] == BAD[code]


def test_the_budget_of_all_waves_counts_over_waves() -> None:
    """Each wave within its own budget, and yet too many in all."""
    plan = planned(9, 1, strategy=WIDE, budget={"per_wave": 1, "total": 1})
    state = World(plan, failing("h01", "h06")).run()
    assert state.status is RolloutStatus.FAILED
    assert state.reason.startswith("more than the total budget of 1 failed: h01 failed")


def test_over_the_budget_hosts_in_flight_still_finish_and_nothing_starts() -> None:
    """They are verified like any other; the rest is not attempted."""
    world = World(planned(8, 1, strategy={"waves": ["100%"], "max_in_flight": 3}), failing("h01"))
    while len(in_flight(world)) < 3:
        world.step()
    world.finish("id-h01")
    assert (RolloutStatus.ABORTING, ["h02", "h03"]) == (world.state.status, in_flight(world))
    world.run()
    states = world.states()
    assert ("failed", "patched", "patched", "not_attempted") == tuple(states[f"h0{n}"] for n in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.REBOOTED, "lost_after_patch"),
        (Verdict.NOT_IN_FORCE, "lost_after_patch"),
        (Verdict.CONTRADICTED, "unknown"),
        (Verdict.UNREADABLE, "unknown"),
        (None, "unreachable"),
    ],
)
def test_a_host_that_does_not_survive_the_soak_counts(verdict: Verdict | None, expected: str) -> None:
    """The soak check looks again: another boot, no patch, another patch, no answer."""
    verdict_of = lambda host: verdict if host == "id-h00" else Verdict.IN_FORCE  # noqa: E731
    world = World(planned(3), verdict_of=verdict_of)
    assert RolloutStatus.FAILED is world.run().status
    assert {"h00": expected, "h01": "not_attempted", "h02": "not_attempted"} == world.states()


def test_persisting_comes_after_the_soak() -> None:
    """Per host, within the wave, before the next one; a patch that did not soak is never persisted."""
    world = World(planned(2, apply={"patch": "LAB-0001", "persist": True}))
    world.run()
    expected = [
        ("id-h00", Action.APPLY),
        ("id-h00", Action.PERSIST),
        ("id-h01", Action.APPLY),
        ("id-h01", Action.PERSIST),
    ]
    assert (expected, True) == (world.intents, all(host.persisted for host in world.state.hosts.values()))


def test_a_failed_persist_counts_and_leaves_the_host_patched() -> None:
    """It is patched in memory; that a reboot would lose it is said, and spends the budget."""
    plan = planned(2, apply={"patch": "LAB-0001", "persist": True})
    world = World(plan, failing("h00", action=Action.PERSIST))
    assert (RolloutStatus.FAILED, "patched") == (world.run().status, world.states()["h00"])
    assert world.state.hosts["id-h00"].detail == "not persisted: failed"


@pytest.mark.parametrize(
    ("on_failure", "expected"),
    [
        ("stop", ["patched", "patched", "unknown", "patched"]),
        ("revert_host", ["patched", "patched", "reverted", "patched"]),
        ("revert_wave", ["patched", "reverted", "reverted", "reverted"]),
        ("revert_all", ["reverted", "reverted", "reverted", "reverted"]),
    ],
)
def test_on_failure_says_what_is_taken_back(on_failure: str, expected: list[str]) -> None:
    """Then the rollout ends failed, for the first reason."""
    plan = planned(4, strategy={"waves": ["100%"]}, on_failure=on_failure)
    world = World(plan, failing("h02", code=OutcomeCode.UNKNOWN))
    state = world.run()
    assert expected == list(world.states().values())
    assert (RolloutStatus.FAILED, True) == (state.status, state.reason.startswith("wave 1: more than"))


def test_a_canary_verified_to_be_reverted_needs_no_revert() -> None:
    """A stall was taken back by the attempt itself."""
    world = World(planned(2, on_failure="revert_all"), failing("h00", code=OutcomeCode.STALLED_REVERTED))
    world.run()
    assert [("id-h00", Action.APPLY)] == world.intents


@pytest.mark.parametrize("total", [0, 1])
def test_a_drifted_host_holds_the_rollout(total: int) -> None:
    """Whatever the budget: nothing new starts until an operator accepts it; then it is no trouble any more. The exit
    code still tells of it."""
    world = World(planned(4, budget={"total": total}), failing("h01", code=OutcomeCode.DRIFTED))
    run_to(world, RolloutStatus.HELD)
    assert "h01" in world.state.reason
    world.send(Tick())
    assert RolloutStatus.HELD is world.state.status
    world.send(Resume())
    state = world.run()
    assert (RolloutStatus.SUCCEEDED, 1, "drifted") == (state.status, exit_code(state), world.states()["h01"])


def test_a_canary_that_drifts_in_the_soak_holds_the_rollout_and_speaks_for_nobody() -> None:
    """Somebody's agent outran it: accepted, it is still no canary that succeeded."""
    world = World(planned(3, 1), verdict_of=lambda host: Verdict.OTHER_PATCH if host == "id-h00" else Verdict.IN_FORCE)
    run_to(world, RolloutStatus.HELD)
    world.send(Resume())
    world.run()
    assert {"h00": "drifted", "h01": "not_attempted", "h02": "not_attempted"} == world.states()


def test_what_the_first_canary_was_verified_with_is_frozen_for_its_group() -> None:
    """Another level of the same tool is drift, also where the tool reports a success."""
    levels = {"id-h00": "7", "id-h01": "7", "id-h02": "8", "id-h03": "7"}
    world = World(planned(4, 1), level_of=levels.get)
    run_to(world, RolloutStatus.HELD)
    held = world.state
    world.send(Resume())
    world.run()
    assert ({"h00": "patched", "h01": "patched", "h02": "drifted", "h03": "patched"}, ["7"]) == (
        world.states(),
        list(held.levels.values()),
    )
    assert "8 is in force, and the canary was verified with 7" == world.state.hosts["id-h02"].detail


def test_pause_starts_nothing_and_resume_goes_on() -> None:
    """In flight finishes; pausing twice changes nothing; a pause in the soak keeps the soak's end."""
    world = World(planned(4, strategy={"waves": ["100%"], "max_in_flight": 1}))
    world.send(Tick())
    world.send(Pause())
    assert (RolloutStatus.PAUSING, ["h00"]) == (world.state.status, in_flight(world))
    world.finish("id-h00")
    world.send(Pause())
    world.send(Tick())
    assert (RolloutStatus.PAUSED, []) == (world.state.status, in_flight(world))
    resumed = world.send(Resume())
    again = world.send(Pause())
    assert (RolloutStatus.SOAKING, RolloutStatus.PAUSED) == (resumed.state.status, again.state.status)
    world.send(Resume())
    assert RolloutStatus.SUCCEEDED is world.run().status


def test_nothing_is_applied_after_an_abort() -> None:
    """Hosts in flight end as they end; the rest is not attempted; the wave failed, later ones never started."""
    world = World(planned(5, strategy={"waves": ["60%", "100%"]}))
    run_to(world, RolloutStatus.SOAKING)
    while not in_flight(world):
        world.step()
    world.send(Abort(reason="because"))
    world.run()
    assert ["patched", "patched", "patched", "not_attempted", "not_attempted"] == list(world.states().values())
    assert ["done", "failed", "not_started"] == [wave.state for wave in world.state.waves]
    assert (RolloutStatus.ABORTED, "because", 1) == (world.state.status, world.state.reason, exit_code(world.state))


def test_a_build_whose_canary_was_skipped_is_not_patched() -> None:
    """Without a canary that succeeded nobody speaks for the build."""
    world = World(planned(6, 2))
    world.send(Skip(host_id="id-h01"))
    assert RolloutStatus.SUCCEEDED is world.run().status
    expected = dict.fromkeys(("h00", "h02", "h04"), "patched") | {"h01": "skipped"}
    assert expected | {"h03": "not_attempted", "h05": "not_attempted"} == world.states()
    assert exit_code(world.state) == 1


def test_only_a_host_that_waits_can_be_skipped() -> None:
    """One in flight, or one that ended, is a conflict; one that is not in the rollout is not found."""
    world = World(planned(2))
    world.send(Tick())
    with pytest.raises(Conflict, match="h00 is applying"):
        world.send(Skip(host_id="id-h00"))
    with pytest.raises(NotFound):
        world.send(Skip(host_id="id-zz"))


def test_a_rollback_takes_out_the_last_wave_first() -> None:
    """Also after it succeeded; every wave waits for the one after it; only what this rollout brought."""
    world = World(planned(5, strategy=WIDE), failing("h01", code=OutcomeCode.ALREADY))
    world.run()
    world.intents.clear()
    world.send(Rollback())
    assert ["h03", "h04"] == in_flight(world)
    world.run()
    assert ["reverted", "already_patched", "reverted", "reverted", "reverted"] == list(world.states().values())
    assert RolloutStatus.ROLLED_BACK is world.state.status
    assert ["reverted"] * 3 == [wave.state for wave in world.state.waves]
    assert ["id-h03", "id-h04", "id-h02", "id-h00"] == [host for host, _ in world.intents]
    assert (1, 0) == (exit_code(world.state), exit_code(world.state, RolloutStatus.ROLLED_BACK))


def test_a_rollback_that_fails_somewhere_goes_on_and_can_be_repeated() -> None:
    """The rest is taken out; the next rollback tries the one that was left."""
    world = World(planned(3), failing("h01", code=OutcomeCode.UNREACHABLE, action=Action.REVERT))
    world.run()
    world.send(Rollback())
    world.run()
    assert (RolloutStatus.ROLLBACK_FAILED, True) == (world.state.status, "h01" in world.state.reason)
    assert ["reverted", "revert_failed", "reverted"] == list(world.states().values())
    world.outcome_of = failing()
    world.send(Rollback())
    world.run()
    assert (RolloutStatus.ROLLED_BACK, {"reverted"}) == (world.state.status, set(world.states().values()))


def test_a_rollback_waits_for_hosts_in_flight() -> None:
    """What they bring is taken out too."""
    world = World(planned(3))
    run_to(world, RolloutStatus.SOAKING)
    while not in_flight(world):
        world.step()
    world.send(Rollback())
    world.run()
    assert ["reverted", "reverted", "not_attempted"] == list(world.states().values())


def test_a_reverted_host_that_rebooted_is_reverted() -> None:
    """The memory is gone with the boot, and the patch was seen not to be back."""
    world = World(planned(1), failing("h00", code=OutcomeCode.LOST, action=Action.REVERT))
    world.run()
    world.send(Rollback())
    assert (RolloutStatus.ROLLED_BACK, "reverted") == (world.run().status, world.states()["h00"])


def test_the_whole_rollout_expires() -> None:
    """Also while it is paused; hosts in flight finish before."""
    world = World(planned(3, limits={"rollout": "1h"}))
    world.send(Tick())
    world.send(Pause())
    world.now += timedelta(hours=1)
    world.send(Tick())
    assert (RolloutStatus.ABORTING, ["h00"]) == (world.state.status, in_flight(world))
    world.finish("id-h00")
    assert (RolloutStatus.EXPIRED, 1) == (world.state.status, exit_code(world.state))


def test_a_retry_goes_on_where_the_rollout_failed() -> None:
    """The failed host first, holding its slot; the others only once it ended patched."""
    world = World(planned(4, strategy={"waves": ["100%"], "max_in_flight": 1}), failing("h01"))
    world.run()
    world.outcome_of = failing()
    world.send(Retry())
    assert (["h01"], RolloutStatus.RUNNING) == (in_flight(world), world.state.status)
    world.run()
    assert (RolloutStatus.SUCCEEDED, {"patched"}) == (world.state.status, set(world.states().values()))


def test_a_retry_that_fails_again_fails_the_rollout_again() -> None:
    """With the host in its new state, nobody else touched."""
    world = World(planned(4), failing("h00"))
    world.run()
    world.outcome_of = failing("h00", code=OutcomeCode.UNREACHABLE)
    world.send(Retry())
    world.run()
    assert (RolloutStatus.FAILED, "unreachable") == (world.state.status, world.states()["h00"])
    assert [("id-h00", Action.APPLY)] * 2 == world.intents


def test_a_busy_host_is_queued_and_tried_again() -> None:
    """The decision whose intent could not be committed was never stored: the event goes to the state before it."""
    plan = planned(2)
    before = start(plan, NOW)
    busy = decide(before, HostBusy(host_id="id-h00", detail="rollout X has it"), NOW)
    assert HostStatus.QUEUED is busy.state.hosts["id-h00"].state
    assert (WaitUntil(moment=NOW + timedelta(seconds=10)),) == busy.effects
    later = decide(busy.state, Tick(), NOW + timedelta(seconds=10))
    assert StartAttempt(host_id="id-h00", action=Action.APPLY, number=1, key="id-h00:apply:1") in later.effects


def test_an_answer_to_an_older_attempt_is_ignored() -> None:
    """Only the current key moves the host."""
    world = World(planned(2), failing("h00"))
    world.run()
    world.send(Retry())
    before = world.state
    world.send(HostFinished(host_id="id-h00", key="id-h00:apply:1", code=OutcomeCode.DONE))
    assert before == world.state


def test_verifying_is_shown() -> None:
    """Between the attempt and its verdict."""
    world = World(planned(1))
    world.send(Tick())
    world.send(HostVerifying(host_id="id-h00", key="id-h00:apply:1"))
    assert {"h00": "verifying"} == world.states()
    assert RolloutStatus.SUCCEEDED is world.run().status


def test_the_soak_is_asked_once_for_all_hosts_of_the_wave() -> None:
    """Ticks in between ask nothing again."""
    world = World(planned(3, 3))
    run_to(world, RolloutStatus.SOAKING)
    assert () == tuple(e for e in world.send(Tick()).effects if isinstance(e, CheckSoak))
    world.now += timedelta(minutes=1)
    assert CheckSoak(host_ids=("id-h00", "id-h01", "id-h02")) in world.send(Tick()).effects
    assert not [effect for effect in world.send(Tick()).effects if isinstance(effect, CheckSoak)]
    world.send(SoakChecked(host_id="id-h00", verdict=Verdict.IN_FORCE))
    assert RolloutStatus.SOAKING is world.state.status


@pytest.mark.parametrize("order", [Pause(), Resume(), Abort(), Retry()])
def test_an_order_that_does_not_fit_is_a_conflict(order: Pause | Resume | Abort | Retry) -> None:
    """A rollout that succeeded cannot be paused, resumed, aborted or retried."""
    world = World(planned(1))
    world.run()
    with pytest.raises(Conflict):
        world.send(order)


def test_there_is_nothing_to_roll_back_before_anything_was_patched() -> None:
    """Planned, or failed without a trace."""
    world = World(planned(1), failing("h00"))
    with pytest.raises(Conflict):
        world.send(Rollback())
    world.run()
    with pytest.raises(Conflict):
        world.send(Rollback())


def test_the_journal_replays_to_the_same_state() -> None:
    """The journal is JSON in the database."""
    world = World(planned(6, 2, strategy=WIDE), failing("h03"))
    world.run()
    plain = [EVENTS.validate_json(EVENTS.dump_json(entry.event)) for entry in world.journal]
    assert plain == [entry.event for entry in world.journal]
    assert world.state == replay(world.plan, NOW, world.journal)


def test_the_view_has_the_shape_of_the_contract() -> None:
    """Waves with their hosts by name, states as their values, null where there is no reason."""
    world = World(planned(2), failing("h00"))
    world.run()
    view = rollout_view("r1", "p", world.state)
    reason = "wave 0: a canary failed: h00 failed (failed)"
    assert ("r1", "p", "failed", reason) == tuple(view[key] for key in ("id", "playbook", "state", "reason"))
    shown = [
        (wave["index"], wave["state"], wave["hosts"][0]["name"], wave["hosts"][0]["state"]) for wave in view["waves"]
    ]
    assert [(0, "failed", "h00", "failed"), (1, "not_started", "h01", "not_attempted")] == shown
