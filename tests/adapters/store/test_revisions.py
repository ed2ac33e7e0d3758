"""The schema: brought up from nothing, the same as the tables say, refused where it is not what the code knows."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import orchestrator.store.migrations
from orchestrator.errors import NotAvailable, SettingsInvalid
from orchestrator.store import Revision, check, open_store, revision, upgrade
from orchestrator.store.database import Database, parse_url, shown
from orchestrator.store.revisions import REVISIONS
from orchestrator.store.rows import METADATA


def test_the_migrated_schema_is_the_one_of_the_tables(empty_url: str) -> None:
    """Up from nothing, alembic finds nothing to change: columns, types, keys, indexes, constraints."""
    upgrade(empty_url)
    with closing(Database(empty_url)) as database, database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert [] == compare_metadata(context, METADATA)


def test_every_constraint_has_the_name_that_the_convention_gives_it(empty_url: str) -> None:
    """A later migration can name it on both databases."""
    upgrade(empty_url)
    with closing(Database(empty_url)) as database, database.read() as connection:
        inspector = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            found = {key["name"] for key in inspector.get_foreign_keys(table.name)}
            assert {key.name for key in table.foreign_key_constraints} == found
            assert f"pk_{table.name}" == inspector.get_pk_constraint(table.name)["name"]


def test_an_upgrade_of_a_current_database_changes_nothing(url: str) -> None:
    """It may run at every start."""
    with closing(open_store(url)) as store:
        store.notes.put("kept", {"yes": True})
    upgrade(url)
    with closing(open_store(url)) as store:
        assert {"yes": True} == store.notes.get("kept")


def test_upgrades_at_the_same_time_wait_for_each_other(empty_url: str) -> None:
    """Several processes may start at once on a new database."""
    with ThreadPoolExecutor(4) as pool:
        assert [None] * 4 == list(pool.map(upgrade, [empty_url] * 4))
    assert () == check(empty_url)


def test_a_database_without_a_schema_says_what_to_run(empty_url: str) -> None:
    """Opening it makes nothing; `migrate` does."""
    assert Revision.MISSING is revision(empty_url)
    with pytest.raises(NotAvailable, match="`patchwave db upgrade`"):
        open_store(empty_url)
    assert Revision.MISSING is revision(empty_url)
    assert 1 == len(check(empty_url))
    open_store(empty_url, migrate=True).close()
    assert Revision.CURRENT is revision(empty_url)
    assert () == check(empty_url)


def test_a_database_newer_than_the_code_is_refused(url: str) -> None:
    """Also by `upgrade`, which leaves it as it is."""
    with closing(Database(url)) as database, database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (lambda: open_store(url), lambda: open_store(url, migrate=True), lambda: upgrade(url)):
        with pytest.raises(NotAvailable, match="newer patchwave"):
            refused()
    assert Revision.NEWER is revision(url)
    assert "newer patchwave" in check(url)[0]


def test_the_revisions_that_the_code_names_are_those_that_there_are() -> None:
    """In order, in one line, and none of them can be undone."""
    folder = Path(orchestrator.store.migrations.__path__[0])
    scripts = list(ScriptDirectory(str(folder)).walk_revisions())
    assert REVISIONS == tuple(script.revision for script in reversed(scripts))
    assert [] == [script.revision for script in scripts if hasattr(script.module, "downgrade")]


def test_exactly_the_tables_that_exist_are_documented() -> None:
    """docs/reference/database.md has a row with each table, and no other."""
    reference = Path(__file__).parents[3] / "docs" / "reference" / "database.md"
    documented = re.findall(r"^\| `(\w+)` \|", reference.read_text(), re.MULTILINE)
    assert sorted([*METADATA.tables, "alembic_version"]) == sorted(documented)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The database, and what SQLite keeps beside it, from the first moment on; `check` says when it is not so."""
    url = f"sqlite:///{tmp_path / 'patchwave.db'}"
    with closing(open_store(url, migrate=True)) as store:
        store.notes.put("key", {})
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert {"patchwave.db": 0o600, "patchwave.db-wal": 0o600, "patchwave.db-shm": 0o600} == modes
    (tmp_path / "patchwave.db").chmod(0o644)
    assert "chmod 600" in check(url)[0]


def test_sqlite_is_durable_and_keeps_references(tmp_path: Path) -> None:
    """A commit has reached the disk when it returns (synchronous=FULL is 2), and foreign keys are enforced."""
    url = f"sqlite:///{tmp_path / 'patchwave.db'}"
    upgrade(url)
    with closing(Database(url)) as database, database.read() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert ["wal", 2] == found
        assert 1 == connection.exec_driver_sql("PRAGMA foreign_keys").scalar()


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like one\n" * 30, b"SQLite format 3\0x"])
def test_a_file_that_is_no_database_is_not_available(tmp_path: Path, content: bytes) -> None:
    """Named, and left as it was."""
    path = tmp_path / "patchwave.db"
    path.write_bytes(content)
    with pytest.raises(NotAvailable, match=r"patchwave\.db"):
        open_store(f"sqlite:///{path}", migrate=True)
    assert content == path.read_bytes()


def test_a_file_that_cannot_be_made_is_not_available(tmp_path: Path) -> None:
    """The error says where and why."""
    (tmp_path / "file").touch()
    with pytest.raises(NotAvailable, match="file/patchwave"):
        upgrade(f"sqlite:///{tmp_path / 'file' / 'patchwave.db'}")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """Neither the URL's password nor one in its query shows."""
    url = "postgresql://ops:s3cret@127.0.0.1:1/patchwave?sslpassword=s3cret&connect_timeout=2"
    with pytest.raises(NotAvailable, match=r"ops:\*\*\*@127\.0\.0\.1:1/patchwave") as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)
    assert "refused" in str(caught.value)


def test_passwords_are_masked_wherever_they_stand() -> None:
    """In the authority and in the query."""
    url = parse_url("postgres://ops:s3cret@db/patchwave?password=s3cret&application_name=x")
    assert "postgresql+psycopg://ops:***@db/patchwave?application_name=x&password=***" == shown(url)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://db/x", "postgresql+asyncpg://db/x"]
)
def test_a_url_that_is_none_of_ours_is_refused(url: str) -> None:
    """Two databases are supported; memory is none that two connections could share."""
    with pytest.raises(SettingsInvalid, match="database_url"):
        open_store(url)


def test_damage_is_told(tmp_path: Path) -> None:
    """`check` finds rows that refer to nothing."""
    url = f"sqlite:///{tmp_path / 'patchwave.db'}"
    upgrade(url)
    with closing(Database(url)) as database, database.read() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("INSERT INTO host_lock VALUES ('no-host', 'no-attempt')")
    assert 2 == len([problem for problem in check(url) if "host_lock refers to" in problem])
