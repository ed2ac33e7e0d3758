"""Small facts that the product itself remembers."""

from collections.abc import Mapping

from sqlalchemy import delete, select

from orchestrator.ports.store import Json
from orchestrator.store.database import Database
from orchestrator.store.statements import put
from orchestrator.store.tables import NOTES


class SqlNotes:
    """`ports.store.Notes` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> Json | None:
        """The value under that key."""
        with self._database.read() as connection:
            value: Json | None = connection.scalars(select(NOTES.c.value).where(NOTES.c.key == key)).one_or_none()
        return value

    def put(self, key: str, value: Json) -> None:
        """Keep a value under that key, in place of what was there."""
        with self._database.write() as connection:
            put(connection, NOTES, [{"key": key, "value": value}])

    def items(self, prefix: str) -> Mapping[str, Json]:
        """The values whose keys start with that, by key, in the order of the keys."""
        query = select(NOTES).where(NOTES.c.key.startswith(prefix, autoescape=True))
        with self._database.read() as connection:
            found = {row.key: row.value for row in connection.execute(query)}
        return dict(sorted(found.items()))

    def drop(self, key: str) -> None:
        """Forget a key."""
        with self._database.write() as connection:
            connection.execute(delete(NOTES).where(NOTES.c.key == key))
