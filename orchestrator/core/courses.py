"""Courses: the standings of a host with its own times left out. Hosts whose times come in the same order share them.

What is decided of a host depends on its times only by which comes before which, and by whether something was told in
between: nothing is computed of them but their differences, at the end. So it is decided once for all hosts that had the
same views in the same order of events, and each has its own times put in.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from orchestrator.core.model import altered
from orchestrator.core.standings import Gap, Graded, Span, Standing
from orchestrator.core.timeline import Era
from orchestrator.core.tracks import EVER

DueOf = Callable[[Sequence[Span], date | None, datetime | None, datetime], tuple[datetime | None, str | None]]
"""From the windows of a host and CVE so far, KEV's date, since when that is known, and when the last one closed (or
now), to when that is due by which policy: see `core.sla.due`."""

Time = int | datetime
"""The number of one of a host's own times, or a time that is the same for all hosts of a course."""


class Times(NamedTuple):
    """A host's own: ``moments`` of its sightings and eras, always in the same places, and its ``boots``."""

    host_id: str
    moments: tuple[datetime | None, ...]
    boots: tuple[str | None, ...]

    @classmethod
    def of(cls, life: Sequence[Era], now: datetime) -> "Times":
        """Of one host up to now."""
        moments: list[datetime | None] = [now]
        boots: list[str | None] = []
        for era in life:
            moments.append(era.end)
            for one in era.sightings:
                moments += (one.first_seen, one.last_seen, one.expected_by, one.booted_at)
                boots.append(one.facts.boot_id)
        return cls(life[0].sightings[0].host_id, tuple(moments), tuple(boots))

    def order(self, told: Sequence[datetime]) -> Hashable:
        """How they lie among each other and among the instants at which something was told (sorted); which boots are
        the same one."""
        known = sorted({moment for moment in self.moments if moment is not None})
        rank = {moment: number for number, moment in enumerate(known)}
        places = [bisect_left(told, moment) for moment in known]
        count = len(told)
        among = tuple([(at, at < count and told[at] == moment) for at, moment in zip(places, known, strict=True)])
        first = {boot: number for number, boot in reversed(list(enumerate(self.boots)))}
        boots = tuple([None if boot is None else first[boot] for boot in self.boots])
        return tuple([None if moment is None else rank[moment] for moment in self.moments]), among, boots


class Found(NamedTuple):
    """A standing of one host without what is due, and all its gaps that are over."""

    standing: Standing
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Window:
    """A span with places in the place of times."""

    span: Span
    since: Time
    detected_at: Time
    closed_at: Time | None
    gaps: tuple[tuple[Time, Time], ...]
    grades: tuple[tuple[Any, Time], ...]
    boot: int | None

    def put_in(self, moments: Sequence[Any], boots: Sequence[str | None]) -> dict[str, Any]:
        """The values of one host."""
        values: dict[str, Any] = {"since": _at(self.since, moments), "detected_at": _at(self.detected_at, moments)}
        if self.closed_at is not None:
            values["closed_at"] = _at(self.closed_at, moments)
        if self.boot is not None:
            values["boot_id"] = boots[self.boot]
        if self.gaps:
            values["gaps"] = tuple(Gap(_at(one, moments), _at(other, moments)) for one, other in self.gaps)
        if self.grades:
            values["grades"] = tuple(Graded(severity, _at(at, moments)) for severity, at in self.grades)
        return values


class _Line(NamedTuple):
    """The windows of a standing, by number, and what else decides when they are due."""

    windows: tuple[int, ...]
    kev_due: date | None
    kev_since: datetime | None


class _Form(NamedTuple):
    """A standing with places in the place of times. ``line``: its windows."""

    standing: Standing
    since: Time
    line: int
    gaps: tuple[tuple[Time, Time], ...]


class Course:
    """The standings of all hosts whose times come in one order."""

    def __init__(self, times: Times, found: Iterable[Found]) -> None:
        self._windows: dict[_Window, int] = {}
        self._lines: dict[_Line, int] = {}
        places = {moment: place for place, moment in enumerate(times.moments) if moment is not None}
        boots = {boot: place for place, boot in enumerate(times.boots) if boot is not None}
        self._forms = tuple(self._form(one, places, boots) for one in found)

    def __len__(self) -> int:
        return len(self._forms)

    def put_in(self, times: Times, due: DueOf | None, now: datetime) -> tuple[Standing, ...]:
        """The standings of the host that has these times. Standings with the same windows share the objects."""
        values = [altered(one.span, one.put_in(times.moments, times.boots)) for one in self._windows]
        lines = [self._spans(line, values, due, now) for line in self._lines]
        return tuple(
            [
                altered(
                    form.standing,
                    {
                        "host_id": times.host_id,
                        "since": _at(form.since, times.moments),
                        "spans": lines[form.line],
                        "unknown_seconds": _seconds(form.gaps, times.moments),
                    },
                )
                for form in self._forms
            ]
        )

    @staticmethod
    def _spans(line: _Line, values: Sequence[Span], due: DueOf | None, now: datetime) -> tuple[Span, ...]:
        spans = tuple([values[number] for number in line.windows])
        if due is None:
            return spans
        dated: list[Span] = []
        for index, span in enumerate(spans):
            at, policy = due(spans[: index + 1], line.kev_due, line.kev_since, span.closed_at or now)
            dated.append(altered(span, {"due_at": at, "policy": policy}))
        return tuple(dated)

    def _form(self, found: Found, places: Mapping[datetime, int], boots: Mapping[str, int]) -> _Form:
        standing, mark = found.standing, found.standing.marks[0]
        windows = tuple(self._number(self._windows, _window(span, places, boots)) for span in standing.spans)
        # KEV's date is the same for all CVEs of a timeline.
        line = self._number(self._lines, _Line(windows, mark.kev_due, mark.kev_since))
        return _Form(standing, _place(standing.since, places), line, _gaps(found.gaps, places))

    @staticmethod
    def _number(known: dict[Any, int], one: Any) -> int:
        return known.setdefault(one, len(known))


def _window(span: Span, places: Mapping[datetime, int], boots: Mapping[str, int]) -> _Window:
    return _Window(
        # Equal for all that differ in nothing else.
        span=span.model_copy(update=_NO_TIMES),
        since=_place(span.since, places),
        detected_at=_place(span.detected_at, places),
        closed_at=None if span.closed_at is None else _place(span.closed_at, places),
        gaps=_gaps(span.gaps, places),
        grades=tuple((one.severity, _place(one.since, places)) for one in span.grades),
        boot=None if span.boot_id is None else boots[span.boot_id],
    )


_NO_TIMES: dict[str, Any] = {
    "since": EVER,
    "detected_at": EVER,
    "closed_at": None,
    "boot_id": None,
    "gaps": (),
    "grades": (),
}


def _place(moment: datetime, places: Mapping[datetime, int]) -> Time:
    return places.get(moment, moment)


def _gaps(gaps: Iterable[Gap], places: Mapping[datetime, int]) -> tuple[tuple[Time, Time], ...]:
    return tuple((_place(one.start, places), _place(one.end, places)) for one in gaps)


def _at(time: Time, moments: Sequence[Any]) -> Any:
    return moments[time] if isinstance(time, int) else time


def _seconds(gaps: Sequence[tuple[Time, Time]], moments: Sequence[Any]) -> float:
    return sum((_at(end, moments) - _at(start, moments)).total_seconds() for start, end in gaps) if gaps else 0.0
