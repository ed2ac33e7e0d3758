"""What one row of the exposure report adds up, window by window."""

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.core.exposed_time import ExposedTime, Stretch
from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.mark_dates import Instants, MarkDates
from orchestrator.core.model import Frozen
from orchestrator.core.percentiles import Batch, Durations
from orchestrator.core.sla import SlaState
from orchestrator.core.standings import Span

DAY = 86_400.0

NOT_FIXED = frozenset({ClosedBy.WITHDRAWN, ClosedBy.HOST_REPLACED})
"""Ends of a window that are no fix: outside time to patch."""


class ClockSummary(Frozen):
    """Time to patch by one clock, in seconds: of ``windows`` windows; of ``untold`` more it cannot be told. The
    percentiles are nearest ranks, None without any window."""

    windows: int = 0
    untold: int = 0
    median: float | None = None
    p90: float | None = None
    max: float | None = None


class ExposureRow(Frozen):
    """One row of the report. What is counted are windows, which are pairs of host and CVE, but for the last four.

    ``key`` is what the row is of; None for those that have none (no customer, closed by no tool yet). ``closed`` were
    fixed in the period, by ``methods``; ``withdrawn`` and ``host_replaced`` ended in it otherwise. ``open``,
    ``breached``, ``due_soon``, ``accepted`` and ``unknown`` are as of now: windows that are open, of them those that
    service levels say so of, and pairs of which nobody can tell how they stand. ``hosts``: how many have anything
    in this row. ``reboots_avoided``: boots of a host in which a live patch closed a window. ``exposed_host_days``:
    time in the period in which a host had an open window, summed over hosts; ``exposed_cve_days``: summed over windows.
    Both begin at detection and leave out when nobody could tell.
    """

    key: str | None
    closed: int
    methods: dict[ClosedBy, int]
    withdrawn: int
    host_replaced: int
    time_to_patch: dict[ExposureClock, ClockSummary]
    open: int
    breached: int
    due_soon: int
    accepted: int
    unknown: int
    hosts: int
    reboots_avoided: int
    exposed_host_days: float
    exposed_cve_days: float


class Measured:
    """Closed windows of one host that were measured once, for all rows that they count in."""

    __slots__ = ("boot", "by_clock", "method", "windows")

    def __init__(self, host_id: str, span: Span, method: ClosedBy, at: Instants, dates: MarkDates) -> None:
        self.method = method
        self.boot = (host_id, span.boot_id) if method is ClosedBy.LIVE_PATCH else None
        self.windows = len(dates.cves)
        self.by_clock = (
            dates.since_disclosed(at, is_reopened=span.is_reopened),
            dates.since_fixes(at),
            Batch((at.known_since(at.detected), float(self.windows)), self.windows),
        )


_CLOCKS = (ExposureClock.DISCLOSED, ExposureClock.FIX_AVAILABLE, ExposureClock.DETECTED)


class ExposureCounts:
    """One row while it is added up. ``is_of_one_cve``: windows of one host are one after the other, never at a time."""

    __slots__ = (
        "_boots", "_cve_seconds", "_durations", "_hosts", "_is_of_one_cve", "_methods", "_sla", "_time", "_unknown",
        "_untold", "open",
    )  # fmt: skip

    def __init__(self, *, is_of_one_cve: bool = False) -> None:
        self._is_of_one_cve = is_of_one_cve
        self._hosts: set[str] = set()
        self.open = 0
        self._unknown = 0
        self._methods: Counter[ClosedBy] = Counter()
        self._sla: Counter[SlaState] = Counter()
        self._durations = tuple(Durations() for _ in _CLOCKS)
        self._untold = [0 for _ in _CLOCKS]
        self._boots: set[tuple[str, str | None]] = set()
        self._time: dict[str, ExposedTime] = {}
        self._cve_seconds = 0.0

    def add_fixed(self, measured: Measured) -> None:
        """Windows that a fix closed in the period."""
        self._methods[measured.method] += measured.windows
        if measured.boot is not None:
            self._boots.add(measured.boot)
        for index, batch in enumerate(measured.by_clock):
            self._durations[index].add(batch)
            self._untold[index] += measured.windows - batch.count

    def add_ended(self, method: ClosedBy, windows: int) -> None:
        """Windows that ended in the period without a fix."""
        self._methods[method] += windows

    def add_exposed(self, host_id: str, stretches: Sequence[Stretch], windows: int) -> None:
        """When they were open, within the period."""
        self._hosts.add(host_id)
        for start, end in stretches:
            self._cve_seconds += windows * (end - start)
        if stretches and not self._is_of_one_cve:
            time = self._time.get(host_id)
            if time is None:
                time = self._time[host_id] = ExposedTime()
            for stretch in stretches:
                time.add(stretch)

    def add_now(self, sla: Sequence[tuple[SlaState, int]], *, opened: int, unknown: int) -> None:
        """How pairs of a host stand now."""
        self.open += opened
        self._unknown += unknown
        for state, count in sla:
            self._sla[state] += count

    def row(self, key: str | None) -> ExposureRow:
        """What it came to."""
        fixed = {method: count for method, count in sorted(self._methods.items()) if method not in NOT_FIXED}
        return ExposureRow(
            key=key,
            closed=sum(fixed.values()),
            methods=fixed,
            withdrawn=self._methods[ClosedBy.WITHDRAWN],
            host_replaced=self._methods[ClosedBy.HOST_REPLACED],
            time_to_patch=dict(self._clocks()),
            open=self.open,
            breached=self._sla[SlaState.BREACHED],
            due_soon=self._sla[SlaState.DUE_SOON],
            accepted=self._sla[SlaState.ACCEPTED],
            unknown=self._unknown,
            hosts=len(self._hosts),
            reboots_avoided=len(self._boots),
            exposed_host_days=self._host_seconds() / DAY,
            exposed_cve_days=self._cve_seconds / DAY,
        )

    def _host_seconds(self) -> float:
        return self._cve_seconds if self._is_of_one_cve else sum(time.seconds() for time in self._time.values())

    def _clocks(self) -> Iterator[tuple[ExposureClock, ClockSummary]]:
        for clock, durations, untold in zip(_CLOCKS, self._durations, self._untold, strict=True):
            median, p90 = durations.percentiles(50, 90)
            yield (
                clock,
                ClockSummary(windows=durations.count, untold=untold, median=median, p90=p90, max=durations.most),
            )
