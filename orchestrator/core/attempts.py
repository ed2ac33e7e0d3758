"""An attempt to change one host: the intent is committed before anything is sent, the outcome when it is known."""

from enum import StrEnum

from orchestrator.core.model import Frozen, Moment


class Action(StrEnum):
    """What an attempt does to the host."""

    APPLY = "apply"
    """Load the patch and wait for its transition."""
    REVERT = "revert"
    """Take the patch out of force and remove its module; what it persisted goes too."""
    PERSIST = "persist"
    """Install the patch for the next boot."""
    PIN = "pin"
    """Hold the tool's own agent at its level, so that it does not outrun the rollout."""
    UNPIN = "unpin"
    """Put the agent's setting back to what it was before it was pinned."""


class OutcomeCode(StrEnum):
    """How an attempt ended, as its verification saw it."""

    DONE = "done"
    """Verified: the host is in the state that was asked for."""
    ALREADY = "already"
    """It was so before anything was sent."""
    REFUSED = "refused"
    """Refused before anything was changed."""
    FAILED = "failed"
    """Tried, and the host is as it was before, verified."""
    STALLED_REVERTED = "stalled_reverted"
    """The transition stalled and was reverted within the limit, verified."""
    UNREACHABLE = "unreachable"
    """The host could not be reached before anything was sent."""
    UNKNOWN = "unknown"
    """Something was sent, and the host's state cannot be told."""
    LOST = "lost"
    """The host rebooted since: what was in memory is gone."""
    DRIFTED = "drifted"
    """The host ended with another patch than the one that was asked for."""


class Attempt(Frozen):
    """An intent. ``patch_id``: the catalogue's item, or the name of the tool whose offer it is. ``build_sha256`` names
    the module that was frozen into the plan; None for an offer, and ``level`` then says what is to be in force, as a
    canary has shown it. ``boot_id``: the boot it was meant for; None for a revert and for another try, which take
    whatever boot they find."""

    id: str
    rollout_id: str
    host_id: str
    host: str
    action: Action
    patch_id: str
    build_sha256: str | None = None
    level: str | None = None
    boot_id: str | None = None
    intent_at: Moment


class Outcome(Frozen):
    """How an attempt ended. ``detail`` is one line for a person; ``output`` the host's bounded answer. ``level``: what
    the tool had in force when it was verified, in the tool's own terms; None for modules of the catalogue. ``boot_id``:
    the boot in which it was verified."""

    attempt_id: str
    code: OutcomeCode
    error_code: str | None = None
    detail: str = ""
    output: str = ""
    level: str | None = None
    boot_id: str | None = None
    finished_at: Moment
