"""Leases: one engine per rollout, fenced by a token that only grows."""

from datetime import timedelta

from sqlalchemy import Connection, select, update

from orchestrator.core.model import Moment
from orchestrator.errors import LeaseHeld, StaleState
from orchestrator.ports.store import Lease
from orchestrator.store.database import Database
from orchestrator.store.statements import add_missing, values_of
from orchestrator.store.tables import LEASES


class SqlLeases:
    """`ports.store.LeaseStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, rollout_id: str, holder: str, now: Moment, seconds: float) -> Lease:
        """Take a free or expired lease with the next token, or renew our own live one with the same."""
        nobody = {"rollout_id": rollout_id, "holder": None, "token": 0, "expires_at": now}
        with self._database.write() as connection:
            add_missing(connection, LEASES, [nobody])
            # The row is locked now (PostgreSQL): of two takers the second sees what the first one wrote.
            row = connection.execute(select(LEASES).where(LEASES.c.rollout_id == rollout_id).with_for_update()).one()
            live = row.holder is not None and row.expires_at > now
            if live and row.holder != holder:
                raise LeaseHeld(f"rollout {rollout_id} is driven by {row.holder} until {row.expires_at.isoformat()}")
            lease = Lease(
                rollout_id=rollout_id,
                holder=holder,
                token=row.token if live else row.token + 1,
                expires_at=now + timedelta(seconds=seconds),
            )
            connection.execute(update(LEASES).where(LEASES.c.rollout_id == rollout_id).values(dict(lease)))
        return lease

    def renew(self, lease: Lease, now: Moment, seconds: float) -> Lease:
        """Renew it, also when it expired and nobody took it meanwhile."""
        renewed = lease.model_copy(update={"expires_at": now + timedelta(seconds=seconds)})
        with self._database.write() as connection:
            require_held(connection, lease)
            connection.execute(update(LEASES).where(LEASES.c.rollout_id == lease.rollout_id).values(dict(renewed)))
        return renewed

    def release(self, lease: Lease) -> None:
        """Leave the row without a holder, if it is still ours."""
        ours = (LEASES.c.rollout_id == lease.rollout_id, LEASES.c.holder == lease.holder, LEASES.c.token == lease.token)
        with self._database.write() as connection:
            connection.execute(update(LEASES).where(*ours).values(holder=None))

    def current(self, rollout_id: str) -> Lease | None:
        """The lease as stored, expired or not; None once it was given up."""
        query = select(LEASES).where(LEASES.c.rollout_id == rollout_id, LEASES.c.holder.is_not(None))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Lease.model_validate(values_of(row))


def require_held(connection: Connection, lease: Lease) -> None:
    """Raise `StaleState` unless this is the current lease; nobody takes it over before this transaction ends."""
    query = select(LEASES).where(LEASES.c.rollout_id == lease.rollout_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or (row.holder, row.token) != (lease.holder, lease.token):
        now_with = "nobody" if row is None or row.holder is None else row.holder
        raise StaleState(f"{lease.holder} no longer drives rollout {lease.rollout_id}: it is driven by {now_with}")
