"""Every store there is: in memory, on SQLite, on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ports.store import Store
from orchestrator.store import open_store, upgrade
from tests.adapters.postgres import PostgresServer
from tests.fakes.store import FakeStore

SQL = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole run."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=SQL)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "patchwave.db")
        yield f"sqlite:///{tmp_path / 'patchwave.db'}"
    else:
        with request.getfixturevalue("postgres").database() as fresh:
            yield fresh


@pytest.fixture(params=SQL)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema; SQLite's file is not there yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'patchwave.db'}"
    else:
        with request.getfixturevalue("postgres").database(template="template0") as fresh:
            yield fresh


@pytest.fixture(params=("memory", *SQL))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield FakeStore()
        return
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "patchwave.db")
        opened = open_store(f"sqlite:///{tmp_path / 'patchwave.db'}")
        yield opened
        opened.close()
        return
    with request.getfixturevalue("postgres").database() as fresh:
        opened = open_store(fresh)
        yield opened
        opened.close()
