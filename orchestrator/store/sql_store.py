"""The store over one database: a repository per protocol of `ports.store`."""

from collections.abc import Callable

from ulid import ULID

from orchestrator.store.advisories import SqlAdvisories
from orchestrator.store.advisory_index import SqlAdvisoryIndex
from orchestrator.store.attempts import SqlAttempts
from orchestrator.store.catalogue import SqlCatalogue
from orchestrator.store.database import Database
from orchestrator.store.exposures import SqlExposures
from orchestrator.store.feeds import SqlFeeds
from orchestrator.store.hosts import SqlHosts
from orchestrator.store.leases import SqlLeases
from orchestrator.store.notes import SqlNotes
from orchestrator.store.revisions import require_current, upgrade
from orchestrator.store.rollouts import SqlRollouts
from orchestrator.store.sightings import SqlSightings
from orchestrator.store.sla import SqlAcceptances, SqlPolicies


def _ulid() -> str:
    return str(ULID())


class SqlStore:
    """`ports.store.Store` over SQLite or PostgreSQL. Thread-safe; close it when done."""

    def __init__(self, database: Database, new_id: Callable[[], str] = _ulid) -> None:
        self._database = database
        self.hosts = SqlHosts(database)
        self.sightings = SqlSightings(database, new_id)
        self.catalogue = SqlCatalogue(database)
        self.exposures = SqlExposures(database)
        self.feeds = SqlFeeds(database)
        self.advisories = SqlAdvisories(database)
        self.advisory_index = SqlAdvisoryIndex(database)
        self.policies = SqlPolicies(database)
        self.acceptances = SqlAcceptances(database)
        self.rollouts = SqlRollouts(database)
        self.attempts = SqlAttempts(database)
        self.leases = SqlLeases(database)
        self.notes = SqlNotes(database)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def open_store(url: str, *, migrate: bool = False, new_id: Callable[[], str] = _ulid) -> SqlStore:
    """The store in that database; with ``migrate`` its schema is brought up to date first.

    ``new_id`` names new sightings. Raises `NotAvailable` when the database cannot be reached, is not up to date, or is
    newer than this code, and `SettingsInvalid` when the URL is none of ours.
    """
    if migrate:
        upgrade(url)
    database = Database(url)
    try:
        require_current(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, new_id)
