"""One CVE followed through the time of one host: when windows open, when they close, and by what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.matching import Finding
from orchestrator.core.patches import Cve
from orchestrator.core.timeline import Era, Interval, Piece, intervals, merged, reopened_at


@dataclass(kw_only=True)
class Draft:
    """A window in the making. ``since`` starts its clocks, ``fix_added`` when the fix for the kernel reached us."""

    since: datetime
    detected_at: datetime
    fix_added: datetime
    reopened: bool
    closed_at: datetime | None = None
    method: ClosedBy | None = None
    boot_id: str | None = None


@dataclass(kw_only=True)
class Walk:
    """Where one CVE stands after the pieces so far.

    ``drafts`` are its windows, ``parts`` its timeline; ``finding`` is that of the last piece. ``ended_at``: it is not
    known since then. ``covered`` is the last piece in which it was covered, ``between`` are those since.
    """

    cve: Cve
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
        """Whether there is something to tell: it was exposed or covered once, or may be now."""
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
        before, self.finding = self.finding, piece.findings.get(self.cve)
        if self.finding is None and (self._is_withdrawn(before, piece) or not self.is_known):
            self.end(piece.start, ClosedBy.WITHDRAWN)
            return
        self.ended_at = None
        self.parts.extend(intervals(piece, self.cve))
        if piece.is_live and self.finding is not None:
            self._decide(piece, self.finding)
        self.between.append(piece)

    @property
    def is_known(self) -> bool:
        """Whether the CVE and this incarnation have met, and it was not withdrawn since."""
        return bool(self.parts) and self.ended_at is None

    def end(self, at: datetime, method: ClosedBy) -> None:
        """It no longer concerns the host: not a fix."""
        self._close(at, method, None)
        if self.ended_at is None:
            self.ended_at = at
        self.finding, self.covered = None, None

    def _is_withdrawn(self, before: Finding | None, piece: Piece) -> bool:
        """Whether the catalogue, not the host, is why there is no finding any more."""
        return self.cve not in piece.listed or (before is not None and piece.start > piece.sighting.first_seen)

    def _decide(self, piece: Piece, finding: Finding) -> None:
        if finding.state is ExposureState.EXPOSED and self.open_window is None:
            self.drafts.append(self._opened(piece, finding))
        elif finding.state is ExposureState.COVERED:
            self._close(piece.start, ClosedBy.LIVE_PATCH, piece.sighting.facts.boot_id)
            self.covered, self.between = piece, []
        self.was_told = self.was_told or finding.state is not ExposureState.UNKNOWN

    def _opened(self, piece: Piece, finding: Finding) -> Draft:
        if self.covered is None:
            since = piece.sighting.booted_at or piece.sighting.first_seen
            since, detected = min(since, piece.start), piece.start
        else:
            since = detected = reopened_at(self.covered, piece, self.between)
        closed = [draft.closed_at for draft in self.drafts if draft.closed_at is not None]
        fix_added = finding.fix_available or piece.start
        since = max([since, *closed])
        return Draft(
            since=since,
            detected_at=max(since, detected, fix_added),
            fix_added=fix_added,
            reopened=self.covered is not None,
        )

    def _close(self, at: datetime, method: ClosedBy, boot_id: str | None) -> None:
        window = self.open_window
        if window is not None:
            window.closed_at, window.method, window.boot_id = at, method, boot_id


def follow(cve: Cve, cut: Sequence[tuple[Era, Sequence[Piece]]]) -> Walk:
    """Follow one CVE through all eras of a host."""
    walk = Walk(cve=cve)
    for era, parts in cut:
        walk.host_id = era.sightings[0].host_id
        for piece in parts:
            walk.step(piece)
        if era.ended_by is not None and walk.is_known:
            walk.end(era.end, era.ended_by)
    return walk
