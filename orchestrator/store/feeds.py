"""Feeds: where each stands, and taking in what it says."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO, Any

from sqlalchemy import Connection, func, select, update

from orchestrator.core.advisories import Entry, FeedImport, FeedStatus, Imported, Likelihood, why_too_small
from orchestrator.core.model import Moment
from orchestrator.errors import Conflict, FeedInvalid, NotAvailable
from orchestrator.store import changes
from orchestrator.store.advisory_tables import ADVISORIES, FEEDS
from orchestrator.store.database import Database
from orchestrator.store.feed_import import Reading, Writing, known_entries
from orchestrator.store.likelihoods import LikelihoodReading, known_likelihoods, write_likelihoods
from orchestrator.store.statements import Values, add_missing, values_of
from orchestrator.store.told import stored_text

FEW = 50
"""Of a file with fewer entries that is not whole, only those are looked up: the feed may have a million. They are in
memory together, and one may say much."""

_NEW: Values = {"entries": 0, "statements": 0, "moves": 0}


class SqlFeeds:
    """`ports.advisories.FeedStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def import_entries(
        self, about: FeedImport, entries: Iterable[Entry], now: Callable[[], Moment] | None = None
    ) -> Imported:
        """Take in one file, whole or not at all."""
        with self._database.read() as connection:
            before = _stand(connection, about.feed)
        if _is_outdated(about, before):
            return self._outdated(about)
        coming = iter(entries)
        first = () if about.is_whole else tuple(islice(coming, FEW))
        with self._database.read() as connection:
            # Somebody else's import between the two is found out when the turn is taken.
            known = known_entries(connection, about.feed, None if len(first) in {0, FEW} else _named(about, first))
        with _spool() as spool:
            reading = Reading(about=about, known=known, spool=spool)
            reading.read(chain(first, coming))
            gone, is_baseline = reading.gone(), before.whole_at is None
            if why := why_too_small(about, reading.held, len(set(gone).difference(about.deleted))):
                raise FeedInvalid(why, file=about.source)
            with self._database.write() as connection:
                _take_turn(connection, about.feed, before)
                about = _dated(about, before, now)
                writing = Writing(connection=connection, about=about, known=known, is_baseline=is_baseline)
                writing.take(spool)
                writing.drop(gone)
                counted = {
                    "entries": _entries(connection, about.feed),
                    "statements": before.statements + writing.statements,
                }
                changes.concerning(connection, writing.packages, writing.cves)
                _finish(connection, about, before, has_changed=spool.tell() > 0 or bool(gone), **counted)
        return writing.imported(reading.counts, len(gone))

    def put_likelihoods(
        self, about: FeedImport, scores: Iterable[Likelihood], now: Callable[[], Moment] | None = None
    ) -> Imported:
        """All scores in the place of all that there were."""
        with self._database.read() as connection:
            before, known = _stand(connection, about.feed), known_likelihoods(connection)
        if _is_outdated(about, before):
            return self._outdated(about)
        with _spool() as spool:
            reading = LikelihoodReading(about=about, known=known, spool=spool)
            reading.read(scores)
            with self._database.write() as connection:
                _take_turn(connection, about.feed, before)
                about = _dated(about, before, now)
                gone = reading.gone()
                write_likelihoods(connection, spool, gone)
                has_changed = spool.tell() > 0 or bool(gone)
                _finish(connection, about, before, has_changed=has_changed, entries=len(reading.seen), statements=0)
        return reading.imported()

    def failed(self, feed: str, at: Moment, error: str, source: str | None = None) -> None:
        """Remember that an attempt failed; what was imported stays."""
        self._tried(feed, {"attempted_at": at, "error": error} | ({} if source is None else {"source": source}))

    def unchanged(self, feed: str, at: Moment) -> None:
        """Remember that there is nothing newer."""
        self._tried(feed, {"succeeded_at": at, "attempted_at": at, "error": None})

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Of every feed that was ever tried, by name."""
        columns = [FEEDS.c[name] for name in FeedStatus.model_fields]
        with self._database.read() as connection:
            found = [FeedStatus.model_validate(values_of(row)) for row in connection.execute(select(*columns))]
        return tuple(sorted(found, key=lambda status: status.feed))

    def _outdated(self, about: FeedImport) -> Imported:
        self._tried(about.feed, {"attempted_at": about.at, "error": None})
        return Imported(is_outdated=True)

    def _tried(self, feed: str, values: Values) -> None:
        with self._database.write() as connection:
            add_missing(connection, FEEDS, [_NEW | {"feed": feed}])
            connection.execute(update(FEEDS).where(FEEDS.c.feed == feed).values(values))


def _named(about: FeedImport, entries: Iterable[Entry]) -> set[str]:
    """The ids of these, as they are stored, and of those that are gone."""
    return {stored_text(entry.id) for entry in entries} | set(about.deleted)


@contextmanager
def _spool() -> Iterator[IO[bytes]]:
    """A temporary file. Raises `NotAvailable` where it cannot be written."""
    try:
        with tempfile.TemporaryFile(prefix="patchwave-feed-", buffering=1 << 20) as spool:
            yield spool
    except OSError as exc:
        raise NotAvailable(f"a temporary file cannot be written: {exc.strerror}; TMPDIR names another place") from exc


class _Stand(FeedStatus):
    """A feed before an import: ``moves`` tells whether it is still there when the import is written; the rest is as in
    `FeedRow`."""

    moves: int = 0
    whole_at: Moment | None = None
    told_at: Moment | None = None


def _stand(connection: Connection, feed: str, *, locked: bool = False) -> _Stand:
    query = select(FEEDS).where(FEEDS.c.feed == feed)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    return _Stand(feed=feed) if row is None else _Stand.model_validate(values_of(row))


def _dated(about: FeedImport, before: _Stand, now: Callable[[], Moment] | None) -> FeedImport:
    """The import, dated as it is written: other writers are kept away by now, so that no check of a host comes between
    that instant and what is told from it on. Never before what was told last: a clock may be set back."""
    moments = (about.at, before.told_at, now and now())
    return about.model_copy(update={"at": max(moment for moment in moments if moment is not None)})


def _is_outdated(about: FeedImport, before: _Stand) -> bool:
    """Single files that somebody took in before the first whole one say nothing of its age."""
    if before.whole_at is None:
        return False
    return about.is_whole and about.dated is not None and before.dated is not None and about.dated < before.dated


def _take_turn(connection: Connection, feed: str, before: _Stand) -> None:
    """Keep other imports of the feed away until the end of the transaction, and refuse where one came between."""
    add_missing(connection, FEEDS, [_NEW | {"feed": feed}])
    if _stand(connection, feed, locked=True).moves != before.moves:
        raise Conflict(f"somebody else imported {feed} meanwhile: import it again")


def _entries(connection: Connection, feed: str) -> int:
    held = select(func.count()).where(ADVISORIES.c.feed == feed, ADVISORIES.c.gone_at.is_(None))
    return connection.execute(held).scalar_one()


def _finish(connection: Connection, about: FeedImport, before: _Stand, *, has_changed: bool, **counted: int) -> None:
    is_first = about.is_whole and before.whole_at is None
    values: dict[str, Any] = {
        "source": about.source,
        "version": about.version,
        "dated": about.dated if is_first else max(filter(None, (about.dated, before.dated)), default=None),
        "etag": about.etag,
        "last_modified": about.last_modified,
        "first_imported_at": before.first_imported_at or about.at,
        "succeeded_at": about.at,
        "attempted_at": about.at,
        "error": None,
        "moves": before.moves + has_changed,
        "whole_at": about.at if is_first else before.whole_at,
        "told_at": about.at,
    }
    connection.execute(update(FEEDS).where(FEEDS.c.feed == about.feed).values(values | counted))
