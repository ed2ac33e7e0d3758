"""Vulnerability data in memory: `ports.advisories`, as `tests/adapters/store` holds every store to it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.core.advisories import (
    Entry,
    FeedImport,
    FeedStatus,
    Grade,
    Imported,
    Likelihood,
    ModuleFix,
    PackageKey,
    Statement,
    Told,
    why_too_small,
)
from orchestrator.errors import FeedInvalid
from tests.fakes.changes import FakeChanges

Said = Statement | ModuleFix | Grade


@dataclass
class _Kept:
    """An entry, without what it says."""

    entry: Entry
    content: object
    is_gone: bool = False


@dataclass
class _Known:
    """What the three ports share."""

    changes: FakeChanges
    statuses: dict[str, FeedStatus] = field(default_factory=dict)
    entries: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    told: list[Told[Any]] = field(default_factory=list)
    scores: dict[str, Likelihood] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    told_at: dict[str, datetime] = field(default_factory=dict)

    def now(self, kind: type[Said] | None = None) -> Iterator[Told[Any]]:
        return (one for one in self.told if one.until is None and (kind is None or isinstance(one.said, kind)))

    def ever(self, kind: type[Said]) -> Iterator[Told[Any]]:
        return (one for one in self.told if isinstance(one.said, kind))


class FakeFeeds:
    """`ports.advisories.FeedStore`."""

    def __init__(self, known: _Known) -> None:
        self._known = known

    def import_entries(
        self, about: FeedImport, entries: Iterable[Entry], now: Callable[[], datetime] | None = None
    ) -> Imported:
        before = self._before(about.feed)
        is_baseline = about.feed not in self._known.whole
        if _is_outdated(about, before) and not is_baseline:
            return self._outdated(about, before)
        read = _once(about, ((entry.id, entry) for entry in entries))
        held = [key for (feed, key), kept in self._known.entries.items() if feed == about.feed and not kept.is_gone]
        if why := why_too_small(about, len(held), len(set(held).difference(read, about.deleted))):
            raise FeedInvalid(why, file=about.source)
        counts = Counter[str]()
        about = self._dated(about, now)
        begun, ended = self._changes(about, [one for key, one in read.items() if key not in about.deleted], counts)
        gone = self._drop(about, set(read))
        ended += [one for one in self._known.now() if one.feed == about.feed and one.entry in gone]
        over = {id(one) for one in ended}
        self._known.told = [one._replace(until=about.at) if id(one) in over else one for one in self._known.told]
        self._known.told += [Told(said, about.feed, key, about.at, None, is_baseline) for key, said in begun]
        self._succeed(about, before, entries=self._held(about.feed), statements=self._statements(about.feed))
        touched = [said for _, said in begun] + [one.said for one in ended]
        imported = Imported(
            added=counts["added"],
            changed=counts["changed"],
            withdrawn=counts["withdrawn"] + len(gone),
            unchanged=counts["unchanged"],
            packages=frozenset((one.distribution, one.package) for one in touched if not isinstance(one, Grade)),
            cves=frozenset(one.cve for one in touched),
        )
        self._known.changes.concerning(imported.packages, imported.cves)
        return imported

    def _changes(
        self, about: FeedImport, entries: Iterable[Entry], counts: Counter[str]
    ) -> tuple[list[tuple[str, Said]], list[Told[Any]]]:
        begun: list[tuple[str, Said]] = []
        ended: list[Told[Any]] = []
        for entry in entries:
            was = self._known.entries.get((about.feed, entry.id))
            said = _said(entry)
            counts[_what(entry, was)] += 1
            if was is not None and not was.is_gone and _is_older(entry.modified, was.entry.modified):
                continue
            self._known.entries[about.feed, entry.id] = _Kept(_without_said(entry), _content(entry))
            holding = [one for one in self._known.now() if (one.feed, one.entry) == (about.feed, entry.id)]
            ended += [one for one in holding if _unplaced(one.said) not in said]
            held = [_unplaced(one.said) for one in holding]
            begun += [(entry.id, one) for key, one in said.items() if key not in held]
        return begun, ended

    def _drop(self, about: FeedImport, read: set[str]) -> set[str]:
        there = {key for (feed, key), kept in self._known.entries.items() if feed == about.feed and not kept.is_gone}
        missing = {key for key in there - read if not self._is_newer(about, key)}
        gone = (missing if about.is_whole else set()) | there.intersection(about.deleted)
        for key in gone:
            self._known.entries[about.feed, key].is_gone = True
        return gone

    def _is_newer(self, about: FeedImport, key: str) -> bool:
        return _is_older(about.dated, self._known.entries[about.feed, key].entry.modified)

    def _dated(self, about: FeedImport, now: Callable[[], datetime] | None) -> FeedImport:
        at = max(filter(None, (about.at, self._known.told_at.get(about.feed), now and now())))
        self._known.told_at[about.feed] = at
        return about.model_copy(update={"at": at})

    def put_likelihoods(
        self, about: FeedImport, scores: Iterable[Likelihood], now: Callable[[], datetime] | None = None
    ) -> Imported:
        before = self._before(about.feed)
        if _is_outdated(about, before):
            return self._outdated(about, before)
        read = _once(about, ((score.cve, score) for score in scores))
        about, known = self._dated(about, now), self._known.scores
        gone, added = known.keys() - read.keys(), read.keys() - known.keys()
        changed = {cve for cve in read.keys() & known.keys() if _undated(read[cve]) != _undated(known[cve])}
        self._known.scores = read
        self._succeed(about, before, entries=len(read), statements=0)
        return Imported(
            added=len(added),
            changed=len(changed),
            withdrawn=len(gone),
            unchanged=len(read) - len(added) - len(changed),
            cves=frozenset(gone | added | changed),
        )

    def failed(self, feed: str, at: datetime, error: str, source: str | None = None) -> None:
        before = self._before(feed)
        changes = {"attempted_at": at, "error": error, "source": source or before.source}
        self._known.statuses[feed] = before.model_copy(update=changes)

    def unchanged(self, feed: str, at: datetime) -> None:
        changes = {"succeeded_at": at, "attempted_at": at, "error": None}
        self._known.statuses[feed] = self._before(feed).model_copy(update=changes)

    def statuses(self) -> tuple[FeedStatus, ...]:
        return tuple(self._known.statuses[feed] for feed in sorted(self._known.statuses))

    def _before(self, feed: str) -> FeedStatus:
        return self._known.statuses.get(feed, FeedStatus(feed=feed))

    def _outdated(self, about: FeedImport, before: FeedStatus) -> Imported:
        changes = {"attempted_at": about.at, "error": None}
        self._known.statuses[about.feed] = before.model_copy(update=changes)
        return Imported(is_outdated=True)

    def _succeed(self, about: FeedImport, before: FeedStatus, **counted: int) -> None:
        is_first = about.is_whole and about.feed not in self._known.whole
        dates = (about.dated,) if is_first else (about.dated, before.dated)
        self._known.whole |= {about.feed} if about.is_whole else set()
        self._known.statuses[about.feed] = FeedStatus(
            feed=about.feed,
            source=about.source,
            version=about.version,
            dated=max(filter(None, dates), default=None),
            etag=about.etag,
            last_modified=about.last_modified,
            first_imported_at=before.first_imported_at or about.at,
            succeeded_at=about.at,
            attempted_at=about.at,
            **counted,
        )

    def _held(self, feed: str) -> int:
        return sum(not kept.is_gone for (of, _), kept in self._known.entries.items() if of == feed)

    def _statements(self, feed: str) -> int:
        return sum(one.feed == feed for one in self._known.now(Statement))


def _once(about: FeedImport, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, one in pairs:
        if key in read:
            raise FeedInvalid(f"{key} comes twice", file=about.source)
        read[key] = one
    return read


def _is_outdated(about: FeedImport, before: FeedStatus) -> bool:
    return about.is_whole and about.dated is not None and before.dated is not None and about.dated < before.dated


def _is_older(modified: datetime | None, known: datetime | None) -> bool:
    return modified is not None and known is not None and modified < known


def _what(entry: Entry, was: _Kept | None) -> str:
    if was is None or was.is_gone:
        return "added" if entry.withdrawn is None else "withdrawn"
    if _is_older(entry.modified, was.entry.modified) or was.content == _content(entry):
        return "unchanged"
    return "changed" if entry.withdrawn is None else "withdrawn"


def _said(entry: Entry) -> dict[Said, Said]:
    found: dict[Said, Said] = {}
    everything: tuple[Said, ...] = (*entry.statements, *entry.module_fixes, *entry.grades)
    for one in everything if entry.withdrawn is None else ():
        found.setdefault(_unplaced(one), one)
    return found


def _unplaced(said: Said) -> Said:
    return said.model_copy(update={"where": ""})


def _content(entry: Entry) -> object:
    return _without_said(entry).model_copy(update={"modified": None}), frozenset(_said(entry))


def _without_said(entry: Entry) -> Entry:
    return entry.model_copy(update={"statements": (), "module_fixes": (), "grades": ()})


def _undated(score: Likelihood) -> tuple[object, ...]:
    return score.score, score.percentile, score.model_version


class FakeAdvisories:
    """`ports.advisories.AdvisoryStore`."""

    def __init__(self, known: _Known) -> None:
        self._known = known

    def statements(self, packages: Iterable[PackageKey]) -> Mapping[PackageKey, Sequence[Told[Statement]]]:
        wanted, found = set(packages), defaultdict[PackageKey, list[Told[Statement]]](list)
        for one in self._known.ever(Statement):
            if (one.said.distribution, one.said.package) in wanted:
                found[one.said.distribution, one.said.package].append(one)
        return dict(found)

    def module_fixes(self, distributions: Iterable[str]) -> Sequence[Told[ModuleFix]]:
        wanted = set(distributions)
        return [one for one in self._known.ever(ModuleFix) if one.said.distribution in wanted]

    def grades(self, cves: Iterable[str]) -> Mapping[str, Sequence[Told[Grade]]]:
        wanted, found = set(cves), defaultdict[str, list[Told[Grade]]](list)
        for one in self._known.ever(Grade):
            if one.said.cve in wanted:
                found[one.said.cve].append(one)
        return dict(found)

    def about(
        self, cve: str
    ) -> tuple[tuple[Told[Statement], ...], tuple[Told[ModuleFix], ...], tuple[Told[Grade], ...]]:
        def of(kind: type[Said]) -> tuple[Told[Any], ...]:
            found = [one for one in self._known.now(kind) if one.said.cve == cve]
            return tuple(sorted(found, key=lambda one: (one.feed, one.entry)))

        return of(Statement), of(ModuleFix), of(Grade)

    def likelihoods(self, cves: Iterable[str]) -> Mapping[str, Likelihood]:
        wanted = set(cves)
        return {cve: score for cve, score in self._known.scores.items() if cve in wanted}


class FakeAdvisoryIndex:
    """`ports.advisories.AdvisoryIndex`."""

    def __init__(self, known: _Known) -> None:
        self._known = known

    def list(
        self, *, feed: str | None = None, text: str | None = None, after: str | None = None, most: int = 100
    ) -> tuple[tuple[str, Entry], ...]:
        there = sorted((key, kept.entry) for key, kept in self._known.entries.items() if not kept.is_gone)
        first = None if after is None else self._split(after)
        found = [
            (of, entry)
            for (of, key), entry in there
            if feed in {None, of} and (first is None or (of, key) > first) and self._has(of, entry, text)
        ]
        return tuple(found[:most])

    def _split(self, after: str) -> tuple[str, str]:
        fitting = [feed for feed in self._known.statuses if after.startswith(f"{feed}/")]
        feed = max(fitting, key=len, default=after)
        return feed, after[len(feed) + 1 :]

    def _has(self, feed: str, entry: Entry, text: str | None) -> bool:
        if not text:
            return True
        cves = [one.said.cve for one in self._known.now() if (one.feed, one.entry) == (feed, entry.id)]
        return any(text.lower() in part.lower() for part in (entry.id, entry.title or "", *cves))

    def show(self, entry_id: str) -> tuple[tuple[str, Entry], ...]:
        found = sorted(key for key, kept in self._known.entries.items() if key[1] == entry_id and not kept.is_gone)
        return tuple((feed, self._whole(feed, key)) for feed, key in found)

    def _whole(self, feed: str, key: str) -> Entry:
        def of(kind: type[Said]) -> tuple[Any, ...]:
            return tuple(one.said for one in self._known.now(kind) if (one.feed, one.entry) == (feed, key))

        said = {"statements": of(Statement), "module_fixes": of(ModuleFix), "grades": of(Grade)}
        return self._known.entries[feed, key].entry.model_copy(update=said)


def fake_advisories(changes: FakeChanges) -> tuple[FakeFeeds, FakeAdvisories, FakeAdvisoryIndex]:
    """The three, over the same data."""
    known = _Known(changes)
    return FakeFeeds(known), FakeAdvisories(known), FakeAdvisoryIndex(known)
