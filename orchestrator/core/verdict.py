"""What a host's facts say about one payload, before and after: the independent verification of an attempt.

A module is recognised by its GNU build id, never by its name; what a tool brought, by the level that the tool has in
force and the kernel does not contradict. Whatever cannot be read is `UNREADABLE`, and a change of the boot id is
`REBOOTED` even where the patch came back: nobody asked the host to reboot.
"""

from orchestrator.core.attempts import OutcomeCode
from orchestrator.core.facts import BlockingTask, Facts, LivePatch, PatchState, Tool, ToolState
from orchestrator.core.meanings import Meaning
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Build
from orchestrator.core.tools import LEAST_FIRST


class Verdict(Meaning):
    """Where a host stands with one payload."""

    IN_FORCE = "in_force", "What was to be applied is applied, no transition is under way, the boot is the same."
    NOT_IN_FORCE = "not_in_force", "It is not there, or is there and disabled."
    TRANSITIONING = "transitioning", "The kernel is still moving tasks to the new code: not in force."
    STALLED = "stalled", "The transition does not end, and blocking tasks are named: not in force."
    REVERTING = "reverting", "The kernel is moving tasks back to the old code."
    REBOOTED = "rebooted", "The boot id is another one: what was in memory is gone."
    OTHER_PATCH = "other_patch", "Another patch, or another level, is there in its place."
    CONTRADICTED = "contradicted", "The tool says that it is patched, and the kernel itself says otherwise."
    UNREADABLE = "unreadable", "The boot id, the list of patches or the patch's state could not be read."


_BY_STATE = {
    PatchState.APPLIED: Verdict.IN_FORCE,
    PatchState.TRANSITIONING: Verdict.TRANSITIONING,
    PatchState.STALLED: Verdict.STALLED,
    PatchState.REVERTING: Verdict.REVERTING,
    PatchState.DISABLED: Verdict.NOT_IN_FORCE,
    PatchState.FAILED: Verdict.UNREADABLE,
}

_MOVING = frozenset({PatchState.STALLED, PatchState.REVERTING, PatchState.TRANSITIONING})

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


def judge_apply(before: Facts, after: Facts, payload: Payload) -> Verdict:
    """Whether it is in force on the boot that `before` saw: after an apply, and again after the soak.

    An offer without a level is in force when the tool has another level than before; the same one is not.
    """
    if (moved := _rebooted(before, after)) is not None:
        return moved
    if isinstance(payload, Offer):
        return _judge_offer(before, after, payload)
    return _judge(before, after, payload)


def judge_revert(before: Facts, after: Facts, payload: Payload) -> Verdict:
    """Whether it is out of force (`NOT_IN_FORCE`).

    `REBOOTED` means that it is gone with the boot. What came back with the next boot is `IN_FORCE`. Another level of
    the same tool is no trace of the one that was taken out.
    """
    found = _judge_offer_out(after, payload) if isinstance(payload, Offer) else _judge(before, after, payload)
    return (_rebooted(before, after) or found) if found is Verdict.NOT_IN_FORCE else found


def outcome_of_apply(verdict: Verdict) -> OutcomeCode:
    """The outcome of an apply that ended with this verdict; what is still moving or cannot be told is unknown."""
    return _OF_APPLY.get(verdict, OutcomeCode.UNKNOWN)


def outcome_of_revert(verdict: Verdict) -> OutcomeCode:
    """The outcome of a revert that ended with this verdict; what is still moving or cannot be told is unknown."""
    return _OF_REVERT.get(verdict, OutcomeCode.UNKNOWN)


def blocking_tasks(facts: Facts, payload: Payload) -> tuple[BlockingTask, ...]:
    """The tasks that keep its transition from ending."""
    return tuple(task for patch in _ours(facts, payload) for task in patch.blocking)


def describe(verdict: Verdict, facts: Facts, payload: Payload) -> str:
    """One line for a person: the verdict's meaning, and who blocks the transition or what is there instead."""
    name = payload.tool if isinstance(payload, Offer) else payload.name
    tasks = ", ".join(f"{task.command} ({task.pid})" for task in blocking_tasks(facts, payload))
    if tasks and verdict in (Verdict.STALLED, Verdict.TRANSITIONING, Verdict.REVERTING):
        return f"the transition of {name} is blocked by {tasks}"
    if isinstance(payload, Offer):
        return _describe_offer(verdict, facts, payload)
    if verdict is Verdict.OTHER_PATCH:
        return f"{name} is not there, but {', '.join(patch.name for patch in facts.live_patches)}"
    return f"{name}: {verdict.meaning}"


def level_of(facts: Facts, payload: Payload) -> str | None:
    """What the tool has in force, in its own terms; None for modules of the catalogue."""
    tool = facts.tool(payload.tool) if isinstance(payload, Offer) else None
    return tool.level if tool is not None else None


