"""Sightings and the last check of each host."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, select, update

from orchestrator.core.advisories import PackageKey
from orchestrator.core.facts import Facts, Observation, Packages, Volatile
from orchestrator.core.sightings import CheckRecord, Sighting, next_sighting
from orchestrator.store import changes
from orchestrator.store.database import Database
from orchestrator.store.facts import facts_of, keep_facts, keep_packages, load_packages, names_in
from orchestrator.store.statements import Values, as_json, lock_hosts, matching, put, values_of
from orchestrator.store.tables import FACTS, HOSTS, LAST_CHECKS, NAME_SETS, PACKAGE_LISTS, SIGHTINGS

_WITH_FACTS = select(SIGHTINGS, FACTS.c.document).join(FACTS)
_LATER = SIGHTINGS.alias("later")
HIGHEST = select(func.max(_LATER.c.number)).where(_LATER.c.host_id == SIGHTINGS.c.host_id).scalar_subquery()
"""The number of a host's latest sighting."""

_LATEST = _WITH_FACTS.where(SIGHTINGS.c.number == HIGHEST)
LATEST_OF_HOST = and_(
    SIGHTINGS.c.host_id == HOSTS.c.id,
    SIGHTINGS.c.number == select(func.max(_LATER.c.number)).where(_LATER.c.host_id == HOSTS.c.id).scalar_subquery(),
)
"""Joins a host with its latest sighting: two look-ups in an index for each host, however long its history is."""

_INSTALLED = (
    select(HOSTS.c.id, FACTS.c.distribution, FACTS.c.kernel_source, PACKAGE_LISTS.c.names)
    .select_from(HOSTS)
    .join(SIGHTINGS, LATEST_OF_HOST)
    .join(FACTS, FACTS.c.content_hash == SIGHTINGS.c.content_hash)
    .outerjoin(PACKAGE_LISTS, PACKAGE_LISTS.c.fingerprint == FACTS.c.fingerprint)
    .where(HOSTS.c.retired_at.is_(None), FACTS.c.distribution.is_not(None))
)
_EXTEND = (
    update(SIGHTINGS)
    .where(SIGHTINGS.c.id == bindparam("sighting"))
    .values(last_seen=bindparam("seen"), expected_by=bindparam("due"), deep_seen=bindparam("deep"))
)


class SqlSightings:
    """`ports.store.SightingStore` over SQL. Facts come back without volatile values and without package items:
    those are in `packages`, under the fingerprint."""

    def __init__(self, database: Database, new_id: Callable[[], str]) -> None:
        self._database, self._new_id = database, new_id

    def record(self, checks: Sequence[CheckRecord]) -> None:
        """Keep these checks in one transaction, in the order in which they started."""
        if not checks:
            return
        with self._database.write() as connection:
            hosts = {check.host_id for check in checks}
            lock_hosts(connection, hosts)
            batch = _Batch.begin(connection, hosts, self._new_id)
            for check in sorted(checks, key=lambda check: check.started_at):
                batch.take(check)
            batch.write(connection)
            changes.moved(connection, {batch.moved[key].host_id for key in batch.new})

    def latest(self, host_ids: Sequence[str] | None = None) -> Mapping[str, Sighting]:
        """The latest sighting by host id."""
        with self._database.read() as connection:
            rows = _rows(connection, _LATEST, SIGHTINGS.c.host_id, host_ids)
        return {row.host_id: _sighting(row) for row in rows}

    def history(self, host_ids: Sequence[str]) -> Mapping[str, tuple[Sighting, ...]]:
        """All sightings by host id, oldest first; a host without any is left out."""
        with self._database.read() as connection:
            query = _WITH_FACTS.order_by(SIGHTINGS.c.host_id, SIGHTINGS.c.number)
            rows = _rows(connection, query, SIGHTINGS.c.host_id, host_ids)
        found: defaultdict[str, list[Sighting]] = defaultdict(list)
        for row in rows:
            found[row.host_id].append(_sighting(row))
        return {host: tuple(sightings) for host, sightings in found.items()}

    def last_checks(self, host_ids: Sequence[str] | None = None) -> Mapping[str, CheckRecord]:
        """The last check of each host, or of each of these, by host id."""
        query = select(LAST_CHECKS, FACTS.c.document).outerjoin(FACTS)
        with self._database.read() as connection:
            rows = _rows(connection, query, LAST_CHECKS.c.host_id, host_ids)
        return {row.host_id: _check(row) for row in rows}

    def packages(self, fingerprint: str) -> Packages | None:
        """A stored package list by its fingerprint."""
        with self._database.read() as connection:
            return load_packages(connection, fingerprint)

    def distributions(self) -> frozenset[str]:
        """Of the hosts that are not retired, as they were seen last."""
        query = select(FACTS.c.distribution).distinct().select_from(HOSTS).join(SIGHTINGS, LATEST_OF_HOST)
        query = query.join(FACTS, FACTS.c.content_hash == SIGHTINGS.c.content_hash)
        seen = query.where(HOSTS.c.retired_at.is_(None), FACTS.c.distribution.is_not(None))
        with self._database.read() as connection:
            return frozenset(connection.scalars(seen))

    def concerned(self, packages: Collection[PackageKey]) -> frozenset[str]:
        """Hosts that have one of these packages. Read are names, once for all hosts that have the same installed."""
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for distribution, package in packages:
            wanted[distribution].add(package)
        kinds: defaultdict[tuple[str, str | None, str | None], list[str]] = defaultdict(list)
        with self._database.read() as connection:
            for host_id, distribution, kernel, digest in connection.execute(_INSTALLED):
                if distribution in wanted:
                    kinds[distribution, kernel, digest].append(host_id)
            names = _names(connection, {digest for _, _, digest in kinds if digest is not None})
        return frozenset(
            host_id
            for (distribution, kernel, digest), hosts in kinds.items()
            if kernel in wanted[distribution] or not wanted[distribution].isdisjoint(names.get(digest, ()))
            for host_id in hosts
        )


