"""Exposures counted: what metrics need of a fleet, without every window of it in memory."""

from collections.abc import Iterable

from orchestrator.core.exposure_states import ExposureState, Remedy
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Severity


class ExposureTally(Frozen):
    """So many current exposures of a fleet. ``oldest``: the earliest ``detected_at`` of those whose window is open."""

    severity: Severity
    state: ExposureState
    remedy: Remedy
    count: int
    oldest: Moment | None = None


def summed(tallies: Iterable[ExposureTally]) -> tuple[ExposureTally, ...]:
    """One for each severity, state and remedy, in that order."""
    found: dict[tuple[str, ...], ExposureTally] = {}
    for one in tallies:
        key = (one.severity, one.state, one.remedy)
        found[key] = one if key not in found else _together(found[key], one)
    return tuple(found[key] for key in sorted(found))


def _together(one: ExposureTally, other: ExposureTally) -> ExposureTally:
    moments = [moment for moment in (one.oldest, other.oldest) if moment is not None]
    return one.model_copy(update={"count": one.count + other.count, "oldest": min(moments, default=None)})