def _describe_offer(verdict: Verdict, facts: Facts, offer: Offer) -> str:
    tool = facts.tool(offer.tool)
    if verdict is Verdict.CONTRADICTED and tool is not None:
        return f"{offer.tool} {tool.disagrees[0]}"
    if verdict is Verdict.OTHER_PATCH and tool is not None:
        return f"{offer.tool} has {tool.level} in force, not {offer.level}"
    if verdict is Verdict.UNREADABLE and tool is not None and tool.state is ToolState.ERROR:
        return f"{offer.tool}: {tool.detail}"
    if verdict is Verdict.IN_FORCE and tool is not None:
        return f"{offer.tool} {tool.level} is in force"
    if verdict is Verdict.NOT_IN_FORCE and tool is not None:
        return f"{offer.tool} has {tool.level or 'nothing'} in force"
    return f"{offer.tool}: {verdict.meaning}"


def _rebooted(before: Facts, after: Facts) -> Verdict | None:
    if before.boot_id is None or after.boot_id is None:
        return Verdict.UNREADABLE
    return Verdict.REBOOTED if before.boot_id != after.boot_id else None


def _judge(before: Facts, after: Facts, build: Build) -> Verdict:
    if any(_matters(field) for field in after.unknown):
        return Verdict.UNREADABLE
    ours = _ours(after, build)
    if ours:
        return _BY_STATE[min((patch.state for patch in ours), key=LEAST_FIRST.index)]
    if any(patch.name == build.name and patch.build_id is None for patch in after.live_patches):
        return Verdict.UNREADABLE
    known = {_identity(patch) for patch in before.live_patches}
    new = [patch for patch in after.live_patches if _identity(patch) not in known or patch.name == build.name]
    in_place = [patch for patch in new if patch.state is not PatchState.DISABLED]
    return Verdict.OTHER_PATCH if in_place else Verdict.NOT_IN_FORCE


def _judge_offer(before: Facts, after: Facts, offer: Offer) -> Verdict:
    unsettled = _unsettled(after, offer)
    if unsettled is not None:
        return unsettled
    level, old = level_of(after, offer), level_of(before, offer)
    is_live = any(patch.state is PatchState.APPLIED for patch in _ours(after, offer))
    if level is None or not is_live or not _runs(after, offer) or (offer.level is None and level == old):
        return Verdict.NOT_IN_FORCE
    if offer.level in (None, level):
        return Verdict.IN_FORCE
    return Verdict.NOT_IN_FORCE if level == old else Verdict.OTHER_PATCH


def _runs(facts: Facts, offer: Offer) -> bool:
    """Levels of two kernels may have the same name."""
    return facts.kernel is not None and facts.kernel.running == offer.kernel


def _judge_offer_out(after: Facts, offer: Offer) -> Verdict:
    unsettled = _unsettled(after, offer)
    if unsettled is not None:
        return unsettled
    level = level_of(after, offer)
    is_out = level is None or not _runs(after, offer) or (offer.level is not None and level != offer.level)
    return Verdict.NOT_IN_FORCE if is_out else Verdict.IN_FORCE


def _unsettled(after: Facts, offer: Offer) -> Verdict | None:
    """Why the tool's own level says nothing yet; None when it counts."""
    tool = after.tool(offer.tool)
    if any(_matters(field) for field in after.unknown) or tool is None or _is_untold(tool):
        return Verdict.UNREADABLE
    if tool.disagrees:
        return Verdict.CONTRADICTED
    states = [patch.state for patch in _ours(after, offer)]
    return next((_BY_STATE[state] for state in LEAST_FIRST if state in states and state in _MOVING), None)


def _is_untold(tool: Tool) -> bool:
    """A deep check that was not understood leaves a level that the ordinary one told."""
    if tool.state is ToolState.ERROR and tool.deep is not None and tool.deep.state is ToolState.ERROR:
        return tool.level is None
    return tool.state in (ToolState.ERROR, ToolState.CONTAINER)


def _matters(unknown_field: str) -> bool:
    """Whether a value that could not be read leaves the state of a patch open."""
    first, *rest = unknown_field.split(".")
    return first in ("live_patches", "boot_id") and not (rest and rest[-1] in _TELLS_NO_STATE)


def _ours(facts: Facts, payload: Payload) -> tuple[LivePatch, ...]:
    if isinstance(payload, Offer):
        return tuple(patch for patch in facts.live_patches if patch.tool == payload.tool)
    return tuple(patch for patch in facts.live_patches if patch.build_id == payload.module_build_id)


def _identity(patch: LivePatch) -> tuple[str, str]:
    return (patch.name, patch.build_id or "")
