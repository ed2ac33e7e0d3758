"""Findings over time: the exposure windows of one host, rebuilt from its sightings and from all that was ever told.

The rules are drawn in ``docs/exposure.md``. What is decided for an instant depends only on what had been seen and told
by then, but for the opening of a window between two checks; so what has closed stays closed as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.courses import DueOf, Found, Times
from orchestrator.core.exposure_states import ExposureState, Remedy
from orchestrator.core.exposure_walk import Draft, Walk, follow
from orchestrator.core.matcher import Matcher
from orchestrator.core.patches import Cve, Patch, Severity
from orchestrator.core.sightings import Sighting
from orchestrator.core.standings import Gap, Span, Standing, exposures
from orchestrator.core.timeline import Era, Interval, Piece, eras, pieces
from orchestrator.core.timelines import Shared, Timelines
from orchestrator.core.tracks import Track
from orchestrator.core.windows import Exposure


def standings(
    history: Sequence[Sighting],
    timelines: Timelines,
    *,
    now: datetime,
    retired_at: datetime | None = None,
    incarnated_at: Mapping[int, datetime] | None = None,
    retirements: Sequence[datetime] = (),
    due: DueOf | None = None,
) -> tuple[Standing, ...]:
    """Where one host stands with every CVE that concerns it, and all windows up to now, those of one timeline together.

    ``history`` are its sightings, those that overlap a mutation left out; what is later than ``now`` is not looked at.
    ``timelines`` is shared by many hosts. ``incarnated_at`` says since when each incarnation is trusted, as far as
    known: the windows of the one before end there. ``retirements`` are those that it came back from. ``due``: without
    it, nothing is due.
    """
    life = eras(history, now, retired_at, incarnated_at or {}, retirements)
    if not life:
        return ()
    times = Times.of(life, now)
    course = timelines.course(life, times, lambda: _found(life, timelines))
    return course.put_in(times, due, now)


def windows(
    history: Sequence[Sighting],
    patches: Sequence[Patch] | Matcher,
    *,
    now: datetime,
    retired_at: datetime | None = None,
    incarnated_at: Mapping[int, datetime] | None = None,
    retirements: Sequence[datetime] = (),
) -> tuple[Exposure, ...]:
    """The same for one host alone, one by one, by CVE."""
    found = standings(
        history,
        _timelines(patches),
        now=now,
        retired_at=retired_at,
        incarnated_at=incarnated_at,
        retirements=retirements,
    )
    return tuple(sorted((one for standing in found for one in exposures(standing)), key=lambda one: one.cve))


def timeline(
    history: Sequence[Sighting],
    patches: Sequence[Patch] | Matcher,
    cve: Cve,
    *,
    now: datetime,
    retired_at: datetime | None = None,
    incarnated_at: Mapping[int, datetime] | None = None,
    retirements: Sequence[datetime] = (),
) -> tuple[Interval, ...]:
    """What one CVE was to the host at every instant since both were known, without overlaps.

    There is a gap only where it was not known: after the last source took it back until another told of it, and between
    the end of one incarnation and the first check of the next.
    """
    life = eras(history, now, retired_at, incarnated_at or {}, retirements)
    walk = follow(_cut(life, _timelines(patches).track(life, cve)))
    return tuple(part for part in walk.timeline() if part.start < part.end)


def _timelines(patches: Sequence[Patch] | Matcher) -> Timelines:
    return Timelines(patches if isinstance(patches, Matcher) else Matcher(Catalogue(patches=tuple(patches))))


def _cut(life: Sequence[Era], tracks: Sequence[Track]) -> list[tuple[Era, tuple[Piece, ...]]]:
    found, rest = [], list(tracks)
    for era in life:
        own, rest = rest[: len(era.sightings)], rest[len(era.sightings) :]
        found.append((era, pieces(era, own)))
    return found


def _found(life: Sequence[Era], timelines: Timelines) -> list[Found]:
    made = (_standing(life, shared, timelines) for shared in timelines.shared(life))
    return [one for one in made if one is not None]


def _standing(life: Sequence[Era], shared: Shared, timelines: Timelines) -> Found | None:
    walk = follow(_cut(life, shared.tracks))
    if not walk.concerns_host:
        return None
    line = walk.timeline()
    ended, current = walk.ended_at, line[-1]
    state = ExposureState.UNKNOWN if ended is not None else current.state
    gaps = [Gap(part.start, part.end) for part in line if part.state is ExposureState.UNKNOWN]
    # The gap that still goes on is left out: it is between ``since`` and whenever one asks.
    over = tuple(gaps[:-1] if ended is None and state is ExposureState.UNKNOWN else gaps)
    told = walk.finding if walk.finding is not None and walk.finding.state is state else None
    end = life[-1].end
    ends = [(one.seen, one.until, one.closed_at is None and one.until == end) for one in walk.drafts]
    standing = Standing(
        host_id=walk.host_id,
        severity=_severity(walk),
        state=state,
        reason=told.reason if told is not None else None,
        remedy=walk.finding.remedy if walk.finding is not None else Remedy.NONE,
        since=ended if ended is not None else current.start,
        spans=tuple(_span(draft, over) for draft in walk.drafts),
        is_over=ended is not None,
        marks=timelines.marks(shared, ends, (life[-1].sightings[-1], end)),
    )
    return Found(standing, over)


def _severity(walk: Walk) -> Severity:
    if walk.finding is not None:
        return walk.finding.severity
    return walk.drafts[-1].grades[-1].severity if walk.drafts and walk.drafts[-1].grades else Severity.UNKNOWN


def _span(draft: Draft, gaps: Sequence[Gap]) -> Span:
    end = draft.closed_at
    within = tuple(gap for gap in gaps if gap.end > draft.since and (end is None or gap.start < end))
    return Span(
        since=draft.since,
        detected_at=draft.detected_at,
        severity=draft.grades[-1].severity if draft.grades else Severity.UNKNOWN,
        grades=tuple(draft.grades) if len(draft.grades) > 1 else (),
        is_reopened=draft.is_reopened,
        closed_at=end,
        method=draft.method,
        tool=draft.tool,
        boot_id=draft.boot_id,
        gaps=within,
    )
