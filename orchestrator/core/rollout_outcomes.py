"""What an attempt's outcome or a soak check means for its host."""

from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.rollout_draft import BUSY_RETRY, Draft
from orchestrator.core.rollout_events import HostBusy, HostFinished, HostVerifying, SoakChecked
from orchestrator.core.rollout_state import HostRun
from orchestrator.core.rollout_states import TROUBLED, WAITING, HostStatus, RolloutStatus
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Conflict

O, H = OutcomeCode, HostStatus  # noqa: E741 - the table below reads better so

_AFTER_APPLY = {
    O.DONE: H.PATCHED,
    O.ALREADY: H.ALREADY_PATCHED,
    O.REFUSED: H.FAILED,
    O.FAILED: H.FAILED,
    O.STALLED_REVERTED: H.FAILED,
    O.UNREACHABLE: H.UNREACHABLE,
    O.UNKNOWN: H.UNKNOWN,
    O.LOST: H.LOST_AFTER_PATCH,
    O.DRIFTED: H.DRIFTED,
}
_CARRIES = {O.DONE: True, O.UNKNOWN: True, O.DRIFTED: True, O.FAILED: False, O.STALLED_REVERTED: False, O.LOST: False}
"""Whether the module may be on the host after that outcome of an apply; others leave it as it was."""

_AFTER_PERSIST = {O.UNKNOWN: H.UNKNOWN, O.LOST: H.LOST_AFTER_PATCH, O.DRIFTED: H.DRIFTED}
"""Any other outcome leaves the host patched in memory, as the soak saw it."""

_REVERTED = (O.DONE, O.ALREADY, O.LOST)
"""A host that rebooted without the patch coming back has lost it just as well."""

_AFTER_SOAK = {
    Verdict.NOT_IN_FORCE: H.LOST_AFTER_PATCH,
    Verdict.REBOOTED: H.LOST_AFTER_PATCH,
    Verdict.REVERTING: H.LOST_AFTER_PATCH,
    Verdict.TRANSITIONING: H.LOST_AFTER_PATCH,
    Verdict.STALLED: H.LOST_AFTER_PATCH,
    Verdict.OTHER_PATCH: H.DRIFTED,
    Verdict.CONTRADICTED: H.UNKNOWN,
    Verdict.UNREADABLE: H.UNKNOWN,
    None: H.UNREACHABLE,
}


def on_finished(draft: Draft, event: HostFinished) -> None:
    """An attempt ended. The answer to an attempt that is not the current one is ignored."""
    host = draft.host(event.host_id)
    if host.key != event.key or host.action is None:
        return
    {Action.APPLY: _applied, Action.PERSIST: _persisted, Action.REVERT: _reverted}[host.action](draft, host, event)


def _applied(draft: Draft, host: HostRun, event: HostFinished) -> None:
    may_carry = _CARRIES.get(event.code, host.may_carry)
    state, event = _against_frozen(draft, host, _AFTER_APPLY[event.code], event)
    if state is H.ALREADY_PATCHED and may_carry:  # an earlier attempt of ours, whose end was not seen, brought it
        state = H.PATCHED
    to_revert = host.to_revert and may_carry
    _settle(draft, host, state, event, may_carry=may_carry, previous=None, to_revert=to_revert, **_seen(event))


def _seen(event: HostFinished) -> dict[str, object]:
    """Only what was verified as what it was to be is soaked, and taken out, as such."""
    is_good = event.code in (O.DONE, O.ALREADY)
    return {"level": event.level if is_good else None, "boot_id": event.boot_id}


def _against_frozen(
    draft: Draft, host: HostRun, state: HostStatus, event: HostFinished
) -> tuple[HostStatus, HostFinished]:
    """What the first canary of a group was verified with is frozen for the rest; a host that has another drifted."""
    if event.level is None or state not in (H.PATCHED, H.ALREADY_PATCHED):
        return state, event
    frozen = draft.levels.setdefault(host.group, event.level)
    if frozen == event.level:
        return state, event
    detail = f"{event.level} is in force, and the canary was verified with {frozen}"
    return H.DRIFTED, event.model_copy(update={"detail": detail})


def _persisted(draft: Draft, host: HostRun, event: HostFinished) -> None:
    is_done = event.code in (O.DONE, O.ALREADY)
    state = _AFTER_PERSIST.get(event.code, H.PATCHED)
    _settle(draft, host, state, event, persist_tried=True, persisted=is_done)
    if state is H.PATCHED and not is_done:
        host = draft.host(event.host_id)
        draft.change_host(host, holds_slot=True, detail=f"not persisted: {event.code} {event.detail}".rstrip())


def _reverted(draft: Draft, host: HostRun, event: HostFinished) -> None:
    is_gone = event.code in _REVERTED
    state = H.REVERTED if is_gone else H.REVERT_FAILED
    persisted = host.persisted and not is_gone
    _settle(draft, host, state, event, may_carry=not is_gone, to_revert=False, persisted=persisted)


def _settle(draft: Draft, host: HostRun, state: HostStatus, event: HostFinished, **changes: object) -> None:
    """The attempt is over. A slot of the budget is held until the host ends patched."""
    holds_slot = state in TROUBLED or (host.holds_slot and state not in (H.PATCHED, H.ALREADY_PATCHED))
    detail = event.detail or ("" if event.code is O.DONE else event.code.value)
    draft.move_host(host, state, key=None, action=None, detail=detail, holds_slot=holds_slot, **changes)


def on_verifying(draft: Draft, event: HostVerifying) -> None:
    """An apply is through."""
    host = draft.host(event.host_id)
    if host.key == event.key and host.state is H.APPLYING:
        draft.move_host(host, H.VERIFYING)


def on_busy(draft: Draft, event: HostBusy) -> None:
    """Somebody else's attempt has the host: try again in a while. Raises `Conflict` for one that is in flight."""
    host = draft.host(event.host_id)
    if host.in_flight:
        raise Conflict(f"{host.name}: an attempt of this rollout is in flight")
    changes = {"not_before": draft.now + BUSY_RETRY, "detail": event.detail}
    if host.state in WAITING and host.state is not H.QUEUED:
        draft.move_host(host, H.QUEUED, **changes)
    else:
        draft.change_host(host, **changes)


def on_soak_checked(draft: Draft, event: SoakChecked) -> None:
    """The soak looked at a host. Whatever is not in force any more is told from what cannot be told."""
    host = draft.host(event.host_id)
    wave = draft.waves[host.wave]
    is_asked = wave.soak_asked and not host.soaked and host.state in (H.PATCHED, H.ALREADY_PATCHED)
    if draft.is_rolling_back or not is_asked or draft.status is RolloutStatus.PLANNED:
        return
    if event.verdict is Verdict.IN_FORCE:
        draft.change_host(host, soaked=True)
        return
    state = _AFTER_SOAK[event.verdict]
    is_gone = event.verdict in (Verdict.NOT_IN_FORCE, Verdict.REBOOTED) and not host.persisted
    may_carry = host.may_carry and not is_gone
    detail = event.detail or (event.verdict.meaning if event.verdict else state.meaning)
    draft.move_host(host, state, soaked=True, holds_slot=True, detail=detail, may_carry=may_carry)
