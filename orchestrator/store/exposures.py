"""Standings, which are derived and replaced, and closures, which are appended for ever."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
)

from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.exposure_tally import ExposureTally, summed
from orchestrator.core.model import Moment
from orchestrator.core.patches import Severity
from orchestrator.core.standing_groups import ClosureKey, new_closures
from orchestrator.core.standings import Closure, Marks, Span, Standing
from orchestrator.ports.store import Basis, Pending
from orchestrator.store import changes, cve_sets
from orchestrator.store.cve_sets import CveSets
from orchestrator.store.database import Database
from orchestrator.store.sightings import LATEST_OF_HOST
from orchestrator.store.statements import CHUNK, Values, lock_hosts, matching
from orchestrator.store.tables import CLOSURES, HOSTS, SIGHTINGS, STANDINGS

_SPANS = TypeAdapter(tuple[Span, ...])


class SqlExposures:
    """`ports.store.ExposureStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database, self._sets = database, CveSets()
        # How many closures some reader has read, and the number of the last of them.
        self._read = 0, 0

    def replace_many(self, standings: Mapping[str, Sequence[Standing]], made_of: Basis | None = None) -> frozenset[str]:
        """The standings of many hosts in one transaction; those that it was too late for."""
        if not standings:
            return frozenset()
        with self._database.write() as connection:
            now = changes.hold(connection)
            lock_hosts(connection, standings)
            if made_of is None:
                left = frozenset[str]()
            elif made_of.version != now:
                return frozenset(standings)
            else:
                left = _moved(connection, standings, made_of)
                changes.made(connection, standings.keys() - left, made_of)
            self._replace(connection, {host: found for host, found in standings.items() if host not in left})
        return left

    def basis(self, host_ids: Iterable[str]) -> Basis:
        """What the standings of these hosts would be made of now."""
        with self._database.read() as connection:
            return changes.basis(connection, host_ids)

    def pending(self) -> Pending:
        """What is to be followed up."""
        with self._database.read() as connection:
            return changes.pending(connection)

    def handled(self, numbers: Iterable[int]) -> None:
        """These changes were followed up."""
        with self._database.write() as connection:
            changes.handled(connection, numbers)

    def _replace(self, connection: Connection, standings: Mapping[str, Sequence[Standing]]) -> None:
        hosts = sorted(standings)
        everything = [one for host in hosts for one in standings[host]]
        if hosts:
            cve_sets.lock(connection)
            before = _Held(connection, hosts)
            digests = self._sets.add(connection, (one.marks for one in everything))
            new = [row for host in hosts for row in before.missing(host, standings[host], digests)]
            before.drop(connection)
            if new:
                connection.execute(STANDINGS.insert(), new)
            self._append(connection, everything)
            cve_sets.forget(connection, before.digests.difference(digests.values()))

    def of(self, host_ids: Iterable[str]) -> Mapping[str, tuple[Standing, ...]]:
        """The standings of these hosts; one without any is left out."""
        found: defaultdict[str, list[Standing]] = defaultdict(list)
        with self._database.read() as connection:
            rows = matching(connection, _STANDINGS, STANDINGS.c.host_id, host_ids)
            for one in self._standings(connection, sorted(rows, key=lambda row: (row.host_id, row.number))):
                found[one.host_id].append(one)
        return {host: tuple(standings) for host, standings in found.items()}

    def all(self) -> Iterator[Standing]:
        """All standings, by host id, read a page at a time: between two pages others may write."""
        after: tuple[str, int] | None = None
        while page := self._page(after):
            for _, standing in page:
                yield standing
            after = page[-1][0]

    def _page(self, after: tuple[str, int] | None) -> list[tuple[tuple[str, int], Standing]]:
        key = (STANDINGS.c.host_id, STANDINGS.c.number)
        query = _STANDINGS if after is None else _STANDINGS.where(tuple_(*key) > tuple_(*map(literal, after)))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(*key).limit(CHUNK)).all()
            keys = [(row.host_id, row.number) for row in rows]
            return list(zip(keys, self._standings(connection, rows), strict=True))

    def with_cve(self, cve: str) -> tuple[Standing, ...]:
        """The standings that have that CVE, by host id."""
        with self._database.read() as connection:
            digests = set(cve_sets.having(connection, [cve]))
            rows = matching(connection, _STANDINGS, STANDINGS.c.cve_set, digests)
            return tuple(self._standings(connection, sorted(rows, key=lambda row: (row.host_id, row.number))))

    def hosts_with(self, cves: Collection[str]) -> frozenset[str]:
        """Hosts that stand somehow with one of these CVEs."""
        with self._database.read() as connection:
            digests = set(cve_sets.having(connection, cves)) if cves else set()
            rows = matching(connection, select(STANDINGS.c.host_id).distinct(), STANDINGS.c.cve_set, digests)
            return frozenset(row.host_id for row in rows)

    def tallies(self, now: Moment) -> tuple[ExposureTally, ...]:
        """What is not over, of hosts that are not retired, counted in the database. Few hosts are retired or overdue:
        the others are counted along an index."""
        overdue = _overdue(now).cte("overdue")
        retired, silent = select(HOSTS.c.id).where(HOSTS.c.retired_at.is_not(None)), select(overdue.c.id)
        told = _counted(STANDINGS.c.host_id.not_in(retired.union(silent)), is_silent=False)
        untold = _counted(STANDINGS.c.host_id.in_(silent), is_silent=True)
        with self._database.read() as connection:
            return summed(_tally(row) for row in connection.execute(told.union_all(untold)))

    def overdue(self, now: Moment) -> Mapping[Severity, int]:
        """Exposures whose window is open and past its due date, of hosts that are not retired, by severity."""
        retired = select(HOSTS.c.id).where(HOSTS.c.retired_at.is_not(None))
        late = (STANDINGS.c.is_over.is_(False), STANDINGS.c.due_at < now, STANDINGS.c.host_id.not_in(retired))
        query = select(STANDINGS.c.severity, func.sum(STANDINGS.c.count)).where(*late).group_by(STANDINGS.c.severity)
        with self._database.read() as connection:
            return {Severity(severity): int(count) for severity, count in connection.execute(query).all()}

    def exposed_by_host(self, now: Moment) -> Mapping[str, int]:
        """To how many CVEs hosts are exposed, those left out that are exposed to none."""
        exposed = (~STANDINGS.c.is_over, STANDINGS.c.state == ExposureState.EXPOSED.value)
        query = select(STANDINGS.c.host_id, func.sum(STANDINGS.c.count)).where(*exposed)
        retired = select(HOSTS.c.id).where(HOSTS.c.retired_at.is_not(None))
        query = query.where(STANDINGS.c.host_id.not_in(retired.union(_overdue(now))))
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(STANDINGS.c.host_id)).all()
        return {host_id: int(count) for host_id, count in rows}

    def closures(self, skip: int = 0, most: int | None = None) -> tuple[Closure, ...]:
        """Every closure but the first ``skip``, at most so many, in the order in which they were appended."""
        # Whoever reads on from the last one need not have all before counted again.
        read, last = self._read if self._read[0] <= skip else (0, 0)
        query = select(CLOSURES).where(CLOSURES.c.id > last).order_by(CLOSURES.c.id).offset(skip - read).limit(most)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            found = self._closures(connection, rows)
        if rows:
            self._read = skip + len(rows), rows[-1].id
        return found

    def closed_since(self, moment: Moment) -> tuple[Closure, ...]:
        """Closures of then and later, in the order in which they were appended."""
        query = select(CLOSURES).where(CLOSURES.c.closed_at >= moment).order_by(CLOSURES.c.id)
        with self._database.read() as connection:
            return self._closures(connection, connection.execute(query).all())

    def _closures(self, connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Closure, ...]:
        marks = self._sets.read(connection, (row.cve_set for row in rows))
        return tuple(
            Closure(host_id=row.host_id, span=Span.model_validate_json(row.span), marks=marks[row.cve_set])
            for row in rows
        )

    def _standings(self, connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Standing]:
        marks = self._sets.read(connection, {row.cve_set for row in rows})
        for row in rows:
            yield _standing(row, marks[row.cve_set])

    def _append(self, connection: Connection, standings: Sequence[Standing]) -> None:
        """Append those that are not there. Whoever appends has the table until the end of the transaction, so that the
        numbers are in the order in which they become visible: a reader reads on from the last."""
        closed = {one.host_id for one in standings for span in one.spans if span.closed_at is not None}
        new = new_closures(standings, self._known(connection, closed)) if closed else ()
        if not new:
            return
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE closure IN SHARE ROW EXCLUSIVE MODE"))
        digests = self._sets.add(connection, (one.marks for one in new))
        connection.execute(CLOSURES.insert(), [_closure_row(one, digests[id(one.marks)]) for one in new])

    def _known(self, connection: Connection, hosts: Iterable[str]) -> Mapping[ClosureKey, frozenset[str]]:
        columns = (CLOSURES.c.host_id, CLOSURES.c.detected_at, CLOSURES.c.closed_at, CLOSURES.c.cve_set)
        rows = list(matching(connection, select(*columns), CLOSURES.c.host_id, hosts))
        marks = self._sets.read(connection, {row.cve_set for row in rows})
        names = {digest: frozenset(mark.cve for mark in found) for digest, found in marks.items()}
        known: defaultdict[ClosureKey, frozenset[str]] = defaultdict(frozenset)
        for row in rows:
            known[row.host_id, row.detected_at, row.closed_at] |= names[row.cve_set]
        return known


def _moved(connection: Connection, hosts: Collection[str], made_of: Basis) -> frozenset[str]:
    now = changes.moves(connection, hosts)
    return frozenset(host for host in hosts if now.get(host, 0) != made_of.moves.get(host, 0))


class _Held:
    """The standings that some hosts have before theirs are replaced. Of a host that learns of one more CVE nearly all
    stay as they are: those rows are left alone."""

    def __init__(self, connection: Connection, hosts: Sequence[str]) -> None:
        self.digests: set[str] = set()
        self._numbers: defaultdict[str, dict[tuple[Any, ...], int]] = defaultdict(dict)
        self._gone: list[tuple[str, int]] = []
        for row in matching(connection, _STANDINGS, STANDINGS.c.host_id, hosts):
            self.digests.add(row.cve_set)
            key = tuple([getattr(row, name) for name in _COMPARED])
            if self._numbers[row.host_id].setdefault(key, row.number) != row.number:
                self._gone.append((row.host_id, row.number))

    def missing(self, host: str, standings: Sequence[Standing], digests: Mapping[int, str]) -> list[Values]:
        """The rows that the host does not have yet, under numbers that none of those has that stay."""
        held, taken, new = self._numbers[host], set[int](), list[Values]()
        for one in standings:
            row = _row(one, digests[id(one.marks)])
            number = held.pop(tuple([row[name] for name in _COMPARED]), None)
            if number is None:
                new.append(row)
            else:
                taken.add(number)
        self._gone += [(host, number) for number in held.values()]
        free = (number for number in count() if number not in taken)
        return [row | {"number": number} for row, number in zip(new, free, strict=False)]

    def drop(self, connection: Connection) -> None:
        """Delete the rows that no host has any more."""
        if self._gone:
            connection.execute(_DELETE, [{"host": host, "n": number} for host, number in self._gone])


def _overdue(now: Moment) -> Select[Any]:
    """Hosts that no check saw in time: by the latest sighting, as `core.host_glance.HostGlance.is_overdue`."""
    seen = select(HOSTS.c.id).select_from(HOSTS).join(SIGHTINGS, LATEST_OF_HOST)
    return seen.where(HOSTS.c.retired_at.is_(None), SIGHTINGS.c.expected_by < now)


def _counted(condition: ColumnElement[bool], *, is_silent: bool) -> Select[Any]:
    kind = (STANDINGS.c.severity, STANDINGS.c.state, STANDINGS.c.remedy)
    counts = (func.sum(STANDINGS.c.count).label("sum"), func.min(STANDINGS.c.opened_at).label("oldest"))
    told = literal(is_silent, Boolean).label("is_silent")
    return select(*kind, *counts, told).where(STANDINGS.c.is_over.is_(False), condition).group_by(*kind)


def _tally(row: Row[Any]) -> ExposureTally:
    return ExposureTally(
        severity=row.severity,
        state=ExposureState.UNKNOWN if row.is_silent else row.state,
        remedy=row.remedy,
        count=int(row.sum),
        oldest=row.oldest,
    )


def _row(standing: Standing, digest: str) -> Values:
    last = standing.spans[-1] if standing.spans and standing.spans[-1].closed_at is None else None
    return {
        "host_id": standing.host_id,
        "severity": standing.severity.value,
        "state": standing.state.value,
        "reason": standing.reason and standing.reason.value,
        "remedy": standing.remedy.value,
        "since": standing.since,
        "spans": _SPANS.dump_json(standing.spans, exclude_defaults=True).decode(),
        "unknown_seconds": standing.unknown_seconds,
        "is_over": standing.is_over,
        "count": len(standing.marks),
        "opened_at": last and last.detected_at,
        "due_at": last and last.due_at,
        "cve_set": digest,
    }


_READ = ("host_id", "number", "severity", "state", "reason", "remedy", "since", "spans", "unknown_seconds", "is_over")
_COMPARED = ("severity", "state", "reason", "remedy", "since", "spans", "unknown_seconds", "is_over", "cve_set")
"""What tells the standings of a host apart; the other columns follow from these."""

_DELETE = delete(STANDINGS).where(STANDINGS.c.host_id == bindparam("host"), STANDINGS.c.number == bindparam("n"))
_STANDINGS = select(*(STANDINGS.c[name] for name in (*_READ, "cve_set")))
_SEVERITIES = {one.value: one for one in Severity}
_STATES = {one.value: one for one in ExposureState}
_REMEDIES = {one.value: one for one in Remedy}


def _standing(row: Row[Any], marks: Marks) -> Standing:
    """Not validated once more: there are very many."""
    return Standing.model_construct(
        host_id=row.host_id,
        severity=_SEVERITIES[row.severity],
        state=_STATES[row.state],
        reason=None if row.reason is None else CoveredBy(row.reason),
        remedy=_REMEDIES[row.remedy],
        since=row.since,
        spans=_SPANS.validate_json(row.spans),
        unknown_seconds=row.unknown_seconds,
        is_over=row.is_over,
        marks=marks,
    )


def _closure_row(closure: Closure, digest: str) -> Values:
    return {
        "host_id": closure.host_id,
        "detected_at": closure.span.detected_at,
        "closed_at": closure.span.closed_at,
        "span": closure.span.model_dump_json(exclude_defaults=True),
        "cve_set": digest,
    }
