"""The words of exposure: states, reasons, remedies, methods, clocks."""

from enum import StrEnum


class ExposureState(StrEnum):
    """What a host is to a CVE at an instant: exactly one of these."""

    EXPOSED = "exposed"
    """Nothing in force fixes it."""
    COVERED = "covered"
    """Something does; `CoveredBy` says what."""
    UNKNOWN = "unknown"
    """Nobody looked in time, or what was seen does not tell."""


class CoveredBy(StrEnum):
    """Why a host is covered."""

    LIVE_PATCHED = "live_patched"
    """A live patch in force fixes it."""
    FIXED = "fixed"
    """The running image has the fix."""
    NOT_AFFECTED = "not_affected"
    """The running image never had the flaw."""


class Remedy(StrEnum):
    """What would close a window."""

    LIVE_PATCH = "live_patch"
    """A live patch is to be had for this kernel build."""
    PACKAGE = "package"
    """A package upgrade."""
    REBOOT = "reboot"
    """A reboot into an image that is installed already, or a fix that only a reboot brings."""
    NONE = "none"
    """Nothing that we know of."""


class ClosedBy(StrEnum):
    """What closed a window."""

    LIVE_PATCH = "live_patch"
    """A live patch came into force."""
    REBOOT = "reboot"
    """The host booted an image that has the fix."""
    PACKAGE = "package"
    """A package upgrade brought the fix."""
    WITHDRAWN = "withdrawn"
    """The host was retired or the advisory taken back: not a fix."""
    HOST_REPLACED = "host_replaced"
    """Another machine took the name: not a fix."""

    @property
    def is_fix(self) -> bool:
        """Whether it counts as a time to patch."""
        return self not in {ClosedBy.WITHDRAWN, ClosedBy.HOST_REPLACED}


class ExposureClock(StrEnum):
    """The three clocks of a window; never mixed."""

    DISCLOSED = "disclosed"
    """Since the world knew."""
    FIX_AVAILABLE = "fix_available"
    """Since the fix reached us."""
    DETECTED = "detected"
    """Since our own check saw it on this host."""
