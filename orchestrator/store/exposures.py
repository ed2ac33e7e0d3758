"""Current exposures, which are derived and replaced, and closures, which are appended for ever."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from orchestrator.core.windows import Exposure, Window
from orchestrator.store.database import Database
from orchestrator.store.statements import CHUNK, add_missing, as_json, lock_hosts, values_of
from orchestrator.store.tables import CLOSURES, EXPOSURES


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
            add_missing(connection, CLOSURES, [_closure_row(window) for window in _closed(everything)])

    def all(self) -> tuple[Exposure, ...]:
        """All current exposures, by host id and CVE."""
        with self._database.read() as connection:
            found = [_exposure(row) for row in connection.execute(select(EXPOSURES))]
        return tuple(sorted(found, key=lambda exposure: (exposure.host_id, exposure.cve)))

    def closures(self) -> tuple[Window, ...]:
        """Every closure, by the time at which the window closed."""
        query = select(CLOSURES).order_by(CLOSURES.c.closed_at, CLOSURES.c.id)
        with self._database.read() as connection:
            return tuple(_closure(row) for row in connection.execute(query))


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
