"""Report what closed and how long that took, what is open, and who was exposed for how long."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.exposure_summary import Counted, ExposureQuestion, ExposureSummary, Grouping, summarise
from orchestrator.core.patches import Severity
from orchestrator.core.periods import read_period
from orchestrator.core.sla_policy import in_force
from orchestrator.core.standings import Closure, Standing
from orchestrator.ports.runtime import Clock
from orchestrator.ports.sla import AcceptanceStore, PolicyStore
from orchestrator.ports.store import HostRegister


class WindowsKept(Protocol):
    """What of the store of exposures the report reads."""

    def all(self) -> Iterable[Standing]:
        """How every host stands now."""
        ...

    def closed_since(self, moment: datetime) -> Iterable[Closure]:
        """What closed then or later."""
        ...


@dataclass(frozen=True, kw_only=True)
class ReportExposure:
    """Read-only; contacts nobody."""

    windows: WindowsKept
    hosts: HostRegister
    policies: PolicyStore
    acceptances: AcceptanceStore
    clock: Clock

    def ask(
        self,
        *,
        by: Grouping | None = None,
        last: str | None = None,
        first_day: str | None = None,
        last_day: str | None = None,
        severities: Iterable[Severity] = (),
        kev_only: bool = False,
    ) -> ExposureQuestion:
        """The question, its period as `core.periods.read_period` reads it. Raises `InvalidInput`."""
        period = read_period(last, first_day, last_day, self.clock.now())
        return ExposureQuestion(period=period, by=by, severities=frozenset(severities), kev_only=kev_only)

    def __call__(self, asked: ExposureQuestion, host_ids: Collection[str] | None = None) -> ExposureSummary:
        """The answer as of now, of these hosts, or of all that ever were."""
        now = self.clock.now()
        records = self.hosts.all() if host_ids is None else self.hosts.some(host_ids)
        glances = self.hosts.glances()
        counted = Counted(
            hosts={record.id: record for record in records},
            silent={one.host_id: one.last_seen for one in glances if one.last_seen is not None and one.is_overdue(now)},
            risks=AcceptedRisks(self.acceptances.all()),
            due_soon=in_force(self.policies.all(), now).due_soon,
        )
        closures = self.windows.closed_since(asked.period.start)
        return summarise(closures, self.windows.all(), counted, asked, now)
