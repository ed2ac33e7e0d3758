"""Current exposures, which are derived and replaced, and closures, which are appended for ever."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, text

from orchestrator.core.windows import Exposure, Window
from orchestrator.store.database import Database
from orchestrator.store.statements import CHUNK, add_missing, as_json, lock_hosts, matching, values_of
from orchestrator.store.tables import CLOSURES, EXPOSURES

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

    def closures(self, skip: int = 0) -> tuple[Window, ...]:
        """Every closure but the first ``skip``, in the order in which they were appended."""
        query = select(CLOSURES).order_by(CLOSURES.c.id).offset(skip)
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


def _exposure_row(exposure: Exposure) -> dict[str, Any]:
    return dict(exposure) | {"windows": [as_json(window) for window in exposure.windows]}


def _exposure(row: Row[Any]) -> Exposure:
    return Exposure.model_validate(values_of(row))


def _closure_row(window: Window) -> dict[str, Any]:
    values = dict(window)
    return values | {"number": values.pop("index"), "unknown": as_json(window.unknown)}


def _closure(row: Row[Any]) -> Window:
    values = values_of(row)
    values.pop("id")
    return Window.model_validate(values | {"index": values.pop("number")})
