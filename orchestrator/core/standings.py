"""Standings: the CVEs of one host that share a timeline, kept together. Hosts with the same history share the CVEs.

A host is exposed to hundreds of CVEs at a time, and nearly all of them began with the same check and end with the same
one. So a host has a few standings, each with the times that are its own, and each with a set of `Mark`s that other
hosts have as well: ten thousand hosts do not come to millions of rows.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, NamedTuple

from pydantic import SkipValidation

from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureState, Remedy
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Severity
from orchestrator.core.windows import ClockSeconds, Exposure, Window


class Mark(NamedTuple):
    """A CVE in a standing, and its own dates, of disclosure and of the fix: one of each for every window, as they were
    known when it closed, or are now. None: not known. ``kev_since``: when we learned of ``kev_due``."""

    cve: str
    disclosed: tuple[datetime | None, ...]
    fixes: tuple[datetime | None, ...]
    kev_due: date | None = None
    kev_since: datetime | None = None


class Graded(NamedTuple):
    """Since when a severity was known to us."""

    severity: Severity
    since: datetime


Marks = Annotated[tuple[Mark, ...], SkipValidation]
"""As they are given, not copied: hosts share them, and are many."""


class Gap(NamedTuple):
    """From when to when nobody could tell."""

    start: datetime
    end: datetime


class Span(Frozen):
    """One exposure window of all CVEs of a standing. ``since`` starts its clocks; the rest is as in a `Window`.

    ``severity`` is that of when it closed, or now. ``gaps`` are the ended ones that fall into it. ``due_at``: when the
    service level ``policy`` wants it closed; None where no policy sets a time. ``grades``: what was known of the
    severity while it was open, oldest first, where that changed; empty where it was ``severity`` all along.
    """

    since: Moment
    detected_at: Moment
    severity: Severity = Severity.UNKNOWN
    grades: tuple[Graded, ...] = ()
    is_reopened: bool = False
    closed_at: Moment | None = None
    method: ClosedBy | None = None
    tool: str | None = None
    boot_id: str | None = None
    gaps: tuple[Gap, ...] = ()
    due_at: Moment | None = None
    policy: str | None = None


class Standing(Frozen):
    """Where one host stands with some CVEs. ``marks`` are sorted by CVE and never empty; each has as many dates as
    there are ``spans``. ``unknown_seconds``: of the gaps that have ended; one that goes on began at ``since``.
    ``is_over``: nobody tells of them any more, or the machine is gone; ``state`` is unknown then."""

    host_id: str
    severity: Severity
    state: ExposureState
    reason: CoveredBy | None = None
    remedy: Remedy
    since: Moment
    spans: tuple[Span, ...]
    unknown_seconds: float = 0.0
    is_over: bool = False
    marks: Marks


class Closure(Frozen):
    """Windows of one host that opened together and closed together: appended once, never changed. Each mark has the
    dates of this one window."""

    host_id: str
    span: Span
    marks: Marks


def exposures(standing: Standing) -> Iterator[Exposure]:
    """One by one, by CVE."""
    for mark in standing.marks:
        yield Exposure(
            host_id=standing.host_id,
            cve=mark.cve,
            severity=standing.severity,
            state=standing.state,
            reason=standing.reason,
            remedy=standing.remedy,
            since=standing.since,
            windows=tuple(window_of(standing.host_id, span, mark, index) for index, span in enumerate(standing.spans)),
            unknown_seconds=standing.unknown_seconds,
            is_over=standing.is_over,
        )


def clocks(span: Span, disclosed: datetime | None, fix: datetime | None) -> tuple[datetime | None, datetime | None]:
    """When the clocks ``disclosed`` and ``fix_available`` of a window started, by the dates of its CVE.

    Without a date of disclosure the first window's clock cannot be told; that of a later one starts when the host
    became exposed again, for by then the world knew. None starts after the window closed.
    """
    known = span.since if span.is_reopened else None
    disclosed_at = known if disclosed is None else max(disclosed, span.since)
    fix_at = None if fix is None else max(disclosed_at or span.since, fix)
    return _at_most(disclosed_at, span.closed_at), _at_most(fix_at, span.closed_at)


def _at_most(moment: datetime | None, last: datetime | None) -> datetime | None:
    return moment if moment is None or last is None else min(moment, last)


def window_of(host_id: str, span: Span, mark: Mark, index: int = 0) -> Window:
    """One of them, by the dates that the mark has at that index. `core.mark_dates` counts very many without making
    each; it comes to the same."""
    disclosed_at, fix_at = clocks(span, mark.disclosed[index], mark.fixes[index])
    return Window(
        host_id=host_id,
        cve=mark.cve,
        severity=span.severity,
        index=index,
        disclosed_at=disclosed_at,
        fix_available_at=fix_at,
        detected_at=span.detected_at,
        closed_at=span.closed_at,
        method=span.method,
        tool=span.tool,
        boot_id=span.boot_id,
        due_at=span.due_at,
        policy=span.policy,
        unknown=_unknown(span, disclosed_at, fix_at),
    )


def _unknown(span: Span, disclosed_at: datetime | None, fix_at: datetime | None) -> ClockSeconds:
    return ClockSeconds(
        disclosed=_left_out(span, disclosed_at),
        fix_available=_left_out(span, fix_at),
        detected=_left_out(span, span.detected_at),
    )


def _left_out(span: Span, start: datetime | None) -> float:
    if start is None:
        return 0.0
    ends = [gap.end if span.closed_at is None else min(gap.end, span.closed_at) for gap in span.gaps]
    return sum(
        max(0.0, (end - max(gap.start, start)).total_seconds()) for gap, end in zip(span.gaps, ends, strict=True)
    )
