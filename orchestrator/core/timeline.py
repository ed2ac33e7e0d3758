"""The time of one host, cut into pieces in which neither its facts changed nor what is told of a CVE, and what the CVE
was to it in every one of them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, groupby, pairwise

from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.findings import Finding
from orchestrator.core.sightings import Sighting
from orchestrator.core.tracks import Track


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

    def reaches(self) -> tuple[tuple[Sighting, datetime], ...]:
        """Each sighting with the end of its reach: where the next one begins, or the era ends."""
        later = ((one, after.first_seen) for one, after in pairwise(self.sightings))
        return (*later, (self.sightings[-1], self.end))


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a sighting's reach (from its first check to the next sighting's) with one finding of one CVE.

    ``late``: the next check did not come in time, so nothing is known after ``last_seen``. ``following`` is the
    sighting that came in time, with its finding; ``is_told``: somebody tells of the CVE. ``by_old_facts`` is what the
    facts of the sighting before would be found to be by what is told now, for the first piece of a sighting.
    """

    start: datetime
    end: datetime
    sighting: Sighting
    last_seen: datetime
    finding: Finding | None
    is_told: bool
    late: bool
    following: "Piece | None" = None
    by_old_facts: Finding | None = None

    @property
    def state(self) -> ExposureState:
        """By the facts of its sighting; without a finding nothing can be told."""
        return ExposureState.UNKNOWN if self.finding is None else self.finding.state

    @property
    def is_live(self) -> bool:
        """Whether the host counted as known at its start. What changes in what is told while a host is silent for
        longer than it may be is decided by the next check."""
        return self.start <= max(self.sighting.expected_by, self.sighting.first_seen)


def eras(
    history: Sequence[Sighting],
    now: datetime,
    retired_at: datetime | None,
    incarnated_at: Mapping[int, datetime],
    retirements: Sequence[datetime] = (),
) -> tuple[Era, ...]:
    """The lives of a host, oldest first. One ends when another machine was trusted, or else first seen; and when the
    host was retired, even if it came back: ``retirements`` are those that it came back from."""
    final = now if retired_at is None else min(now, retired_at)
    ended = sorted(at for at in {*retirements, *([] if retired_at is None else [retired_at])} if at <= now)
    ordered = sorted(history, key=lambda one: (one.incarnation, one.first_seen))
    runs = [(key, tuple(run)) for key, run in groupby(ordered, key=lambda one: _life(one, ended))]
    found = []
    for index, ((incarnation, retired), run) in enumerate(runs):
        following = next((later for (other, _), later in runs[index + 1 :] if other != incarnation), ())
        end = _replaced_at(incarnation, run, following, incarnated_at)
        cut = ClosedBy.HOST_REPLACED if end is not None and end <= final else None
        withdrawn = next(iter(ended[retired:]), None)
        if withdrawn is not None and (end is None or withdrawn < end):
            end, cut = withdrawn, ClosedBy.WITHDRAWN
        stop = final if end is None else min(end, final)
        found.append(Era(sightings=tuple(one for one in run if one.first_seen <= stop), end=stop, ended_by=cut))
    return tuple(era for era in found if era.sightings)


def _life(sighting: Sighting, retirements: Sequence[datetime]) -> tuple[int, int]:
    """The incarnation, and how often it had been retired by then."""
    return sighting.incarnation, bisect_left(retirements, sighting.first_seen)


def _replaced_at(
    number: int, run: Sequence[Sighting], following: Sequence[Sighting], incarnated_at: Mapping[int, datetime]
) -> datetime | None:
    later = [at for incarnation, at in incarnated_at.items() if incarnation > number]
    at = min([*later, *(one.first_seen for one in following[:1])], default=None)
    return None if at is None else max(at, run[-1].last_seen)


def pieces(era: Era, tracks: Sequence[Track]) -> tuple[Piece, ...]:
    """The pieces of an era for one CVE, in order; each begins where the one before ends. ``tracks``: one for the facts
    of each of its sightings."""
    cuts: list[tuple[Piece, ...]] = []
    before = [None, *tracks[:-1]]
    for (sighting, end), track, old in zip(reversed(era.reaches()), reversed(tracks), reversed(before), strict=True):
        by_old_facts = None if old is None else old.at(sighting.first_seen).finding
        cuts.append(tuple(_cut(sighting, end, cuts[-1][0] if cuts else None, track, by_old_facts)))
    return tuple(chain.from_iterable(reversed(cuts)))


def _cut(
    sighting: Sighting, end: datetime, following: Piece | None, track: Track, by_old_facts: Finding | None
) -> Iterator[Piece]:
    start, late = sighting.first_seen, end > sighting.expected_by
    steps = (track.at(start), *track.within(start, end, last=following is None))
    begins = [start, *(step.at for step in steps[1:])]
    for step, (begin, stop) in zip(steps, pairwise([*begins, end]), strict=True):
        yield Piece(
            start=begin,
            end=stop,
            sighting=sighting,
            last_seen=min(sighting.last_seen, end),
            finding=step.finding,
            is_told=step.is_told,
            late=late,
            following=None if late else following,
            by_old_facts=by_old_facts if begin == start else None,
        )


def reopened_at(covered: Piece, until: Piece, between: Iterable[Piece]) -> datetime:
    """When a host that was covered became exposed: at its next boot, as far as that is known and lies between the
    last check that saw it covered and the one that saw it exposed; else at the former."""
    lowest, highest = covered.last_seen, max(covered.last_seen, until.start)
    boot = covered.sighting.facts.boot_id
    for piece in (*between, until):
        if None not in {boot, piece.sighting.facts.boot_id} and piece.sighting.facts.boot_id != boot:
            return min(max(piece.sighting.booted_at or lowest, lowest), highest)
    return lowest


def intervals(piece: Piece) -> Iterator[Interval]:
    """What the CVE was to the host during this piece."""
    middle = max(piece.start, min(piece.end, piece.last_seen))
    yield Interval(state=piece.state, start=piece.start, end=middle)
    if middle < piece.end:
        yield from _after_last_check(piece, middle)


def _after_last_check(piece: Piece, start: datetime) -> Iterator[Interval]:
    """Between a sighting's last check and the next sighting, or the end."""
    state, following = piece.state, piece.following
    after = state if following is None else following.state
    if piece.late or ExposureState.UNKNOWN in {state, after}:
        yield Interval(state=ExposureState.UNKNOWN, start=start, end=piece.end)
    elif following is not None and (state, after) == (ExposureState.COVERED, ExposureState.EXPOSED):
        yield from _turn(piece, following, start)
    else:
        yield Interval(state=state, start=start, end=piece.end)


def _turn(covered: Piece, following: Piece, start: datetime) -> Iterator[Interval]:
    """From covered to exposed between two checks. Of a new kernel nothing can be told before a fix for it is known."""
    known_from = None if following.finding is None else following.finding.known_from
    turn = min(max(reopened_at(covered, following, ()), start), covered.end)
    told = turn if known_from is None else min(max(turn, known_from), covered.end)
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
