"""The few statements that SQLAlchemy spells per database, and reading by many ids."""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import JSON, ColumnElement, Connection, Row, Select, Table, Text, case, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.core.model import Frozen
from orchestrator.errors import NotFound
from orchestrator.store.tables import HOSTS

Values = dict[str, Any]
T = TypeVar("T")

CHUNK = 5000
"""Ids per statement: SQLite takes 32766 parameters, PostgreSQL 65535."""


def put(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert, or replace every other column where the primary key is there."""
    if rows:
        statement = _insert(connection, table)
        changed = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
        key = list(table.primary_key.columns)
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), list(rows))


def add_missing(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert where no unique key is in the way; leave what is there as it is."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def insert_many(connection: Connection, table: Table, rows: Sequence[Values], shared: Values) -> None:
    """Insert very many rows that have the ``shared`` values in common: those alone are converted for the driver, once,
    which takes half the time of an insert away. The rest must be text, numbers or None."""
    if not rows:
        return
    compiled = table.insert().inline().compile(dialect=connection.dialect, column_keys=[*rows[0], *shared])
    bound = {name: _bound(connection, table.c[name], value) for name, value in shared.items()}
    whole = [row | bound for row in rows]
    order = compiled.positiontup
    connection.exec_driver_sql(str(compiled), whole if order is None else list(map(itemgetter(*order), whole)))


def _bound(connection: Connection, column: ColumnElement[Any], value: Any) -> Any:
    processor = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return value if processor is None else processor(value)


def matching(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], keys: Iterable[T]
) -> Iterator[Row[Any]]:
    """The query's rows whose column is one of the keys, however many there are."""
    wanted = sorted(set(keys))  # type: ignore[type-var]
    for start in range(0, len(wanted), CHUNK):
        yield from connection.execute(query.where(column.in_(wanted[start : start + CHUNK])))


def lock_hosts(connection: Connection, host_ids: Iterable[str]) -> None:
    """Keep other writers away from these hosts until the end of the transaction. Raises `NotFound`.

    In ascending order, so that two writers cannot wait for each other. PostgreSQL: ``FOR NO KEY UPDATE``, which lets
    rows that refer to the host be inserted meanwhile. SQLite has one writer anyway.
    """
    wanted = set(host_ids)
    query = select(HOSTS.c.id).order_by(HOSTS.c.id).with_for_update(key_share=True)
    found = {row.id for row in matching(connection, query, HOSTS.c.id, wanted)}
    if wanted - found:
        raise NotFound(f"no host with the id {', '.join(sorted(wanted - found))} is registered")


def values_of(row: Row[Any]) -> Values:
    """The row's values by column."""
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor; the underscore avoids column names


def as_json(value: Frozen) -> Values:
    """The object as plain JSON data."""
    return value.model_dump(mode="json")


_UNREADABLE = r"\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})"


def inside(connection: Connection, column: ColumnElement[Any], *path: str | int) -> ColumnElement[Any]:
    """The JSON text of what stands there in a column of JSON text, NULL for JSON's null and where nothing stands. A
    number counts items, from the end below 0.

    PostgreSQL cannot look into a document that has a NUL or half a surrogate pair anywhere: those are replaced before.
    """
    if connection.dialect.name != "sqlite":
        is_odd = func.strpos(column, "\\u") > 0
        readable = case((is_odd, func.regexp_replace(column, _UNREADABLE, r"\\ufffd", "g")), else_=cast(column, Text))
        found = cast(func.json_extract_path(cast(readable, JSON), *(str(step) for step in path)), Text)
        return func.nullif(found, "null", type_=Text)
    steps = [f".{step}" if isinstance(step, str) else f"[{step}]" if step >= 0 else f"[#{step}]" for step in path]
    return func.nullif(func.json_quote(func.json_extract(column, "$" + "".join(steps))), "null", type_=Text)


def _insert(connection: Connection, table: Table) -> Any:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
