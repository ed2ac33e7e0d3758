"""What one row of the exposure report adds up, window by window."""

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.core.exposed_time import ExposedTime, Stretch
from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.mark_dates import CLOCKS, Instants, MarkDates
from orchestrator.core.model import Frozen
from orchestrator.core.percentiles import Durations
from orchestrator.core.sla import SlaState
from orchestrator.core.standings import Span

DAY = 86_400.0


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
        self.by_clock = dates.spent(at, is_reopened=span.is_reopened)


class ExposureCounts:
    """One row while it is added up. ``is_of_one_cve``: windows of one host are one after the other, never at a time."""

    __slots__ = (
        "_is_of_one_cve",
        "boots",
        "cve_seconds",
        "durations",
        "hosts",
        "methods",
        "open",
        "sla",
        "time",
        "unknown",
        "untold",
    )  # fmt: skip

    def __init__(self, *, is_of_one_cve: bool = False) -> None:
        self._is_of_one_cve = is_of_one_cve
        self.hosts: set[str] = set()
        self.open = 0
        self.unknown = 0
        self.methods: Counter[ClosedBy] = Counter()
        self.sla: Counter[SlaState] = Counter()
        self.durations = tuple(Durations() for _ in CLOCKS)
        self.untold = [0 for _ in CLOCKS]
        self.boots: set[tuple[str, str | None]] = set()
        self.time: dict[str, ExposedTime] = {}
        self.cve_seconds = 0.0

    def add_fixed(self, measured: Measured) -> None:
        """Windows that a fix closed in the period."""
        self.methods[measured.method] += measured.windows
        if measured.boot is not None:
            self.boots.add(measured.boot)
        for index, batch in enumerate(measured.by_clock):
            self.durations[index].add(batch)
            self.untold[index] += measured.windows - batch.count

    def add_ended(self, method: ClosedBy, windows: int) -> None:
        """Windows that ended in the period without a fix."""
        self.methods[method] += windows

    def add_exposed(self, host_id: str, stretches: Sequence[Stretch], windows: int) -> None:
        """When they were open, within the period."""
        self.hosts.add(host_id)
        for start, end in stretches:
            self.cve_seconds += windows * (end - start)
        if stretches and not self._is_of_one_cve:
            time = self.time.get(host_id)
            if time is None:
                time = self.time[host_id] = ExposedTime()
            for stretch in stretches:
                time.add(stretch)

    def add_now(self, sla: Sequence[tuple[SlaState, int]], *, opened: int, unknown: int) -> None:
        """How pairs of a host stand now."""
        self.open += opened
        self.unknown += unknown
        for state, count in sla:
            self.sla[state] += count

    def include(self, other: "ExposureCounts") -> None:
        """Take in all that another row counted."""
        self.open += other.open
        self.unknown += other.unknown
        self.methods.update(other.methods)
        self.sla.update(other.sla)
        self.boots |= other.boots
        self.hosts |= other.hosts
        self.cve_seconds += other.cve_seconds
        for index, durations in enumerate(other.durations):
            self.durations[index].include(durations)
            self.untold[index] += other.untold[index]
        for host_id, time in other.time.items():
            self.time.setdefault(host_id, ExposedTime()).include(time)

    def row(self, key: str | None) -> ExposureRow:
        """What it came to."""
        fixed = {method: count for method, count in sorted(self.methods.items()) if method.is_fix}
        return ExposureRow(
            key=key,
            closed=sum(fixed.values()),
            methods=fixed,
            withdrawn=self.methods[ClosedBy.WITHDRAWN],
            host_replaced=self.methods[ClosedBy.HOST_REPLACED],
            time_to_patch=dict(self._clocks()),
            open=self.open,
            breached=self.sla[SlaState.BREACHED],
            due_soon=self.sla[SlaState.DUE_SOON],
            accepted=self.sla[SlaState.ACCEPTED],
            unknown=self.unknown,
            hosts=len(self.hosts),
            reboots_avoided=len(self.boots),
            exposed_host_days=self._host_seconds() / DAY,
            exposed_cve_days=self.cve_seconds / DAY,
        )

    def _host_seconds(self) -> float:
        return self.cve_seconds if self._is_of_one_cve else sum(time.seconds() for time in self.time.values())

    def _clocks(self) -> Iterator[tuple[ExposureClock, ClockSummary]]:
        for clock, durations, untold in zip(CLOCKS, self.durations, self.untold, strict=True):
            median, p90 = durations.percentiles(50, 90)
            yield (
                clock,
                ClockSummary(windows=durations.count, untold=untold, median=median, p90=p90, max=durations.most),
            )
