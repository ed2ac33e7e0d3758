"""Windows grouped: closed spans of standings into closures, and what one window shares with those of other CVEs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.core.standings import Closure, Gap, Mark, Marks, Span, Standing
from orchestrator.core.windows import Window

ClosureKey = tuple[str, datetime, datetime]
"""Host, detected, closed: with the CVE, this is what a closure is known by."""


def mark_of(cve: str, windows: Iterable[Window]) -> Mark:
    """The CVE with its dates in these windows."""
    each = tuple(windows)
    disclosed, fixes = (tuple(getattr(one, name) for one in each) for name in ("disclosed_at", "fix_available_at"))
    return Mark(cve, disclosed, fixes)


def span_of(window: Window) -> Span:
    """What a window shares with those of other CVEs. Its clocks start no earlier than ``since``."""
    starts = (window.disclosed_at, window.fix_available_at, window.detected_at)
    return Span(
        since=min(start for start in starts if start is not None),
        detected_at=window.detected_at,
        severity=window.severity,
        closed_at=window.closed_at,
        method=window.method,
        tool=window.tool,
        boot_id=window.boot_id,
        gaps=tuple(_gaps(window)),
        due_at=window.due_at,
        policy=window.policy,
    )


def _gaps(window: Window) -> Iterator[Gap]:
    """What an earlier clock has more of than the next one lies between their starts."""
    unknown = window.unknown
    by_start = {
        window.disclosed_at: unknown.disclosed,
        window.fix_available_at: unknown.fix_available,
        window.detected_at: unknown.detected,
    }
    told = sorted((start, seconds) for start, seconds in by_start.items() if start is not None)
    later = [seconds for _, seconds in told[1:]] + [0.0]
    for (start, seconds), rest in zip(told, later, strict=True):
        if seconds > rest:
            yield Gap(start, start + timedelta(seconds=seconds - rest))


def new_closures(standings: Iterable[Standing], known: Mapping[ClosureKey, Collection[str]]) -> tuple[Closure, ...]:
    """The closed spans of these standings without the CVEs that are ``known`` to have been closed so: those of one host
    with an equal span together, in the order in which they closed. Hosts that share marks share those of closures."""
    found: defaultdict[tuple[str, Span], list[Marks]] = defaultdict(list)
    dated = _Dated()
    for standing in standings:
        for index, span in enumerate(standing.spans):
            if span.closed_at is None:
                continue
            before = known.get((standing.host_id, span.detected_at, span.closed_at), ())
            if marks := dated.at(standing.marks, index, before):
                found[standing.host_id, span].append(marks)
    closures = (Closure(host_id=host_id, span=span, marks=_together(parts)) for (host_id, span), parts in found.items())
    return tuple(sorted(closures, key=lambda one: (one.host_id, one.span.closed_at, one.span.detected_at)))


class _Dated:
    """Marks with the dates of one window alone, made once for all hosts that share them."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], Marks] = {}

    def at(self, marks: Marks, index: int, before: Collection[str]) -> Marks:
        """Those that are not among ``before``. The marks must live as long as this does."""
        key = id(marks), index
        if key not in self._made:
            self._made[key] = tuple(
                mark._replace(disclosed=(mark.disclosed[index],), fixes=(mark.fixes[index],)) for mark in marks
            )
        return tuple(mark for mark in self._made[key] if mark.cve not in before) if before else self._made[key]


def _together(parts: Sequence[Marks]) -> Marks:
    return parts[0] if len(parts) == 1 else tuple(sorted((mark for part in parts for mark in part), key=_by_cve))


def _by_cve(mark: Mark) -> str:
    return mark.cve
