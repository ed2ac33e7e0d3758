"""The exposure report: what closed in a period and how long that took, what is open now, and who was exposed for how
long; in all, and by host, group, customer, CVE, severity or what closed it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import model_validator

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.cve_counts import CveCounts
from orchestrator.core.exposed_time import Stretch, without
from orchestrator.core.exposure_counts import ExposureCounts, ExposureRow, Measured
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.identity import HostRecord
from orchestrator.core.mark_dates import DatesKept, Instants, MarkDates
from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import WORST_FIRST, Severity
from orchestrator.core.sla import SlaState, sla_state
from orchestrator.core.sla_policy import DueSoon
from orchestrator.core.standings import Closure, Standing


class Grouping(Meaning):
    """What a row of the report is of."""

    HOST = "host", "One host, by its name."
    GROUP = "group", "A group of the inventory; a host counts in each of its groups."
    CUSTOMER = "customer", "A customer's hosts."
    CVE = "cve", "One CVE."
    SEVERITY = "severity", "A severity: that of when the window closed, or now."
    TOOL = "tool", "What closed it: the live-patch tool, else `reboot` or `package`, or how else it ended."


class Period(Frozen):
    """From ``start`` to before ``end``."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _has_length(self) -> "Period":
        if self.end <= self.start:
            raise ValueError("it ends before it begins")
        return self


class ExposureQuestion(Frozen):
    """What is asked of the report. ``severities`` empty: all; ``kev_only``: of CISA's list of exploited CVEs alone."""

    period: Period
    by: Grouping | None = None
    severities: frozenset[Severity] = frozenset()
    kev_only: bool = False


