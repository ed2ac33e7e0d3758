"""CVEs of one host grouped by their timelines: those that were found the same at all times are followed together."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from orchestrator.core.courses import Course, Found, Times
from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Kernel
from orchestrator.core.findings import Finding, Kind
from orchestrator.core.matcher import Matcher, View
from orchestrator.core.patches import Cve
from orchestrator.core.sightings import Sighting
from orchestrator.core.standings import Mark
from orchestrator.core.timeline import Era
from orchestrator.core.tracks import EVER, Track, step


@dataclass(frozen=True, kw_only=True)
class Shared:
    """CVEs that share a timeline. ``tracks`` are the first one's, one for each sighting; of the others only the dates
    differ."""

    cves: tuple[Cve, ...]
    tracks: tuple[Track, ...]


KEPT = 200_000
"""Standings of courses that are kept for the next host, some 200 MB."""

Instant = tuple[Sighting, datetime]
Reach = tuple[View, datetime, datetime]
"""A view, and from when to when a host showed it."""


@dataclass(frozen=True, kw_only=True)
class _Alike:
    """CVEs that some views in their order were told the same of at all times. ``tracks``: the first one's."""

    cves: tuple[Cve, ...]
    tracks: tuple[Track, ...]


class Timelines:
    """Groups, with a memory: hosts with the same views and the same order of events share them."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self._courses: dict[Hashable, Course] = {}
        self._kept = 0
        self._changes: dict[Hashable, tuple[datetime, ...]] = {}
        self._alike: dict[Hashable, tuple[_Alike, ...]] = {}
        self._dates: dict[Hashable, tuple[datetime, ...]] = {}
        self._marks: dict[Hashable, tuple[Mark, ...]] = {}

    def course(self, eras: Sequence[Era], times: Times, found: Callable[[], Iterable[Found]]) -> Course:
        """What hosts with the same views share whose times come in the same order; ``found``: makes it of this one."""
        views = [self.matcher.view_of(one) for era in eras for one in era.sightings]
        lives = tuple((len(era.sightings), era.ended_by) for era in eras)
        numbers = tuple(view.number for view in views)
        key = (numbers, lives, times.order(self._told(numbers, views)))
        if key not in self._courses:
            if self._kept > KEPT:
                self._courses, self._kept = {}, 0
            self._courses[key] = Course(times, found())
            self._kept += len(self._courses[key])
        return self._courses[key]

    def shared(self, eras: Sequence[Era]) -> tuple[Shared, ...]:
        """The groups of all CVEs that were ever more than fixed on this host."""
        reaches = [(self.matcher.view_of(one), one.first_seen, end) for era in eras for one, end in era.reaches()]
        return tuple(self._grouped(reaches))

    def _told(self, numbers: Hashable, views: Sequence[View]) -> Sequence[datetime]:
        """Whenever something was told that matters to a host that had these views."""
        if numbers not in self._changes:
            found = {at for view in views for at in self.matcher.instants(view)}
            for alike in self._all_alike(views):
                for one in chain.from_iterable(track.steps for track in alike.tracks):
                    found.add(one.at)
                    if one.kind is not None and one.kind.known_from is not None:
                        found.add(one.kind.known_from)
            self._changes[numbers] = tuple(sorted(found))
        return self._changes[numbers]

    def track(self, eras: Sequence[Era], cve: Cve) -> tuple[Track, ...]:
        """One CVE's tracks, for each sighting."""
        views = [self.matcher.view_of(one) for era in eras for one in era.sightings]
        return _remembering(self.matcher, views, cve)

    def marks(self, shared: Shared, ends: Sequence[tuple[Sighting, datetime, bool]], now: Instant) -> tuple[Mark, ...]:
        """Each CVE with its own dates, as they were known at last in each window: ``ends`` are the sightings that
        showed them last, until when, and whether what was told at that very instant counts: it does not where something
        else closed the window then. ``now`` is the latest sighting, and the end of all."""
        view, end = self.matcher.view_of(now[0]), now[1]
        seen = [(self.matcher.view_of(sighting), until, last) for sighting, until, last in ends]
        dates = self._instants(shared.cves, (view, *(one for one, _, _ in seen)))
        key = (
            shared.cves,
            *((one.number, _epoch(dates, until, last=last)) for one, until, last in seen),
            (view.number, _epoch(dates, end, last=True)),
        )
        if key not in self._marks:
            self._marks[key] = tuple(self._mark(cve, seen, view, end) for cve in shared.cves)
        return self._marks[key]

    def _instants(self, cves: Sequence[Cve], views: Sequence[View]) -> tuple[datetime, ...]:
        """Whenever something changed for one of these: marks of hosts that differ in other CVEs are the same ones."""
        distinct = {view.number: view for view in views}
        key = (cves, *sorted(distinct))
        if key not in self._dates:
            every = {at for cve in cves for view in distinct.values() for at in self.matcher.track(view, cve).instants}
            self._dates[key] = tuple(sorted(every))
        return self._dates[key]

    def _mark(self, cve: Cve, seen: Sequence[tuple[View, datetime, bool]], view: View, end: datetime) -> Mark:
        tracks = [(self.matcher.track(one, cve), until, last) for one, until, last in seen]
        found = [(one.at(until) if last else one.before(until)).finding for one, until, last in tracks]
        last = self.matcher.track(view, cve).at(end).finding
        return Mark(
            cve,
            tuple(None if one is None else one.disclosed for one in found),
            tuple(None if one is None else one.fix_available for one in found),
            None if last is None else last.kev_due,
            None if last is None else last.kev_since,
        )

    def _grouped(self, reaches: Sequence[Reach]) -> Iterable[Shared]:
        groups: defaultdict[Hashable, list[_Alike]] = defaultdict(list)
        for alike in self._all_alike([view for view, _, _ in reaches]):
            seen = tuple(
                (
                    track.at(start)[2:],
                    tuple((one.at, one.kind, one.is_told) for one in track.within(start, end, last=True)),
                )
                for track, (_, start, end) in zip(alike.tracks, reaches, strict=True)
            )
            if any(map(_matters, (kind for (kind, _), later in seen for kind in (kind, *(k for _, k, _ in later))))):
                groups[seen].append(alike)
        for ones in groups.values():
            yield Shared(cves=tuple(sorted(cve for one in ones for cve in one.cves)), tracks=ones[0].tracks)

    def _all_alike(self, views: Sequence[View]) -> tuple[_Alike, ...]:
        """The candidates of these views, by what was told of them. Hosts with the same views differ only by when."""
        key = tuple(view.number for view in views)
        if key not in self._alike:
            groups: defaultdict[Hashable, list[tuple[Cve, tuple[Track, ...]]]] = defaultdict(list)
            for cve in sorted(frozenset[Cve]().union(*(view.candidates for view in views))):
                tracks = tuple(track.of_kinds for track in _remembering(self.matcher, views, cve))
                groups[tuple(track.kinds for track in tracks)].append((cve, tracks))
            self._alike[key] = tuple(
                _Alike(cves=tuple(cve for cve, _ in ones), tracks=ones[0][1]) for ones in groups.values()
            )
        return self._alike[key]


