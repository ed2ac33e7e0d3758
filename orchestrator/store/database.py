"""One database: its engine, its transactions, and the one place where its errors become ours.

SQLite has one writer at a time. Ours begin with ``BEGIN IMMEDIATE`` (https://sqlite.org/lang_transaction.html: a
deferred transaction that reads first and writes later fails at once with SQLITE_BUSY_SNAPSHOT, whatever the timeout),
and threads of one process queue at a lock instead of polling. In WAL mode readers see the last committed state and
wait for nobody.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrator.errors import NotAvailable, SettingsInvalid

WAL_RETRY_SECONDS = 0.01
BUSY_SECONDS = 30.0
"""How long a SQLite writer waits for another process's transaction. Ours take milliseconds; the first import of a large
feed takes seconds, ten for 200,000 statements."""

CONNECT_SECONDS = 10
"""How long a connection to PostgreSQL may take where the URL names no ``connect_timeout``."""

_FIELD = "database_url"


class Database:
    """Connections and transactions. Thread-safe; close it when done."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.name = shown(self.url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self.url) if self.is_sqlite else _postgresql_engine(self.url)
        self._writer = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: on SQLite one snapshot for its whole length."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back when the block raises."""
        with self._writing_turn(), self._translated(), self._engine.connect() as connection:
            writer = connection.execution_options(patchwave_writes=True)
            with writer.begin():
                yield writer

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _writing_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        with self._writer:
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as exc:
            raise NotAvailable(f"the database {self.name} is not available: {_reason(exc)}") from exc
        except PoolTimeout as exc:
            raise NotAvailable(f"the database {self.name} is not available: every connection is in use") from exc
        except DBAPIError as exc:
            # sqlite3 raises the bare DatabaseError for a file that is damaged or no database at all.
            if self.is_sqlite and type(exc) is sa.exc.DatabaseError:
                raise NotAvailable(f"the database {self.name} cannot be used: {_reason(exc)}") from exc
            raise


def parse_url(url: str) -> URL:
    """The URL with the driver that we use. Raises `SettingsInvalid` for anything but SQLite files and PostgreSQL."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as exc:
        raise SettingsInvalid("not a database URL; use sqlite:///FILE or postgresql://…", field=_FIELD) from exc
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise SettingsInvalid("SQLite needs a file: sqlite:////absolute/path/patchwave.db", field=_FIELD)
        return parsed
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsInvalid(f"no database of ours: {parsed.drivername}; use sqlite or postgresql", field=_FIELD)


def shown(url: URL) -> str:
    """The URL as messages show it: every password in it masked."""
    query = {key: "***" if "password" in key.lower() else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite URL, None for PostgreSQL."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def create_file(path: Path) -> None:
    """Make sure that the file is there, readable by its owner alone from its first moment on.

    SQLite gives ``-wal`` and ``-shm`` the mode of the file itself.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise NotAvailable(f"the database file {path} cannot be created: {exc.strerror}") from exc


def _sqlite_engine(url: URL) -> Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin deferred ones, late; "begin" below does it instead.
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("patchwave_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: Any) -> None:
    """Switch a new file to WAL. The switch wants the file for itself, and does not wait for it as transactions do: two
    processes that open a new file at once would fail each other. On a file in WAL already it changes nothing."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(WAL_RETRY_SECONDS)
        else:
            return


def _postgresql_engine(url: URL) -> Engine:
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)


def _reason(exc: DBAPIError) -> str:
    """What the driver said, on one line; without SQLAlchemy's copy of statement and parameters."""
    return " ".join(str(exc.orig).split())
