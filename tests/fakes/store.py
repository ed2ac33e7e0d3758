"""The store in memory. The contract suite in `tests/adapters/store` holds it to what the real ones do."""

import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.core.advisories import PackageKey
from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.distributions import distribution_of
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.exposure_tally import ExposureTally, summed, tally
from orchestrator.core.facts import Facts, Packages, Volatile
from orchestrator.core.host_glance import HostGlance, covered_until
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.core.kernel_source import kernel_source
from orchestrator.core.patches import Patch
from orchestrator.core.sightings import CheckRecord, Sighting, next_sighting
from orchestrator.core.standing_groups import ClosureKey, new_closures
from orchestrator.core.standings import Closure, Standing
from orchestrator.errors import Conflict, HostBeingChanged, LeaseHeld, NotFound, StaleState
from orchestrator.ports.store import HostChange, Json, Lease, RolloutHead, RolloutRow
from tests.fakes.advisories import fake_advisories
from tests.fakes.sla import FakeAcceptances, FakePolicies


class FakeHosts:
    """`ports.store.HostRegister`."""

    def __init__(self) -> None:
        self.sightings: FakeSightings | None = None
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
        last_seen=sighting and sighting.last_seen,
        expected_by=sighting and sighting.expected_by,
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
            kept = history[:-1] if latest is not None and latest.id == moved.id else history
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


class FakeCatalogue:
    """`ports.store.CatalogueStore`."""

    def __init__(self) -> None:
        self._patches: dict[str, Patch] = {}
        self._removed: dict[str, datetime] = {}

    def all(self) -> tuple[Patch, ...]:
        return tuple(self._patches[key] for key in sorted(self._patches) if key not in self._removed)

    def history(self) -> Catalogue:
        return Catalogue(patches=tuple(self._patches[key] for key in sorted(self._patches)), removed_at=self._removed)

    def add(self, patch: Patch) -> None:
        stored = self._patches.setdefault(patch.id, patch)
        if stored.model_copy(update={"added_at": patch.added_at}) != patch:
            raise Conflict(f"the catalogue knows {patch.id} with other content: give the new patch an id of its own")
        if self._removed.pop(patch.id, None) is not None:
            self._patches[patch.id] = patch

    def remove(self, patch_id: str, at: datetime) -> None:
        if patch_id not in self._patches or patch_id in self._removed:
            raise NotFound(f"the catalogue has no patch {patch_id}")
        self._removed[patch_id] = at

    def version(self) -> str:
        return repr(sorted((key, patch.added_at, self._removed.get(key)) for key, patch in self._patches.items()))