def _epoch(instants: Sequence[datetime], moment: datetime, *, last: bool) -> int:
    return bisect_right(instants, moment) if last else bisect_left(instants, moment)


def _matters(kind: Kind | None) -> bool:
    """Whether there is something to follow: what was never more than fixed is told when somebody asks."""
    return kind is not None and kind.reason not in {CoveredBy.FIXED, CoveredBy.NOT_AFFECTED}


def _remembering(matcher: Matcher, views: Sequence[View], cve: Cve) -> tuple[Track, ...]:
    """The tracks of a CVE. Where only a tool told of it, and now tells nothing, what it told before is remembered: on
    the kernel that its live patch fixed, its absence exposes; of another kernel nothing can be told."""
    found: list[Track] = []
    fixed: set[Hashable] = set()
    known: Finding | None = None
    for view in views:
        track = matcher.track(view, cve, views)
        if any(cve in live.cves for live in view.facts.live_patches):
            fixed.add(_build(view.facts.kernel))
            known = next((one.finding for one in track.steps if one.finding is not None), known)
        elif known is not None and not any(one.is_told or one.finding is not None for one in track.steps):
            is_lost = _build(view.facts.kernel) in fixed
            track = Track([step(EVER, _lost(known) if is_lost else None, is_told=True)])
        found.append(track)
    return tuple(found)


def _build(kernel: Kernel | None) -> Hashable:
    return None if kernel is None else (kernel.running, kernel.build_id)


def _lost(known: Finding) -> Finding:
    return Finding(
        cve=known.cve,
        state=ExposureState.EXPOSED,
        remedy=Remedy.LIVE_PATCH,
        rule=f"a live patch of {known.tool} fixed it on this kernel before, and is not in force",
        severity=known.severity,
        disclosed=known.disclosed,
        kev_due=known.kev_due,
        kev_since=known.kev_since,
    )
