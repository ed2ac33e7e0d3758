"""What the database itself refuses, whoever writes to it; column types; the cost of a batch."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from orchestrator.core.standings import Standing
from orchestrator.store import SqlStore
from orchestrator.store.database import Database
from orchestrator.store.tables import CLOSURES, CVE_SETS, FACTS, HOST_LOCKS, HOSTS, LEASES, PACKAGE_LISTS, SIGHTINGS
from tests.adapters.store.samples import (
    T0,
    attempt,
    check,
    closed_span,
    closure,
    facts,
    host,
    mark,
    packages,
    span,
    standing,
    started,
    step,
)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database, below the store."""
    with closing(Database(url)) as opened:
        yield opened


@pytest.mark.parametrize("statement", [sa.update(CLOSURES).values(span="{}"), sa.delete(CLOSURES)], ids=str)
def test_closures_can_only_be_appended(database: Database, statement: Any) -> None:
    """The database refuses to change or delete one."""
    store = SqlStore(database)
    store.hosts.save([host()])
    store.exposures.replace_many({"id-web1": [standing("web1", closed_span())]})
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(statement)
    assert (closure(),) == store.exposures.closures()


def test_a_closure_that_is_there_takes_no_further_number(database: Database) -> None:
    """Windows are rebuilt at every move of a host, for years; the numbers of closures end at 2 147 483 647."""
    store = SqlStore(database)
    store.hosts.save([host()])
    first, second = closed_span(), closed_span(T0 + timedelta(hours=5))
    for spans in ((first,), (first,), (first,), (first, second), (first, second)):
        store.exposures.replace_many({"id-web1": [standing("web1", *spans)]})
    with database.read() as connection:
        assert [1, 2] == list(connection.scalars(sa.select(CLOSURES.c.id).order_by(CLOSURES.c.id)))


def test_sets_of_cves_are_stored_once_and_as_long_as_they_are_referred_to(database: Database) -> None:
    """Hosts share them; what no standing and no closure has any more is deleted."""
    store = SqlStore(database)
    store.hosts.save([host("web1"), host("web2")])
    both = {f"id-{name}": [standing(name, span()), standing(name, marks=(mark(2, 0),))] for name in ("web1", "web2")}
    closed = {f"id-{name}": [standing(name, closed_span())] for name in ("web1", "web2")}
    counts = []
    nothing: dict[str, list[Standing]] = {"id-web1": [], "id-web2": []}
    steps: list[dict[str, list[Standing]]] = [both, {"id-web1": both["id-web1"][:1]}, {"id-web2": []}, closed, nothing]
    for standings in steps:
        store.exposures.replace_many(standings)
        with database.read() as connection:
            counts.append(connection.scalar(sa.select(sa.func.count()).select_from(CVE_SETS)))
    assert [2, 2, 1, 1, 1] == counts


def test_the_lock_of_a_host_is_its_primary_key(database: Database) -> None:
    """Two attempts cannot hold it, whatever code writes the row."""
    store = SqlStore(database)
    lease = started(store)
    step(store, lease, intents=(attempt("A1", "web1"), attempt("A2", "web2")))
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(HOST_LOCKS.update().where(HOST_LOCKS.c.host_id == "id-web2").values(host_id="id-web1"))


def test_references_are_enforced(database: Database) -> None:
    """A host with history cannot be deleted."""
    store = SqlStore(database)
    store.hosts.save([host()])
    store.sightings.record([check()])
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(sa.delete(HOSTS))


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    """Whatever offset they came with, to the microsecond."""
    lisbon = datetime(2099, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    row = {"rollout_id": "R1", "holder": "one", "token": 1, "expires_at": lisbon}
    with database.write() as connection:
        connection.execute(LEASES.insert(), row)
        found = connection.scalars(sa.select(LEASES.c.expires_at)).one()
        matched = connection.scalars(sa.select(LEASES.c.token).where(LEASES.c.expires_at == lisbon)).one_or_none()
    assert (datetime(2099, 7, 1, 11, 0, 0, 123456, tzinfo=UTC), UTC, 1) == (found, found.tzinfo, matched)


def test_a_time_without_an_offset_is_refused(database: Database) -> None:
    """Nobody can tell what it means."""
    row = {"rollout_id": "R1", "holder": "one", "token": 1, "expires_at": T0.replace(tzinfo=None)}
    with pytest.raises(StatementError, match="must carry its offset"), database.write() as connection:
        connection.execute(LEASES.insert(), row)


def test_facts_and_package_lists_are_stored_once(database: Database) -> None:
    """However many checks saw them."""
    store = SqlStore(database)
    names = [f"web{n}" for n in range(20)]
    store.hosts.save([host(name) for name in names])
    for n in range(3):
        at = T0 + timedelta(minutes=n)
        store.sightings.record([check(name, at, facts(packages=packages("fp", 5))) for name in names])
    with database.read() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in (FACTS, PACKAGE_LISTS, SIGHTINGS)
        ]
    assert [1, 1, 20] == counts


def test_a_batch_of_checks_takes_few_statements(database: Database) -> None:
    """200 hosts cost as many statements as two do: nothing is done host by host."""
    store = SqlStore(database)
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    counts = []
    for n, size in enumerate((2, 200)):
        names = [f"host-{n}-{number}" for number in range(size)]
        store.hosts.save([host(name) for name in names])
        checks = [check(name, seen=facts(name, packages=packages(f"fp-{name}"))) for name in names]
        with database.read() as connection:
            engine = connection.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        seen.clear()
        store.sightings.record(checks)
        sa.event.remove(engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[0] <= 12
