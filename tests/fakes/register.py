"""Hosts and what checks saw of them, in memory, as `tests/adapters/store` holds every store to it."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from orchestrator.core.advisories import PackageKey
from orchestrator.core.distributions import distribution_of
from orchestrator.core.facts import Facts, Packages, Volatile
from orchestrator.core.host_glance import HostGlance, covered_until
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.core.kernel_source import kernel_source
from orchestrator.core.sightings import CheckRecord, Sighting, next_sighting
from orchestrator.errors import NotFound
from orchestrator.ports.store import HostChange
from tests.fakes.changes import FakeChanges


class FakeHosts:
    """`ports.store.HostRegister`."""

    def __init__(self) -> None:
        self.sightings: FakeSightings | None = None
        self.changes = FakeChanges()
        self._records: dict[str, HostRecord] = {}
        self._one_at_a_time = threading.Lock()

    def all(self) -> tuple[HostRecord, ...]:
        return tuple(sorted(self._records.values(), key=lambda record: (record.name, record.id)))

    def some(self, host_ids: Iterable[str]) -> tuple[HostRecord, ...]:
        wanted = set(host_ids)
        return tuple(record for record in self.all() if record.id in wanted)

    def glances(self) -> tuple[HostGlance, ...]:
        checks = self.sightings.last_checks() if self.sightings is not None else {}
        latest = self.sightings.latest() if self.sightings is not None else {}
        listed = [record for record in self.all() if not record.is_retired]
        return tuple(_glance(record, checks.get(record.id), latest.get(record.id)) for record in listed)

    def save(self, records: Sequence[HostRecord]) -> None:
        self.changes.moved(self._records, records)
        self._records |= {record.id: record for record in records}

    def change(self, decide: HostChange, seen: Mapping[str, Evidence] | None = None) -> tuple[HostRecord, ...]:
        with self._one_at_a_time:
            known = self.all() if seen is None else self._concerned(seen)
            changed = tuple({record.id: record for record in decide(known)}.values())
            self.save(changed)
        return changed

    def _concerned(self, seen: Mapping[str, Evidence]) -> tuple[HostRecord, ...]:
        marks = [*seen.values(), *(record.evidence for record in self.some(seen))]
        machines, boots = {one.machine_id for one in marks} - {None}, {one.boot_id for one in marks} - {None}
        found = {
            record.id
            for record in self.all()
            if record.evidence.machine_id in machines or record.evidence.boot_id in boots
        }
        listed_last = max(self._records.values(), key=lambda record: record.last_listed_at, default=None)
        return self.some({*seen, *found, *([] if listed_last is None else [listed_last.id])})

    def require(self, host_ids: Iterable[str]) -> None:
        if missing := sorted(set(host_ids) - self._records.keys()):
            raise NotFound(f"no host with the id {', '.join(missing)} is registered")


def _glance(record: HostRecord, check: CheckRecord | None, sighting: Sighting | None) -> HostGlance:
    return HostGlance(
        host_id=record.id,
        name=record.name,
        is_quarantined=record.quarantined_at is not None,
        is_reachable=check.observation is not None if check is not None else None,
        last_seen=None if sighting is None else sighting.last_seen,
        expected_by=None if sighting is None else sighting.expected_by,
        live_patches=tuple((one.tool, one.state) for one in sighting.facts.live_patches) if sighting else (),
        covered_until=covered_until(sighting.facts.tools) if sighting else None,
    )


class FakeSightings:
    """`ports.store.SightingStore`."""

    def __init__(self, hosts: FakeHosts, new_id: Callable[[], str]) -> None:
        self._hosts, self._new_id = hosts, new_id
        hosts.sightings = self
        self._history: dict[str, tuple[Sighting, ...]] = {}
        self._last: dict[str, CheckRecord] = {}
        self._packages: dict[str, Packages] = {}
        self._lock = threading.Lock()

    def record(self, checks: Sequence[CheckRecord]) -> None:
        self._hosts.require(check.host_id for check in checks)
        with self._lock:
            for check in sorted(checks, key=lambda check: check.started_at):
                self._record(check)

    def _record(self, check: CheckRecord) -> None:
        history = self._history.get(check.host_id, ())
        latest = history[-1] if history else None
        moved = next_sighting(latest, check, self._new_id())
        if moved is not None:
            moved = moved.model_copy(update={"facts": _without_packages(moved.facts, Volatile())})
            is_extended = latest is not None and latest.id == moved.id
            kept = history[:-1] if is_extended else history
            self._hosts.changes.moves[check.host_id] += not is_extended
            self._history[check.host_id] = (*kept, moved)
        if check.observation is not None:
            self._keep_packages(check.observation.facts.packages)
        last = self._last.get(check.host_id)
        if last is None or check.started_at >= last.started_at:
            self._last[check.host_id] = _without_items(check)

    def _keep_packages(self, packages: Packages | None) -> None:
        if packages is not None and packages.items is not None:
            self._packages.setdefault(packages.fingerprint, packages)

    def latest(self, host_ids: Sequence[str] | None = None) -> Mapping[str, Sighting]:
        wanted = self._history if host_ids is None else host_ids
        return {host: self._history[host][-1] for host in wanted if host in self._history}

    def history(self, host_ids: Sequence[str]) -> Mapping[str, tuple[Sighting, ...]]:
        return {host: self._history[host] for host in host_ids if host in self._history}

    def last_checks(self, host_ids: Sequence[str] | None = None) -> Mapping[str, CheckRecord]:
        return {host: check for host, check in self._last.items() if host_ids is None or host in host_ids}

    def packages(self, fingerprint: str) -> Packages | None:
        return self._packages.get(fingerprint)

    def distributions(self) -> frozenset[str]:
        listed = {one.host_id for one in self._hosts.glances()}
        found = {distribution_of(one.facts.os) for host, one in self.latest().items() if host in listed}
        return frozenset(one for one in found if one is not None)

    def concerned(self, packages: Collection[PackageKey]) -> frozenset[str]:
        listed = {one.host_id for one in self._hosts.glances()}
        latest = {host: sighting.facts for host, sighting in self.latest().items() if host in listed}
        return frozenset(host for host, facts in latest.items() if not self._keys(facts).isdisjoint(packages))

    def _keys(self, facts: Facts) -> set[PackageKey]:
        distribution = distribution_of(facts.os)
        known = facts.packages and self._packages.get(facts.packages.fingerprint)
        items = (known and known.items) or ()
        sources = {item.source for item in items if item.source is not None}
        names = {item.name for item in items} | sources | {kernel_source(source, "")[0] for source in sources}
        if facts.kernel is not None and facts.kernel.source is not None:
            names.add(facts.kernel.source)
        return set() if distribution is None else {(distribution, name) for name in names}


def _without_packages(facts: Facts, volatile: Volatile) -> Facts:
    packages = facts.packages and facts.packages.model_copy(update={"items": None})
    return facts.model_copy(update={"packages": packages, "volatile": volatile})


def _without_items(check: CheckRecord) -> CheckRecord:
    if check.observation is None:
        return check
    facts = _without_packages(check.observation.facts, check.observation.facts.volatile)
    return check.model_copy(update={"observation": check.observation.model_copy(update={"facts": facts})})
