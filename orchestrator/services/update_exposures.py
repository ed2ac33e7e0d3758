"""Bring exposure windows up to date: rebuilt for each host from its sightings and from all that was ever told."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from orchestrator.core.advisories import Imported
from orchestrator.core.courses import DueOf
from orchestrator.core.exposure import standings
from orchestrator.core.identity import HostRecord
from orchestrator.core.sla import due
from orchestrator.core.sla_policy import Adopted
from orchestrator.core.standings import Span, Standing
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.know_hosts import KnowHosts
from orchestrator.services.uncollected import uncollected

BATCH = 200
"""Hosts whose whole history is in memory at a time, and whose windows go to the store in one transaction."""

STALE = "exposures.stale"
"""Note: the standings are to be made anew. Left by migrations of the schema."""

TOLD = "exposures.told"
"""Note: the version of what feeds told that the windows of all hosts were made with."""

NEVER = "0"
"""That version before the first import."""

INCARNATIONS = "incarnations."
"""Notes: since when each incarnation of a host is trusted."""


@dataclass(kw_only=True)
class UpdateExposures:
    """Rebuilds what is derived. The same sightings and the same telling give the same windows, however often it runs.

    What is read of advisories is kept from one time to the next, until somebody changed it. Thread-safe: one at a time.
    """

    store: Store
    clock: Clock
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _known: KnowHosts | None = None
    _version: object = None

    def __call__(self, host_ids: Iterable[str]) -> None:
        """For these hosts."""
        self._rebuild(self.store.hosts.some(host_ids))

    def everywhere(self) -> None:
        """For every host, retired ones included: the catalogue changed, or the service levels did."""
        with self._turn:
            self._known = None
        self._rebuild(self.store.hosts.all())

    def catch_up(self) -> bool:
        """For every host, where an import was cut short before its hosts were told, or the schema was upgraded; whether
        that was so. Call it before anything else is imported."""
        stale = self.store.notes.get(STALE) is not None
        if not stale and self._told_version() == self.store.advisories.version():
            return False
        self.everywhere()
        self._all_told()
        self.store.notes.drop(STALE)
        return True

    def concerned(self, changed: Imported) -> None:
        """For the hosts that an import concerns: those that have a package or a CVE about which something changed."""
        with self._turn:
            if self._known is not None:
                self._known.forget(changed)
                self._version = (self.store.advisories.version(), self.store.catalogue.version())
        hosts = self.store.sightings.concerned(changed.packages) | self.store.exposures.hosts_with(changed.cves)
        self._rebuild(self.store.hosts.some(hosts))
        self._all_told()

    def _told_version(self) -> object:
        kept = self.store.notes.get(TOLD)
        return NEVER if kept is None else kept["version"]

    def _all_told(self) -> None:
        self.store.notes.put(TOLD, {"version": self.store.advisories.version()})

    def _rebuild(self, records: Sequence[HostRecord]) -> None:
        if not records:
            return
        with self._turn, uncollected():
            now, policies = self.clock.now(), self.store.policies.all()
            for start in range(0, len(records), BATCH):
                self._rebuild_batch(records[start : start + BATCH], policies, now)

    def _rebuild_batch(self, records: Sequence[HostRecord], policies: Sequence[Adopted], now: datetime) -> None:
        histories = self.store.sightings.history([record.id for record in records])
        known = self._knowing()
        known.learn(sighting for history in histories.values() for sighting in history)
        rebuilt: dict[str, tuple[Standing, ...]] = {}
        for record in records:
            rebuilt[record.id] = standings(
                histories.get(record.id, ()),
                known.timelines,
                now=now,
                retired_at=record.retired_at,
                incarnated_at=self._incarnated_at(record),
                due=_due_of(policies, record),
            )
        self.store.exposures.replace_many(rebuilt)
        known.let_go()

    def _knowing(self) -> KnowHosts:
        """What is known, read again where another process changed it."""
        version = (self.store.advisories.version(), self.store.catalogue.version())
        if self._known is None or version != self._version:
            self._known = KnowHosts(store=self.store, catalogue=self.store.catalogue.history())
            self._version = version
        return self._known

    def _incarnated_at(self, record: HostRecord) -> Mapping[int, datetime]:
        if record.incarnation == 1:
            return {1: record.incarnated_at}
        kept = self.store.notes.get(INCARNATIONS + record.id) or {}
        earlier = {int(number): datetime.fromisoformat(at) for number, at in kept.items()}
        return earlier | {record.incarnation: record.incarnated_at}


def _due_of(policies: Sequence[Adopted], record: HostRecord) -> DueOf:
    def due_of(
        spans: Sequence[Span], kev_due: date | None, kev_since: datetime | None, until: datetime
    ) -> tuple[datetime | None, str | None]:
        return due(policies, record, spans, kev_due=kev_due, kev_since=kev_since, until=until)

    return due_of


def remember_incarnation(store: Store, record: HostRecord) -> None:
    """Keep since when the record's incarnation was trusted, before the next one begins."""
    key = INCARNATIONS + record.id
    kept = store.notes.get(key) or {}
    store.notes.put(key, kept | {str(record.incarnation): record.incarnated_at.isoformat()})
