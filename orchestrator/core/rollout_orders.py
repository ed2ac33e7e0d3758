"""What an operator orders. An order that does not fit the rollout's state raises `Conflict` and changes nothing."""

from orchestrator.core.rollout_draft import Draft
from orchestrator.core.rollout_events import Abort, Skip
from orchestrator.core.rollout_state import WaveRun, good_groups
from orchestrator.core.rollout_states import (
    FINAL_ROLLOUT,
    HOST_TRANSITIONS,
    HostStatus,
    RolloutStatus,
    WaveStatus,
)
from orchestrator.errors import Conflict

R, W, H = RolloutStatus, WaveStatus, HostStatus

_RETRIED = frozenset(move.source for move in HOST_TRANSITIONS if move.target is H.RETRYING)


def pause(draft: Draft) -> None:
    """Start nothing new. Pausing what is paused changes nothing."""
    _refuse_final(draft, "be paused")
    if draft.status not in (R.PAUSING, R.PAUSED):
        draft.move(R.PAUSING, "ordered by an operator")


def resume(draft: Draft) -> None:
    """Go on where it was. Resuming a held rollout accepts the drift that it was held for."""
    if draft.status not in (R.PAUSING, R.PAUSED, R.HELD):
        raise Conflict(f"the rollout is {draft.status}: there is nothing to resume")
    if draft.status is R.HELD:
        for host in list(draft.hosts.values()):
            if host.state is H.DRIFTED:
                draft.change_host(host, drift_accepted=True)
    wave = draft.current
    is_soaking = wave is not None and wave.soak_until is not None and wave.state in (W.SOAKING, W.HELD)
    if wave is not None and wave.state is W.HELD:
        draft.move_wave(wave.index, W.SOAKING if is_soaking else W.RUNNING)
    if draft.is_rolling_back:
        draft.move(R.ROLLING_BACK)
    elif draft.ending is not None:
        draft.move(R.ABORTING, draft.ending.reason)
    else:
        draft.move(R.SOAKING if is_soaking else R.RUNNING)


def abort(draft: Draft, event: Abort) -> None:
    """End it. What is on its way to its end already goes on."""
    _refuse_final(draft, "be aborted")
    if draft.is_rolling_back:
        raise Conflict("the rollout is rolling back: pause it, or let it finish")
    if draft.ending is None:
        draft.end(R.ABORTED, event.reason)


def skip(draft: Draft, event: Skip) -> None:
    """Leave a host out that is not under way and has not ended; one that waits for a retry stays what it was."""
    host = draft.host(event.host_id)
    if host.state not in (H.PENDING, H.QUEUED, H.RETRYING):
        raise Conflict(f"{host.name} is {host.state}: only a host that waits for its turn can be skipped")
    draft.move_host(host, host.previous or H.SKIPPED, previous=None, not_before=None)


def retry(draft: Draft) -> None:
    """Another attempt for the troubled hosts of the current wave."""
    wave = _retried_wave(draft)
    for host in draft.of_wave(wave):
        if host.holds_slot and host.state in _RETRIED:
            draft.move_host(host, H.RETRYING, previous=host.state)
        elif host.holds_slot and host.state is H.PATCHED:  # its persisting failed
            draft.change_host(host, holds_slot=False, persist_tried=False)
    if draft.status is R.FAILED:
        _reopen(draft, wave)


def _retried_wave(draft: Draft) -> WaveRun:
    wave = draft.current
    if draft.status not in (R.RUNNING, R.HELD, R.PAUSED, R.FAILED) or draft.is_rolling_back or wave is None:
        raise Conflict(f"the rollout is {draft.status}: there is nothing to retry")
    if draft.status is not R.FAILED and (draft.ending is not None or wave.soak_until is not None):
        raise Conflict("the wave is soaking, or the rollout ending: wait for it")
    if any(host.state in (H.REVERTED, H.REVERT_FAILED) for host in draft.hosts.values()):
        raise Conflict("patches were taken out already: start a new rollout")
    if draft.now >= draft.deadline:
        raise Conflict("the limit for the whole rollout passed: start a new one")
    if not any(host.holds_slot and host.state in _RETRIED | {H.PATCHED} for host in draft.of_wave(wave)):
        raise Conflict(f"wave {wave.index} has no host to retry")
    return wave


def _reopen(draft: Draft, wave: WaveRun) -> None:
    """A failed rollout goes on with the wave that it failed in."""
    draft.ending = None
    draft.move(R.RUNNING)
    draft.move_wave(wave.index, W.RUNNING, soak_until=None, soak_asked=False)
    for later in draft.waves[wave.index + 1 :]:
        draft.move_wave(later.index, W.PENDING)
    good = good_groups(draft.hosts)
    for host in list(draft.hosts.values()):
        may_start = host.wave > wave.index or wave.is_canary or host.group in good
        if host.state is H.NOT_ATTEMPTED and host.wave >= wave.index and may_start:
            draft.move_host(host, H.PENDING)
        elif host.wave == wave.index:
            draft.change_host(host, soaked=False)


def rollback(draft: Draft) -> None:
    """Take out what it brought; hosts in flight finish first."""
    if draft.status is R.PLANNED or draft.is_rolling_back:
        raise Conflict(f"the rollout is {draft.status}: there is nothing to roll back, or it is under way")
    if not any(host.reverts and (host.may_carry or host.in_flight) for host in draft.hosts.values()):
        raise Conflict("this rollout has no patch in force that could be taken out without a reboot")
    draft.leave_waiting()
    draft.ending, draft.is_rolling_back = None, True
    for host in list(draft.hosts.values()):
        draft.change_host(host, to_revert=host.reverts and (host.may_carry or host.in_flight))
    draft.move(R.ROLLING_BACK, "ordered by an operator")


def _refuse_final(draft: Draft, what: str) -> None:
    if draft.status in FINAL_ROLLOUT:
        raise Conflict(f"the rollout is {draft.status} and cannot {what}")
