"""Exposures as people and programs read them: seconds by each clock, and the one JSON shape."""

from datetime import datetime
from typing import Any

from orchestrator.core.exposure_states import ExposureClock, ExposureState
from orchestrator.core.host_view import moment
from orchestrator.core.sla import SlaState
from orchestrator.core.windows import Exposure, Window

Json = dict[str, Any]


def exposed_seconds(exposure: Exposure, now: datetime) -> dict[ExposureClock, float | None]:
    """By each clock, how long the host was exposed in all windows so far, unknown gaps left out.

    None where a window's clock cannot be told; 0 without any window.
    """
    return {clock: _total([_seconds(exposure, window, clock, now) for window in exposure.windows]) for clock in _STARTS}


def unknown_seconds(exposure: Exposure, now: datetime) -> float:
    """How long nobody could tell, so far: the gaps that have ended, and the one that goes on."""
    goes_on = exposure.state is ExposureState.UNKNOWN and not exposure.is_over
    return exposure.unknown_seconds + (max(0.0, (now - exposure.since).total_seconds()) if goes_on else 0.0)


def exposure_row(
    exposure: Exposure,
    host_name: str,
    now: datetime,
    *,
    accepted_until: datetime | None = None,
    sla: SlaState | None = None,
) -> Json:
    """One row of ``exposure list --json``: the dates are those of the latest window, null without any."""
    last = exposure.windows[-1] if exposure.windows else None
    return {
        "host": host_name,
        "cve": exposure.cve,
        "severity": exposure.severity.value,
        "state": exposure.state.value,
        "reason": exposure.reason and exposure.reason.value,
        "remedy": exposure.remedy.value,
        "since": moment(exposure.since),
        "accepted_until": moment(accepted_until),
        **_dates(last),
        "exposed_seconds": {clock.value: seconds for clock, seconds in exposed_seconds(exposure, now).items()},
        "unknown_seconds": unknown_seconds(exposure, now),
        "windows": [_dates(window) for window in exposure.windows],
        "due_at": last and moment(last.due_at),
        "policy": last and last.policy,
        "sla": sla and sla.value,
    }


_STARTS = {
    ExposureClock.DISCLOSED: "disclosed_at",
    ExposureClock.FIX_AVAILABLE: "fix_available_at",
    ExposureClock.DETECTED: "detected_at",
}


def _seconds(exposure: Exposure, window: Window, clock: ExposureClock, now: datetime) -> float | None:
    start: datetime | None = getattr(window, _STARTS[clock])
    if start is None:
        return None
    unknown: float = getattr(window.unknown, clock.value)
    return max(0.0, (_end(exposure, window, now) - start).total_seconds() - unknown)


def _end(exposure: Exposure, window: Window, now: datetime) -> datetime:
    """Of an open window: now, or where the silence began that still goes on."""
    if window.closed_at is not None:
        return window.closed_at
    return exposure.since if exposure.state is ExposureState.UNKNOWN else now


def _total(parts: list[float | None]) -> float | None:
    told = [part for part in parts if part is not None]
    return sum(told) if len(told) == len(parts) else None


def _dates(window: Window | None) -> Json:
    return {
        "disclosed_at": window and moment(window.disclosed_at),
        "fix_available_at": window and moment(window.fix_available_at),
        "detected_at": window and moment(window.detected_at),
        "closed_at": window and moment(window.closed_at),
        "method": window and window.method and window.method.value,
    }
