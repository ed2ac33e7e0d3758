"""Rollouts, attempts and leases in memory, as `tests/adapters/store` holds every store to it."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.errors import Conflict, HostBeingChanged, LeaseHeld, NotFound, StaleState
from orchestrator.ports.store import Json, Lease, RolloutHead, RolloutRow
from tests.fakes.register import FakeHosts


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
