"""The database: SQLite by default, PostgreSQL beyond one machine. Implements `ports.store`."""

from orchestrator.store.revisions import Revision, check, revision, upgrade
from orchestrator.store.sql_store import SqlStore, open_store

__all__ = ["Revision", "SqlStore", "check", "open_store", "revision", "upgrade"]
