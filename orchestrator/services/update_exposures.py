"""Bring exposure windows up to date: rebuilt for each host from its sightings and from all that was ever told."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from orchestrator.core.advisories import PackageKey
from orchestrator.core.courses import DueOf
from orchestrator.core.exposure import standings
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Cve
from orchestrator.core.sla import due_at
from orchestrator.core.sla_policy import Adopted, Levels, in_force
from orchestrator.core.standings import Span, Standing
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Change, Store
from orchestrator.services.host_lives import incarnations, retirements
from orchestrator.services.know_hosts import KnowHosts
from orchestrator.services.uncollected import uncollected

BATCH = 200
"""Hosts whose whole history is in memory at a time, and whose windows go to the store in one transaction."""

TRIES = 5
"""How often the same hosts are rebuilt where something changed meanwhile, before they are left to the next time."""

STALE = "exposures.stale"
"""Note: the standings are to be made anew. Left by migrations of the schema."""


@dataclass(kw_only=True)
class UpdateExposures:
    """Rebuilds what is derived. The same sightings and the same telling give the same windows, however often it runs.

    What changed is written down with the change itself, and crossed out when hosts were rebuilt with it: whoever comes
    after a process that died in between does what it left undone. What is read of advisories is kept from one time to
    the next, until somebody changed it. Thread-safe: one at a time.
    """

    store: Store
    clock: Clock
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _known: KnowHosts | None = None
    _version: int = 0

    def __call__(self, host_ids: Iterable[str]) -> None:
        """For these hosts."""
        self._rebuild(host_ids)

    def everywhere(self) -> None:
        """For every host, retired ones included."""
        changes = self.store.exposures.pending().changes
        with self._turn:
            self._known = None
        self._finish(changes, self._rebuild(record.id for record in self.store.hosts.all()))

    def catch_up(self) -> bool:
        """For every host of which something changed that it was not rebuilt for: itself, what feeds tell of what it
        has, the catalogue, service levels, the schema; whether there was anything. Cheap where there is not."""
        pending, is_stale = self.store.exposures.pending(), self.store.notes.get(STALE) is not None
        if is_stale or any(change.is_everything for change in pending.changes):
            left = self._rebuild(record.id for record in self.store.hosts.all())
        elif pending.changes or pending.hosts:
            left = self._rebuild(self._concerned(pending.changes) | pending.hosts)
        else:
            return False
        self._finish(pending.changes, left)
        if is_stale and not left:
            self.store.notes.drop(STALE)
        return True

    def _concerned(self, changes: Sequence[Change]) -> frozenset[str]:
        """Those that have a package or a CVE about which something changed."""
        packages = frozenset[PackageKey]().union(*(change.packages for change in changes))
        cves = frozenset[Cve]().union(*(change.cves for change in changes))
        return self.store.sightings.concerned(packages) | self.store.exposures.hosts_with(cves)

    def _finish(self, changes: Sequence[Change], left: Collection[str]) -> None:
        if changes and not left:
            self.store.exposures.handled(change.number for change in changes)

    def _rebuild(self, host_ids: Iterable[str]) -> frozenset[str]:
        """Those that it could not be done for, because something changed again and again."""
        wanted, left = sorted(set(host_ids)), frozenset[str]()
        if not wanted:
            return left
        with self._turn, uncollected():
            for start in range(0, len(wanted), BATCH):
                left |= self._rebuild_batch(wanted[start : start + BATCH])
        return left

    def _rebuild_batch(self, host_ids: Sequence[str]) -> frozenset[str]:
        left = frozenset(host_ids)
        for _ in range(TRIES):
            made_of = self.store.exposures.basis(left)
            left = self.store.exposures.replace_many(self._standings(left, made_of.version), made_of)
            if not left:
                break
        return left

    def _standings(self, host_ids: Collection[str], version: int) -> Mapping[str, tuple[Standing, ...]]:
        now, policies = self.clock.now(), self.store.policies.all()
        histories = self.store.sightings.history(sorted(host_ids))
        known, came_back = self._knowing(version), retirements(self.store)
        known.learn(sighting for history in histories.values() for sighting in history)
        made = {
            record.id: standings(
                histories.get(record.id, ()),
                known.timelines,
                now=now,
                retired_at=record.retired_at,
                incarnated_at=incarnations(self.store, record),
                retirements=came_back.get(record.id, ()),
                due=_due_of(policies, record),
            )
            for record in self.store.hosts.some(host_ids)
        }
        known.let_go()
        return made

    def _knowing(self, version: int) -> KnowHosts:
        """What is known. What changed since it was read is read again: all of it where that cannot be told any more,
        because somebody else has followed it up."""
        if self._known is not None and version != self._version:
            news = [change for change in self.store.exposures.pending().changes if change.number > self._version]
            numbers = {change.number for change in news}
            if numbers.issuperset(range(self._version + 1, version + 1)) and not any(
                change.is_everything for change in news
            ):
                for change in news:
                    self._known.forget(change.packages, change.cves)
            else:
                self._known = None
        if self._known is None:
            self._known = KnowHosts(store=self.store, catalogue=self.store.catalogue.history())
        self._version = version
        return self._known


def _due_of(policies: Sequence[Adopted], record: HostRecord) -> DueOf:
    levels: dict[str, Levels] = {}

    def due_of(
        spans: Sequence[Span], kev_due: date | None, kev_since: datetime | None, until: datetime
    ) -> tuple[datetime | None, str | None]:
        policy = in_force(policies, until)
        if policy.id not in levels:
            levels[policy.id] = policy.levels_for(record)
        return due_at(levels[policy.id], spans, kev_due=kev_due, kev_since=kev_since, until=until), policy.id

    return due_of
