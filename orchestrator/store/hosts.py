"""The register of hosts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, text

from orchestrator.core.identity import HostRecord
from orchestrator.ports.store import HostChange
from orchestrator.store.database import Database
from orchestrator.store.statements import put, values_of
from orchestrator.store.tables import HOSTS


class SqlHosts:
    """`ports.store.HostRegister` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[HostRecord, ...]:
        """Every host, by name. Sorted here: a database's collation would decide otherwise."""
        with self._database.read() as connection:
            return _all(connection)

    def save(self, records: Sequence[HostRecord]) -> None:
        """Insert or replace by id; of two with the same id the last counts."""
        by_id = {record.id: record for record in records}
        with self._database.write() as connection:
            put(connection, HOSTS, [_row(by_id[key]) for key in sorted(by_id)])

    def change(self, decide: HostChange) -> tuple[HostRecord, ...]:
        """Read, decide and save in one transaction; on PostgreSQL other writers of hosts wait, readers do not."""
        with self._database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE host IN SHARE ROW EXCLUSIVE MODE"))
            changed = tuple({record.id: record for record in decide(_all(connection))}.values())
            put(connection, HOSTS, [_row(record) for record in sorted(changed, key=lambda record: record.id)])
        return changed


def _all(connection: Connection) -> tuple[HostRecord, ...]:
    records = [_record(row) for row in connection.execute(select(HOSTS))]
    return tuple(sorted(records, key=lambda record: (record.name, record.id)))


def _row(record: HostRecord) -> dict[str, Any]:
    return dict(record) | {"groups": list(record.groups), "evidence": record.evidence.model_dump(mode="json")}


def _record(row: Row[Any]) -> HostRecord:
    return HostRecord.model_validate(values_of(row))
