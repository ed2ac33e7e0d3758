"""Findings over time: the exposure windows of one host, rebuilt from its sightings and the catalogue.

The rules are drawn in ``docs/exposure.md``. What is decided for an instant depends only on what had been seen and
catalogued by then, but for the opening of a window between two checks; so what has closed stays closed as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure_report import exposed_seconds, exposure_row
from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.exposure_walk import Draft, Walk, follow
from orchestrator.core.matching import Matcher, first_disclosed, worst_severity
from orchestrator.core.patches import Cve, Patch
from orchestrator.core.sightings import Sighting
from orchestrator.core.timeline import Era, Interval, Piece, eras, pieces
from orchestrator.core.windows import ClockSeconds, Exposure, Window

__all__ = ["exposed_seconds", "exposure_row", "timeline", "windows"]

TOOL = "klp"
"""The backend whose patches the catalogue of kernel modules describes."""


def windows(
    history: Sequence[Sighting],
    patches: Sequence[Patch] | Matcher,
    *,
    now: datetime,
    retired_at: datetime | None = None,
    incarnated_at: Mapping[int, datetime] | None = None,
) -> tuple[Exposure, ...]:
    """Where one host stands with every CVE that concerns it, and all windows up to now, by CVE.

    ``history`` are its sightings, those that overlap a mutation left out; what is later than ``now`` is not looked at.
    Pass a `Matcher` for many hosts: it shares findings between them and knows of removed items. ``incarnated_at`` says
    since when each incarnation is trusted, as far as known: the windows of the one before end there.
    """
    matcher = _matcher(patches)
    cut = _cut(history, matcher, now, retired_at, incarnated_at)
    cves = sorted({cve for _, parts in cut for piece in parts for cve in piece.findings})
    walks = (follow(cve, cut) for cve in cves)
    return tuple(_exposure(walk, matcher, now) for walk in walks if walk.concerns_host)


def timeline(
    history: Sequence[Sighting],
    patches: Sequence[Patch] | Matcher,
    cve: Cve,
    *,
    now: datetime,
    retired_at: datetime | None = None,
    incarnated_at: Mapping[int, datetime] | None = None,
) -> tuple[Interval, ...]:
    """What one CVE was to the host at every instant since both were known, without overlaps.

    There is a gap only where it was not known: after its last item was removed until another was added, and between
    the end of one incarnation and the first check of the next.
    """
    cut = _cut(history, _matcher(patches), now, retired_at, incarnated_at)
    return tuple(part for part in follow(cve, cut).timeline() if part.start < part.end)


_Cut = Sequence[tuple[Era, Sequence[Piece]]]


def _matcher(patches: Sequence[Patch] | Matcher) -> Matcher:
    return patches if isinstance(patches, Matcher) else Matcher(Catalogue(patches=tuple(patches)))


def _cut(
    history: Sequence[Sighting],
    matcher: Matcher,
    now: datetime,
    retired_at: datetime | None,
    incarnated_at: Mapping[int, datetime] | None,
) -> _Cut:
    return [(era, pieces(era, matcher)) for era in eras(history, now, retired_at, incarnated_at or {})]


def _exposure(walk: Walk, matcher: Matcher, now: datetime) -> Exposure:
    line = walk.timeline()
    ended, current = walk.ended_at, line[-1]
    state = ExposureState.UNKNOWN if ended is not None else current.state
    gaps = [part for part in line if part.state is ExposureState.UNKNOWN]
    # The gap that still goes on is left out of open windows: it is between ``since`` and whenever one asks.
    over = gaps[:-1] if ended is None and state is ExposureState.UNKNOWN else gaps
    told = walk.finding if walk.finding is not None and walk.finding.state is state else None
    return Exposure(
        host_id=walk.host_id,
        cve=walk.cve,
        severity=worst_severity(walk.cve, matcher.about(walk.cve, ended or now)),
        state=state,
        reason=told.reason if told is not None else None,
        remedy=walk.finding.remedy if walk.finding is not None else Remedy.NONE,
        since=ended if ended is not None else current.start,
        windows=tuple(
            _window(walk, index, matcher, gaps if draft.closed_at is not None else over, now)
            for index, draft in enumerate(walk.drafts)
        ),
        unknown_seconds=sum(gap.seconds for gap in gaps),
    )


def _window(walk: Walk, index: int, matcher: Matcher, gaps: Sequence[Interval], now: datetime) -> Window:
    draft = walk.drafts[index]
    about = matcher.about(walk.cve, draft.closed_at or now)
    clocks = _clocks(draft, first_disclosed(walk.cve, about))
    return Window(
        host_id=walk.host_id,
        cve=walk.cve,
        severity=worst_severity(walk.cve, about),
        index=index,
        disclosed_at=clocks[0],
        fix_available_at=clocks[1],
        detected_at=clocks[2],
        closed_at=draft.closed_at,
        method=draft.method,
        tool=TOOL if draft.method is ClosedBy.LIVE_PATCH else None,
        boot_id=draft.boot_id,
        unknown=_unknown(clocks, draft.closed_at or now, gaps),
    )


def _clocks(draft: Draft, disclosed: datetime | None) -> tuple[datetime | None, datetime, datetime]:
    """Disclosed, fix available, detected. Without a date the first window's disclosed clock cannot be told; that of a
    later one starts when the host became exposed, for by then the world knew. None starts after the window closed."""
    since = draft.since
    known = since if draft.reopened else None
    disclosed_at = known if disclosed is None else max(disclosed, since)
    fix_available_at = max(disclosed_at or since, draft.fix_added)
    last = draft.closed_at
    if last is None:
        return disclosed_at, fix_available_at, draft.detected_at
    return disclosed_at and min(disclosed_at, last), min(fix_available_at, last), min(draft.detected_at, last)


def _unknown(clocks: Sequence[datetime | None], end: datetime, gaps: Sequence[Interval]) -> ClockSeconds:
    seconds = [0.0 if clock is None else sum(_overlap(gap, clock, end) for gap in gaps) for clock in clocks]
    return ClockSeconds(disclosed=seconds[0], fix_available=seconds[1], detected=seconds[2])


def _overlap(gap: Interval, start: datetime, end: datetime) -> float:
    return max(0.0, (min(gap.end, end) - max(gap.start, start)).total_seconds())