class ExposureSummary(Frozen):
    """The answer, as of ``now``. ``rows`` are by their keys, severities worst first, those without a key last."""

    asked: ExposureQuestion
    now: Moment
    total: ExposureRow
    rows: tuple[ExposureRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Whose windows are counted: ``hosts`` by id, retired ones included. ``silent``: those of them that no check saw in
    time, and since when nobody can tell how they stand. ``due_soon`` is of the policy in force."""

    hosts: Mapping[str, HostRecord]
    silent: Mapping[str, datetime] = field(default_factory=dict)
    risks: AcceptedRisks = field(default_factory=AcceptedRisks)
    due_soon: DueSoon = field(default_factory=DueSoon)


def summarise(
    closures: Iterable[Closure],
    standings: Iterable[Standing],
    fleet: Counted,
    asked: ExposureQuestion,
    now: datetime,
) -> ExposureSummary:
    """Count. ``closures`` are all that closed since the period began, earlier ones may be among them; of ``standings``
    the open windows are counted. Both are read once, one by one; what is kept grows with hosts and rows."""
    report = _Report(fleet, asked, now)
    for closure in closures:
        report.add_closure(closure)
    for standing in standings:
        report.add_standing(standing)
    return report.summary()


Part = tuple[Sequence[ExposureCounts], MarkDates]
"""Windows, and the rows that they count in."""


class _Report:
    def __init__(self, fleet: Counted, asked: ExposureQuestion, now: datetime) -> None:
        self._fleet, self._asked, self._now = fleet, asked, now
        self._start, self._end = asked.period.start.timestamp(), min(now, asked.period.end).timestamp()
        self._has_risks = bool(fleet.risks.cves)
        self._dates = DatesKept(kev_only=asked.kev_only)
        self._total = ExposureCounts()
        self._rows: defaultdict[str | None, ExposureCounts] = defaultdict(ExposureCounts)
        self._by_cve = CveCounts(self._dates) if asked.by is Grouping.CVE else None
        self._keys, self._adds_up = _KEYS[asked.by], asked.by in _ADD_UP

    def add_closure(self, closure: Closure) -> None:
        host, span = self._fleet.hosts.get(closure.host_id), closure.span
        if host is None or span.closed_at is None or span.method is None or not self._is_wanted(span.severity):
            return
        closed = span.closed_at.timestamp()
        if closed < self._start:
            return
        at = Instants.of(span, closed)
        stretches = self._stretches(at)
        is_in, is_fix = span.closed_at < self._asked.period.end, span.method.is_fix
        for rows, dates in self._parts(host, closure, span.severity, span.tool or span.method):
            count = len(dates.cves)
            measured = Measured(host.id, span, span.method, at, dates) if is_in and is_fix else None
            for row in rows:
                row.add_exposed(host.id, stretches, count)
                if measured is not None:
                    row.add_fixed(measured)
                elif is_in:
                    row.add_ended(span.method, count)
        if self._by_cve is not None:
            shared = self._by_cve.of(closure.marks)
            shared.counts.add_exposed(host.id, stretches, 1)
            if is_in and is_fix:
                shared.add_fixed(host.id, span, span.method, at)
            elif is_in:
                shared.counts.add_ended(span.method, 1)

    def add_standing(self, standing: Standing) -> None:
        host = self._fleet.hosts.get(standing.host_id)
        if host is None or host.is_retired or standing.is_over or not self._is_wanted(standing.severity):
            return
        silent = self._fleet.silent.get(host.id)
        is_unknown = silent is not None or standing.state is ExposureState.UNKNOWN
        span = standing.spans[-1] if standing.spans and standing.spans[-1].closed_at is None else None
        if span is None and not is_unknown:
            return
        told = min(standing.since if standing.state is ExposureState.UNKNOWN else self._now, silent or self._now)
        stretches = () if span is None else self._stretches(Instants.of(span, told.timestamp()))
        state = None if span is None else sla_state(span, self._now, (), self._fleet.due_soon)
        for rows, dates in self._parts(host, standing, standing.severity, None):
            count, borne = len(dates.cves), len(self._borne(host, dates.cves))
            sla = () if state is None else ((SlaState.ACCEPTED, borne), (state, count - borne))
            for row in rows:
                row.add_now(sla, opened=count if span is not None else 0, unknown=count if is_unknown else 0)
                row.add_exposed(host.id, stretches, count)
        if self._by_cve is not None:
            shared = self._by_cve.of(standing.marks)
            shared.counts.add_now(((state, 1),) if state else (), opened=int(span is not None), unknown=int(is_unknown))
            shared.counts.add_exposed(host.id, stretches, 1)
            if state is not None:
                self._by_cve.bear(self._borne(host, shared.cves), state)

    def summary(self) -> ExposureSummary:
        if self._adds_up:
            for counts in self._rows.values():
                self._total.include(counts)
        rows = [counts.row(key) for key, counts in self._rows.items()]
        rows.extend(self._by_cve.rows() if self._by_cve is not None else ())
        order = _in_order(self._asked.by)
        return ExposureSummary(
            asked=self._asked, now=self._now, total=self._total.row(None), rows=tuple(sorted(rows, key=order))
        )

    def _is_wanted(self, severity: Severity) -> bool:
        return not self._asked.severities or severity in self._asked.severities

    def _stretches(self, at: Instants) -> tuple[Stretch, ...]:
        """When the window was open and known to be, within the period."""
        start = max(self._start, at.detected)
        end = min(self._end, at.closed)
        if start >= end:
            return ()
        return tuple(without((start, end), at.gaps)) if at.gaps else ((start, end),)

    def _parts(self, host: HostRecord, of: Closure | Standing, severity: Severity, tool: str | None) -> Iterator[Part]:
        """The CVEs of it, beside the rows they count in, other than by CVE; none without one that is asked for."""
        dates = self._dates.of(of.marks)
        if not dates.cves:
            return
        total = () if self._adds_up else (self._total,)
        yield (*total, *(self._rows[key] for key in self._keys(host, severity, tool))), dates

    def _borne(self, host: HostRecord, cves: Collection[str]) -> Sequence[str]:
        """Of these the ones whose risk is accepted. Accepted risks are few, CVEs are not."""
        risks = self._fleet.risks
        concerned = risks.cves.intersection(cves) if self._has_risks else ()
        return [cve for cve in concerned if any(risk.holds(self._now) for risk in risks.concerning(host, cve))]


Keys = Callable[[HostRecord, Severity, str | None], Sequence[str | None]]

_KEYS: Mapping[Grouping | None, Keys] = {
    None: lambda _host, _severity, _tool: (),
    Grouping.CVE: lambda _host, _severity, _tool: (),
    Grouping.HOST: lambda host, _severity, _tool: (host.name,),
    Grouping.GROUP: lambda host, _severity, _tool: host.groups or (None,),
    Grouping.CUSTOMER: lambda host, _severity, _tool: (host.customer,),
    Grouping.SEVERITY: lambda _host, severity, _tool: (severity.value,),
    Grouping.TOOL: lambda _host, _severity, tool: (tool,),
}
"""The rows that windows of a host count in; by CVE they are told apart by their marks."""

_ADD_UP = frozenset({Grouping.HOST, Grouping.CUSTOMER, Grouping.SEVERITY, Grouping.TOOL})
"""Every window is in exactly one row: the total is made of them, once they are whole. By CVE it would be as well, were
hosts exposed to one CVE at a time."""


def _in_order(by: Grouping | None) -> Callable[[ExposureRow], tuple[bool, int, str]]:
    ranks: Mapping[str, int] = {}
    if by is Grouping.SEVERITY:
        ranks = {severity.value: rank for rank, severity in enumerate(WORST_FIRST)}
    return lambda row: (row.key is None, ranks.get(row.key or "", 0), row.key or "")