class FakeExposures:
    """`ports.store.ExposureStore`."""

    def __init__(self, hosts: FakeHosts) -> None:
        self._hosts = hosts
        self._standings: dict[str, tuple[Standing, ...]] = {}
        self._markers: dict[str, str] = {}
        self._closures: tuple[Closure, ...] = ()
        self._known: defaultdict[ClosureKey, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def replace_many(
        self, standings: Mapping[str, Sequence[Standing]], markers: Mapping[str, str] | None = None
    ) -> None:
        self._hosts.require(standings)
        with self._lock:
            self._standings |= {host: tuple(found) for host, found in standings.items()}
            kept = {host: marker for host, marker in self._markers.items() if host not in standings}
            self._markers = kept | dict(markers or {})
            new = new_closures((one for host in sorted(standings) for one in standings[host]), self._known)
            self._closures += new
            for one in new:
                assert one.span.closed_at is not None
                key = (one.host_id, one.span.detected_at, one.span.closed_at)
                self._known[key] |= {mark.cve for mark in one.marks}

    def markers(self, host_ids: Iterable[str]) -> Mapping[str, str]:
        return {host: self._markers[host] for host in host_ids if host in self._markers}

    def of(self, host_ids: Iterable[str]) -> Mapping[str, tuple[Standing, ...]]:
        return {host: self._standings[host] for host in sorted(set(host_ids)) if self._standings.get(host)}

    def all(self) -> Iterator[Standing]:
        return iter([one for host in sorted(self._standings) for one in self._standings[host]])

    def with_cve(self, cve: str) -> tuple[Standing, ...]:
        return tuple(one for one in self.all() if any(mark.cve == cve for mark in one.marks))

    def hosts_with(self, cves: Collection[str]) -> frozenset[str]:
        return frozenset(one.host_id for one in self.all() if any(mark.cve in cves for mark in one.marks))

    def tallies(self, now: datetime) -> tuple[ExposureTally, ...]:
        return summed(tally(one) for one in self._current(now))

    def exposed_by_host(self, now: datetime) -> Mapping[str, int]:
        counted = Counter[str]()
        for one in self._current(now):
            counted[one.host_id] += len(one.marks) if one.state is ExposureState.EXPOSED else 0
        return +counted

    def _current(self, now: datetime) -> Iterator[Standing]:
        listed = {one.host_id: one for one in self._hosts.glances()}
        for one in self.all():
            if one.host_id in listed and not one.is_over:
                due = listed[one.host_id].expected_by
                is_silent = due is not None and now > due
                yield one.model_copy(update={"state": ExposureState.UNKNOWN}) if is_silent else one

    def closures(self, skip: int = 0, most: int | None = None) -> tuple[Closure, ...]:
        return self._closures[skip : None if most is None else skip + most]

    def closed_since(self, moment: datetime) -> tuple[Closure, ...]:
        return tuple(one for one in self._closures if one.span.closed_at is not None and one.span.closed_at >= moment)


class FakeLeases:
    """`ports.store.LeaseStore`. ``None`` as holder: given up."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._given_up: set[str] = set()
        self._lock = threading.Lock()

    def acquire(self, rollout_id: str, holder: str, now: datetime, seconds: float) -> Lease:
        with self._lock:
            stored, token = self._leases.get(rollout_id), 1
            if stored is not None:
                live = rollout_id not in self._given_up and stored.expires_at > now
                if live and stored.holder != holder:
                    raise LeaseHeld(f"rollout {rollout_id} is driven by {stored.holder} until {stored.expires_at}")
                token = stored.token if live else stored.token + 1
            lease = Lease(
                rollout_id=rollout_id, holder=holder, token=token, expires_at=now + timedelta(seconds=seconds)
            )
            self._leases[rollout_id] = lease
            self._given_up.discard(rollout_id)
            return lease

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        with self._lock:
            self.require_held(lease)
            renewed = lease.model_copy(update={"expires_at": now + timedelta(seconds=seconds)})
            self._leases[lease.rollout_id] = renewed
            return renewed

    def release(self, lease: Lease) -> None:
        with self._lock:
            if self._is_current(lease):
                self._given_up.add(lease.rollout_id)

    def current(self, rollout_id: str) -> Lease | None:
        return None if rollout_id in self._given_up else self._leases.get(rollout_id)

    def require_held(self, lease: Lease) -> None:
        if not self._is_current(lease):
            stored = self.current(lease.rollout_id)
            now_with = "nobody" if stored is None else stored.holder
            raise StaleState(f"{lease.holder} no longer drives rollout {lease.rollout_id}: {now_with} does")

    def _is_current(self, lease: Lease) -> bool:
        stored = self.current(lease.rollout_id)
        return stored is not None and (stored.holder, stored.token) == (lease.holder, lease.token)


class FakeAttempts:
    """`ports.store.AttemptStore`."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.ended: dict[str, Outcome] = {}
        self.locks: dict[str, str] = {}

    def open(self, rollout_id: str | None = None) -> tuple[Attempt, ...]:
        return tuple(
            attempt
            for attempt in _oldest_first(self.attempts.values())
            if attempt.id not in self.ended and rollout_id in (None, attempt.rollout_id)
        )

    def of_rollout(self, rollout_id: str) -> tuple[Attempt, ...]:
        return tuple(a for a in _oldest_first(self.attempts.values()) if a.rollout_id == rollout_id)

    def outcomes(self, rollout_id: str) -> Mapping[str, Outcome]:
        return {key: outcome for key, outcome in self.ended.items() if self.attempts[key].rollout_id == rollout_id}

    def since(self, moment: datetime, host_ids: Iterable[str]) -> tuple[tuple[Attempt, Outcome | None], ...]:
        wanted = set(host_ids)
        on_these = [attempt for attempt in self.attempts.values() if attempt.host_id in wanted]
        pairs = ((attempt, self.ended.get(attempt.id)) for attempt in _oldest_first(on_these))
        return tuple((attempt, ended) for attempt, ended in pairs if ended is None or ended.finished_at >= moment)

    def locked_hosts(self) -> Mapping[str, Attempt]:
        return {host: self.attempts[key] for host, key in self.locks.items()}


def _oldest_first(attempts: Iterable[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda attempt: (attempt.intent_at, attempt.id))


class FakeRollouts:
    """`ports.store.RolloutStore`."""

    def __init__(self, hosts: FakeHosts, leases: FakeLeases, attempts: FakeAttempts) -> None:
        self._hosts, self._leases, self._attempts = hosts, leases, attempts
        self._rows: dict[str, RolloutRow] = {}
        self._events: dict[str, tuple[Json, ...]] = {}
        self._lock = threading.Lock()

    def create(self, row: RolloutRow) -> None:
        if row.id in self._rows:
            raise Conflict(f"there is a rollout {row.id} already")
        self._rows[row.id] = row

    def load(self, rollout_id: str) -> RolloutRow:
        if rollout_id not in self._rows:
            raise NotFound(f"no rollout {rollout_id}")
        return self._rows[rollout_id]

    def heads(self, state_names: Collection[str] | None = None) -> tuple[RolloutHead, ...]:
        rows = [row for row in self._rows.values() if state_names is None or row.state_name in state_names]
        ordered = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
        return tuple(RolloutHead(**row.model_dump(include=set(RolloutHead.model_fields))) for row in ordered)

    def events(self, rollout_id: str) -> tuple[Json, ...]:
        return self._events.get(rollout_id, ())

    def commit(
        self,
        *,
        row: RolloutRow,
        lease: Lease,
        events: Sequence[Json],
        intents: Sequence[Attempt],
        outcomes: Sequence[Outcome],
    ) -> None:
        with self._lock:
            stored = self._require_current(row, lease)
            self._require_new(row.id, intents)
            self._require_open(row.id, intents, outcomes)
            locks = self._locks_after(intents, outcomes)
            changes = {"state": row.state, "state_name": row.state_name, "updated_at": row.updated_at}
            self._rows[row.id] = stored.model_copy(update={**changes, "version": row.version + 1})
            self._events[row.id] = (*self.events(row.id), *events)
            self._attempts.attempts |= {intent.id: intent for intent in intents}
            self._attempts.ended |= {outcome.attempt_id: outcome for outcome in outcomes}
            self._attempts.locks = locks

    def _require_current(self, row: RolloutRow, lease: Lease) -> RolloutRow:
        if lease.rollout_id != row.id:
            raise StaleState(f"a lease on rollout {lease.rollout_id} does not allow a write to rollout {row.id}")
        self._leases.require_held(lease)
        stored = self.load(row.id)
        if stored.version != row.version:
            raise StaleState(f"rollout {row.id} moved on since version {row.version}")
        return stored

    def _require_new(self, rollout_id: str, intents: Sequence[Attempt]) -> None:
        self._hosts.require(intent.host_id for intent in intents)
        for intent in intents:
            if intent.rollout_id != rollout_id or intent.id in self._attempts.attempts:
                raise Conflict(f"the intent {intent.id} is committed already, or not of rollout {rollout_id}")

    def _require_open(self, rollout_id: str, intents: Sequence[Attempt], outcomes: Sequence[Outcome]) -> None:
        own = {attempt.id for attempt in (*self._attempts.of_rollout(rollout_id), *intents)}
        for outcome in outcomes:
            if outcome.attempt_id not in own:
                raise NotFound(f"rollout {rollout_id} has no attempt {outcome.attempt_id}")
            if outcome.attempt_id in self._attempts.ended:
                raise Conflict(f"the attempt {outcome.attempt_id} has its outcome already")

    def _locks_after(self, intents: Sequence[Attempt], outcomes: Sequence[Outcome]) -> dict[str, str]:
        ended = {outcome.attempt_id for outcome in outcomes}
        locks = {host: holder for host, holder in self._attempts.locks.items() if holder not in ended}
        taken: dict[str, str] = {}
        for intent in (intent for intent in intents if intent.id not in ended):
            if intent.host_id in taken:
                raise Conflict(f"one step may change a host once: {intent.host}")
            if intent.host_id in locks:
                raise HostBeingChanged(f"host {intent.host} is being changed by attempt {locks[intent.host_id]}")
            taken[intent.host_id] = intent.id
        return locks | taken


class FakeNotes:
    """`ports.store.Notes`."""

    def __init__(self) -> None:
        self._notes: dict[str, Json] = {}

    def get(self, key: str) -> Json | None:
        return self._notes.get(key)

    def put(self, key: str, value: Json) -> None:
        self._notes[key] = value

    def items(self, prefix: str) -> Mapping[str, Json]:
        return {key: self._notes[key] for key in sorted(self._notes) if key.startswith(prefix)}

    def drop(self, key: str) -> None:
        self._notes.pop(key, None)


class FakeStore:
    """`ports.store.Store` in memory. Sightings are named ``sighting-00001`` and so on."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.hosts = FakeHosts()
        self.sightings = FakeSightings(self.hosts, lambda: f"sighting-{next(numbers):05}")
        self.catalogue = FakeCatalogue()
        self.exposures = FakeExposures(self.hosts)
        self.feeds, self.advisories, self.advisory_index = fake_advisories()
        self.policies, self.acceptances = FakePolicies(), FakeAcceptances()
        self.leases = FakeLeases()
        self.attempts = FakeAttempts()
        self.rollouts = FakeRollouts(self.hosts, self.leases, self.attempts)
        self.notes = FakeNotes()

    def close(self) -> None:
        """Nothing to close."""
