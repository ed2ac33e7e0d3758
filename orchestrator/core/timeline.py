"""The time of one host, cut into pieces in which neither its facts nor the catalogue changed, and what each CVE was
to it in every one of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, groupby, pairwise

from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.matching import Finding, Matcher
from orchestrator.core.patches import Cve
from orchestrator.core.sightings import Sighting


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """What a CVE was to a host from ``start`` to ``end``. Not validated: there are many of them, all made here."""

    state: ExposureState
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, kw_only=True)
class Era:
    """The sightings of one incarnation, oldest first, until ``end``; ``ended_by`` None: it goes on."""

    sightings: tuple[Sighting, ...]
    end: datetime
    ended_by: ClosedBy | None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a sighting's reach (from its first check to the next sighting's) under one catalogue.

    ``late``: the next check did not come in time, so nothing is known after ``last_seen``. ``following`` is the
    sighting that came in time, with its findings; ``listed`` the CVEs of the catalogue.
    """

    start: datetime
    end: datetime
    sighting: Sighting
    last_seen: datetime
    findings: Mapping[Cve, Finding]
    listed: frozenset[Cve]
    late: bool
    following: "Piece | None" = None

    def state(self, cve: Cve) -> ExposureState:
        """By the facts of its sighting; without a finding nothing can be told."""
        finding = self.findings.get(cve)
        return ExposureState.UNKNOWN if finding is None else finding.state

    @property
    def is_live(self) -> bool:
        """Whether the host counted as known at its start. What changes in the catalogue while a host is silent for
        longer than it may be is decided by the next check."""
        return self.start <= max(self.sighting.expected_by, self.sighting.first_seen)


def eras(
    history: Sequence[Sighting], now: datetime, retired_at: datetime | None, incarnated_at: Mapping[int, datetime]
) -> tuple[Era, ...]:
    """The incarnations of a host, oldest first. One ends when the next one was trusted, or else first seen."""
    final = now if retired_at is None else min(now, retired_at)
    ordered = sorted(history, key=lambda one: (one.incarnation, one.first_seen))
    runs = [(number, tuple(run)) for number, run in groupby(ordered, key=lambda one: one.incarnation)]
    found = []
    for index, (number, run) in enumerate(runs):
        end = _replaced_at(number, run, runs[index + 1][1] if index + 1 < len(runs) else (), incarnated_at)
        cut = ClosedBy.HOST_REPLACED if end is not None and end <= final else None
        if cut is None and retired_at is not None and retired_at <= now:
            cut = ClosedBy.WITHDRAWN
        stop = final if end is None else min(end, final)
        found.append(Era(sightings=tuple(one for one in run if one.first_seen <= stop), end=stop, ended_by=cut))
    return tuple(era for era in found if era.sightings)


def _replaced_at(
    number: int, run: Sequence[Sighting], following: Sequence[Sighting], incarnated_at: Mapping[int, datetime]
) -> datetime | None:
    later = [at for incarnation, at in incarnated_at.items() if incarnation > number]
    at = min([*later, *(one.first_seen for one in following[:1])], default=None)
    return None if at is None else max(at, run[-1].last_seen)


def pieces(era: Era, matcher: Matcher) -> tuple[Piece, ...]:
    """The pieces of an era, in order; each begins where the one before ends."""
    reaches = [*((one, after.first_seen) for one, after in pairwise(era.sightings)), (era.sightings[-1], era.end)]
    cuts: list[tuple[Piece, ...]] = []
    for sighting, end in reversed(reaches):
        cuts.append(tuple(_cut(sighting, end, cuts[-1][0] if cuts else None, matcher)))
    return tuple(chain.from_iterable(reversed(cuts)))


def _cut(sighting: Sighting, end: datetime, following: Piece | None, matcher: Matcher) -> Iterator[Piece]:
    start, late = sighting.first_seen, end > sighting.expected_by
    for begin, stop in pairwise([start, *_changes(matcher, start, end, last=following is None), end]):
        yield Piece(
            start=begin,
            end=stop,
            sighting=sighting,
            last_seen=min(sighting.last_seen, end),
            findings=matcher.findings(sighting.facts, begin),
            listed=matcher.listed(begin),
            late=late,
            following=None if late else following,
        )


def _changes(matcher: Matcher, start: datetime, end: datetime, *, last: bool) -> Sequence[datetime]:
    """The catalogue's changes after start and before end; one at the very end belongs to the next sighting if any."""
    until = bisect_right(matcher.changes, end) if last else bisect_left(matcher.changes, end)
    return matcher.changes[bisect_right(matcher.changes, start) : until]


def reopened_at(covered: Piece, until: Piece, between: Iterable[Piece]) -> datetime:
    """When a host that was covered became exposed: at its next boot, as far as that is known and lies between the
    last check that saw it covered and the one that saw it exposed; else at the former."""
    lowest, highest = covered.last_seen, max(covered.last_seen, until.start)
    boot = covered.sighting.facts.boot_id
    for piece in (*between, until):
        if None not in {boot, piece.sighting.facts.boot_id} and piece.sighting.facts.boot_id != boot:
            return min(max(piece.sighting.booted_at or lowest, lowest), highest)
    return lowest


def intervals(piece: Piece, cve: Cve) -> Iterator[Interval]:
    """What the CVE was to the host during this piece."""
    state, middle = piece.state(cve), max(piece.start, min(piece.end, piece.last_seen))
    yield Interval(state=state, start=piece.start, end=middle)
    if middle < piece.end:
        yield from _after_last_check(piece, cve, state, middle)


def _after_last_check(piece: Piece, cve: Cve, state: ExposureState, start: datetime) -> Iterator[Interval]:
    """Between a sighting's last check and the next sighting, or the end."""
    following = piece.following
    after = state if following is None else following.state(cve)
    if piece.late or ExposureState.UNKNOWN in {state, after}:
        yield Interval(state=ExposureState.UNKNOWN, start=start, end=piece.end)
    elif following is not None and (state, after) == (ExposureState.COVERED, ExposureState.EXPOSED):
        yield from _turn(piece, following, cve, start)
    else:
        yield Interval(state=state, start=start, end=piece.end)


def _turn(covered: Piece, following: Piece, cve: Cve, start: datetime) -> Iterator[Interval]:
    """From covered to exposed between two checks. Of a new kernel nothing can be told before a fix for it is known."""
    added = following.findings[cve].fix_available or start
    turn = min(max(reopened_at(covered, following, ()), start), covered.end)
    told = min(max(turn, added), covered.end)
    yield Interval(state=ExposureState.COVERED, start=start, end=turn)
    yield Interval(state=ExposureState.UNKNOWN, start=turn, end=told)
    yield Interval(state=ExposureState.EXPOSED, start=told, end=covered.end)


def merged(parts: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same with neighbours of one state joined, and nothing of no length but the last."""
    result: list[Interval] = []
    for part in parts:
        if result and result[-1].start == result[-1].end and result[-1].end == part.start:
            result.pop()
        if result and result[-1].state is part.state and result[-1].end == part.start:
            result[-1] = replace(result[-1], end=part.end)
        else:
            result.append(part)
    return tuple(result)
