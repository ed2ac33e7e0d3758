"""Read where hosts stand with CVEs, without touching any host: as the CLI, the API and plans show it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.acceptances import AcceptedRisks, accepted_until
from orchestrator.core.exposure_report import exposure_row
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.facts import Facts
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.identity import HostRecord
from orchestrator.core.images import image_of
from orchestrator.core.patches import Severity
from orchestrator.core.sla import sla_state
from orchestrator.core.sla_policy import DueSoon, in_force
from orchestrator.core.standings import Standing, exposures
from orchestrator.core.windows import Exposure
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store

Json = dict[str, Any]

BATCH = 100
"""Hosts whose standings are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which exposures: all that is given must hold. ``host_ids`` None: of every host; ``after``: only what stands after
    this host name and CVE; ``is_kev``: known to be exploited, or not."""

    host_ids: Collection[str] | None = None
    cve: str | None = None
    states: Collection[ExposureState] = ()
    severities: Collection[Severity] = ()
    is_kev: bool | None = None
    after: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class ReadExposures:
    """Everything here is read-only and contacts nobody. What nobody looked at in time is unknown; what is over is left
    out, and so are retired hosts."""

    store: Store
    clock: Clock

    def __call__(self, wanted: Wanted = Wanted()) -> Iterator[Exposure]:
        """By host name and CVE."""
        yield from (exposure for _, exposure in self._found(wanted, self.clock.now()))

    def rows(self, wanted: Wanted = Wanted()) -> Iterator[Json]:
        """The rows of ``exposure list --json``, in the same order."""
        now = self.clock.now()
        risks = AcceptedRisks(self.store.acceptances.all())
        due_soon = in_force(self.store.policies.all(), now).due_soon
        for record, exposure in self._found(wanted, now):
            yield row_of(record, exposure, risks, due_soon, now)

    def untold(self, wanted: Wanted = Wanted()) -> Mapping[str, tuple[str, ...]]:
        """The hosts of which nobody can tell whether something concerns them, by name, with what is missing: they were
        never checked, or what was seen of kernel, packages or distribution is not enough."""
        records = self._records(wanted)
        latest = self.store.sightings.latest([record.id for record in records])
        known: dict[str, tuple[str, ...]] = {}
        for record in records:
            sighting = latest.get(record.id)
            gaps = ("it was never checked",) if sighting is None else _gaps(sighting.facts)
            if gaps:
                known[record.name] = gaps
        return known

    def _found(self, wanted: Wanted, now: datetime) -> Iterator[tuple[HostRecord, Exposure]]:
        records = self._records(wanted)
        glances = {one.host_id: one for one in self.store.hosts.glances()}
        if wanted.cve is not None:
            yield from self._of_cve(wanted, wanted.cve, records, glances, now)
            return
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            standings = self.store.exposures.of([record.id for record in batch])
            for record in batch:
                found = _told(standings.get(record.id, ()), glances.get(record.id), wanted, now)
                for exposure in sorted(found, key=lambda one: one.cve):
                    if wanted.after is None or (record.name, exposure.cve) > wanted.after:
                        yield record, exposure

    def _of_cve(
        self, wanted: Wanted, cve: str, records: Sequence[HostRecord], glances: Mapping[str, HostGlance], now: datetime
    ) -> Iterator[tuple[HostRecord, Exposure]]:
        by_host: dict[str, list[Standing]] = {}
        for standing in self.store.exposures.with_cve(cve):
            by_host.setdefault(standing.host_id, []).append(standing)
        for record in records:
            for exposure in _told(by_host.get(record.id, ()), glances.get(record.id), wanted, now):
                if exposure.cve == cve and (wanted.after is None or (record.name, cve) > wanted.after):
                    yield record, exposure

    def _records(self, wanted: Wanted) -> list[HostRecord]:
        known = self.store.hosts.all() if wanted.host_ids is None else self.store.hosts.some(wanted.host_ids)
        first = "" if wanted.after is None else wanted.after[0]
        return [record for record in known if record.retired_at is None and record.name >= first]


def _gaps(facts: Facts) -> tuple[str, ...]:
    """The package list itself is not looked at: that it is known is told by its fingerprint."""
    return image_of(facts, ()).gaps


def _told(standings: Sequence[Standing], host: HostGlance | None, wanted: Wanted, now: datetime) -> Iterator[Exposure]:
    for standing in standings:
        if standing.is_over or host is None:
            continue
        seen = as_of(standing, host, now)
        if wanted.states and seen.state not in wanted.states:
            continue
        if wanted.severities and seen.severity not in wanted.severities:
            continue
        if wanted.is_kev is None or wanted.is_kev is (seen.marks[0].kev_due is not None):
            yield from exposures(seen)


def as_of(standing: Standing, host: HostGlance, now: datetime) -> Standing:
    """The standing as of ``now``: silence past the time when a check was due makes it unknown."""
    if host.last_seen is None or not host.is_overdue(now) or standing.state is ExposureState.UNKNOWN:
        return standing
    silent = {"state": ExposureState.UNKNOWN, "reason": None, "since": host.last_seen}
    return standing.model_copy(update=silent)


def row_of(record: HostRecord, exposure: Exposure, risks: AcceptedRisks, due_soon: DueSoon, now: datetime) -> Json:
    """One row, with how it stands against its service level."""
    concerning = risks.concerning(record, exposure.cve)
    last = exposure.windows[-1] if exposure.windows else None
    return exposure_row(
        exposure,
        record.name,
        now,
        accepted_until=accepted_until(concerning, now),
        sla=None if last is None else sla_state(last, now, concerning, due_soon),
    )
