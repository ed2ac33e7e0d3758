"""Bring exposure windows up to date: rebuilt for each host from its sightings and the catalogue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.exposure import standings
from orchestrator.core.identity import HostRecord
from orchestrator.core.matcher import Matcher
from orchestrator.core.standings import Standing
from orchestrator.core.timelines import Timelines
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store

BATCH = 200
"""Hosts whose whole history is in memory at a time, and whose windows go to the store in one transaction."""

INCARNATIONS = "incarnations."
"""Notes: since when each incarnation of a host is trusted."""


@dataclass(frozen=True, kw_only=True)
class UpdateExposures:
    """Rebuilds what is derived. The same sightings and catalogue give the same windows, however often it runs."""

    store: Store
    clock: Clock

    def __call__(self, host_ids: Iterable[str]) -> None:
        """For these hosts."""
        self._rebuild(self.store.hosts.some(host_ids))

    def everywhere(self) -> None:
        """For every host, retired ones included: the catalogue changed."""
        self._rebuild(self.store.hosts.all())

    def _rebuild(self, records: Sequence[HostRecord]) -> None:
        if not records:
            return
        now, timelines = self.clock.now(), Timelines(Matcher(self.store.catalogue.history()))
        for start in range(0, len(records), BATCH):
            self._rebuild_batch(records[start : start + BATCH], timelines, now)

    def _rebuild_batch(self, records: Sequence[HostRecord], timelines: Timelines, now: datetime) -> None:
        histories = self.store.sightings.history([record.id for record in records])
        rebuilt: dict[str, tuple[Standing, ...]] = {}
        for record in records:
            rebuilt[record.id] = standings(
                histories.get(record.id, ()),
                timelines,
                now=now,
                retired_at=record.retired_at,
                incarnated_at=self._incarnated_at(record),
            )
        self.store.exposures.replace_many(rebuilt)

    def _incarnated_at(self, record: HostRecord) -> Mapping[int, datetime]:
        if record.incarnation == 1:
            return {1: record.incarnated_at}
        kept = self.store.notes.get(INCARNATIONS + record.id) or {}
        earlier = {int(number): datetime.fromisoformat(at) for number, at in kept.items()}
        return earlier | {record.incarnation: record.incarnated_at}


def remember_incarnation(store: Store, record: HostRecord) -> None:
    """Keep since when the record's incarnation was trusted, before the next one begins."""
    key = INCARNATIONS + record.id
    kept = store.notes.get(key) or {}
    store.notes.put(key, kept | {str(record.incarnation): record.incarnated_at.isoformat()})
