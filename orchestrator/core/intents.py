"""What an attempt is about when its intent is committed: the payload at its level, and the boot that is meant."""

from datetime import datetime

from orchestrator.core.attempts import Action, Attempt
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.plans import PlannedHost
from orchestrator.core.rollout_events import StartAttempt
from orchestrator.core.rollout_state import HostRun, RolloutState


def intent_of(
    start: StartAttempt,
    planned: PlannedHost,
    state: RolloutState,
    *,
    patch_id: str | None,
    ids: tuple[str, str],
    now: datetime,
) -> Attempt:
    """The intent that an effect becomes. ``ids``: its own, and the rollout's."""
    run = state.hosts[planned.host_id]
    payload = at_level(planned.payload, _level(run, state, start.action))
    return Attempt(
        id=ids[0],
        rollout_id=ids[1],
        host_id=start.host_id,
        host=planned.name,
        action=start.action,
        patch_id=patch_id or planned.backend,
        build_sha256=None if isinstance(payload, Offer) else payload.sha256,
        level=payload.level if isinstance(payload, Offer) else None,
        boot_id=_boot_meant(start.action, planned, run),
        intent_at=now,
    )


def at_level(payload: Payload, level: str | None) -> Payload:
    """An offer at that level; a module of the catalogue, and an offer whose level nobody has seen, as they are."""
    if level is None or not isinstance(payload, Offer):
        return payload
    return Offer.model_validate(payload.model_dump() | {"level": level})


def _level(run: HostRun, state: RolloutState, action: Action) -> str | None:
    """Where the host's canary showed a level, that one. What is taken out is what the host was verified at."""
    own = run.level if action is not Action.APPLY else None
    return own or state.levels.get(run.group)


def _boot_meant(action: Action, planned: PlannedHost, run: HostRun) -> str | None:
    """The plan's boot, or the one in which the host was patched; None where whatever boot is there is meant: a patch is
    taken out of any, and a host that rebooted since is tried again in its new boot."""
    if action is Action.REVERT or run.previous is not None:
        return None
    return run.boot_id or planned.boot_id
