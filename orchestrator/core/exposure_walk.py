"""CVEs followed through the time of one host: when windows open, when they close, and by what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureState
from orchestrator.core.findings import Finding
from orchestrator.core.sightings import Sighting
from orchestrator.core.standings import Graded
from orchestrator.core.timeline import Era, Interval, Piece, intervals, merged, reopened_at


@dataclass(kw_only=True)
class Draft:
    """A window in the making. ``since`` starts its clocks. ``seen`` is the sighting that showed it last, and ``until``
    the end of what was told of it then: by that its dates are looked up."""

    since: datetime
    detected_at: datetime
    is_reopened: bool
    seen: Sighting
    until: datetime
    grades: list[Graded] = field(default_factory=list)
    closed_at: datetime | None = None
    method: ClosedBy | None = None
    tool: str | None = None
    boot_id: str | None = None


@dataclass(kw_only=True)
class Walk:
    """Where CVEs that share a timeline stand after the pieces so far.

    ``drafts`` are their windows, ``parts`` the timeline; ``finding`` is that of the last piece. ``ended_at``: they are
    not known since then. ``covered`` is the last piece in which they were covered, ``between`` are those since.
    """

    host_id: str = ""
    drafts: list[Draft] = field(default_factory=list)
    parts: list[Interval] = field(default_factory=list)
    finding: Finding | None = None
    ended_at: datetime | None = None
    was_told: bool = False
    covered: Piece | None = None
    between: list[Piece] = field(default_factory=list)

    @property
    def concerns_host(self) -> bool:
        """Whether there is something to tell: they were exposed or live-patched once, or may be now."""
        return self.was_told or self.finding is not None

    def timeline(self) -> tuple[Interval, ...]:
        """The intervals so far, neighbours of one state joined."""
        return merged(self.parts)

    @property
    def open_window(self) -> Draft | None:
        """The last window, unless it has closed."""
        return self.drafts[-1] if self.drafts and self.drafts[-1].closed_at is None else None

    def step(self, piece: Piece) -> None:
        """Go on by one piece."""
        before, self.finding = self.finding, piece.finding
        if self.finding is None and (self._is_withdrawn(before, piece) or not self.is_known):
            self.end(piece.start, ClosedBy.WITHDRAWN)
            return
        self.ended_at = None
        self.parts.extend(intervals(piece))
        if piece.is_live and self.finding is not None:
            self._decide(piece, self.finding)
        self.between.append(piece)

    @property
    def is_known(self) -> bool:
        """Whether the CVE and this incarnation have met, and it was not withdrawn since."""
        return bool(self.parts) and self.ended_at is None

    def end(self, at: datetime, method: ClosedBy) -> None:
        """It no longer concerns the host: not a fix."""
        self._close(at, method)
        if self.ended_at is None:
            self.ended_at = at
        self.finding, self.covered = None, None

    def _is_withdrawn(self, before: Finding | None, piece: Piece) -> bool:
        """Whether those who tell, not the host, are why there is no finding any more."""
        return not piece.is_told or (before is not None and piece.start > piece.sighting.first_seen)

    def _decide(self, piece: Piece, finding: Finding) -> None:
        if finding.state is ExposureState.EXPOSED and self.open_window is None:
            self.drafts.append(self._opened(piece, finding))
        elif finding.state is ExposureState.COVERED:
            self._close(piece.start, _method(piece, finding), finding.tool, piece.sighting.facts.boot_id)
            self.covered, self.between = piece, []
        self._goes_on(piece, finding)
        self.was_told = self.was_told or finding.state is not ExposureState.UNKNOWN

    def _goes_on(self, piece: Piece, finding: Finding) -> None:
        window = self.open_window
        if window is None:
            return
        if finding.state is ExposureState.EXPOSED:
            window.seen, window.until = piece.sighting, piece.end
        if not window.grades or window.grades[-1].severity is not finding.severity:
            window.grades.append(Graded(finding.severity, piece.start))

    def _opened(self, piece: Piece, finding: Finding) -> Draft:
        if self.covered is None:
            booted = piece.sighting.booted_at if finding.is_kernel else None
            since, detected = min(booted or piece.sighting.first_seen, piece.start), piece.start
        else:
            since = detected = reopened_at(self.covered, piece, self.between)
        closed = [draft.closed_at for draft in self.drafts if draft.closed_at is not None]
        since = max([since, *closed])
        return Draft(
            since=since,
            detected_at=max(since, detected, finding.known_from or since),
            is_reopened=self.covered is not None,
            seen=piece.sighting,
            until=piece.end,
        )

    def _close(self, at: datetime, method: ClosedBy, tool: str | None = None, boot_id: str | None = None) -> None:
        window = self.open_window
        if window is not None:
            window.closed_at, window.method, window.boot_id = at, method, boot_id
            window.tool = tool if method is ClosedBy.LIVE_PATCH else None
            # What opened between two checks may be known to have closed before it could be detected.
            window.detected_at = min(window.detected_at, at)


def _method(piece: Piece, finding: Finding) -> ClosedBy:
    """What closed a window, by the piece that shows the fix. Where the facts are as they were, or would be covered
    themselves by what is told now, nothing was fixed: it was no flaw there in the first place."""
    if finding.reason is CoveredBy.LIVE_PATCHED:
        return ClosedBy.LIVE_PATCH
    old = piece.by_old_facts
    if piece.start > piece.sighting.first_seen or (old is not None and old.state is ExposureState.COVERED):
        return ClosedBy.WITHDRAWN
    return ClosedBy.REBOOT if finding.is_kernel else ClosedBy.PACKAGE


def follow(cut: Sequence[tuple[Era, Sequence[Piece]]]) -> Walk:
    """Follow through all eras of a host."""
    walk = Walk()
    for era, parts in cut:
        walk.host_id = era.sightings[0].host_id
        for piece in parts:
            walk.step(piece)
        if era.ended_by is not None and walk.is_known:
            walk.end(era.end, era.ended_by)
    return walk
