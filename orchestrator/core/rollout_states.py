"""The states of a rollout, its waves and its hosts, and every transition that is allowed, as data.

A final state is settled: nothing is under way and nothing will be started by itself. It is left only where an
operator orders it (rollback, retry), where the soak finds that a patch did not last, or where the playbook's
``on_failure`` takes patches out again.
"""

from typing import NamedTuple

from orchestrator.core.meanings import Meaning


class RolloutStatus(Meaning):
    """Where a rollout stands."""

    PLANNED = "planned", "Stored with its frozen plan; nothing was sent."
    AWAITING_APPROVAL = "awaiting_approval", "Somebody has to approve it first."
    WAITING_WINDOW = "waiting_window", "No maintenance window is open."
    RUNNING = "running", "A wave is being patched."
    SOAKING = "soaking", "A wave is patched and has to stay healthy for a while."
    HELD = "held", "Something wants an operator's decision; the reason says what."
    PAUSING = "pausing", "Nothing new is started; hosts in flight finish."
    PAUSED = "paused", "Nothing is under way, by an operator's order."
    ABORTING = "aborting", "It will end; nothing new is started, hosts in flight finish and are verified."
    ROLLING_BACK = "rolling_back", "Patches are taken out again, last wave first."
    SUCCEEDED = "succeeded", "Every wave is done, within its budget."
    FAILED = "failed", "A canary failed or the budget was spent; the reason says which."
    ABORTED = "aborted", "An operator ended it."
    ROLLED_BACK = "rolled_back", "Every patch that it brought is out of force, verified."
    ROLLBACK_FAILED = "rollback_failed", "At least one patch could not be taken out, or that cannot be told."
    EXPIRED = "expired", "The limit for the whole rollout passed."


class WaveStatus(Meaning):
    """Where a wave stands."""

    PENDING = "pending", "Its turn has not come."
    RUNNING = "running", "Its hosts are being patched."
    SOAKING = "soaking", "Its hosts have to stay healthy for a while."
    HELD = "held", "It waits for an operator's decision."
    DONE = "done", "Patched, soaked, and within its budget."
    FAILED = "failed", "It ended before it was done; the reason says why."
    REVERTED = "reverted", "Its patches were taken out again."
    NOT_STARTED = "not_started", "The rollout ended before its turn."


class HostStatus(Meaning):
    """Where a host stands in a rollout."""

    PENDING = "pending", "Its turn has not come."
    QUEUED = "queued", "Another rollout has the host; it is tried again."
    DEFERRED = "deferred", "It could not finish inside its maintenance window."
    APPLYING = "applying", "An attempt to patch it, or to persist the patch, is under way."
    VERIFYING = "verifying", "The attempt is through; an independent check looks what is in force."
    RETRYING = "retrying", "It waits for another attempt, by an operator's order."
    REVERTING = "reverting", "The patch is being taken out."
    PATCHED = "patched", "Verified: the module is in force, on the same boot."
    ALREADY_PATCHED = "already_patched", "The module was in force before anything was sent."
    FAILED = "failed", "Refused, or tried and verified to be as it was before."
    UNREACHABLE = "unreachable", "It could not be reached."
    UNKNOWN = "unknown", "Something was sent, and what is in force cannot be told."
    DRIFTED = "drifted", "It ended with another patch than the plan's."
    LOST_AFTER_PATCH = "lost_after_patch", "The patch is no longer in force: a reboot, or somebody took it out."
    REVERTED = "reverted", "The patch was taken out, verified."
    REVERT_FAILED = "revert_failed", "Taking the patch out failed, or cannot be told."
    SKIPPED = "skipped", "Left out by an operator's order."
    NOT_ATTEMPTED = "not_attempted", "The rollout ended, or no canary of its kernel build succeeded, before its turn."


class Transition(NamedTuple):
    """One allowed change of state, and what makes it."""

    source: Meaning
    target: Meaning
    on: str


R, W, H = RolloutStatus, WaveStatus, HostStatus

FINAL_ROLLOUT = frozenset({R.SUCCEEDED, R.FAILED, R.ABORTED, R.ROLLED_BACK, R.ROLLBACK_FAILED, R.EXPIRED})
FINAL_WAVE = frozenset({W.DONE, W.FAILED, W.REVERTED, W.NOT_STARTED})
TROUBLED = frozenset({H.FAILED, H.UNREACHABLE, H.UNKNOWN, H.DRIFTED, H.LOST_AFTER_PATCH, H.REVERT_FAILED})
"""Host states that hold a slot of the budget until the host ends patched."""
FINAL_HOST = TROUBLED | {H.PATCHED, H.ALREADY_PATCHED, H.REVERTED, H.SKIPPED, H.NOT_ATTEMPTED}
IN_FLIGHT = frozenset({H.APPLYING, H.VERIFYING, H.REVERTING})
WAITING = frozenset({H.PENDING, H.QUEUED, H.DEFERRED, H.RETRYING})


def _from(sources: "tuple[Meaning, ...]", targets: "tuple[Meaning, ...]", on: str) -> tuple[Transition, ...]:
    return tuple(Transition(source, target, on) for source in sources for target in targets)


