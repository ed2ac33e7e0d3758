"""Entries of feeds, for lists and pages."""

import re
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, func, or_, select, tuple_

from orchestrator.core.advisories import Entry
from orchestrator.store.advisories import told_now
from orchestrator.store.advisory_tables import ADVISORIES, FEEDS, TOLD
from orchestrator.store.database import Database

_PART_OF_CVE = re.compile(r"[CVE0-9-]+")


class SqlAdvisoryIndex:
    """`ports.advisories.AdvisoryIndex` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, *, feed: str | None = None, text: str | None = None, after: str | None = None, most: int = 100
    ) -> tuple[tuple[str, Entry], ...]:
        """Feed and entry, by feed and id, from after ``FEED/ID`` on."""
        with self._database.read() as connection:
            query = _there().order_by(*(_by_bytes(connection, ADVISORIES.c[name]) for name in ("feed", "entry")))
            if feed is not None:
                query = query.where(ADVISORIES.c.feed == feed)
            if text:
                query = query.where(_has(text))
            if after is not None:
                query = query.where(_after(connection, after))
            return tuple((row.feed, _entry(row)) for row in connection.execute(query.limit(most)))

    def show(self, entry_id: str) -> tuple[tuple[str, Entry], ...]:
        """Every feed's entry of that id, with what it says now."""
        with self._database.read() as connection:
            found = connection.execute(_there().where(ADVISORIES.c.entry == entry_id)).all()
            return tuple((row.feed, _whole(connection, row)) for row in sorted(found, key=lambda row: row.feed))


def _there() -> Select[Any]:
    return select(ADVISORIES).where(ADVISORIES.c.gone_at.is_(None))


def _has(text: str) -> ColumnElement[bool]:
    columns = (ADVISORIES.c.entry, func.coalesce(ADVISORIES.c.title, "", type_=Text))
    parts = [func.lower(column).contains(text.lower(), autoescape=True) for column in columns]
    if not _PART_OF_CVE.fullmatch(text.upper()):
        return or_(*parts)
    of_cve = select(TOLD.c.feed, TOLD.c.entry).where(
        TOLD.c.cve.contains(text.upper(), autoescape=True), TOLD.c.until.is_(None)
    )
    return or_(*parts, tuple_(ADVISORIES.c.feed, ADVISORIES.c.entry).in_(of_cve))


def _after(connection: Connection, after: str) -> ColumnElement[bool]:
    """A feed's name may have slashes, and an id too: it is the longest name of a feed that fits."""
    names = connection.scalars(select(FEEDS.c.feed)).all()
    feed = max((name for name in names if after.startswith(f"{name}/")), key=len, default=after)
    feeds, entries = (_by_bytes(connection, ADVISORIES.c[name]) for name in ("feed", "entry"))
    return or_(feeds > feed, and_(feeds == feed, entries > after[len(feed) + 1 :]))


def _by_bytes(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column if connection.dialect.name == "sqlite" else column.collate("C")


def _entry(row: Row[Any], **said: Any) -> Entry:
    return Entry(
        id=row.entry,
        title=row.title,
        url=row.url,
        published=row.published,
        modified=row.modified,
        withdrawn=row.withdrawn,
        **said,
    )


def _whole(connection: Connection, row: Row[Any]) -> Entry:
    told = told_now(connection, TOLD.c.feed == row.feed, TOLD.c.entry == row.entry)
    statements, module_fixes, grades = (tuple(one.said for one in kind) for kind in told)
    return _entry(row, statements=statements, module_fixes=module_fixes, grades=grades)
