"""What a rollout does next by itself: begin waves, start attempts, soak, persist, stop, take back."""

from collections.abc import Iterable

from orchestrator.core.attempts import Action
from orchestrator.core.playbooks import OnFailure
from orchestrator.core.rollout_draft import Draft
from orchestrator.core.rollout_events import CheckSoak
from orchestrator.core.rollout_state import HostRun, WaveRun, good_groups
from orchestrator.core.rollout_states import (
    FINAL_ROLLOUT,
    IN_FLIGHT,
    WAITING,
    HostStatus,
    RolloutStatus,
    WaveStatus,
)

R, W, H = RolloutStatus, WaveStatus, HostStatus

_IN_FORCE = (H.PATCHED, H.ALREADY_PATCHED)
_ACTIVE = (W.RUNNING, W.SOAKING, W.HELD)


def advance(draft: Draft) -> None:
    """Everything that can be done now. Done again, it does nothing."""
    if draft.status in FINAL_ROLLOUT:
        return
    if draft.now >= draft.deadline and draft.ending is None and not draft.is_rolling_back:
        draft.end(R.EXPIRED, "the limit for the whole rollout passed")
    if draft.status is R.PAUSING and not draft.flying:
        draft.move(R.PAUSED, draft.reason)
    if draft.status is R.PLANNED:
        draft.move(R.RUNNING)
    if draft.status in (R.RUNNING, R.SOAKING, R.HELD):
        _go_on(draft)
    if draft.status is R.ABORTING and not draft.flying:
        _finish(draft)
    if draft.status is R.ROLLING_BACK:
        _roll_back(draft)


def _go_on(draft: Draft) -> None:
    if (reason := _overspent(draft)) is not None:
        draft.end(R.FAILED, reason)
        return
    if draft.status is R.HELD:
        return
    drifted = [h.name for h in draft.hosts.values() if h.state is H.DRIFTED and not h.drift_accepted]
    wave = draft.current
    if drifted and wave is not None and wave.state in (W.RUNNING, W.SOAKING):
        reason = f"{', '.join(drifted)} ended with another patch than the plan's; resume accepts it"
        draft.move_wave(wave.index, W.HELD, reason)
        draft.move(R.HELD, reason)
        return
    while _step(draft):
        pass


def _overspent(draft: Draft) -> str | None:
    """Which budget is spent, and by whom; None while none is. Who is being tried again is not counted yet."""
    for wave in draft.waves:
        settled = [host for host in draft.of_wave(wave) if _is_settled_trouble(host)]
        if len(settled) > wave.budget:
            what = "a canary failed" if wave.is_canary else f"more than the wave's budget of {wave.budget} failed"
            return f"wave {wave.index}: {what}: {_named(settled)}"
    budget, held = draft.policy.budget_total, draft.policy.held
    if held.count > budget:
        return held.overspent(budget)
    settled = [host for host in draft.hosts.values() if _is_settled_trouble(host)]
    if len(settled) + held.count > budget:
        beside = f"; beside them {held.described}" if held.count else ""
        return f"more than the total budget of {budget} failed: {_named(settled)}{beside}"
    return None


def _is_settled_trouble(host: HostRun) -> bool:
    """Drift is not counted: the rollout holds for it, and somebody accepts it or ends the rollout."""
    return host.holds_slot and host.state not in IN_FLIGHT and host.state not in WAITING and host.state is not H.DRIFTED


def _named(hosts: list[HostRun]) -> str:
    """The first few, for a person."""
    named = "; ".join(f"{host.name} {host.state}" + (f" ({host.detail})" if host.detail else "") for host in hosts[:3])
    return named + (f"; and {len(hosts) - 3} more" if len(hosts) > 3 else "")


def _step(draft: Draft) -> bool:
    """One step forward; whether another may follow at once."""
    wave = draft.current
    if wave is None or wave.state is W.DONE:
        return _begin_next(draft)
    if wave.state is W.RUNNING:
        return _patch(draft, wave)
    return _soak(draft, wave)


def _begin_next(draft: Draft) -> bool:
    wave = next((wave for wave in draft.waves if wave.state is W.PENDING), None)
    if wave is None:
        draft.move(R.SUCCEEDED, _how_it_succeeded(draft))
        return False
    good = good_groups(draft.hosts)
    for host in draft.of_wave(wave):
        if not wave.is_canary and host.state in (H.PENDING, H.QUEUED) and host.group not in good:
            draft.move_host(host, H.NOT_ATTEMPTED, detail="no canary of its kernel build succeeded")
    draft.move_wave(wave.index, W.RUNNING)
    return True


def _how_it_succeeded(draft: Draft) -> str:
    """What is to be known of a success; nothing where every target was patched."""
    if draft.policy.held.count:
        return f"within the budget, but {draft.policy.held.described}"
    return "" if draft.hosts else "no host needed this patch"