ROLLOUT_TRANSITIONS: tuple[Transition, ...] = (
    *_from((R.PLANNED,), (R.RUNNING,), "start"),
    *_from((R.RUNNING,), (R.SOAKING,), "wave patched"),
    *_from((R.SOAKING,), (R.RUNNING,), "wave done"),
    *_from((R.RUNNING,), (R.SUCCEEDED,), "all waves done"),
    *_from((R.RUNNING, R.SOAKING), (R.HELD,), "drift"),
    *_from((R.PLANNED, R.RUNNING, R.SOAKING, R.HELD, R.ABORTING, R.ROLLING_BACK), (R.PAUSING,), "pause"),
    *_from((R.PAUSING,), (R.PAUSED,), "nothing in flight"),
    *_from((R.PAUSING, R.PAUSED), (R.RUNNING, R.SOAKING, R.ABORTING, R.ROLLING_BACK), "resume"),
    *_from((R.HELD,), (R.RUNNING, R.SOAKING), "resume"),
    *_from((R.PLANNED, R.HELD, R.PAUSING, R.PAUSED, R.RUNNING, R.SOAKING), (R.ABORTING,), "abort, failure, limit"),
    *_from((R.ABORTING,), (R.ABORTED, R.FAILED, R.EXPIRED), "nothing in flight"),
    *_from((R.ABORTING,), (R.ROLLING_BACK,), "on_failure, rollback"),
    *_from((R.RUNNING, R.SOAKING, R.HELD, R.PAUSING, R.PAUSED), (R.ROLLING_BACK,), "rollback"),
    *_from((R.SUCCEEDED, R.FAILED, R.ABORTED, R.EXPIRED, R.ROLLBACK_FAILED), (R.ROLLING_BACK,), "rollback"),
    *_from((R.ROLLING_BACK,), (R.ROLLED_BACK,), "all reverted"),
    *_from((R.ROLLING_BACK,), (R.FAILED,), "on_failure done"),
    *_from((R.ROLLING_BACK,), (R.ROLLBACK_FAILED,), "a revert failed"),
    *_from((R.FAILED,), (R.RUNNING,), "retry"),
)

WAVE_TRANSITIONS: tuple[Transition, ...] = (
    *_from((W.PENDING,), (W.RUNNING,), "its turn"),
    *_from((W.RUNNING,), (W.SOAKING,), "hosts patched"),
    *_from((W.RUNNING, W.SOAKING), (W.DONE,), "healthy"),
    *_from((W.RUNNING, W.SOAKING), (W.HELD,), "drift"),
    *_from((W.HELD,), (W.RUNNING, W.SOAKING), "resume"),
    *_from((W.RUNNING, W.SOAKING, W.HELD), (W.FAILED,), "rollout ends"),
    *_from((W.PENDING,), (W.NOT_STARTED,), "rollout ends"),
    *_from((W.DONE, W.FAILED), (W.REVERTED,), "patches taken out"),
    *_from((W.DONE,), (W.FAILED,), "a revert failed"),
    *_from((W.FAILED,), (W.RUNNING,), "retry"),
    *_from((W.NOT_STARTED,), (W.PENDING,), "retry"),
)

_ENDS = (H.PATCHED, H.ALREADY_PATCHED, H.FAILED, H.UNREACHABLE, H.UNKNOWN, H.DRIFTED, H.LOST_AFTER_PATCH)
_RETRIED = (H.FAILED, H.UNREACHABLE, H.UNKNOWN, H.LOST_AFTER_PATCH)
_MAY_CARRY = (H.PATCHED, H.FAILED, H.UNREACHABLE, H.UNKNOWN, H.DRIFTED, H.LOST_AFTER_PATCH, H.REVERT_FAILED)

HOST_TRANSITIONS: tuple[Transition, ...] = (
    *_from((H.PENDING, H.QUEUED, H.RETRYING), (H.APPLYING,), "apply"),
    *_from((H.PENDING, H.QUEUED), (H.SKIPPED,), "skip"),
    *_from((H.PENDING, H.RETRYING), (H.QUEUED,), "host busy"),
    *_from((H.PENDING, H.QUEUED), (H.NOT_ATTEMPTED,), "rollout ends, no canary"),
    *_from((H.APPLYING,), (H.VERIFYING,), "sent"),
    *_from((H.APPLYING, H.VERIFYING), _ENDS, "outcome"),
    *_from((H.PATCHED,), (H.APPLYING,), "persist"),
    *_from((H.PATCHED, H.ALREADY_PATCHED), (H.UNREACHABLE, H.UNKNOWN, H.DRIFTED, H.LOST_AFTER_PATCH), "soak check"),
    *_from(_MAY_CARRY, (H.REVERTING,), "revert"),
    *_from((H.REVERTING,), (H.REVERTED, H.REVERT_FAILED), "outcome"),
    *_from(_RETRIED, (H.RETRYING,), "retry"),
    *_from((H.RETRYING, H.QUEUED), _RETRIED, "rollout ends, skip"),
    *_from((H.NOT_ATTEMPTED,), (H.PENDING,), "retry"),
)

ALLOWED: dict[type[Meaning], frozenset[tuple[Meaning, Meaning]]] = {
    kind: frozenset((move.source, move.target) for move in table)
    for kind, table in (
        (RolloutStatus, ROLLOUT_TRANSITIONS),
        (WaveStatus, WAVE_TRANSITIONS),
        (HostStatus, HOST_TRANSITIONS),
    )
}
"""The pairs of each table. Kept apart by kind: members of different enums compare equal when their values do."""
