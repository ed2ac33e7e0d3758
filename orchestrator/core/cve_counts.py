"""The exposure report by CVE: counted once for all CVEs that hosts have together, and only then told apart."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.core.exposure_counts import ExposureCounts, ExposureRow
from orchestrator.core.exposure_states import ClosedBy
from orchestrator.core.mark_dates import DatesKept, Instants, dates_of
from orchestrator.core.percentiles import Batch, Durations
from orchestrator.core.sla import SlaState
from orchestrator.core.standings import Mark, Span

_KEPT = 200_000
"""CVEs of sets that are counted at a time; what hosts do not share is told apart earlier."""


class SharedCounts:
    """Windows of CVEs that hosts have together: of each CVE there is one for every window here. They differ in nothing
    but when their own clocks began."""

    __slots__ = ("_disclosed", "_fixes", "counts", "cves", "marks")

    def __init__(self, marks: Sequence[Mark], wanted: Iterable[Mark]) -> None:
        self.marks = marks
        self.cves = {mark.cve: dates_of(mark) for mark in wanted}
        self.counts = ExposureCounts(is_of_one_cve=True)
        self._disclosed = _ByDate(disclosed for disclosed, _ in self.cves.values())
        self._fixes = _ByDate(fix for _, fix in self.cves.values())

    def add_fixed(self, host_id: str, span: Span, method: ClosedBy, at: Instants) -> None:
        """A window of each that a fix closed in the period."""
        self.counts.add_ended(method, 1)
        if method is ClosedBy.LIVE_PATCH:
            self.counts.boots.add((host_id, span.boot_id))
        self.counts.durations[2].add(_once(at, at.detected))
        self._disclosed.add(at, is_told_undated=span.is_reopened)
        self._fixes.add(at, is_told_undated=False)

    def told_apart(self) -> Iterator[tuple[Sequence[str], ExposureCounts]]:
        """CVEs for which it came to the same, and what that is."""
        found: defaultdict[tuple[float | None, float | None], list[str]] = defaultdict(list)
        for cve, (disclosed, fix) in self.cves.items():
            found[self._disclosed.like(disclosed), self._fixes.like(fix)].append(cve)
        for cves in found.values():
            counts = ExposureCounts(is_of_one_cve=True)
            counts.include(self.counts)
            for index, (dates, date) in enumerate(zip((self._disclosed, self._fixes), self.cves[cves[0]], strict=True)):
                counts.untold[index] += dates.add_to(counts.durations[index], date)
            yield cves, counts


class _ByDate:
    """How long windows were open by a clock that starts no earlier than a CVE's own date, for each of these dates."""

    __slots__ = ("_begun", "_dates", "_late", "_undated", "_untold")

    def __init__(self, dates: Iterable[float | None]) -> None:
        self._dates = sorted({date for date in dates if date is not None})
        # By how many of the dates had come when a window began: all of those have its whole length.
        self._begun: defaultdict[int, Durations] = defaultdict(Durations)
        self._late: defaultdict[float, Durations] = defaultdict(Durations)
        self._undated, self._untold = Durations(), 0

    def add(self, at: Instants, *, is_told_undated: bool) -> None:
        whole, come = _once(at, at.since), bisect_right(self._dates, at.since)
        self._begun[come].add(whole)
        for date in self._dates[come:]:
            self._late[date].add(_once(at, date))
        if is_told_undated:
            self._undated.add(whole)
        else:
            self._untold += 1

    def like(self, date: float | None) -> float | None:
        """The same for dates of which `add_to` says the same: all that had come when every window began are alike."""
        return date if date is None or date in self._late else self._dates[0]

    def add_to(self, durations: Durations, date: float | None) -> int:
        """How long those with that date were open. Returns of how many it cannot be told."""
        if date is None:
            durations.include(self._undated)
            return self._untold
        for come, begun in self._begun.items():
            if come and self._dates[come - 1] >= date:
                durations.include(begun)
        if date in self._late:
            durations.include(self._late[date])
        return 0


def _once(at: Instants, start: float) -> Batch:
    return Batch((at.known_since(start), 1.0), 1)


class CveCounts:
    """All rows by CVE while they are added up."""

    def __init__(self, dates: DatesKept) -> None:
        self._wanted = dates.wanted
        # By identity, as `core.mark_dates.DatesKept`.
        self._shared: dict[int, SharedCounts] = {}
        self._kept = 0
        self._parts: defaultdict[str, list[ExposureCounts]] = defaultdict(list)

    def of(self, marks: Sequence[Mark]) -> SharedCounts:
        """What hosts that share these marks have together."""
        found = self._shared.get(id(marks))
        if found is None:
            if self._kept > _KEPT:
                self._tell_apart()
            found = self._shared[id(marks)] = SharedCounts(marks, self._wanted(marks))
            self._kept += len(marks)
        return found

    def bear(self, cves: Iterable[str], state: SlaState) -> None:
        """One window of each, which was counted as ``state``, has its risk accepted."""
        for cve in cves:
            counts = ExposureCounts(is_of_one_cve=True)
            counts.add_now(((SlaState.ACCEPTED, 1), (state, -1)), opened=0, unknown=0)
            self._parts[cve].append(counts)

    def rows(self) -> Iterator[ExposureRow]:
        """What they came to: once for all that have the same parts."""
        self._tell_apart()
        alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
        for cve, parts in self._parts.items():
            alike[tuple(id(part) for part in parts)].append(cve)
        for cves in alike.values():
            counts = ExposureCounts(is_of_one_cve=True)
            for part in self._parts[cves[0]]:
                counts.include(part)
            row = counts.row(None)
            yield from (row.model_copy(update={"key": cve}) for cve in cves)

    def _tell_apart(self) -> None:
        for shared in self._shared.values():
            for cves, counts in shared.told_apart():
                for cve in cves:
                    self._parts[cve].append(counts)
        self._shared, self._kept = {}, 0
