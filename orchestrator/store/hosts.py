"""The register of hosts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from orchestrator.core.identity import HostRecord
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
            records = [_record(row) for row in connection.execute(select(HOSTS))]
        return tuple(sorted(records, key=lambda record: (record.name, record.id)))

    def save(self, records: Sequence[HostRecord]) -> None:
        """Insert or replace by id; of two with the same id the last counts."""
        by_id = {record.id: record for record in records}
        with self._database.write() as connection:
            put(connection, HOSTS, [_row(by_id[key]) for key in sorted(by_id)])


def _row(record: HostRecord) -> dict[str, Any]:
    return dict(record) | {"groups": list(record.groups), "evidence": record.evidence.model_dump(mode="json")}


def _record(row: Row[Any]) -> HostRecord:
    return HostRecord.model_validate(values_of(row))
