"""What a host's facts say about one module, before and after: the independent verification of an attempt.

The module is recognised by its GNU build id, never by its name. Whatever cannot be read is `UNREADABLE`, and a change
of the boot id is `REBOOTED` even where the patch came back: nobody asked the host to reboot.
"""

from orchestrator.core.attempts import OutcomeCode
from orchestrator.core.facts import BlockingTask, Facts, LivePatch, PatchState
from orchestrator.core.meanings import Meaning
from orchestrator.core.patches import Build


class Verdict(Meaning):
    """Where a host stands with one module."""

    IN_FORCE = "in_force", "The module with that build id is applied, no transition is under way, the boot is the same."
    NOT_IN_FORCE = "not_in_force", "The module is not there, or is there and disabled."
    TRANSITIONING = "transitioning", "The kernel is still moving tasks to the new code: not in force."
    STALLED = "stalled", "The transition does not end, and blocking tasks are named: not in force."
    REVERTING = "reverting", "The kernel is moving tasks back to the old code."
    REBOOTED = "rebooted", "The boot id is another one: what was in memory is gone."
    OTHER_PATCH = "other_patch", "Another patch than this module is there in its place."
    UNREADABLE = "unreadable", "The boot id, the list of patches or the patch's state could not be read."


_BY_STATE = {
    PatchState.APPLIED: Verdict.IN_FORCE,
    PatchState.TRANSITIONING: Verdict.TRANSITIONING,
    PatchState.STALLED: Verdict.STALLED,
    PatchState.REVERTING: Verdict.REVERTING,
    PatchState.DISABLED: Verdict.NOT_IN_FORCE,
    PatchState.FAILED: Verdict.UNREADABLE,
}

_LEAST_FIRST = (
    Verdict.UNREADABLE,
    Verdict.STALLED,
    Verdict.REVERTING,
    Verdict.TRANSITIONING,
    Verdict.NOT_IN_FORCE,
    Verdict.IN_FORCE,
)
"""Where two tools tell of the same module, the one that says less is believed."""

_TELLS_NO_STATE = frozenset({"blocking", "stack", "replace", "version", "cves"})
"""Fields of a live patch that may be unreadable (stacks need root) without its state being in doubt."""

_OF_APPLY = {
    Verdict.IN_FORCE: OutcomeCode.DONE,
    Verdict.NOT_IN_FORCE: OutcomeCode.FAILED,
    Verdict.REBOOTED: OutcomeCode.LOST,
    Verdict.OTHER_PATCH: OutcomeCode.DRIFTED,
}

_OF_REVERT = {
    Verdict.NOT_IN_FORCE: OutcomeCode.DONE,
    Verdict.IN_FORCE: OutcomeCode.FAILED,
    Verdict.REBOOTED: OutcomeCode.LOST,
    Verdict.OTHER_PATCH: OutcomeCode.DRIFTED,
}


def judge_apply(before: Facts, after: Facts, build: Build) -> Verdict:
    """Whether the module is in force on the boot that `before` saw: after an apply, and again after the soak."""
    return _rebooted(before, after) or _judge(before, after, build)


def judge_revert(before: Facts, after: Facts, build: Build) -> Verdict:
    """Whether the module is out of force (`NOT_IN_FORCE`).

    `REBOOTED` means that it is gone with the boot. One that came back with the next boot is `IN_FORCE`.
    """
    found = _judge(before, after, build)
    return (_rebooted(before, after) or found) if found is Verdict.NOT_IN_FORCE else found


def outcome_of_apply(verdict: Verdict) -> OutcomeCode:
    """The outcome of an apply that ended with this verdict; what is still moving or cannot be told is unknown."""
    return _OF_APPLY.get(verdict, OutcomeCode.UNKNOWN)


def outcome_of_revert(verdict: Verdict) -> OutcomeCode:
    """The outcome of a revert that ended with this verdict; what is still moving or cannot be told is unknown."""
    return _OF_REVERT.get(verdict, OutcomeCode.UNKNOWN)


def blocking_tasks(facts: Facts, build: Build) -> tuple[BlockingTask, ...]:
    """The tasks that keep the module's transition from ending."""
    return tuple(task for patch in _ours(facts, build) for task in patch.blocking)


def describe(verdict: Verdict, facts: Facts, build: Build) -> str:
    """One line for a person: the verdict's meaning, and who blocks the transition or which patches are there."""
    tasks = ", ".join(f"{task.command} ({task.pid})" for task in blocking_tasks(facts, build))
    if tasks and verdict in (Verdict.STALLED, Verdict.TRANSITIONING, Verdict.REVERTING):
        return f"the transition of {build.name} is blocked by {tasks}"
    if verdict is Verdict.OTHER_PATCH:
        return f"{build.name} is not there, but {', '.join(patch.name for patch in facts.live_patches)}"
    return f"{build.name}: {verdict.meaning}"


def _rebooted(before: Facts, after: Facts) -> Verdict | None:
    if before.boot_id is None or after.boot_id is None:
        return Verdict.UNREADABLE
    return Verdict.REBOOTED if before.boot_id != after.boot_id else None


def _judge(before: Facts, after: Facts, build: Build) -> Verdict:
    if any(_matters(field) for field in after.unknown):
        return Verdict.UNREADABLE
    ours = _ours(after, build)
    if ours:
        return min((_BY_STATE[patch.state] for patch in ours), key=_LEAST_FIRST.index)
    if any(patch.name == build.name and patch.build_id is None for patch in after.live_patches):
        return Verdict.UNREADABLE
    known = {_identity(patch) for patch in before.live_patches}
    new = [patch for patch in after.live_patches if _identity(patch) not in known or patch.name == build.name]
    in_place = [patch for patch in new if patch.state is not PatchState.DISABLED]
    return Verdict.OTHER_PATCH if in_place else Verdict.NOT_IN_FORCE


def _matters(unknown_field: str) -> bool:
    """Whether a value that could not be read leaves the state of a patch open."""
    first, *rest = unknown_field.split(".")
    return first in ("live_patches", "boot_id") and not (rest and rest[-1] in _TELLS_NO_STATE)


def _ours(facts: Facts, build: Build) -> tuple[LivePatch, ...]:
    return tuple(patch for patch in facts.live_patches if patch.build_id == build.module_build_id)


def _identity(patch: LivePatch) -> tuple[str, str]:
    return (patch.name, patch.build_id or "")
