"""Small facts that the product itself remembers."""

from sqlalchemy import select

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
