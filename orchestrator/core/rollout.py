"""A rollout as a pure state machine: ``decide(state, event, now) -> Decision(state, effects)``.

Somebody else carries the effects out and feeds back what came of them. The transition tables are data
(`ROLLOUT_TRANSITIONS`, `WAVE_TRANSITIONS`, `HOST_TRANSITIONS`); no state changes outside them, and every decision ends
with `check_invariants`. Replaying the journal gives the same state.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from orchestrator.core import rollout_orders as orders
from orchestrator.core import rollout_outcomes as outcomes
from orchestrator.core.attempts import Attempt
from orchestrator.core.host_view import moment
from orchestrator.core.plans import Plan
from orchestrator.core.rollout_draft import Draft
from orchestrator.core.rollout_events import (
    Abort,
    CheckSoak,
    Effect,
    Entry,
    Event,
    HostBusy,
    HostFinished,
    HostVerifying,
    Pause,
    Resume,
    ResumeAttempt,
    Retry,
    Rollback,
    Skip,
    SoakChecked,
    Tick,
)
from orchestrator.core.rollout_progress import advance
from orchestrator.core.rollout_state import HostRun, Policy, RolloutState, WaveRun, check_invariants
from orchestrator.core.rollout_states import (
    FINAL_HOST,
    FINAL_ROLLOUT,
    FINAL_WAVE,
    HOST_TRANSITIONS,
    ROLLOUT_TRANSITIONS,
    WAVE_TRANSITIONS,
    HostStatus,
    RolloutStatus,
    WaveStatus,
)

__all__ = [
    "FINAL_HOST",
    "FINAL_ROLLOUT",
    "FINAL_WAVE",
    "HOST_TRANSITIONS",
    "ROLLOUT_TRANSITIONS",
    "WAVE_TRANSITIONS",
    "Decision",
    "HostStatus",
    "RolloutState",
    "RolloutStatus",
    "WaveStatus",
    "decide",
    "exit_code",
    "replay",
    "resume",
    "rollout_view",
    "start",
]


class Decision(NamedTuple):
    """The state to commit, together with the intents of its effects, before any effect is carried out."""

    state: RolloutState
    effects: tuple[Effect, ...]


_ON: dict[type[Any], Callable[[Draft, Any], None]] = {
    Tick: lambda _draft, _event: None,
    HostFinished: outcomes.on_finished,
    HostVerifying: outcomes.on_verifying,
    HostBusy: outcomes.on_busy,
    SoakChecked: outcomes.on_soak_checked,
    Pause: lambda draft, _event: orders.pause(draft),
    Resume: lambda draft, _event: orders.resume(draft),
    Abort: orders.abort,
    Skip: orders.skip,
    Retry: lambda draft, _event: orders.retry(draft),
    Rollback: lambda draft, _event: orders.rollback(draft),
}


def start(plan: Plan, now: datetime) -> RolloutState:
    """The state of a rollout of that plan before anything was sent. The first `Tick` starts it."""
    playbook = plan.playbook
    return RolloutState(
        status=RolloutStatus.PLANNED,
        policy=Policy(
            max_in_flight=playbook.strategy.max_in_flight,
            per_site=playbook.strategy.per_site,
            budget_total=plan.budget_total,
            held=plan.held,
            soak=playbook.soak,
            persist=playbook.apply.persist,
            on_failure=playbook.on_failure,
        ),
        started_at=now,
        deadline=now + playbook.limits.rollout,
        hosts={
            host.host_id: HostRun(
                host_id=host.host_id,
                name=host.name,
                wave=host.wave,
                is_canary=host.is_canary,
                site=host.site,
                group=host.group,
                reverts=host.reverts,
            )
            for host in plan.hosts
        },
        waves=tuple(WaveRun(**wave.model_dump()) for wave in plan.waves),
    )


def decide(state: RolloutState, event: Event, now: datetime) -> Decision:
    """What comes of an event. Raises `Conflict` for an order that does not fit, `NotFound` for a host not in it."""
    draft = Draft(state, now)
    if state.is_final and isinstance(event, Tick | SoakChecked):
        return Decision(state, ())
    _ON[type(event)](draft, event)
    advance(draft)
    if draft.status not in FINAL_ROLLOUT:
        draft.wait()
    decided = draft.frozen()
    check_invariants(decided)
    return Decision(decided, tuple(draft.effects))


def resume(state: RolloutState, open_attempts: Iterable[Attempt], now: datetime) -> tuple[Effect, ...]:
    """What an engine that takes the rollout over has to pick up: attempts in flight and soak checks that are due.

    Nothing is started here: a `Tick` afterwards goes on with the rest.
    """
    if state.is_final:
        return ()
    found = {(attempt.host_id, attempt.action): attempt.id for attempt in open_attempts}
    effects: list[Effect] = [
        ResumeAttempt(
            host_id=host.host_id, action=host.action, key=host.key, attempt_id=found.get((host.host_id, host.action))
        )
        for host in state.hosts.values()
        if host.key is not None and host.action is not None
    ]
    wave = state.current
    if wave is not None and wave.soak_asked and wave.state in (WaveStatus.SOAKING, WaveStatus.HELD):
        in_force = (HostStatus.PATCHED, HostStatus.ALREADY_PATCHED)
        unseen = tuple(h.host_id for h in state.of_wave(wave) if h.state in in_force and not h.soaked)
        effects += [CheckSoak(host_ids=unseen)] if unseen else []
    draft = Draft(state, now)
    draft.wait()
    return (*effects, *draft.effects)


def replay(plan: Plan, started_at: datetime, journal: Sequence[Entry]) -> RolloutState:
    """The state that those events lead to."""
    state = start(plan, started_at)
    for entry in journal:
        state = decide(state, entry.event, entry.at).state
    return state


def exit_code(state: RolloutState, wanted: RolloutStatus = RolloutStatus.SUCCEEDED) -> int:
    """0 when it ended as wanted and, where patching was wanted, every host that was not skipped is patched; else 1.

    A target that was left out because nobody can tell whether it needs the patch is not patched.
    """
    if state.status is not wanted:
        return 1
    good = (HostStatus.PATCHED, HostStatus.ALREADY_PATCHED, HostStatus.SKIPPED)
    all_good = all(host.state in good and not host.holds_slot for host in state.hosts.values())
    all_good = all_good and not state.policy.held.count
    return 0 if wanted is RolloutStatus.ROLLED_BACK or all_good else 1


def rollout_view(rollout_id: str, playbook: str, state: RolloutState) -> dict[str, Any]:
    """The rollout as JSON prints it."""
    return {
        "id": rollout_id,
        "playbook": playbook,
        "state": state.status.value,
        "reason": state.reason or None,
        "started_at": moment(state.started_at),
        "deadline": moment(state.deadline),
        "waves": [
            {
                "index": wave.index,
                "is_canary": wave.is_canary,
                "state": wave.state.value,
                "reason": wave.reason or None,
                "hosts": [_host_view(host) for host in state.of_wave(wave)],
            }
            for wave in state.waves
        ],
    }


def _host_view(host: HostRun) -> dict[str, Any]:
    return {"id": host.host_id, "name": host.name, "state": host.state.value, "detail": host.detail or None}
