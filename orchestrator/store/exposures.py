"""Current exposures, which are derived and replaced, and closures, which are appended for ever."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, delete, func, select, text

from orchestrator.core.exposure_report import is_over
from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.exposure_tally import ExposureTally, summed, tally
from orchestrator.core.windows import Exposure, Window
from orchestrator.store.database import Database
from orchestrator.store.statements import (
    CHUNK,
    add_missing,
    as_json,
    earliest,
    inside,
    lock_hosts,
    matching,
    moment_of,
    values_of,
)
from orchestrator.store.tables import CLOSURES, EXPOSURES, HOSTS

_KNOWN_BY = (CLOSURES.c.host_id, CLOSURES.c.cve, CLOSURES.c.detected_at, CLOSURES.c.closed_at)


class SqlExposures:
    """`ports.store.ExposureStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, host_id: str, exposures: Sequence[Exposure]) -> None:
        """The host's exposures, in place of all that it had."""
        self.replace_many({host_id: exposures})

    def replace_many(self, exposures: Mapping[str, Sequence[Exposure]]) -> None:
        """The exposures of many hosts in one transaction."""
        if not exposures:
            return
        hosts = sorted(exposures)
        everything = [exposure for host in hosts for exposure in exposures[host]]
        with self._database.write() as connection:
            lock_hosts(connection, hosts)
            for start in range(0, len(hosts), CHUNK):
                connection.execute(delete(EXPOSURES).where(EXPOSURES.c.host_id.in_(hosts[start : start + CHUNK])))
            if everything:
                connection.execute(EXPOSURES.insert(), [_exposure_row(exposure) for exposure in everything])
            _append(connection, hosts, list(_closed(everything)))

    def all(self) -> tuple[Exposure, ...]:
        """All current exposures, by host id and CVE."""
        with self._database.read() as connection:
            found = [_exposure(row) for row in connection.execute(select(EXPOSURES))]
        return tuple(sorted(found, key=lambda exposure: (exposure.host_id, exposure.cve)))

    def tallies(self) -> tuple[ExposureTally, ...]:
        """Current exposures that are not over, of hosts that are not retired, counted in the database. Whether one is
        over only core can say: those few that may be are read and counted here."""
        with self._database.read() as connection:
            counted = [_tally(row) for row in connection.execute(_tallies(connection))]
            maybe_over = [
                _exposure(row) for row in connection.execute(_listed(connection, *EXPOSURES.c, may_be_over=True))
            ]
        return summed([*counted, *(tally(exposure) for exposure in maybe_over if not is_over(exposure))])

    def closures(self, skip: int = 0, most: int | None = None) -> tuple[Window, ...]:
        """Every closure but the first ``skip``, at most so many, in the order in which they were appended."""
        query = select(CLOSURES).order_by(CLOSURES.c.id).offset(skip).limit(most)
        with self._database.read() as connection:
            return tuple(_closure(row) for row in connection.execute(query))


def _append(connection: Connection, hosts: Sequence[str], closed: Sequence[Window]) -> None:
    """Append those that are not there. Only those are offered: on PostgreSQL each row of an insert takes a number, also
    one that is there already, and the numbers end at 2 147 483 647. Whoever appends has the table until the end of the
    transaction, so that the numbers are in the order in which they become visible: a reader reads on from the last."""
    if not closed:
        return
    known = {tuple(row) for row in matching(connection, select(*_KNOWN_BY), CLOSURES.c.host_id, hosts)}
    new = [
        window for window in closed if (window.host_id, window.cve, window.detected_at, window.closed_at) not in known
    ]
    if new and connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE closure IN SHARE ROW EXCLUSIVE MODE"))
    add_missing(connection, CLOSURES, [_closure_row(window) for window in new])


def _closed(exposures: Sequence[Exposure]) -> Iterator[Window]:
    for exposure in exposures:
        yield from (window for window in exposure.windows if window.closed_at is not None)


def _listed(connection: Connection, *columns: Any, may_be_over: bool) -> Select[Any]:
    """Exposures of hosts that are not retired: those of which core must say whether they are over, or the others."""
    method = inside(connection, EXPOSURES.c.windows, -1, "method")
    is_doubtful = and_(EXPOSURES.c.state == ExposureState.UNKNOWN.value, func.coalesce(method, "").in_(_OVER))
    listed = select(*columns).join_from(EXPOSURES, HOSTS, EXPOSURES.c.host_id == HOSTS.c.id)
    return listed.where(HOSTS.c.retired_at.is_(None), is_doubtful if may_be_over else ~is_doubtful)


_OVER = (f'"{ClosedBy.WITHDRAWN.value}"', f'"{ClosedBy.HOST_REPLACED.value}"')
_KIND = (EXPOSURES.c.host_id, EXPOSURES.c.severity, EXPOSURES.c.state, EXPOSURES.c.remedy)


def _tallies(connection: Connection) -> Select[Any]:
    closed_at, detected_at = (
        inside(connection, EXPOSURES.c.windows, -1, name) for name in ("closed_at", "detected_at")
    )
    oldest = earliest(connection, case((closed_at.is_(None), detected_at))).label("oldest")
    return _listed(connection, *_KIND, func.count().label("count"), oldest, may_be_over=False).group_by(*_KIND)


def _tally(row: Row[Any]) -> ExposureTally:
    values = values_of(row)
    return ExposureTally.model_validate(values | {"oldest": moment_of(values["oldest"])})


def _exposure_row(exposure: Exposure) -> dict[str, Any]:
    values = dict(exposure)
    del values["is_over"]
    return values | {"windows": [as_json(window) for window in exposure.windows]}


def _exposure(row: Row[Any]) -> Exposure:
    exposure = Exposure.model_validate(values_of(row))
    last = exposure.windows[-1] if exposure.windows else None
    ended = last is not None and last.method in {ClosedBy.WITHDRAWN, ClosedBy.HOST_REPLACED}
    is_over = (
        ended and exposure.state is ExposureState.UNKNOWN and last is not None and last.closed_at == exposure.since
    )
    return exposure.model_copy(update={"is_over": is_over})


def _closure_row(window: Window) -> dict[str, Any]:
    values = dict(window)
    return values | {"number": values.pop("index"), "unknown": as_json(window.unknown)}


def _closure(row: Row[Any]) -> Window:
    values = values_of(row)
    values.pop("id")
    return Window.model_validate(values | {"index": values.pop("number")})
