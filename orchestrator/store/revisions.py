"""The schema's revisions: which one a database has, bringing it up, refusing what this code does not know.

There is no way down: what a newer revision stored would be lost. Restore a backup instead.
"""

from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from orchestrator.errors import NotAvailable
from orchestrator.store.database import Database, create_file, parse_url, shown, sqlite_path

REVISIONS = ("0001", "0002", "0003")
"""Every revision of the schema, oldest first; the last is the one that this code works with."""

_UPGRADE_LOCK = 0x70617463
"""Key of the PostgreSQL advisory lock that lets one upgrade run at a time."""


class Revision(StrEnum):
    """What a database is to this code."""

    MISSING = "missing"
    """No schema of ours, or no database file."""
    OLDER = "older"
    """A schema that `upgrade` brings up to date."""
    CURRENT = "current"
    """The schema that this code works with."""
    NEWER = "newer"
    """A revision that this code does not know."""


def upgrade(url: str, *, to: str = REVISIONS[-1]) -> None:
    """Bring the database up to the schema of this code, in one transaction; the SQLite file is made when missing.
    ``to`` an older revision: only so far, as its release did.

    Raises `NotAvailable` when it cannot be reached or is newer than the code.
    """
    path = sqlite_path(parse_url(url))
    if path is not None:
        create_file(path)
    database = Database(url)
    try:
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
            if revision_of(connection) is Revision.NEWER:
                raise _newer(database.name)
            _run_migrations(connection, to)
    finally:
        database.close()


def revision(url: str) -> Revision:
    """What that database is to this code. Raises `NotAvailable` when it cannot be reached."""
    path = sqlite_path(parse_url(url))
    if path is not None and not path.exists():
        return Revision.MISSING
    database = Database(url)
    try:
        with database.read() as connection:
            return revision_of(connection)
    finally:
        database.close()


def check(url: str) -> tuple[str, ...]:
    """What is wrong with that database, one line each; empty when nothing is. Raises `NotAvailable`."""
    state, name = revision(url), shown(parse_url(url))
    if state is Revision.NEWER:
        return (str(_newer(name)),)
    if state is not Revision.CURRENT:
        return (str(_outdated(name)),)
    path = sqlite_path(parse_url(url))
    return () if path is None else (*_mode_problems(path), *_sqlite_problems(url))


def require_current(database: Database) -> None:
    """Raise `NotAvailable`, saying what to do, unless the database has the schema of this code."""
    path = sqlite_path(database.url)
    if path is not None and not path.exists():
        raise NotAvailable(f"there is no database at {path}: run `patchwave db upgrade`")
    with database.read() as connection:
        state = revision_of(connection)
    if state is Revision.NEWER:
        raise _newer(database.name)
    if state is not Revision.CURRENT:
        raise _outdated(database.name)


def revision_of(connection: Connection) -> Revision:
    """What the connected database is to this code."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return Revision.MISSING
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if found is None:
        return Revision.MISSING
    if found == REVISIONS[-1]:
        return Revision.CURRENT
    return Revision.OLDER if found in REVISIONS else Revision.NEWER


def _outdated(name: str) -> NotAvailable:
    return NotAvailable(f"the database {name} has no or an older schema: run `patchwave db upgrade`")


def _newer(name: str) -> NotAvailable:
    return NotAvailable(f"the database {name} was upgraded by a newer patchwave: install that version here too")


def _mode_problems(path: Path) -> tuple[str, ...]:
    mode = path.stat().st_mode & 0o777
    return () if mode & 0o077 == 0 else (f"{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`",)


def _sqlite_problems(url: str) -> tuple[str, ...]:
    database = Database(url)
    try:
        with database.read() as connection:
            damage = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    finally:
        database.close()
    problems = [f"damaged: {line}" for line in damage if line != "ok"]
    problems += [f"a row of {row[0]} refers to a row of {row[2]} that is not there" for row in orphans]
    return tuple(problems)


def _run_migrations(connection: Connection, to: str) -> None:
    # Imported here: alembic is slow to import, and every command opens the store.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