def _patch(draft: Draft, wave: WaveRun) -> bool:
    """Start what may be started; a host that is new to trouble only while no budget is exhausted by those held."""
    waiting = [host for host in draft.of_wave(wave) if host.state in WAITING]
    may_start_new = _slots_held(draft.of_wave(wave)) <= wave.budget
    held = draft.policy.held.count + _slots_held(draft.hosts.values())
    may_start_new = may_start_new and held <= draft.policy.budget_total
    draft.start([host for host in waiting if host.holds_slot or may_start_new], Action.APPLY)
    if any(host.state in WAITING or host.in_flight for host in draft.of_wave(wave)):
        return False
    if any(host.state in _IN_FORCE for host in draft.of_wave(wave)):
        draft.move_wave(wave.index, W.SOAKING, soak_until=draft.now + draft.policy.soak, soak_asked=False)
        draft.move(R.SOAKING)
    else:
        draft.move_wave(wave.index, W.DONE)
    return True


def _slots_held(hosts: Iterable[HostRun]) -> int:
    return sum(host.holds_slot and not host.drift_accepted for host in hosts)


def _soak(draft: Draft, wave: WaveRun) -> bool:
    if wave.soak_until is not None and draft.now < wave.soak_until:
        return False
    unseen = [host for host in draft.of_wave(wave) if host.state in _IN_FORCE and not host.soaked]
    if unseen and not wave.soak_asked:
        draft.waves[wave.index] = wave.model_copy(update={"soak_asked": True})
        draft.effects.append(CheckSoak(host_ids=tuple(host.host_id for host in unseen)))
    if unseen:
        return False
    if draft.policy.persist and not _persist(draft, wave):
        return False
    draft.move_wave(wave.index, W.DONE)
    draft.move(R.RUNNING)
    return True


def _persist(draft: Draft, wave: WaveRun) -> bool:
    """Persist what soaked; whether that is through."""
    left = [host for host in draft.of_wave(wave) if host.state is H.PATCHED and not host.persist_tried]
    draft.start(left, Action.PERSIST)
    return not left and not any(host.in_flight for host in draft.of_wave(wave))


def _finish(draft: Draft) -> None:
    """Nothing is in flight any more: take back what ``on_failure`` says, then end."""
    ending = draft.ending
    if ending is None:
        return
    taken_back = _taken_back(draft) if ending.status is R.FAILED else []
    if taken_back:
        for host in taken_back:
            draft.change_host(host, to_revert=True)
        draft.is_rolling_back = True
        draft.move(R.ROLLING_BACK, ending.reason)
        return
    _close_waves(draft, ending.reason)
    draft.move(ending.status, ending.reason)


def _taken_back(draft: Draft) -> list[HostRun]:
    carrying = [host for host in draft.hosts.values() if host.may_carry and host.reverts]
    wave = draft.current
    chosen = {
        OnFailure.STOP: [],
        OnFailure.REVERT_HOST: [host for host in carrying if host.holds_slot],
        OnFailure.REVERT_WAVE: [host for host in carrying if wave is not None and host.wave == wave.index],
        OnFailure.REVERT_ALL: carrying,
    }
    return chosen[draft.policy.on_failure]


def _roll_back(draft: Draft) -> None:
    """Revert wave by wave from the last; a wave waits until the one after it is through."""
    left = [host for host in draft.hosts.values() if host.to_revert or host.in_flight]
    if left:
        last = max(host.wave for host in left)
        ready = [host for host in left if host.wave == last and not host.in_flight]
        draft.start(ready, Action.REVERT)
        return
    failed = [host.name for host in draft.hosts.values() if host.state is H.REVERT_FAILED]
    reason = (draft.ending.reason if draft.ending else "ordered by an operator") + _staying(draft)
    _close_waves(draft, reason)
    draft.is_rolling_back = False
    if failed:
        draft.move(R.ROLLBACK_FAILED, f"not taken out, or that cannot be told: {', '.join(failed)}")
    else:
        draft.move(draft.ending.status if draft.ending else R.ROLLED_BACK, reason)


def _staying(draft: Draft) -> str:
    """Who keeps the patch because no tool takes it out without a reboot."""
    count = sum(host.may_carry and not host.reverts for host in draft.hosts.values())
    return f"; {count} hosts keep the patch: their tools take nothing out without a reboot" if count else ""


def _close_waves(draft: Draft, reason: str) -> None:
    for wave in list(draft.waves):
        hosts = draft.of_wave(wave)
        if wave.state is W.PENDING:
            draft.move_wave(wave.index, W.NOT_STARTED)
        elif wave.state in _ACTIVE:
            draft.move_wave(wave.index, W.FAILED, reason)
        elif wave.state is W.DONE and any(host.state is H.REVERT_FAILED for host in hosts):
            draft.move_wave(wave.index, W.FAILED, "a revert failed")
        state = draft.waves[wave.index].state
        if state in (W.DONE, W.FAILED) and _is_taken_out(hosts):
            draft.move_wave(wave.index, W.REVERTED, reason)


def _is_taken_out(hosts: list[HostRun]) -> bool:
    return any(host.state is H.REVERTED for host in hosts) and not any(host.may_carry for host in hosts)
