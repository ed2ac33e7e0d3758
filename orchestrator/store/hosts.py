"""The register of hosts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import JSON, ColumnElement, Connection, Row, Text, case, cast, func, select, text

from orchestrator.core.facts import LivePatch, PatchState, Tool
from orchestrator.core.host_glance import HostGlance, covered_until
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.ports.store import HostChange
from orchestrator.store import changes
from orchestrator.store.database import Database
from orchestrator.store.sightings import LATEST_OF_HOST
from orchestrator.store.statements import inside, matching, put, values_of
from orchestrator.store.tables import FACTS, HOSTS, LAST_CHECKS, SIGHTINGS


class Shown(NamedTuple):
    """What a glance shows of facts."""

    live_patches: tuple[tuple[str, PatchState], ...] = ()
    covered_until: date | None = None


NOTHING = Shown()


class SqlHosts:
    """`ports.store.HostRegister` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # By the hash of facts, which never change: what the last glances showed of them.
        self._seen: Mapping[str, Shown] = {}

    def all(self) -> tuple[HostRecord, ...]:
        """Every host, by name. Sorted here: a database's collation would decide otherwise."""
        with self._database.read() as connection:
            return _all(connection)

    def some(self, host_ids: Iterable[str]) -> tuple[HostRecord, ...]:
        """Those with these ids, by name."""
        with self._database.read() as connection:
            return _some(connection, host_ids)

    def glances(self) -> tuple[HostGlance, ...]:
        """All that are not retired, by name. What was seen is read and understood once for all hosts that show it."""
        with self._database.read() as connection:
            rows = sorted(connection.execute(_GLANCES).all(), key=lambda row: (row.name, row.id))
            hashes = {row.content_hash for row in rows if row.content_hash is not None}
            known = self._seen
            new = _seen(connection, hashes - known.keys())
        seen = {key: known[key] if key in known else new[key] for key in hashes}
        self._seen = seen
        return tuple(_glance(row, seen.get(row.content_hash, NOTHING)) for row in rows)

    def save(self, records: Sequence[HostRecord]) -> None:
        """Insert or replace by id; of two with the same id the last counts."""
        by_id = {record.id: record for record in records}
        with self._database.write() as connection:
            _put(connection, by_id, _some(connection, by_id))

    def change(self, decide: HostChange, seen: Mapping[str, Evidence] | None = None) -> tuple[HostRecord, ...]:
        """Read, decide and save in one transaction; on PostgreSQL other writers of hosts wait, readers do not."""
        with self._database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE host IN SHARE ROW EXCLUSIVE MODE"))
            known = _all(connection) if seen is None else _concerned(connection, seen)
            changed = {record.id: record for record in decide(known)}
            _put(connection, changed, known)
        return tuple(changed.values())


def _put(connection: Connection, changed: Mapping[str, HostRecord], known: Iterable[HostRecord]) -> None:
    put(connection, HOSTS, [_row(changed[key]) for key in sorted(changed)])
    before = {record.id: stands_by(record) for record in known}
    moved = {key for key, record in changed.items() if key in before and stands_by(record) != before[key]}
    changes.moved(connection, moved)


def stands_by(record: HostRecord) -> tuple[object, ...]:
    """What standings of a host are made of, of its record."""
    return (
        record.retired_at,
        record.incarnation,
        record.incarnated_at,
        record.labels,
        record.customer,
        record.groups,
    )


def _all(connection: Connection) -> tuple[HostRecord, ...]:
    return _by_name(connection.execute(select(HOSTS)))


def _some(connection: Connection, host_ids: Iterable[str]) -> tuple[HostRecord, ...]:
    return _by_name(matching(connection, select(HOSTS), HOSTS.c.id, host_ids))


def _concerned(connection: Connection, seen: Mapping[str, Evidence]) -> tuple[HostRecord, ...]:
    """A scan of the table, without an index, but in the database: what does not concern these never gets here."""
    own = _some(connection, seen)
    marks = [*seen.values(), *(record.evidence for record in own)]
    found = {record.id for record in own}
    for name in ("machine_id", "boot_id"):
        values = {value for mark in marks if (value := getattr(mark, name)) is not None}
        column = _mark(connection, name)
        found |= {row.id for row in matching(connection, select(HOSTS.c.id), column, values)}
    listed_last = select(HOSTS.c.id).order_by(HOSTS.c.last_listed_at.desc()).limit(1)
    return _some(connection, found.union(connection.scalars(listed_last)))


def _mark(connection: Connection, name: str) -> ColumnElement[Any]:
    if connection.dialect.name == "sqlite":
        return func.json_extract(HOSTS.c.evidence, f"$.{name}", type_=Text)
    return func.json_extract_path_text(cast(HOSTS.c.evidence, JSON), name, type_=Text)


_GLANCES = (
    select(
        HOSTS.c.id,
        HOSTS.c.name,
        HOSTS.c.quarantined_at.is_not(None).label("is_quarantined"),
        case((LAST_CHECKS.c.host_id.is_not(None), LAST_CHECKS.c.observed_at.is_not(None))).label("is_reachable"),
        SIGHTINGS.c.last_seen,
        SIGHTINGS.c.expected_by,
        SIGHTINGS.c.content_hash,
    )
    .select_from(HOSTS)
    .outerjoin(LAST_CHECKS, LAST_CHECKS.c.host_id == HOSTS.c.id)
    .outerjoin(SIGHTINGS, LATEST_OF_HOST)
    .where(HOSTS.c.retired_at.is_(None))
)


def _seen(connection: Connection, content_hashes: Iterable[str]) -> Mapping[str, Shown]:
    """What a glance shows of facts, by their hash."""
    parts = [inside(connection, FACTS.c.document, name).label(name) for name in ("live_patches", "tools")]
    rows = matching(connection, select(FACTS.c.content_hash, *parts), FACTS.c.content_hash, content_hashes)
    return {row.content_hash: _shown(row.live_patches or "[]", row.tools or "[]") for row in rows}


@lru_cache(maxsize=1000)
def _shown(live_patches: str, tools: str) -> Shown:
    patches = tuple((patch.tool, patch.state) for patch in _PATCHES.validate_json(live_patches))
    return Shown(patches, covered_until(_TOOLS.validate_json(tools)))


def _glance(row: Row[Any], shown: Shown) -> HostGlance:
    return HostGlance(
        host_id=row.id,
        name=row.name,
        is_quarantined=bool(row.is_quarantined),
        is_reachable=None if row.is_reachable is None else bool(row.is_reachable),
        last_seen=row.last_seen,
        expected_by=row.expected_by,
        live_patches=shown.live_patches,
        covered_until=shown.covered_until,
    )


_PATCHES, _TOOLS = TypeAdapter(tuple[LivePatch, ...]), TypeAdapter(tuple[Tool, ...])


def _by_name(rows: Iterable[Row[Any]]) -> tuple[HostRecord, ...]:
    return tuple(sorted(map(_record, rows), key=lambda record: (record.name, record.id)))


def _row(record: HostRecord) -> dict[str, Any]:
    return dict(record) | {"groups": list(record.groups), "evidence": record.evidence.model_dump(mode="json")}


def _record(row: Row[Any]) -> HostRecord:
    return HostRecord.model_validate(values_of(row))
