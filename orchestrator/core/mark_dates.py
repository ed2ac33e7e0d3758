"""The dates of the CVEs of closed windows, ready to be counted for many hosts: hosts share their CVEs."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrator.core.percentiles import Batch
from orchestrator.core.standings import Mark, Span

_KEPT = 200_000
"""CVEs whose dates are kept for the next host that has the same."""


class Instants(NamedTuple):
    """A span's instants in seconds since 1970."""

    since: float
    detected: float
    closed: float
    gaps: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, span: Span, closed: float) -> "Instants":
        """Of this span, which closed or is looked at then."""
        gaps = tuple([(start.timestamp(), end.timestamp()) for start, end in span.gaps]) if span.gaps else ()
        return cls(span.since.timestamp(), span.detected_at.timestamp(), closed, gaps)

    def known_since(self, start: float) -> float:
        """Seconds from then until it closed, without the gaps in which nobody could tell."""
        known = self.closed - start
        for begin, end in self.gaps:
            known -= max(0.0, min(end, self.closed) - max(begin, start))
        return max(0.0, known)


class MarkDates:
    """Sorted dates of some CVEs, of the one window that they share.

    As `core.standings.clocks` has it, but for all at once: a clock starts at the window's ``since`` for all that were
    disclosed (or fixed) by then, which is nearly all of them.
    """

    __slots__ = ("cves", "disclosed", "fixes")

    def __init__(self, marks: Sequence[Mark]) -> None:
        self.cves = tuple(mark.cve for mark in marks)
        self.disclosed = sorted(mark.disclosed[-1].timestamp() for mark in marks if mark.disclosed[-1] is not None)
        self.fixes = sorted(
            _later(mark.fixes[-1], mark.disclosed[-1]).timestamp() for mark in marks if mark.fixes[-1] is not None
        )

    def since_disclosed(self, at: Instants, *, is_reopened: bool) -> Batch:
        """By the clock ``disclosed``; those for which it cannot be told are left out."""
        undated = len(self.cves) - len(self.disclosed)
        return _spent(self.disclosed, at, undated if is_reopened else 0)

    def since_fixes(self, at: Instants) -> Batch:
        """By the clock ``fix_available``; those for which it cannot be told are left out."""
        return _spent(self.fixes, at, 0)


def _later(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else max(one, other)


def _spent(dates: Sequence[float], at: Instants, more_at_start: int) -> Batch:
    from_start, count = bisect_right(dates, at.since), len(dates)
    at_start = from_start + more_at_start
    pairs = [at.known_since(at.since), float(at_start)] if at_start else []
    if from_start < count:
        too_late = bisect_left(dates, at.closed)
        for date in dates[from_start:too_late]:
            pairs += (at.known_since(date), 1.0)
        pairs += (0.0, float(count - max(from_start, too_late)))
    return Batch(pairs, count + more_at_start)


class DatesKept:
    """`MarkDates` of marks, made once for all hosts that share them. ``kev_only`` leaves out what is not in KEV."""

    def __init__(self, *, kev_only: bool = False) -> None:
        self._kev_only = kev_only
        # By identity: to compare them would cost as much as to make the dates. The marks are kept with it, so that
        # no other ones can take their place in memory.
        self._kept: dict[int, tuple[Sequence[Mark], MarkDates]] = {}
        self._single: dict[int, tuple[MarkDates, ...]] = {}
        self._count = 0

    def of(self, marks: Sequence[Mark]) -> MarkDates:
        """The dates of all of them together."""
        known = self._kept.get(id(marks))
        if known is None:
            if self._count > _KEPT:
                self._kept, self._single, self._count = {}, {}, 0
            known = self._kept[id(marks)] = (marks, MarkDates(self._wanted(marks)))
            self._count += len(marks)
        return known[1]

    def each(self, marks: Sequence[Mark]) -> tuple[MarkDates, ...]:
        """The dates of each of them alone."""
        self.of(marks)
        known = self._single.get(id(marks))
        if known is None:
            known = self._single[id(marks)] = tuple(MarkDates((mark,)) for mark in self._wanted(marks))
        return known

    def _wanted(self, marks: Sequence[Mark]) -> Sequence[Mark]:
        return [mark for mark in marks if mark.kev_due is not None] if self._kev_only else marks
