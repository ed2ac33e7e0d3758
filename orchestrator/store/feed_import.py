"""One file of a feed, taken in: read and spooled without a transaction, then written in a short one.

What is in memory of a feed are the ids of its entries, with a digest and a date each. Entries that changed wait in a
temporary file until the last one could be read.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, update

from orchestrator.core.advisories import Entry, FeedImport, Imported, PackageKey
from orchestrator.core.patches import Cve
from orchestrator.errors import FeedInvalid
from orchestrator.store.advisory_tables import ADVISORIES, TOLD
from orchestrator.store.statements import CHUNK, Values, insert_many, matching, put
from orchestrator.store.told import Kind, Packed, Said

SLICE = 2_000
"""Entries of a spool that are in memory at a time; fewer where they say much."""


class Known(NamedTuple):
    """What decides whether an entry changed. ``is_gone``: its feed had it no longer."""

    content: str
    modified: datetime | None
    is_gone: bool


@dataclass(kw_only=True)
class Reading:
    """A file while it is read: what changed goes to the spool, the rest is counted."""

    about: FeedImport
    known: Mapping[str, Known]
    spool: IO[bytes]
    seen: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, entries: Iterable[Entry]) -> None:
        """All entries. Raises what they raise, and `FeedInvalid` where an id comes twice."""
        deleted = frozenset(self.about.deleted)
        for entry in entries:
            packed = Packed.of(entry)
            if packed.entry in self.seen:
                raise FeedInvalid(f"the entry {packed.entry} comes twice", file=self.about.source)
            self.seen.add(packed.entry)
            if packed.entry not in deleted:
                self._take(entry, packed)

    def _take(self, entry: Entry, packed: Packed) -> None:
        was = self.known.get(packed.entry)
        if was is not None and not was.is_gone and _is_older(entry.modified, was.modified):
            self.counts["unchanged"] += 1
        elif was is None or was.is_gone or was.content != packed.content:
            self.counts["withdrawn" if entry.withdrawn else _what(was)] += 1
            self.spool.write(packed.line())
        else:
            self.counts["unchanged"] += 1
            if entry.modified is not None and entry.modified != was.modified:
                self.spool.write(packed.line())

    @property
    def held(self) -> int:
        """How many entries there were."""
        return sum(not was.is_gone for was in self.known.values())

    def gone(self) -> list[str]:
        """Entries that were there, and that the feed has no longer."""
        there = {entry for entry, was in self.known.items() if not was.is_gone}
        missing = {
            entry for entry in there - self.seen if self.about.is_whole and not self._is_newer(self.known[entry])
        }
        return sorted(missing | there.intersection(self.about.deleted))

    def _is_newer(self, was: Known) -> bool:
        """Than the file: it cannot have what changed after its date."""
        return was.modified is not None and self.about.dated is not None and was.modified > self.about.dated


def _is_older(modified: datetime | None, known: datetime | None) -> bool:
    return modified is not None and known is not None and modified < known


def _what(was: Known | None) -> str:
    return "added" if was is None or was.is_gone else "changed"


@dataclass(kw_only=True)
class Writing:
    """The changes on their way into the database. ``statements``: how many more hold than before."""

    connection: Connection
    about: FeedImport
    known: Mapping[str, Known]
    is_baseline: bool
    packages: set[PackageKey] = field(default_factory=set)
    cves: set[Cve] = field(default_factory=set)
    statements: int = 0

    def take(self, spool: IO[bytes]) -> None:
        """Every entry of the spool, in the place of what it was."""
        spool.seek(0)
        slice_of: list[Packed] = []
        said = 0
        for entry in map(Packed.from_line, spool):
            slice_of.append(entry)
            said += len(entry.said)
            if len(slice_of) >= SLICE or said >= CHUNK:
                self._replace(slice_of)
                slice_of, said = [], 0
        self._replace(slice_of)

    def drop(self, gone: Sequence[str]) -> None:
        """These entries, and all that they said."""
        for start in range(0, len(gone), SLICE):
            some = gone[start : start + SLICE]
            self._end([said for entry in self._holding(some).values() for said in entry.items()])
            ended = update(ADVISORIES).where(ADVISORIES.c.feed == self.about.feed, ADVISORIES.c.entry.in_(some))
            self.connection.execute(ended.values(gone_at=self.about.at))

    def imported(self, counts: Mapping[str, int], gone: int) -> Imported:
        """What it came to."""
        return Imported(
            added=counts.get("added", 0),
            changed=counts.get("changed", 0),
            withdrawn=counts.get("withdrawn", 0) + gone,
            unchanged=counts.get("unchanged", 0),
            packages=frozenset(self.packages),
            cves=frozenset(self.cves),
        )

    def _replace(self, entries: Sequence[Packed]) -> None:
        holding = self._holding([one.entry for one in entries if one.entry in self.known])
        self._begin(
            [
                self._row(one.entry, said, place)
                for one in entries
                for said, place in one.said
                if said not in holding.get(one.entry, ())
            ]
        )
        said_now = {one.entry: {said for said, _ in one.said} for one in entries}
        self._end(
            [
                (said, number)
                for entry, holds in holding.items()
                for said, number in holds.items()
                if said not in said_now[entry]
            ]
        )
        put(self.connection, ADVISORIES, [self._advisory(one) for one in entries])

    def _holding(self, entries: Iterable[str]) -> Mapping[str, Mapping[Said, int]]:
        """What these entries say so far, with the numbers of the rows."""
        columns = (TOLD.c.id, TOLD.c.entry, *(TOLD.c[name] for name in Said._fields))
        query = select(*columns).where(TOLD.c.feed == self.about.feed, TOLD.c.until.is_(None))
        holding: defaultdict[str, dict[Said, int]] = defaultdict(dict)
        for row in matching(self.connection, query, TOLD.c.entry, entries):
            holding[row.entry][Said._make(row[2:])] = row.id
        return holding

    def _begin(self, rows: Sequence[Values]) -> None:
        self._touch(Said(*(row[name] for name in Said._fields)) for row in rows)
        self.statements += sum(row["kind"] == Kind.STATEMENT for row in rows)
        shared = {"feed": self.about.feed, "since": self.about.at, "until": None, "is_baseline": self.is_baseline}
        insert_many(self.connection, TOLD, rows, shared)

    def _end(self, said: Sequence[tuple[Said, int]]) -> None:
        self._touch(one for one, _ in said)
        self.statements -= sum(one.kind == Kind.STATEMENT for one, _ in said)
        if said:
            ended = update(TOLD).where(TOLD.c.id == bindparam("number")).values(until=bindparam("at"))
            self.connection.execute(ended, [{"number": number, "at": self.about.at} for _, number in said])

    def _touch(self, said: Iterable[Said]) -> None:
        for one in said:
            self.cves.add(one.cve)
            if one.distribution is not None and one.package is not None:
                self.packages.add((one.distribution, one.package))

    @staticmethod
    def _row(entry: str, said: Said, place: str) -> Values:
        return {
            "kind": said.kind,
            "entry": entry,
            "cve": said.cve,
            "distribution": said.distribution,
            "package": said.package,
            "document": said.document,
            "place": place,
        }

    def _advisory(self, one: Packed) -> Values:
        return {
            "feed": self.about.feed,
            "entry": one.entry,
            "content": one.content,
            "modified": _moment(one.modified),
            "published": _moment(one.published),
            "withdrawn": _moment(one.withdrawn),
            "gone_at": None,
            "title": one.title,
            "url": one.url,
        }


def known_entries(connection: Connection, feed: str, entries: Collection[str] | None = None) -> dict[str, Known]:
    """By id: all of them, or these."""
    columns = (ADVISORIES.c.entry, ADVISORIES.c.content, ADVISORIES.c.modified, ADVISORIES.c.gone_at)
    query = select(*columns).where(ADVISORIES.c.feed == feed)
    if entries is None:
        rows: Iterable[Row[Any]] = connection.execute(query.execution_options(yield_per=CHUNK))
    else:
        rows = matching(connection, query, ADVISORIES.c.entry, entries)
    return {row.entry: Known(row.content, row.modified, row.gone_at is not None) for row in rows}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
