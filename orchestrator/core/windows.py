"""An exposure window: an interval in which one host was exposed to one CVE."""

from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureState, Remedy
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve, Severity


class ClockSeconds(Frozen):
    """Seconds by each of the three clocks."""

    disclosed: float = 0.0
    fix_available: float = 0.0
    detected: float = 0.0


class Window(Frozen):
    """One exposure window. A clock that cannot be told (no date is known) is None; ``detected_at`` always can.

    ``index`` counts the windows of this host and CVE from 0. ``closed_at`` is the observation that showed the fix in
    force; ``tool`` what closed it (a backend's name) where a live patch did; ``boot_id`` the boot it was closed in.
    ``unknown`` is how much of it, by each clock, fell into gaps that have ended and in which nobody could tell.
    ``due_at``: when the service level named ``policy`` wanted it closed.
    """

    host_id: str
    cve: Cve
    severity: Severity
    index: int
    disclosed_at: Moment | None
    fix_available_at: Moment | None
    detected_at: Moment
    closed_at: Moment | None = None
    method: ClosedBy | None = None
    tool: str | None = None
    boot_id: str | None = None
    due_at: Moment | None = None
    policy: str | None = None
    unknown: ClockSeconds = ClockSeconds()


class Exposure(Frozen):
    """Where one host stands with one CVE now. ``since`` is when its state began, ``unknown_seconds`` are those of the
    gaps that have ended. ``is_over``: nobody tells of it any more, or the machine is gone: not a fix."""

    host_id: str
    cve: Cve
    severity: Severity
    state: ExposureState
    reason: CoveredBy | None = None
    remedy: Remedy
    since: Moment
    windows: tuple[Window, ...]
    unknown_seconds: float = 0.0
    is_over: bool = False
