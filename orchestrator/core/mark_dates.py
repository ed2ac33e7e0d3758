"""The dates of the CVEs of closed windows, ready to be counted for many hosts: hosts share their CVEs."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from orchestrator.core.exposure_states import ExposureClock
from orchestrator.core.percentiles import Batch
from orchestrator.core.standings import Mark, Span

CLOCKS = (ExposureClock.DISCLOSED, ExposureClock.FIX_AVAILABLE, ExposureClock.DETECTED)
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
        dated = [dates_of(mark) for mark in marks]
        self.disclosed = _Dates(disclosed for disclosed, _ in dated if disclosed is not None)
        self.fixes = _Dates(fix for _, fix in dated if fix is not None)

    def spent(self, at: Instants, *, is_reopened: bool) -> tuple[Batch, ...]:
        """How long windows that opened and closed then were open, by each of `CLOCKS`, without the gaps in which nobody
        could tell. Those for which a clock cannot be told are left out of it."""
        undated = len(self.cves) - self.disclosed.count
        return (
            self.disclosed.spent(at, undated if is_reopened else 0),
            self.fixes.spent(at, 0),
            Batch((at.known_since(at.detected), float(len(self.cves))), len(self.cves)),
        )


class _Dates:
    """Each date once, in order, and how many marks have an earlier one."""

    __slots__ = ("_dates", "_earlier", "count")

    def __init__(self, dates: Iterable[float]) -> None:
        times = Counter(dates)
        self._dates = sorted(times)
        self._earlier = [0, *accumulate(times[date] for date in self._dates)]
        self.count = self._earlier[-1]

    def spent(self, at: Instants, more_at_start: int) -> Batch:
        """How long windows that opened and closed then were open, by a clock that starts no earlier than its date."""
        dates, earlier, known = self._dates, self._earlier, at.known_since
        first, late = bisect_right(dates, at.since), bisect_left(dates, at.closed)
        at_start = earlier[first] + more_at_start
        pairs = [known(at.since), float(at_start)] if at_start else []
        for index in range(first, late):
            pairs += (known(dates[index]), float(earlier[index + 1] - earlier[index]))
        if too_late := self.count - earlier[max(first, late)]:
            pairs += (0.0, float(too_late))
        return Batch(pairs, self.count + more_at_start)


def dates_of(mark: Mark) -> tuple[float | None, float | None]:
    """From when on the clocks ``disclosed`` and ``fix_available`` of its last window can run, as far as its own dates
    go. What was never more than unknown has no window, and no dates of one."""
    disclosed, fix = (mark.disclosed[-1], mark.fixes[-1]) if mark.disclosed else (None, None)
    later = fix if fix is None or disclosed is None else max(fix, disclosed)
    return _seconds(disclosed), _seconds(later)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


class DatesKept:
    """`MarkDates` of marks, made once for all hosts that share them. ``kev_only`` leaves out what is not in KEV."""

    def __init__(self, *, kev_only: bool = False) -> None:
        self._kev_only = kev_only
        # By identity: to compare them would cost as much as to make the dates. The marks are kept with it, so that
        # no other ones can take their place in memory.
        self._kept: dict[int, tuple[Sequence[Mark], MarkDates]] = {}
        self._count = 0

    def of(self, marks: Sequence[Mark]) -> MarkDates:
        """The dates of all of them together."""
        known = self._kept.get(id(marks))
        if known is None:
            if self._count > _KEPT:
                self._kept, self._count = {}, 0
            known = self._kept[id(marks)] = (marks, MarkDates(self.wanted(marks)))
            self._count += len(marks)
        return known[1]

    def wanted(self, marks: Sequence[Mark]) -> Sequence[Mark]:
        """Those that are not left out."""
        return [mark for mark in marks if mark.kev_due is not None] if self._kev_only else marks