@dataclass(kw_only=True)
class _Batch:
    """Where the hosts of one batch stand, moved on check by check, and so the rows that the batch comes to."""

    new_id: Callable[[], str]
    latest: dict[str, Sighting]
    numbers: dict[str, int]
    checked: dict[str, datetime]
    moved: dict[str, Sighting] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    packages: dict[str, Packages] = field(default_factory=dict)
    last: dict[str, Values] = field(default_factory=dict)

    @classmethod
    def begin(cls, connection: Connection, hosts: set[str], new_id: Callable[[], str]) -> Self:
        """Where these hosts stand in the database."""
        rows = _rows(connection, _LATEST, SIGHTINGS.c.host_id, hosts)
        query = select(LAST_CHECKS.c.host_id, LAST_CHECKS.c.started_at)
        return cls(
            new_id=new_id,
            latest={row.host_id: _sighting(row) for row in rows},
            numbers={row.host_id: row.number for row in rows},
            checked={row.host_id: row.started_at for row in matching(connection, query, LAST_CHECKS.c.host_id, hosts)},
        )

    def take(self, check: CheckRecord) -> None:
        """Move the check's host on."""
        before = self.latest.get(check.host_id)
        after = next_sighting(before, check, self.new_id())
        if after is not None:
            self._move(before, after)
        content_hash = None if check.observation is None else self._keep(check.observation.facts, after)
        if check.host_id not in self.checked or check.started_at >= self.checked[check.host_id]:
            self.checked[check.host_id] = check.started_at
            self.last[check.host_id] = _check_row(check, content_hash)

    def _keep(self, facts: Facts, sighting: Sighting | None) -> str:
        content_hash = facts.content_hash() if sighting is None else sighting.content_hash
        self.facts[content_hash] = facts
        if facts.packages is not None and facts.packages.items is not None:
            self.packages[facts.packages.fingerprint] = facts.packages
        return content_hash

    def _move(self, before: Sighting | None, after: Sighting) -> None:
        if before is None or before.id != after.id:
            self.new[after.id] = self.numbers[after.host_id] = self.numbers.get(after.host_id, -1) + 1
        self.latest[after.host_id] = self.moved[after.id] = after

    def write(self, connection: Connection) -> None:
        """The rows."""
        keep_facts(connection, self.facts)
        keep_packages(connection, self.packages)
        if self.new:
            connection.execute(SIGHTINGS.insert(), [_sighting_row(self.moved[key], n) for key, n in self.new.items()])
        if extended := [self.moved[key] for key in sorted(self.moved.keys() - self.new.keys())]:
            connection.execute(_EXTEND, [_extension(sighting) for sighting in extended])
        put(connection, LAST_CHECKS, [self.last[host] for host in sorted(self.last)])


def _names(connection: Connection, digests: Iterable[str]) -> Mapping[str | None, Collection[str]]:
    rows = matching(connection, select(NAME_SETS), NAME_SETS.c.digest, digests)
    return {row.digest: names_in(row.document) for row in rows}


def _rows(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], host_ids: Iterable[str] | None
) -> Sequence[Row[Any]]:
    if host_ids is None:
        return connection.execute(query).all()
    return list(matching(connection, query, column, host_ids))


def _extension(sighting: Sighting) -> Values:
    return {
        "sighting": sighting.id,
        "seen": sighting.last_seen,
        "due": sighting.expected_by,
        "deep": sighting.deep_seen,
    }


def _sighting_row(sighting: Sighting, number: int) -> Values:
    values = dict(sighting)
    del values["facts"]
    return values | {"number": number}


def _sighting(row: Row[Any]) -> Sighting:
    values = values_of(row)
    del values["number"]
    return Sighting.model_validate(values | {"facts": facts_of(values.pop("document"))})


def _check_row(check: CheckRecord, content_hash: str | None) -> Values:
    values = dict(check)
    seen: Observation | None = values.pop("observation")
    return values | {
        "content_hash": content_hash,
        "observation_started_at": seen and seen.started_at,
        "observed_at": seen and seen.observed_at,
        "volatile": seen and as_json(seen.facts.volatile),
    }


def _check(row: Row[Any]) -> CheckRecord:
    values = values_of(row)
    started, observed = values.pop("observation_started_at"), values.pop("observed_at")
    document, volatile, _hash = values.pop("document"), values.pop("volatile"), values.pop("content_hash")
    if document is not None:
        facts = facts_of(document).model_copy(update={"volatile": Volatile.model_validate(volatile)})
        values["observation"] = Observation(started_at=started, observed_at=observed, facts=facts)
    return CheckRecord.model_validate(values)
