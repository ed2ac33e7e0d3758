"""Rollouts, their journal, and the one transaction by which an engine moves on."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.exc import IntegrityError

from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.errors import Conflict, HostBeingChanged, NotFound, StaleState
from orchestrator.ports.store import Json, Lease, RolloutHead, RolloutRow
from orchestrator.store.attempts import attempt_of
from orchestrator.store.database import Database
from orchestrator.store.leases import require_held
from orchestrator.store.statements import add_missing, lock_hosts, matching, values_of
from orchestrator.store.tables import ATTEMPTS, HOST_LOCKS, OUTCOMES, ROLLOUT_EVENTS, ROLLOUTS

_HEADS = select(*(ROLLOUTS.c[name] for name in RolloutHead.model_fields))


class SqlRollouts:
    """`ports.store.RolloutStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, row: RolloutRow) -> None:
        """Keep a new one. Raises `Conflict` when its id is taken."""
        try:
            with self._database.write() as connection:
                connection.execute(ROLLOUTS.insert(), dict(row))
        except IntegrityError as exc:
            raise Conflict(f"there is a rollout {row.id} already") from exc

    def load(self, rollout_id: str) -> RolloutRow:
        """One by id."""
        with self._database.read() as connection:
            row = connection.execute(select(ROLLOUTS).where(ROLLOUTS.c.id == rollout_id)).one_or_none()
        if row is None:
            raise NotFound(f"no rollout {rollout_id}")
        return _rollout(row)

    def heads(self, state_names: Collection[str] | None = None) -> tuple[RolloutHead, ...]:
        """All, or those in one of these states, newest first."""
        query = (
            _HEADS if state_names is None else _HEADS.where(ROLLOUTS.c.state_name.in_(sorted(map(str, state_names))))
        )
        with self._database.read() as connection:
            found = [RolloutHead.model_validate(values_of(row)) for row in connection.execute(query)]
        return tuple(sorted(found, key=lambda row: (row.created_at, row.id), reverse=True))

    def commit(
        self,
        *,
        row: RolloutRow,
        lease: Lease,
        events: Sequence[Json],
        intents: Sequence[Attempt],
        outcomes: Sequence[Outcome],
    ) -> None:
        """One step of an engine. Of ``row`` the state, its name and ``updated_at`` are stored: the rest was frozen."""
        with self._database.write() as connection:
            _require_lease(connection, row, lease)
            _move_on(connection, row)
            _append(connection, row.id, events)
            if intents or outcomes:
                _serialise_locking(connection)
                _keep_intents(connection, row.id, intents)
                _keep_outcomes(connection, row.id, outcomes)
                ended = {outcome.attempt_id for outcome in outcomes}
                _take_locks(connection, [intent for intent in intents if intent.id not in ended])

    def events(self, rollout_id: str) -> tuple[Json, ...]:
        """The journal, oldest first."""
        query = select(ROLLOUT_EVENTS.c.event).where(ROLLOUT_EVENTS.c.rollout_id == rollout_id)
        with self._database.read() as connection:
            return tuple(connection.scalars(query.order_by(ROLLOUT_EVENTS.c.sequence)))


def _rollout(row: Row[Any]) -> RolloutRow:
    return RolloutRow.model_validate(values_of(row))


def _require_lease(connection: Connection, row: RolloutRow, lease: Lease) -> None:
    if lease.rollout_id != row.id:
        raise StaleState(f"a lease on rollout {lease.rollout_id} does not allow a write to rollout {row.id}")
    require_held(connection, lease)


def _move_on(connection: Connection, row: RolloutRow) -> None:
    decided_on = (ROLLOUTS.c.id == row.id, ROLLOUTS.c.version == row.version)
    changes = {"state": row.state, "state_name": row.state_name, "updated_at": row.updated_at}
    moved = connection.execute(update(ROLLOUTS).where(*decided_on).values(version=row.version + 1, **changes))
    if moved.rowcount == 1:
        return
    if connection.execute(select(ROLLOUTS.c.id).where(ROLLOUTS.c.id == row.id)).one_or_none() is None:
        raise NotFound(f"no rollout {row.id}")
    raise StaleState(f"rollout {row.id} moved on since version {row.version}")


def _append(connection: Connection, rollout_id: str, events: Sequence[Json]) -> None:
    if not events:
        return
    query = select(func.coalesce(func.max(ROLLOUT_EVENTS.c.sequence) + 1, 0))
    first = connection.scalars(query.where(ROLLOUT_EVENTS.c.rollout_id == rollout_id)).one()
    rows = [{"rollout_id": rollout_id, "sequence": first + n, "event": event} for n, event in enumerate(events)]
    connection.execute(ROLLOUT_EVENTS.insert(), rows)


def _serialise_locking(connection: Connection) -> None:
    # Two transactions that each free one host and take the other's would wait for each other on PostgreSQL. Commits
    # are short and few (one per tick and rollout), so they take turns, as they do on SQLite. Readers are not kept out.
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE host_lock IN SHARE ROW EXCLUSIVE MODE"))


def _keep_intents(connection: Connection, rollout_id: str, intents: Sequence[Attempt]) -> None:
    if not intents:
        return
    strangers = [intent.id for intent in intents if intent.rollout_id != rollout_id]
    if strangers:
        raise Conflict(f"the intents {', '.join(strangers)} are not of rollout {rollout_id}")
    lock_hosts(connection, [intent.host_id for intent in intents])
    known = matching(connection, select(ATTEMPTS.c.id), ATTEMPTS.c.id, [intent.id for intent in intents])
    if taken := sorted(row.id for row in known):
        raise Conflict(f"the intents {', '.join(taken)} are committed already")
    connection.execute(ATTEMPTS.insert(), [dict(intent) for intent in intents])


def _keep_outcomes(connection: Connection, rollout_id: str, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    ids = [outcome.attempt_id for outcome in outcomes]
    own = select(ATTEMPTS.c.id).where(ATTEMPTS.c.rollout_id == rollout_id)
    missing = set(ids) - {row.id for row in matching(connection, own, ATTEMPTS.c.id, ids)}
    if missing:
        raise NotFound(f"rollout {rollout_id} has no attempt {', '.join(sorted(missing))}")
    ended = matching(connection, select(OUTCOMES.c.attempt_id), OUTCOMES.c.attempt_id, ids)
    if again := sorted(row.attempt_id for row in ended):
        raise Conflict(f"the attempts {', '.join(again)} have their outcome already")
    connection.execute(OUTCOMES.insert(), [dict(outcome) for outcome in outcomes])
    connection.execute(delete(HOST_LOCKS).where(HOST_LOCKS.c.attempt_id.in_(ids)))


def _take_locks(connection: Connection, intents: Sequence[Attempt]) -> None:
    if twice := sorted(host for host, times in Counter(intent.host for intent in intents).items() if times > 1):
        raise Conflict(f"one step may change a host once: {', '.join(twice)}")
    add_missing(connection, HOST_LOCKS, [{"host_id": one.host_id, "attempt_id": one.id} for one in intents])
    query = select(ATTEMPTS).join(HOST_LOCKS, HOST_LOCKS.c.attempt_id == ATTEMPTS.c.id)
    rows = matching(connection, query, HOST_LOCKS.c.host_id, [intent.host_id for intent in intents])
    holders = {holder.host_id: holder for holder in map(attempt_of, rows)}
    for intent in intents:
        holder = holders[intent.host_id]
        if holder.id != intent.id:
            raise HostBeingChanged(
                f"host {intent.host} is being changed by attempt {holder.id} of rollout {holder.rollout_id}"
                f" ({holder.action}, since {holder.intent_at.isoformat()})"
            )
