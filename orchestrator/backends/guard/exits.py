"""How an attempt on a host can end, and which of its ends mean that nothing was changed."""

from enum import IntEnum

from orchestrator.errors import (
    BuildUnreadable,
    ForeignPatch,
    HostDiskFull,
    HostLocked,
    LivepatchUnsupported,
    ModuleInvalid,
    NeedsRoot,
    NoRollback,
    NothingOffered,
    OtherLevel,
    PatchRefused,
    SignatureRequired,
    ToolConflict,
    ToolLocked,
    ToolMissing,
    ToolNetwork,
    TransitionUnderWay,
    Unlicensed,
    WrongBuild,
)


class GuardExit(IntEnum):
    """The exit codes of an attempt on the host. common.sh holds the same table as ``EXIT_`` names."""

    DONE = 0
    """It was done, or was so already."""
    WRONG_BOOT = 20
    """The host rebooted since the intent."""
    WRONG_BUILD = 21
    """The running kernel is another release or another build."""
    BUILD_UNREADABLE = 22
    """The build id of the running kernel could not be read."""
    LIVEPATCH_UNSUPPORTED = 23
    """There is no /sys/kernel/livepatch."""
    TRANSITION_UNDER_WAY = 24
    """Another patch stayed in transition for the whole limit."""
    MODULE_INVALID = 25
    """The module did not arrive whole, or with another hash."""
    DISK_FULL = 26
    """/run/patchwave could not be written."""
    LOCKED = 27
    """Another attempt's live lock is on the host."""
    NEEDS_ROOT = 28
    """The guard did not run as root, or as one that may load no modules."""
    FOREIGN_PATCH = 29
    """A patch or module that is not ours would be replaced or touched."""
    SIGNATURE_REQUIRED = 30
    """The kernel refused the module for want of a signature."""
    MODULE_FORMAT = 31
    """The kernel refused the module's format (vermagic, symbol versions)."""
    MODULE_EXISTS = 32
    """insmod: File exists."""
    BUSY = 33
    """insmod: Device or resource busy, for the whole limit."""
    INSERT_FAILED = 34
    """insmod failed otherwise; the last line of the output has its words."""
    NOT_LIVE = 35
    """The module is loaded, but its patch is not enabled; or it is not in force and so was not persisted."""
    STALLED_REVERTED = 40
    """The transition stalled and was reverted."""
    STALLED_NOT_REVERTED = 41
    """The transition stalled, and so did its reversal."""
    REVERT_STALLED = 42
    """The transition out of force did not end within the limit."""
    MODULE_STAYS = 43
    """The patch is out of force, but its module could not be removed."""
    PERSIST_FAILED = 50
    """The module could not be installed for the next boot, and what was installed of it was removed; or a revert could
    not remove what was installed."""
    USAGE = 64
    """The guard was called with arguments it does not know, or the tool has no such action."""
    TOOL_MISSING = 80
    """The tool, or a program that it needs, is not on the host."""
    TOOL_FAILED = 81
    """The tool said no, or had to be ended; the last line of the output has its words."""
    TOOL_LOCKED = 82
    """Another process held the package manager's lock, or the tool's own, for the whole limit."""
    UNLICENSED = 83
    """The tool has no licence, subscription or registration, or an expired one."""
    NOTHING_OFFERED = 84
    """The tool offers nothing for this kernel, or not what was asked for."""
    OTHER_LEVEL = 85
    """Another level than the one that was asked for is in force, and was left as it is."""
    TOOL_NETWORK = 86
    """The tool cannot reach its server or repository."""
    TOOL_CONFLICT = 87
    """Another live-patch tool is at work on the host."""
    NO_ROLLBACK = 88
    """The tool cannot take its patch out of force."""
    PIN_FAILED = 89
    """The agent's setting could not be saved, changed or put back."""


REFUSALS: dict[int, type[PatchRefused]] = {
    GuardExit.WRONG_BUILD: WrongBuild,
    GuardExit.BUILD_UNREADABLE: BuildUnreadable,
    GuardExit.LIVEPATCH_UNSUPPORTED: LivepatchUnsupported,
    GuardExit.TRANSITION_UNDER_WAY: TransitionUnderWay,
    GuardExit.MODULE_INVALID: ModuleInvalid,
    GuardExit.DISK_FULL: HostDiskFull,
    GuardExit.LOCKED: HostLocked,
    GuardExit.NEEDS_ROOT: NeedsRoot,
    GuardExit.FOREIGN_PATCH: ForeignPatch,
    GuardExit.SIGNATURE_REQUIRED: SignatureRequired,
    GuardExit.MODULE_FORMAT: ModuleInvalid,
    GuardExit.MODULE_EXISTS: ForeignPatch,
    GuardExit.BUSY: TransitionUnderWay,
    GuardExit.TOOL_MISSING: ToolMissing,
    GuardExit.TOOL_LOCKED: ToolLocked,
    GuardExit.UNLICENSED: Unlicensed,
    GuardExit.NOTHING_OFFERED: NothingOffered,
    GuardExit.OTHER_LEVEL: OtherLevel,
    GuardExit.TOOL_NETWORK: ToolNetwork,
    GuardExit.TOOL_CONFLICT: ToolConflict,
    GuardExit.NO_ROLLBACK: NoRollback,
}
"""The exit codes that mean "refused, and nothing was changed", and the error of each."""
