"""Service levels and accepted risks: both are appended, so that what was decided with them stays explained."""

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from orchestrator.core.acceptances import Acceptance
from orchestrator.core.model import Moment
from orchestrator.core.sla_policy import Adopted, Policy
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import changes
from orchestrator.store.advisory_tables import ACCEPTANCES, POLICIES
from orchestrator.store.database import Database
from orchestrator.store.statements import as_json, values_of


class SqlPolicies:
    """`ports.sla.PolicyStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Adopted, ...]:
        """Every policy that was ever set, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(POLICIES).order_by(POLICIES.c.number)).all()
        return tuple(
            Adopted(policy=Policy.model_validate(row.document), since=row.since, set_by=row.set_by) for row in rows
        )

    def append(self, adopted: Adopted, after: int) -> None:
        """Set one more, decided when there were ``after``."""
        row = {"document": as_json(adopted.policy), "since": adopted.since, "set_by": adopted.set_by}
        with self._database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE policy IN SHARE ROW EXCLUSIVE MODE"))
            count, last = connection.execute(select(func.count(), func.max(POLICIES.c.since))).one()
            if count != after:
                raise Conflict("another policy was set meanwhile: look at `patchwave sla preview` again")
            if last is not None and last >= adopted.since:
                raise Conflict(f"a policy is in force since {last}, which is later")
            connection.execute(POLICIES.insert(), row | {"number": after})
            changes.concerning_all(connection)


class SqlAcceptances:
    """`ports.sla.AcceptanceStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Acceptance, ...]:
        """By ``accepted_at`` and id, ended ones included."""
        with self._database.read() as connection:
            found = [Acceptance.model_validate(values_of(row)) for row in connection.execute(select(ACCEPTANCES))]
        return tuple(sorted(found, key=lambda one: (one.accepted_at, one.id)))

    def add(self, acceptance: Acceptance) -> None:
        """Keep a new one."""
        try:
            with self._database.write() as connection:
                connection.execute(ACCEPTANCES.insert(), dict(acceptance))
        except IntegrityError as exc:
            raise Conflict(f"there is an accepted risk {acceptance.id} already") from exc

    def revoke(self, acceptance_id: str, at: Moment, by: str) -> None:
        """Take it back, once."""
        of_this = ACCEPTANCES.c.id == acceptance_id
        revoked = update(ACCEPTANCES).where(of_this, ACCEPTANCES.c.revoked_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(revoked.values(revoked_at=at, revoked_by=by)).rowcount:
                return
            if connection.scalar(select(func.count()).select_from(ACCEPTANCES).where(of_this)):
                raise Conflict(f"{acceptance_id} was revoked before")
            raise NotFound(f"no accepted risk {acceptance_id}")
