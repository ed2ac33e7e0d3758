"""What standings are made of, and whether it changed since: a log of what concerns hosts together, a count for each.

Both are written in the transaction of the change itself, so that nothing is lost of a process that dies before the
hosts were followed up: whoever comes next sees what is left to do.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.core.advisories import PackageKey
from orchestrator.core.patches import Cve
from orchestrator.ports.store import Basis, Change, Pending
from orchestrator.store.statements import CHUNK, matching
from orchestrator.store.tables import CHANGES, DERIVED

MOST = 100_000
"""Packages and CVEs that are kept of one change; one that has more concerns every host."""

_LOCK = "LOCK TABLE change IN SHARE ROW EXCLUSIVE MODE"
"""PostgreSQL: one change at a time, so that the numbers are in the order in which they become visible; and none while
standings are written (`hold`)."""


def lock(connection: Connection) -> None:
    """Keep other changes, and those who write standings, away until the end of the transaction. SQLite has one writer
    anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(_LOCK))


def hold(connection: Connection) -> int:
    """How many changes there were; no further one comes before the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE change IN SHARE MODE"))
    return version(connection)


def version(connection: Connection) -> int:
    """How many changes there were."""
    return connection.scalar(select(func.max(CHANGES.c.number))) or 0


def concerning(connection: Connection, packages: Collection[PackageKey], cves: Collection[Cve]) -> None:
    """Something changed about these. Nothing at all is no change."""
    if len(packages) + len(cves) > MOST:
        concerning_all(connection)
    elif packages or cves:
        document = json.dumps([sorted(packages), sorted(cves)], separators=(",", ":"))
        _append(connection, zlib.compress(document.encode(), 1))


def concerning_all(connection: Connection) -> None:
    """Something changed that may concern every host."""
    _append(connection, None)


def _append(connection: Connection, document: bytes | None) -> None:
    lock(connection)
    number = version(connection) + 1
    connection.execute(CHANGES.insert(), {"number": number, "document": document, "is_pending": True})


def moved(connection: Connection, host_ids: Iterable[str]) -> None:
    """Something changed of these hosts."""
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    add = kind.insert(DERIVED)
    counted = add.on_conflict_do_update(index_elements=[DERIVED.c.host_id], set_={"moved": DERIVED.c.moved + 1})
    if rows := [{"host_id": host, "moved": 1, "made": 0} for host in sorted(host_ids)]:
        connection.execute(counted, rows)


def moves(connection: Connection, host_ids: Iterable[str]) -> Mapping[str, int]:
    """How often something changed of these hosts; never where one is left out."""
    query = select(DERIVED.c.host_id, DERIVED.c.moved)
    return {row.host_id: row.moved for row in matching(connection, query, DERIVED.c.host_id, host_ids)}


def basis(connection: Connection, host_ids: Iterable[str]) -> Basis:
    """What their standings would be made of now."""
    return Basis(version=version(connection), moves=moves(connection, host_ids))


def made(connection: Connection, host_ids: Collection[str], of: Basis) -> None:
    """The standings of these hosts are made of that."""
    remember = update(DERIVED).where(DERIVED.c.host_id == bindparam("host")).values(made=bindparam("of"))
    if rows := [{"host": host, "of": of.moves[host]} for host in sorted(host_ids) if host in of.moves]:
        connection.execute(remember, rows)


def pending(connection: Connection) -> Pending:
    """What is left to do. Where that is nothing, nothing much is read."""
    query = select(CHANGES.c.number, CHANGES.c.document).where(CHANGES.c.is_pending).order_by(CHANGES.c.number)
    hosts = connection.scalars(select(DERIVED.c.host_id).where(DERIVED.c.moved != DERIVED.c.made))
    return Pending(
        changes=tuple(_change(row.number, row.document) for row in connection.execute(query)), hosts=frozenset(hosts)
    )


def handled(connection: Connection, numbers: Iterable[int]) -> None:
    """Every host that these concern has its standings by now. The last row stays, empty: it has the number."""
    wanted = sorted(numbers)
    over = update(CHANGES).values(is_pending=False, document=None)
    for start in range(0, len(wanted), CHUNK):
        connection.execute(over.where(CHANGES.c.number.in_(wanted[start : start + CHUNK])))
    last = select(func.max(CHANGES.c.number)).scalar_subquery()
    connection.execute(delete(CHANGES).where(CHANGES.c.is_pending.is_(False), CHANGES.c.number < last))


def _change(number: int, document: bytes | None) -> Change:
    if document is None:
        return Change(number=number, is_everything=True)
    packages, cves = json.loads(zlib.decompress(document))
    return Change(number=number, packages=frozenset(map(tuple, packages)), cves=frozenset(cves))
